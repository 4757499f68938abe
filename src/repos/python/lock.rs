//! The lock file of a repaired environment: the versions that worked, kept beside the environment, never in the
//! repository. It is a requirements file that people can use by hand.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::base::digest::Digest;
use crate::base::time::Timestamp;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

/// What worked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What the environment is made from; another digest makes the lock worthless.
    pub of: Digest,
    /// Nothing that was uploaded later was used.
    pub as_of: Timestamp,
    /// The versions, one `name==version` a line.
    pub packages: String,
}

const HEAD: &str = "# devboot lock 1";
const LARGEST: u64 = 1 << 20;

/// Where the lock of an environment lies, beside the environments.
pub fn path(envs: &Path, of: &Digest) -> PathBuf {
    envs.join(format!("{}.lock", of.short()))
}

impl Lock {
    /// The lock of what an environment is made from; `None` when there is none that can be used.
    pub fn load(system: &dyn ReadSystem, envs: &Path, of: &Digest) -> Option<Self> {
        let bytes = system.read(&path(envs, of), LARGEST).ok()?;
        Self::parse(&String::from_utf8(bytes).ok()?).filter(|lock| lock.of == *of)
    }

    /// Writes the lock, whole or not at all.
    pub fn save(&self, system: &dyn WriteSystem, envs: &Path) -> std::io::Result<()> {
        replace(system, &path(envs, &self.of), self.text().as_bytes(), 0o644)
    }

    /// The file's text.
    pub fn text(&self) -> String {
        format!(
            "{HEAD}\n# of {}\n# as of {} ({})\n{}\n",
            self.of,
            self.as_of.0,
            self.as_of,
            self.packages.trim()
        )
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        (lines.next()? == HEAD).then_some(())?;
        let of = Digest::from_str(lines.next()?.strip_prefix("# of ")?).ok()?;
        let as_of = lines.next()?.strip_prefix("# as of ")?.split(' ').next()?.parse().ok()?;
        let packages: Vec<&str> = lines.collect();
        // An option such as `--index-url` has no business here.
        packages.iter().all(|line| !line.starts_with('-')).then_some(())?;
        Some(Self { of, as_of: Timestamp(as_of), packages: packages.join("\n") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let packages = "flask==1.0.2\nJinja2==2.11.2".to_owned();
        Lock { of: Digest::of(b"x"), as_of: Timestamp(1_611_859_900), packages }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Lock::parse(&lock().text()), Some(lock()));
        assert!(lock().text().contains("2021-01-28T"));
    }

    #[test]
    fn what_is_damaged_or_of_something_else_is_no_lock() {
        assert_eq!(Lock::parse(""), None);
        assert_eq!(Lock::parse(&lock().text().replace("lock 1", "lock 2")), None);
        assert_eq!(Lock::parse(&format!("{}--index-url http://elsewhere\n", lock().text())), None);
        let dir = tempfile::tempdir().unwrap();
        let system = crate::sys::real::RealSystem;
        lock().save(&system, dir.path()).unwrap();
        assert_eq!(Lock::load(&system, dir.path(), &Digest::of(b"x")), Some(lock()));
        assert_eq!(Lock::load(&system, dir.path(), &Digest::of(b"y")), None);
    }
}
