//! What a caller asks for, and what can stand at a path.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::path::HomePath;

/// One thing that should be in the home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub path: HomePath,
    /// What.
    pub kind: EntryKind,
    /// Who asked for it, for messages: a profile's name, `devboot` for its own files.
    pub origin: String,
    /// devboot's own file: rewritten without asking whatever it holds now.
    pub generated: bool,
    /// A command that reads the whole new file on its standard input and exits with 0 if it is well formed;
    /// empty for no check.
    pub check: Vec<String>,
    /// It holds no code from outside, only quoted data: the check may judge it in one text with others of its kind.
    pub own: bool,
}

/// The forms an entry can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A whole file.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// Some lines of ours, between markers, in a file that is not ours.
    Block(Block),
    /// A symbolic link holding this text.
    Symlink(String),
    /// A directory.
    Dir,
    /// Nothing may stand there.
    Absent,
}

/// A managed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The name in the markers, unique in its file.
    pub id: String,
    /// Where a new block goes. A block that is already there stays where it is.
    pub position: Position,
    /// The start of a comment line in this file's language: `#` or `"`.
    pub comment: String,
    /// The lines between the markers, each ended by a line feed.
    pub body: String,
}

/// Where a new block goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before everything else (but after a `#!` line or a line with a byte-order mark).
    Top,
    /// After everything else.
    Bottom,
}

/// What the ledger files an entry under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Key {
    /// The path, as the entry named it.
    pub path: HomePath,
    /// The block's name; `None` for everything that is a path as a whole.
    pub block: Option<String>,
}

/// What stands at a path, bytes included.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// A symbolic link and its text.
    Symlink(String),
    /// A directory.
    Dir,
}

/// What stands at a path, with a digest for the bytes: the form that is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// Its permission bits.
        mode: u32,
        /// When it was last changed, to give it that time again: seconds and nanoseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        modified: Option<(i64, u32)>,
    },
    /// A symbolic link and its text.
    Symlink(String),
    /// A directory.
    Dir,
}

impl Entry {
    /// What the ledger files this entry under.
    pub fn key(&self) -> Key {
        let block = match &self.kind {
            EntryKind::Block(block) => Some(block.id.clone()),
            _ => None,
        };
        Key { path: self.path.clone(), block }
    }
}

impl Content {
    /// The form that is kept on disk, without a time of change.
    pub fn state(&self) -> State {
        match self {
            Content::Absent => State::Absent,
            Content::File { bytes, mode } => {
                State::File { digest: Digest::of(bytes), mode: *mode, modified: None }
            }
            Content::Symlink(to) => State::Symlink(to.clone()),
            Content::Dir => State::Dir,
        }
    }

    /// The bytes of a file, nothing for everything else.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Content::File { bytes, .. } => bytes,
            _ => &[],
        }
    }
}

impl State {
    /// Whether both are the same thing, times of change aside.
    pub fn matches(&self, other: &State) -> bool {
        match (self, other) {
            (State::File { digest: a, mode: m, .. }, State::File { digest: b, mode: n, .. }) => {
                a == b && m == n
            }
            _ => self == other,
        }
    }
}

impl fmt::Debug for Content {
    /// Without the bytes: they may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.state())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.block {
            Some(block) => write!(f, "{} [{block}]", self.path),
            None => write!(f, "{}", self.path),
        }
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        match key.block {
            // A control character cannot be in a path, so it parts the two without doubt.
            Some(block) => format!("{}\u{1}{block}", key.path.as_str()),
            None => key.path.as_str().to_owned(),
        }
    }
}

impl TryFrom<String> for Key {
    type Error = crate::base::path::BadHomePath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (path, block) = match text.split_once('\u{1}') {
            Some((path, block)) => (path, Some(block.to_owned())),
            None => (text.as_str(), None),
        };
        Ok(Self { path: HomePath::parse(path)?, block })
    }
}
