//! Copies of files that are known by their bytes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use crate::base::digest::Digest;

/// Copies a regular file to a new one with these permission bits, sharing its blocks where the file system can, and
/// returns the digest of what the copy holds. The copy is never the file itself: a later write to one leaves the other
/// as it is. Symbolic links, and what has the new name already, are errors; after an error nothing is left.
pub fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<Digest> {
    // O_NONBLOCK: opening a FIFO that took the file's place returns instead of waiting for a writer.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let mut source = OpenOptions::new().read(true).custom_flags(flags).open(from)?;
    if !source.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut target = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(to)?;
    let done = fill(&mut source, &mut target).and_then(|digest| {
        let mode = rustix::fs::Mode::from_raw_mode(mode as rustix::fs::RawMode);
        rustix::fs::fchmod(&target, mode)?;
        Ok(digest)
    });
    if done.is_err() {
        let _ = std::fs::remove_file(to);
    }
    done
}

fn fill(source: &mut File, target: &mut File) -> io::Result<Digest> {
    #[cfg(target_os = "linux")]
    if rustix::fs::ioctl_ficlone(&*target, &*source).is_ok() {
        return stream(target, &mut io::sink());
    }
    stream(source, target)
}

fn stream(source: &mut File, target: &mut impl Write) -> io::Result<Digest> {
    let mut hasher = Digest::begin();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match source.read(&mut buffer)? {
            0 => return Ok(hasher.end()),
            count => {
                hasher.add(&buffer[..count]);
                target.write_all(&buffer[..count])?;
            }
        }
    }
}

/// Marks a file as used now.
pub fn touch(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?
        .set_modified(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_copy_is_apart_from_its_original() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        let bytes = vec![5; 600_000];
        fs::write(&a, &bytes).unwrap();
        assert_eq!(copy(&a, &b, 0o640).unwrap(), Digest::of(&bytes));
        fs::write(&a, "other").unwrap();
        assert_eq!(fs::read(&b).unwrap(), bytes);
        assert_eq!(fs::metadata(&b).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_eq!(copy(&a, &b, 0o600).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&b).unwrap(), bytes);
    }

    #[test]
    fn links_and_specials_are_not_copied() {
        let dir = tempfile::tempdir().unwrap();
        let (link, to) = (dir.path().join("link"), dir.path().join("to"));
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        assert!(copy(&link, &to, 0o600).is_err());
        assert!(copy(dir.path(), &to, 0o600).is_err());
        assert!(!to.exists());
    }
}
