//! What setup remembers besides the ledger: which profiles were chosen, what it cloned and made, how the tests
//! ended, what waits for the network. `setup.json` in the state directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::path::HomePath;
use crate::base::time::Timestamp;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

/// The version of the file's format.
const FORMAT: u32 = 1;

/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// The memory of setup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of the format.
    pub format: u32,
    /// The profiles that were asked for last, as they were written on the command line.
    pub profiles: Vec<String>,
    /// Clones that setup made, by where they are.
    #[serde(default)]
    pub clones: BTreeMap<HomePath, CloneRecord>,
    /// Directories that were made to hold clones and are no entries of the home; they go when they are empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub dirs: BTreeSet<HomePath>,
    /// Starters that setup laid out, by where they are.
    #[serde(default)]
    pub starters: BTreeMap<HomePath, StarterRecord>,
    /// Python environments, by repository or starter.
    #[serde(default)]
    pub environments: BTreeMap<String, EnvironmentRecord>,
    /// How tests ended, by repository or starter.
    #[serde(default)]
    pub tests: BTreeMap<String, TestRecord>,
    /// What waits for the network or for another reason, and why.
    #[serde(default)]
    pub postponed: BTreeMap<String, String>,
    /// What failed last time, and why.
    #[serde(default)]
    pub failed: BTreeMap<String, String>,
    /// The service is wanted.
    #[serde(default)]
    pub service_wanted: bool,
    /// What was installed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceRecord>,
    /// When setup last changed something.
    #[serde(default)]
    pub finished: Option<Timestamp>,
}

/// A clone that setup made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloneRecord {
    /// Its name in the profile.
    pub name: String,
    /// Where it came from, without credentials.
    pub url: String,
    /// The commit that was checked out; `None` while it is being made, so that a setup that is killed leaves no
    /// clone of unknown origin.
    pub commit: Option<String>,
    /// A kit, not a project.
    pub kit: bool,
    /// The command that runs its tests, when the profile gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
}

/// A starter that setup laid out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StarterRecord {
    /// Its name.
    pub name: String,
    /// The digests of its files as they were written.
    pub files: BTreeMap<String, Digest>,
}

/// What was installed for the service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRecord {
    /// Who starts it: `systemd`, `launchd` or `hook`.
    pub starter: String,
    /// The files, with the digests that they were written with.
    pub files: BTreeMap<HomePath, Digest>,
    /// The symbolic links, with their text.
    pub links: BTreeMap<HomePath, String>,
}

/// A project's Python environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentRecord {
    /// Where it is.
    pub dir: PathBuf,
    /// The interpreter it was made with: its program,
    pub program: PathBuf,
    /// its version,
    pub version: String,
    /// and what it runs on.
    pub platform: String,
    /// The link that the project's alias activates it by.
    #[serde(default)]
    pub link: Option<HomePath>,
}

/// How a project's tests ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestRecord {
    /// What was tested: the commit, or the digest of a starter's files.
    pub of: String,
    /// The verdict's kind, a stable word such as `passed` or `no-test-ran`.
    pub verdict: String,
    /// The verdict in words.
    pub summary: String,
    /// The full log.
    pub log: PathBuf,
}

/// The record cannot be used.
#[derive(Debug)]
pub enum RecordError {
    /// Reading or writing failed.
    Io(PathBuf, io::Error),
    /// It cannot be understood.
    Damaged(PathBuf, String),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Io(path, _) => write!(f, "cannot use {}", path.display()),
            RecordError::Damaged(path, why) => write!(f, "{} is damaged: {why}", path.display()),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecordError::Io(_, error) => Some(error),
            RecordError::Damaged(..) => None,
        }
    }
}

impl Diagnose for RecordError {
    fn kind(&self) -> ErrorKind {
        match self {
            RecordError::Io(..) => ErrorKind::Failed,
            RecordError::Damaged(..) => ErrorKind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            RecordError::Io(..) => Vec::new(),
            RecordError::Damaged(path, _) => {
                vec![format!("move {} away to start afresh: clones will then count as yours", path.display())]
            }
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            format: FORMAT,
            profiles: Vec::new(),
            clones: BTreeMap::new(),
            dirs: BTreeSet::new(),
            starters: BTreeMap::new(),
            environments: BTreeMap::new(),
            tests: BTreeMap::new(),
            postponed: BTreeMap::new(),
            failed: BTreeMap::new(),
            service_wanted: false,
            service: None,
            finished: None,
        }
    }
}

impl Record {
    /// The record in a state directory; an empty one when there is none.
    pub fn load(system: &dyn ReadSystem, state: &Path) -> Result<Self, RecordError> {
        let path = state.join("setup.json");
        match system.read(&path, LARGEST) {
            Ok(bytes) => {
                let record: Self = serde_json::from_slice(&bytes)
                    .map_err(|e| RecordError::Damaged(path.clone(), e.to_string()))?;
                if record.format > FORMAT {
                    return Err(RecordError::Damaged(path, "it was written by a newer devboot".into()));
                }
                Ok(record)
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Self::default())
            }
            Err(error) => Err(RecordError::Io(path, error)),
        }
    }

    /// Notes which directories above `path` are about to be made, so that uninstall knows them.
    pub fn note_dirs(&mut self, system: &dyn ReadSystem, home: &Path, path: &Path) {
        for dir in path.ancestors().skip(1).take_while(|dir| *dir != home) {
            let inside = dir.strip_prefix(home).ok().and_then(Path::to_str);
            if let Some(Ok(inside)) = inside.map(HomePath::parse)
                && matches!(system.meta(dir), Ok(None))
            {
                self.dirs.insert(inside);
            }
        }
    }

    /// Takes away the directories above `path` that were made, as far as they are empty.
    pub fn forget_dirs(&mut self, system: &dyn WriteSystem, home: &Path, path: &HomePath) {
        let at = path.under(home);
        for dir in at.ancestors().skip(1).take_while(|dir| *dir != home) {
            let inside = dir.strip_prefix(home).ok().and_then(Path::to_str).map(HomePath::parse);
            let Some(Ok(inside)) = inside else { return };
            if !self.dirs.contains(&inside) || system.remove_dir(dir).is_err() {
                return;
            }
            self.dirs.remove(&inside);
        }
    }

    /// Writes the record if it differs from `before`.
    pub fn save(&self, system: &dyn WriteSystem, state: &Path, before: &Self) -> Result<(), RecordError> {
        if self == before {
            return Ok(());
        }
        let path = state.join("setup.json");
        let bytes =
            serde_json::to_vec_pretty(self).map_err(|e| RecordError::Damaged(path.clone(), e.to_string()))?;
        replace(system, &path, &bytes, 0o600).map_err(|error| RecordError::Io(path, error))
    }
}
