//! The machine's own file system.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::system::{Attributes, FileKind, Meta, ReadSystem, WriteSystem};

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealSystem;

/// From this many files on, one flush of the whole file system takes less than one for each file.
#[cfg(target_os = "linux")]
const MANY: usize = 16;

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn meta_of(kind: FileKind, found: &fs::Metadata) -> Meta {
    Meta {
        kind,
        mode: found.mode() & 0o7777,
        size: found.size(),
        links: found.nlink(),
        uid: found.uid(),
        gid: found.gid(),
        modified: (found.mtime(), found.mtime_nsec() as u32),
    }
}

impl ReadSystem for RealSystem {
    fn meta(&self, path: &Path) -> io::Result<Option<Meta>> {
        let Some(found) = absent_is_none(fs::symlink_metadata(path))? else { return Ok(None) };
        let kind = found.file_type();
        let kind = if kind.is_file() {
            FileKind::File
        } else if kind.is_dir() {
            FileKind::Dir
        } else if kind.is_symlink() {
            FileKind::Symlink(fs::read_link(path)?)
        } else if kind.is_fifo() {
            FileKind::Other("FIFO")
        } else if kind.is_socket() {
            FileKind::Other("socket")
        } else {
            FileKind::Other("device")
        };
        Ok(Some(meta_of(kind, &found)))
    }

    fn read_with_meta(&self, path: &Path, limit: u64) -> io::Result<(Meta, Vec<u8>)> {
        // O_NONBLOCK: opening a FIFO that took the file's place returns instead of waiting for a writer.
        let mut file =
            OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let too_large = || io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes"));
        if meta.len() > limit {
            return Err(too_large());
        }
        let mut bytes = Vec::with_capacity(meta.len() as usize + 1);
        Read::by_ref(&mut file).take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            Err(too_large())
        } else {
            Ok((meta_of(FileKind::File, &meta), bytes))
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }
}

impl WriteSystem for RealSystem {
    fn write_new(&self, path: &Path, bytes: &[u8], attributes: &Attributes) -> io::Result<()> {
        // Created closed to others and opened up afterwards: no byte is readable too early.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(attributes.mode & 0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)?;
        file.write_all(bytes)?;
        if let Some(like) = &attributes.like {
            copy_extended_attributes(like, &file);
        }
        if let Some((uid, gid)) = attributes.owner {
            fchown(&file, Some(uid), Some(gid))?;
        }
        // fchmod also undoes the umask.
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(attributes.mode as rustix::fs::RawMode))?;
        if let Some((seconds, nanos)) = attributes.modified {
            file.set_modified(system_time(seconds, nanos))?;
        }
        Ok(())
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let file =
            OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)?;
        let old = file.metadata()?.len();
        let new = bytes.len() as u64;
        if new > old {
            reserve(&file, old, new - old)?;
        }
        file.write_all_at(bytes, 0)?;
        if new < old { file.set_len(new) } else { Ok(()) }
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some network file systems have no fsync for directories.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result,
        }
    }

    #[cfg(target_os = "linux")]
    fn sync_many(&self, paths: &[std::path::PathBuf]) -> io::Result<()> {
        if paths.len() < MANY {
            return paths.iter().try_for_each(|path| self.sync(path));
        }
        let mut devices = std::collections::BTreeMap::new();
        for path in paths {
            devices.entry(fs::symlink_metadata(path)?.dev()).or_insert(path);
        }
        // syncfs(2) reports errors of writing back since Linux 5.8; before that it waits all the same.
        devices.values().try_for_each(|path| Ok(rustix::fs::syncfs(File::open(path)?)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn symlink(&self, to: &Path, path: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(to, path)
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(mode).create(path)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        absent_is_none(fs::remove_file(path)).map(drop)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        absent_is_none(fs::remove_dir(path)).map(drop)
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
}

fn system_time(seconds: i64, nanos: u32) -> SystemTime {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 { SystemTime::UNIX_EPOCH - whole } else { SystemTime::UNIX_EPOCH + whole };
    base + Duration::from_nanos(u64::from(nanos))
}

/// Takes the space for `more` bytes after `at` from the disk, so that the write that follows cannot run out
/// of it. File systems without the call are left to the write itself.
fn reserve(file: &File, at: u64, more: u64) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::Errno;
        let flags = rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(file.as_fd(), flags, at, more) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file.as_fd(), at, more);
        Ok(())
    }
}

/// Best effort: an attribute that the file system or the user's rights refuse is left out.
fn copy_extended_attributes(from: &Path, to: &File) {
    let Ok(size) = rustix::fs::llistxattr(from, &mut [0_u8; 0][..]) else { return };
    let mut names = vec![0_u8; size];
    let Ok(size) = rustix::fs::llistxattr(from, &mut names[..]) else { return };
    for name in names[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(length) = rustix::fs::lgetxattr(from, name, &mut [0_u8; 0][..]) else { continue };
        let mut value = vec![0_u8; length];
        if let Ok(length) = rustix::fs::lgetxattr(from, name, &mut value[..]) {
            let _ =
                rustix::fs::fsetxattr(to.as_fd(), name, &value[..length], rustix::fs::XattrFlags::empty());
        }
    }
}

/// The path with all symbolic links followed; it must exist.
pub fn real_path(path: &Path) -> io::Result<std::path::PathBuf> {
    fs::canonicalize(path)
}
