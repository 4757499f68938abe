//! A directory that nobody else knows yet, filled with files: directories are entered by descriptor and no link
//! is followed, so a name cannot lead out of it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, mkdirat, open, openat, statat, symlinkat};

/// What the system says of a file that was just written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Last change of what is known about it: seconds and nanoseconds since 1970.
    pub changed: (i64, u32),
    /// Last change of its content, likewise.
    pub modified: (i64, u32),
    /// The device it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Its size in bytes.
    pub size: u64,
}

/// A tree that is being filled. The umask decides about permissions.
pub struct FreshTree {
    top: OwnedFd,
    /// The directory that was written to last, from the top down.
    open: Vec<(Vec<u8>, OwnedFd)>,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl FreshTree {
    /// Opens the directory that is to be filled.
    pub fn open(top: &Path) -> io::Result<Self> {
        Ok(Self { top: open(top, DIRECTORY, Mode::empty())?, open: Vec::new() })
    }

    /// Makes a file with these bytes. Nothing may have its name yet; its directories are made. Cheap when the
    /// paths come in order.
    pub fn file(&mut self, path: &[u8], bytes: &[u8], executable: bool) -> io::Result<Stamp> {
        let (dir, name) = self.enter(path)?;
        let mode = Mode::from_raw_mode(if executable { 0o777 } else { 0o666 });
        let mut file = File::from(openat(dir, name, NEW_FILE, mode)?);
        file.write_all(bytes)?;
        Ok(stamp(&fstat(&file)?))
    }

    /// Makes a symbolic link; like [`FreshTree::file`].
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> io::Result<Stamp> {
        let (dir, name) = self.enter(path)?;
        symlinkat(target, dir, name)?;
        Ok(stamp(&statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// The directory of a path, made where it is missing, and the last part of the path.
    fn enter<'p>(&mut self, path: &'p [u8]) -> io::Result<(&OwnedFd, &'p [u8])> {
        let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        if parts.iter().any(|part| matches!(*part, b"" | b"." | b"..")) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a path below the top"));
        }
        let name = parts.pop().unwrap_or_default();
        let same = self.open.iter().zip(&parts).take_while(|((open, _), part)| open == *part).count();
        self.open.truncate(same);
        for part in &parts[same..] {
            let above = self.open.last().map_or(&self.top, |(_, dir)| dir);
            match mkdirat(above, *part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let dir = openat(above, *part, DIRECTORY, Mode::empty())?;
            self.open.push((part.to_vec(), dir));
        }
        Ok((self.open.last().map_or(&self.top, |(_, dir)| dir), name))
    }
}

/// The fields have other types on other systems.
#[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
fn stamp(stat: &Stat) -> Stamp {
    Stamp {
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as u32),
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as u32),
        device: stat.st_dev as u64,
        inode: stat.st_ino as u64,
        uid: stat.st_uid as u32,
        gid: stat.st_gid as u32,
        size: stat.st_size as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn files_links_and_their_directories_are_made() {
        let dir = tempfile::tempdir().unwrap();
        let mut tree = FreshTree::open(dir.path()).unwrap();
        let plain = tree.file(b"a/b/plain", b"12345", false).unwrap();
        tree.file(b"a/c/run", b"", true).unwrap();
        tree.file(b"a/b/late \xff", b"x", false).unwrap();
        tree.link(b"a/link", b"b/plain").unwrap();
        assert_eq!((plain.size, plain.modified.0 > 0), (5, true));
        assert_eq!(fs::read(dir.path().join("a/link")).unwrap(), b"12345");
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode();
        assert_eq!((mode("a/b/plain") & 0o100, mode("a/c/run") & 0o100), (0, 0o100));
        assert_eq!(fs::read_dir(dir.path().join("a/b")).unwrap().count(), 2);
    }

    #[test]
    fn nothing_is_replaced_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        fs::create_dir(&top).unwrap();
        fs::write(dir.path().join("outside"), "mine").unwrap();
        let mut tree = FreshTree::open(&top).unwrap();
        tree.link(b"file", b"../outside").unwrap();
        tree.link(b"dir", b"..").unwrap();
        for path in [&b"file"[..], b"dir/outside", b"dir/new", b"../new", b"/new", b"", b"file/x"] {
            assert!(tree.file(path, b"theirs", false).is_err(), "{path:?}");
        }
        assert_eq!(fs::read(dir.path().join("outside")).unwrap(), b"mine");
        assert!(!dir.path().join("new").exists());
    }
}
