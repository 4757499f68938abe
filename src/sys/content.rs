//! What is in a file, and how to know without reading it that it is still the same.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;

/// What the file system says of a file; while it stays the same, so does the content. The time of change (ctime) is
/// part of it: no program can set it, so a file that was given its old time of modification back is still noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// The file's device and number.
    pub file: (u64, u64),
    /// Its size in bytes.
    pub size: u64,
    /// When its bytes were last written: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
    /// When its bytes or its attributes were last changed.
    pub changed: (i64, u32),
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// What is at a path, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing, or a link that leads nowhere.
    Absent,
    /// A regular file.
    File(Stamp),
    /// A directory.
    Dir,
    /// A FIFO, a socket, a device.
    Other,
}

/// Looks without opening anything.
pub fn look(path: &Path) -> io::Result<Look> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Look::File(stamp(&meta))),
        Ok(meta) if meta.is_dir() => Ok(Look::Dir),
        Ok(_) => Ok(Look::Other),
        Err(error) if leads_nowhere(&error) => Ok(Look::Absent),
        Err(error) => Err(error),
    }
}

/// Nothing is there, or a link that leads nowhere or back to itself.
fn leads_nowhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ELOOP)
}

/// A directory below which many files are looked at: a look begins there, and not at the root of the file system.
#[derive(Debug)]
pub struct Below(OwnedFd);

impl Below {
    /// Below a directory, wherever it is moved.
    pub fn of(dir: &Path) -> io::Result<Self> {
        // Nobody reads it: what is in it may be looked at even where it may not be listed.
        #[cfg(target_os = "linux")]
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(dir, flags, Mode::empty())?))
    }

    /// Looks as [`look`] does; an empty path is the directory itself.
    pub fn look(&self, path: &str) -> io::Result<Look> {
        let path = if path.is_empty() { "." } else { path };
        match rustix::fs::statat(&self.0, path, AtFlags::empty()) {
            Ok(stat) => Ok(match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => Look::File(of_stat(&stat)),
                FileType::Directory => Look::Dir,
                _ => Look::Other,
            }),
            // A link that leads back to itself leads nowhere.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
                Ok(Look::Absent)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The digest of a regular file's bytes, read piece by piece, with the stamp that it had before and after. A file
/// that is written on meanwhile is read again; one that never rests is an error of kind `ResourceBusy`.
pub fn digest(path: &Path) -> io::Result<(Stamp, Digest)> {
    for _ in 0..3 {
        // O_NONBLOCK: opening a FIFO that took the file's place returns instead of waiting for a writer.
        let mut file =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
        let before = file.metadata()?;
        if !before.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let digest = of_file(&mut file, before.len())?;
        let (before, after) = (stamp(&before), stamp(&file.metadata()?));
        if before == after {
            return Ok((after, digest));
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "it changes while it is read"))
}

/// Files are read by so many bytes at once.
const PIECE: usize = 64 * 1024;

fn of_file(file: &mut File, size: u64) -> io::Result<Digest> {
    let mut hasher = Digest::begin();
    // No more than is needed for a small file: most are.
    let mut buffer = vec![0; usize::try_from(size).map_or(PIECE, |size| size.saturating_add(1).min(PIECE))];
    let mut done = 0;
    loop {
        let count = file.read(&mut buffer)?;
        hasher.add(&buffer[..count]);
        done += count as u64;
        // What is longer than it was has another stamp afterwards; there are files without a size, which have an end.
        if count == 0 || done == size {
            return Ok(hasher.end());
        }
    }
}

fn stamp(meta: &Metadata) -> Stamp {
    Stamp {
        file: (meta.dev(), meta.ino()),
        size: meta.size(),
        modified: (meta.mtime(), meta.mtime_nsec() as u32),
        changed: (meta.ctime(), meta.ctime_nsec() as u32),
        executable: meta.mode() & 0o100 != 0,
    }
}

/// As [`stamp`] has it. The fields have other types on other systems.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion)]
fn of_stat(stat: &rustix::fs::Stat) -> Stamp {
    Stamp {
        file: (stat.st_dev as u64, stat.st_ino as u64),
        size: stat.st_size as u64,
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        executable: stat.st_mode & 0o100 != 0,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_digest_is_that_of_the_bytes_and_links_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = vec![7; 200_000];
        fs::write(dir.path().join("a"), &bytes).unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("b")).unwrap();
        let (stamp, found) = digest(&dir.path().join("b")).unwrap();
        assert_eq!(found, Digest::of(&bytes));
        assert_eq!(look(&dir.path().join("a")).unwrap(), Look::File(stamp));
    }

    #[test]
    fn what_is_no_file_is_said_and_never_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("fifo")).status();
        assert!(made.unwrap().success());
        assert_eq!(look(&dir.path().join("fifo")).unwrap(), Look::Other);
        assert!(digest(&dir.path().join("fifo")).is_err());
        assert_eq!(look(&dir.path().join("fifo/x")).unwrap(), Look::Absent);
        assert_eq!(look(dir.path()).unwrap(), Look::Dir);
    }

    #[test]
    fn a_look_below_a_directory_is_the_same_look() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("d")).unwrap();
        fs::write(dir.path().join("d/a"), "one").unwrap();
        std::os::unix::fs::symlink("d/a", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink("loop", dir.path().join("loop")).unwrap();
        let below = Below::of(dir.path()).unwrap();
        for path in ["", "d", "d/a", "link", "loop", "gone", "d/a/x", "/dev/null"] {
            let (one, other) = (below.look(path), look(&dir.path().join(path)));
            assert_eq!(one.as_ref().ok(), other.as_ref().ok(), "{path}");
            assert_eq!(one.err().map(|error| error.to_string()), other.err().map(|error| error.to_string()));
        }
        assert!(Below::of(&dir.path().join("d/a")).is_err());
    }
}
