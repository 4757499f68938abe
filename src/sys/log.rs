//! Logs of child processes: private, at the end of what is there, and bounded.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// What a log holds from a byte on; nothing where there is no more.
pub fn read_from(path: &Path, offset: u64) -> io::Result<Vec<u8>> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(2 * LOG).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How large a log may grow; a run that prints for ever must not fill the disk.
pub const LOG: u64 = 16 << 20;

/// A log that stays within [`LOG`].
pub struct Log {
    file: File,
    left: u64,
    trouble: Option<io::Error>,
}

impl Log {
    /// Writes what still fits; a log that can no longer be written is no reason to stop.
    pub fn write(&mut self, bytes: &[u8]) {
        if self.left == 0 {
            return;
        }
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
        self.left -= count as u64;
        let mut result = self.file.write_all(&bytes[..count]);
        if self.left == 0 {
            let last = format!("\n[the log ends here: it has reached {} MB]\n", LOG >> 20);
            result = result.and_then(|()| self.file.write_all(last.as_bytes()));
        }
        if let Err(error) = result {
            self.left = 0;
            self.trouble = Some(error);
        }
    }

    /// Why it ends before its time: a full disk, as a rule.
    pub fn trouble(&self) -> Option<&io::Error> {
        self.trouble.as_ref()
    }

    /// Opens it at its end, its directory made where it is missing; what it has already counts. A symbolic link in its
    /// place is an error.
    pub fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)?;
        let left = LOG.saturating_sub(file.metadata()?.len());
        Ok(Self { file, left, trouble: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{CommandSpec, run};

    #[test]
    fn a_log_is_bounded_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let spec = CommandSpec::new("head").args(["-c", "20000000", "/dev/zero"]);
        run(&spec.log(&log)).unwrap();
        let bytes = std::fs::read(&log).unwrap();
        assert!(bytes.ends_with(b"\n[the log ends here: it has reached 16 MB]\n"));
        assert!((bytes.len() as u64) < LOG + 100);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_ends_a_log_and_nothing_else() {
        let mut log = Log::open(Path::new("/dev/full")).unwrap();
        assert!(log.trouble().is_none());
        log.write(b"x");
        log.write(b"y");
        assert_eq!(log.trouble().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join("log")).unwrap();
        assert!(Log::open(&dir.path().join("log")).is_err());
    }
}
