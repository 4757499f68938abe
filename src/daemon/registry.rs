//! Which projects the service keeps: `projects.json` in the state directory. Written by the service, or by a command that
//! holds the service's seat. A shell looks whether the file is there: without projects it is not.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

/// The version of the file's format.
const FORMAT: u32 = 1;

/// The largest file that is read.
const LARGEST: u64 = 16 << 20;

/// The most projects of one user.
pub const MOST: usize = 200;

/// The projects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// The version of the format.
    pub format: u32,
    /// By directory: absolute, links followed.
    pub projects: BTreeMap<String, Registered>,
}

/// A project.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// When it was added.
    pub added: Timestamp,
    /// The environment that its stages begin with.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registered({}, {} variables)", self.added, self.env.len())
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self { format: FORMAT, projects: BTreeMap::new() }
    }
}

/// The registry cannot be used.
#[derive(Debug)]
pub enum RegistryError {
    /// Reading or writing failed.
    Io(PathBuf, io::Error),
    /// It was written by a newer devboot.
    Newer(PathBuf, u32),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Io(path, _) | Self::Newer(path, _)) = self;
        let path = printable(&path.to_string_lossy());
        match self {
            Self::Io(..) => write!(f, "cannot use {path}"),
            Self::Newer(_, format) => write!(f, "{path} was written by a newer devboot (format {format})"),
        }
    }
}

impl std::error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Newer(..) => None,
        }
    }
}

impl Diagnose for RegistryError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(..) => ErrorKind::Failed,
            Self::Newer(..) => ErrorKind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Io(_, error) if error.kind() == io::ErrorKind::StorageFull => {
                vec!["free some space and run the same command again; nothing is half done".into()]
            }
            Self::Io(..) => Vec::new(),
            Self::Newer(..) => vec!["use the devboot that wrote it".into()],
        }
    }
}

const NAME: &str = "projects.json";

/// What a damaged file's name begins with once it is set aside.
const DAMAGED: &str = "projects.json.damaged";

fn path_in(state: &Path) -> PathBuf {
    state.join(NAME)
}

/// The damaged files that were set aside and are still there.
pub fn set_aside(system: &dyn ReadSystem, state: &Path) -> Vec<PathBuf> {
    let names = system.list(state).unwrap_or_default();
    let is_one = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with(DAMAGED));
    let mut found: Vec<PathBuf> = names.into_iter().filter(is_one).map(|name| state.join(name)).collect();
    found.sort();
    found
}

/// Where a damaged file goes: one that was set aside before stays.
fn aside(system: &dyn ReadSystem, state: &Path) -> io::Result<PathBuf> {
    let mut path = state.join(DAMAGED);
    let mut number = 1;
    while system.meta(&path)?.is_some() {
        number += 1;
        path = state.join(format!("{DAMAGED}-{number}"));
    }
    Ok(path)
}

/// A registry as it was found, and what had to be done to read it.
#[derive(Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The registry.
    pub registry: Registry,
    /// What to say: a damaged file was set aside.
    pub said: Option<String>,
}

impl Registry {
    /// Reads the registry of a state directory. A damaged file is set aside, and an empty registry takes its place.
    pub fn load(system: &dyn WriteSystem, state: &Path) -> Result<Loaded, RegistryError> {
        let path = path_in(state);
        match Self::read(system, state)? {
            Ok(registry) => Ok(Loaded { registry, said: None }),
            Err(why) => {
                let unusable = |error| RegistryError::Io(path.clone(), error);
                let aside = aside(system, state).map_err(unusable)?;
                system.rename(&path, &aside).map_err(unusable)?;
                let (path, aside) = (path.display(), aside.display());
                let said = format!("{path} was damaged ({why}): it is {aside} now; add the projects again");
                Ok(Loaded { registry: Self::default(), said: Some(printable(&said)) })
            }
        }
    }

