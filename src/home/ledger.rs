//! What devboot remembers of the home: for each entry what it wrote last and what stood there before it came.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::entry::{Key, State};
use crate::base::digest::Digest;
use crate::base::path::HomePath;

/// The version of the file's format; a newer one is refused, an older one is read.
pub const FORMAT: u32 = 1;

/// The whole memory. Serialised as `ledger.json` in the state directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// One record an entry.
    pub records: BTreeMap<Key, Record>,
    /// Directories that devboot made, to be removed by `uninstall` when they are empty.
    pub dirs: BTreeSet<HomePath>,
    /// Conflicts that the user settled with "keep mine", and for which target.
    #[serde(default)]
    pub kept: BTreeMap<Key, Digest>,
}

/// What is known of one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The digest of the target that was asked for.
    pub target: Digest,
    /// What was written.
    pub written: Written,
    /// What stood there before.
    pub original: Original,
    /// devboot's own file.
    #[serde(default)]
    pub generated: bool,
}

/// What was written for an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    /// A path as a whole.
    Whole(State),
    /// A block, by the digest of its body, and how its comments start.
    Block {
        /// The digest of the lines between the markers.
        body: Digest,
        /// The start of a comment line.
        comment: String,
    },
}

/// What stood there before devboot came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Original {
    /// A path as a whole; the bytes of a file are in the store.
    Whole(State),
    /// For a block: the file around it.
    Block {
        /// The file as it was; `Absent` when devboot made it.
        file: State,
        /// A line feed was added before the block.
        gap: bool,
    },
}

impl Default for Ledger {
    fn default() -> Self {
        Self { format: FORMAT, records: BTreeMap::new(), dirs: BTreeSet::new(), kept: BTreeMap::new() }
    }
}

impl Ledger {
    /// Every digest that the store has to keep for `uninstall` and for merges.
    pub fn digests(&self) -> BTreeSet<Digest> {
        let mut found = BTreeSet::new();
        let mut note = |state: &State| {
            if let State::File { digest, .. } = state {
                found.insert(*digest);
            }
        };
        for record in self.records.values() {
            if let Original::Whole(state) = &record.original {
                note(state);
            }
            if let Written::Whole(state) = &record.written {
                note(state);
            }
        }
        found
    }
}
