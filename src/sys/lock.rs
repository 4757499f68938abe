//! One writer at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// A lock on a file, held until dropped; the file keeps the holder's process id for messages.
#[derive(Debug)]
pub struct Lock {
    file: File,
    made: Option<PathBuf>,
}

/// Why a lock was not had.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it: its process id, when it could be read.
    Held(Option<u32>),
    /// The file could not be opened or locked.
    Io(io::Error),
}

impl Lock {
    /// Takes the lock at `path`, or says at once who has it. The directory must exist.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let mut file = open(path).map_err(LockError::Io)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                write_pid(&mut file).map_err(LockError::Io)?;
                Ok(Self { file, made: None })
            }
            Err(Errno::WOULDBLOCK) => Err(LockError::Held(read_pid(&mut file))),
            // SMB shares and some FUSE mounts have no flock; there a file that only one can create stands in.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => Self::by_creation(path),
            Err(error) => Err(LockError::Io(error.into())),
        }
    }

    /// Takes the lock at `path`, after at most `limit` when another process has it.
    pub fn take_within(path: &Path, limit: Duration) -> Result<Self, LockError> {
        let holder = match Self::take(path) {
            Err(LockError::Held(holder)) => holder,
            result => return result,
        };
        let file = open(path).map_err(LockError::Io)?;
        match wait(file, limit) {
            // Held from here on: let go of and taken again, it would go to whoever is quicker.
            Some(mut file) => {
                write_pid(&mut file).map_err(LockError::Io)?;
                Ok(Self { file, made: None })
            }
            None => Err(LockError::Held(holder)),
        }
    }

    /// Waits for the lock on a directory for at most `limit`; `None` where directories cannot be locked.
    pub fn of_dir_within(path: &Path, limit: Duration) -> Result<Option<Self>, LockError> {
        match Self::try_dir(path) {
            Err(LockError::Held(_)) => {}
            result => return result,
        }
        let file = File::open(path).map_err(LockError::Io)?;
        match wait(file, limit) {
            Some(file) => Ok(Some(Self { file, made: None })),
            None => Err(LockError::Held(None)),
        }
    }

    /// Who holds the lock at `path`: `Some` when someone does, with the process id where it is known.
    pub fn holder(path: &Path) -> Option<Option<u32>> {
        let mut file = File::open(path).ok()?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => Some(read_pid(&mut file)),
            _ => None,
        }
    }

    /// Waits for the lock on a directory, for acts of a few milliseconds before there is a file to lock. `None`
    /// where directories cannot be locked.
    pub fn of_dir(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).ok()?;
        Some(Self { file, made: None })
    }

    /// Takes the lock on a directory, or says at once that another process has it; `None` where directories cannot be
    /// locked.
    pub fn try_dir(path: &Path) -> Result<Option<Self>, LockError> {
        let file = File::open(path).map_err(LockError::Io)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file, made: None })),
            Err(Errno::WOULDBLOCK) => Err(LockError::Held(None)),
            Err(_) => Ok(None),
        }
    }

    /// Whether what is locked is what is at `path` now.
    pub fn is_still_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let id = |meta: io::Result<fs::Metadata>| meta.ok().map(|meta| (meta.dev(), meta.ino()));
        let ours = id(self.file.metadata());
        ours.is_some() && ours == id(fs::symlink_metadata(path))
    }

    fn by_creation(path: &Path) -> Result<Self, LockError> {
        let made = path.with_extension("held");
        for _ in 0..2 {
            let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&made);
            match created {
                Ok(mut file) => {
                    write_pid(&mut file).map_err(LockError::Io)?;
                    return Ok(Self { file, made: Some(made) });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let holder = File::open(&made).ok().and_then(|mut file| read_pid(&mut file));
                    if holder.is_some_and(is_alive) {
                        return Err(LockError::Held(holder));
                    }
                    fs::remove_file(&made).map_err(LockError::Io)?;
                }
                Err(error) => return Err(LockError::Io(error)),
            }
        }
        Err(LockError::Held(None))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would not do: a process that was forked meanwhile has the file open, too.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
        if let Some(made) = &self.made {
            let _ = fs::remove_file(made);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
}

/// The file once its lock is ours; `None` when `limit` has passed. The wait itself goes on in a thread until then.
fn wait(file: File, limit: Duration) -> Option<File> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        if rustix::fs::flock(&file, FlockOperation::LockExclusive).is_ok() {
            let _ = sender.send(file);
        }
    });
    receiver.recv_timeout(limit).ok()
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    // A full disk must not keep anyone from undoing: the process id is only for messages.
    match write!(file, "{}", std::process::id()) {
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
        result => result,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_alive(pid: u32) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return false };
    !matches!(rustix::process::test_kill_process(pid), Err(Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_taker_learns_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path).unwrap();
        match Lock::take(&path) {
            Err(LockError::Held(Some(pid))) => assert_eq!(pid, std::process::id()),
            other => panic!("{other:?}"),
        }
        drop(first);
        Lock::take(&path).unwrap();
    }

    #[test]
    fn a_wait_ends_with_the_lock_or_with_the_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path).unwrap();
        assert_eq!(Lock::holder(&path), Some(Some(std::process::id())));
        assert!(matches!(
            Lock::take_within(&path, Duration::from_millis(20)),
            Err(LockError::Held(Some(pid))) if pid == std::process::id()
        ));
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Lock::take_within(&path, Duration::from_secs(60)).map(drop)
        });
        drop(first);
        waiting.join().unwrap().unwrap();
        assert_eq!(Lock::holder(&path), None);
        let whole = Lock::of_dir(dir.path()).unwrap();
        assert!(Lock::of_dir_within(dir.path(), Duration::from_millis(20)).is_err());
        drop(whole);
        assert!(Lock::of_dir_within(dir.path(), Duration::from_secs(60)).unwrap().is_some());
    }

    #[test]
    fn all_who_wait_have_it_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path).unwrap();
        let waiting: Vec<_> = (0..16)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || Lock::take_within(&path, Duration::from_secs(60)).map(drop))
            })
            .collect();
        drop(first);
        waiting.into_iter().for_each(|one| one.join().unwrap().unwrap());
    }

    #[test]
    fn the_stand_in_for_flock_admits_one_and_survives_a_dead_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::by_creation(&path).unwrap();
        assert!(matches!(Lock::by_creation(&path), Err(LockError::Held(Some(_)))));
        drop(first);
        fs::write(path.with_extension("held"), "2147483646").unwrap();
        Lock::by_creation(&path).unwrap();
    }
}
