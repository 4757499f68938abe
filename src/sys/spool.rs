//! A file that is written once from its beginning to its end, and read while it is not finished.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Deref;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file; it is removed with the value unless it was [kept](Spool::keep).
pub struct Spool {
    file: File,
    path: Option<PathBuf>,
}

impl Spool {
    /// Makes the file, which must not exist yet; only we may read it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)?;
        Ok(Self { file, path: Some(path.to_path_buf()) })
    }

    /// A way to read the file that does not stop it from being written.
    pub fn reader(&self) -> io::Result<SpoolReader> {
        self.file.try_clone().map(SpoolReader)
    }

    /// Gives the file its name, in the same folder, for everybody to read and nobody to write.
    pub fn keep(mut self, name: &Path) -> io::Result<()> {
        self.file.set_permissions(fs::Permissions::from_mode(0o444))?;
        if let Some(path) = &self.path {
            fs::rename(path, name)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Nothing reads it under this name; what cannot be removed goes with its folder.
            let _ = fs::remove_file(path);
        }
    }
}

/// Reads a [`Spool`].
pub struct SpoolReader(File);

impl SpoolReader {
    /// What was written so far, as memory.
    pub fn map(&self) -> io::Result<Mapped> {
        // SAFETY: the file is ours, has a name that nobody else knows, and only grows.
        unsafe { memmap2::Mmap::map(&self.0) }.map(Mapped)
    }
}

/// The bytes of a file.
pub struct Mapped(memmap2::Mmap);

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, name) = (dir.path().join("tmp"), dir.path().join("name"));
        drop(Spool::create(&path).unwrap());
        assert!(!path.exists());
        let mut spool = Spool::create(&path).unwrap();
        assert!(Spool::create(&path).is_err());
        let reader = spool.reader().unwrap();
        spool.write_all(b"12345").unwrap();
        assert_eq!(*reader.map().unwrap(), *b"12345");
        spool.keep(&name).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::metadata(&name).unwrap().permissions().mode() & 0o777, 0o444);
    }
}