    /// Reads the registry and changes nothing; the inner error says how it is damaged.
    pub fn read(system: &dyn ReadSystem, state: &Path) -> Result<Result<Self, String>, RegistryError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let path = path_in(state);
        let bytes = match system.read(&path, LARGEST) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Ok(Self::default()));
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Ok(Err(error.to_string())),
            Err(error) => return Err(RegistryError::Io(path, error)),
        };
        // The head is read first: a newer format may have fields that would otherwise look like damage.
        match serde_json::from_slice::<Head>(&bytes) {
            Ok(head) if head.format > FORMAT => return Err(RegistryError::Newer(path, head.format)),
            _ => {}
        }
        Ok(serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
    }

    /// Writes the registry; one without projects leaves no file.
    pub fn save(&self, system: &dyn WriteSystem, state: &Path) -> Result<(), RegistryError> {
        let path = path_in(state);
        let done = if self.projects.is_empty() {
            system.remove_file(&path)
        } else {
            serde_json::to_vec_pretty(self)
                .map_err(io::Error::other)
                .and_then(|bytes| replace(system, &path, &bytes, 0o600))
        };
        done.map_err(|error| RegistryError::Io(path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::real::RealSystem;

    #[test]
    fn what_is_written_is_read_and_an_empty_one_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let env = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
        registry.projects.insert("/p".into(), Registered { added: Timestamp(7), env });
        registry.save(&RealSystem, dir.path()).unwrap();
        let loaded = Registry::load(&RealSystem, dir.path()).unwrap();
        assert_eq!(loaded, Loaded { registry, said: None });
        Registry::default().save(&RealSystem, dir.path()).unwrap();
        assert_eq!(RealSystem.list(dir.path()).unwrap().len(), 0);
    }

    #[test]
    fn the_first_format_is_still_read() {
        let dir = tempfile::tempdir().unwrap();
        let text =
            r#"{ "format": 1, "projects": { "/p": { "added": 7, "env": {} }, "/q": { "added": 8 } } }"#;
        let attributes = crate::sys::system::Attributes { mode: 0o600, ..Default::default() };
        RealSystem.write_new(&path_in(dir.path()), text.as_bytes(), &attributes).unwrap();
        let loaded = Registry::load(&RealSystem, dir.path()).unwrap();
        assert_eq!(loaded.registry.projects.keys().collect::<Vec<_>>(), ["/p", "/q"]);
    }

    #[test]
    fn damage_is_set_aside_and_said_and_a_newer_format_is_left_alone() {
        for (text, newer) in [("{", false), ("[]", false), (r#"{"format":2,"x":1}"#, true)] {
            let dir = tempfile::tempdir().unwrap();
            let attributes = crate::sys::system::Attributes { mode: 0o600, ..Default::default() };
            RealSystem.write_new(&path_in(dir.path()), text.as_bytes(), &attributes).unwrap();
            let result = Registry::load(&RealSystem, dir.path());
            if newer {
                assert!(matches!(result, Err(RegistryError::Newer(_, 2))));
                assert!(path_in(dir.path()).starts_with(dir.path()));
                continue;
            }
            assert!(result.unwrap().said.unwrap().contains("add the projects again"));
            let aside = dir.path().join("projects.json.damaged");
            assert_eq!(RealSystem.read(&aside, 100).unwrap(), text.as_bytes());
            assert_eq!(
                Registry::load(&RealSystem, dir.path()).unwrap(),
                Loaded { registry: Registry::default(), said: None }
            );
            // Another one does not take the place of the first.
            RealSystem.write_new(&path_in(dir.path()), b"worse", &attributes).unwrap();
            assert!(Registry::load(&RealSystem, dir.path()).unwrap().said.unwrap().contains("damaged-2"));
            let second = dir.path().join("projects.json.damaged-2");
            assert_eq!(RealSystem.read(&aside, 100).unwrap(), text.as_bytes());
            assert_eq!(set_aside(&RealSystem, dir.path()), [aside, second]);
        }
    }
}
