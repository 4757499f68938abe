//! The log of a program that runs for long: private, bounded, the oldest part given up first.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A log in `kept` files of at most `largest` bytes: `name`, `name.1` before it, and so on.
#[derive(Debug)]
pub struct CappedLog {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    largest: u64,
    kept: usize,
}

impl CappedLog {
    /// Opens the log at its end. Where it cannot be written, on a full disk or in a directory that is read-only, the
    /// lines are lost, and nothing else.
    pub fn open(path: &Path, largest: u64, kept: usize) -> Self {
        let mut log = Self { path: path.to_owned(), file: None, written: 0, largest, kept };
        log.reopen();
        log
    }

    fn reopen(&mut self) {
        let opened = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(&self.path);
        self.file = opened.ok();
        self.written = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |meta| meta.len());
    }

    /// Adds one line; it must hold no secret.
    pub fn line(&mut self, text: &str) {
        let line = format!("{text}\n");
        if self.written > 0 && self.written + line.len() as u64 > self.largest {
            self.turn();
        }
        if self.file.is_none() {
            self.reopen();
        }
        if let Some(file) = &mut self.file {
            match file.write_all(line.as_bytes()) {
                Ok(()) => self.written += line.len() as u64,
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
                Err(_) => self.file = None,
            }
        }
    }

    fn turn(&mut self) {
        let numbered = |number: usize| match number {
            0 => self.path.clone(),
            _ => {
                let mut name = self.path.clone().into_os_string();
                name.push(format!(".{number}"));
                PathBuf::from(name)
            }
        };
        for number in (1..self.kept).rev() {
            let _ = fs::rename(numbered(number - 1), numbered(number));
        }
        if self.kept == 1 {
            let _ = fs::remove_file(&self.path);
        }
        self.reopen();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_part_goes_and_each_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = CappedLog::open(&path, 100, 3);
        for number in 0..100 {
            log.line(&format!("line number {number}"));
        }
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["log", "log.1", "log.2"]);
        for name in names {
            use std::os::unix::fs::MetadataExt;
            let meta = fs::metadata(dir.path().join(name)).unwrap();
            assert!(meta.len() <= 100 && meta.mode() & 0o777 == 0o600);
        }
        assert!(fs::read_to_string(&path).unwrap().ends_with("line number 99\n"));
        // Another one goes on where the first stopped.
        CappedLog::open(&path, 1000, 3).line("more");
        assert!(fs::read_to_string(&path).unwrap().ends_with("line number 99\nmore\n"));
    }

    #[test]
    fn a_place_that_cannot_be_written_only_loses_lines() {
        CappedLog::open(Path::new("/nonexistent/log"), 100, 3).line("lost");
    }
}
