//! Logs of child processes: private, at the end of what is there, and bounded.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::base::text::size;

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
/// How much of that is the end, where a summary stands.
const TAIL: usize = 1 << 20;

/// A log that is full keeps so much of the ends of those who write into it later.
const MORE: u64 = 4 << 20;
/// How long a line may be to be left out as a whole.
const LINE: usize = 64 << 10;

/// A log that stays within [`LOG`] and `MORE`: what does not fit is left out before its end, which is written when the log is closed.
pub struct Log {
    file: File,
    /// How much of its beginning is still to come.
    left: u64,
    /// How much of its end is kept.
    most: usize,
    /// The last that came after it.
    tail: VecDeque<u8>,
    /// How much came between the two.
    skipped: u64,
    trouble: Option<io::Error>,
}

impl Log {
    /// Writes; a log that can no longer be written is no reason to stop.
    pub fn write(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len()));
        self.left -= head.len() as u64;
        self.put(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.most);
        self.tail.drain(..over);
        self.skipped += over as u64;
    }

    /// Writes its end.
    pub fn close(&mut self) {
        let mut tail = Vec::from(std::mem::take(&mut self.tail));
        if self.skipped > 0 {
            // Not from the middle of a line, unless it has no end for long.
            let cut = tail.iter().take(LINE).position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            self.skipped += cut as u64;
            tail.drain(..cut);
            self.put(format!("\n[{} are left out here]\n", size(self.skipped)).as_bytes());
            self.skipped = 0;
        }
        self.put(&tail);
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.trouble.is_none() {
            self.trouble = self.file.write_all(bytes).err();
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
        let there = file.metadata()?.len();
        let left = (LOG - TAIL as u64).saturating_sub(there);
        let most = if there < LOG + MORE { TAIL } else { 0 };
        Ok(Self { file, left, most, tail: VecDeque::new(), skipped: 0, trouble: None })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{CommandSpec, run};

    #[test]
    fn a_log_is_bounded_and_keeps_its_beginning_and_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = "echo first; yes aaaaaaaaaaaaaaa | head -c 30000000; echo 7 failed, 1 passed";
        run(&CommandSpec::new("sh").args(["-c", script]).log(&log)).unwrap();
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.starts_with("first\n") && text.ends_with("a\n7 failed, 1 passed\n"));
        assert!(text.contains("\n[13 MB are left out here]\na"), "{}", text.len());
        assert!(text.len() as u64 <= LOG + 100);
    }

    #[test]
    fn a_log_that_just_fits_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Log::open(&path).unwrap();
        let bytes: Vec<u8> = (0..LOG).map(|at| at as u8).collect();
        bytes.chunks(7_777).for_each(|part| log.write(part));
        drop(log);
        assert!(std::fs::read(&path).unwrap() == bytes);
        // Another attempt goes on in it, and its end is kept.
        let mut log = Log::open(&path).unwrap();
        log.write(b"more");
        log.close();
        assert!(std::fs::read(&path).unwrap().ends_with(b"more") && log.trouble().is_none());
        for _ in 0..10 {
            Log::open(&path).unwrap().write(&bytes);
        }
        assert!(std::fs::metadata(&path).unwrap().len() < LOG + MORE + 2 * TAIL as u64);
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
