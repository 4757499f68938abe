//! File events of the Linux kernel, inotify(7): one queue that can be emptied at any moment, so that nobody has to wait to
//! know what has happened up to now.

use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

use super::events::{Event, Happened};

/// A queue with its watches.
#[derive(Debug)]
pub struct Inotify {
    file: OwnedFd,
    buffer: Vec<MaybeUninit<u8>>,
}

/// Events are read by so many bytes at once: about four thousand of them.
const BUFFER: usize = 256 * 1024;

impl Inotify {
    /// A new queue without watches.
    pub fn new() -> io::Result<Self> {
        let file = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { file, buffer: vec![MaybeUninit::uninit(); BUFFER] })
    }

    /// Watches a directory, not what is below it. Never for reads and opens, which would be every `grep`. A directory that
    /// is watched already keeps its watch.
    pub fn add(&self, dir: &Path) -> io::Result<i32> {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK;
        Ok(inotify::add_watch(&self.file, dir, flags)?)
    }

    /// Watches a directory for files in it that are whole or gone. One that is watched already is told of as before.
    pub fn add_for_saves(&self, dir: &Path) -> io::Result<i32> {
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR
            | WatchFlags::MASK_ADD;
        Ok(inotify::add_watch(&self.file, dir, flags)?)
    }

    /// Watches a directory only for that it gets another name or goes. One that is watched already is told of as before.
    pub fn add_for_moves(&self, dir: &Path) -> io::Result<i32> {
        let flags = WatchFlags::MOVE_SELF
            | WatchFlags::DELETE_SELF
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::MASK_ADD;
        Ok(inotify::add_watch(&self.file, dir, flags)?)
    }

    /// Ends a watch; fine when it has ended.
    pub fn remove(&self, watch: i32) {
        let _ = inotify::remove_watch(&self.file, watch);
    }

    /// Takes every event that is there, without waiting.
    pub fn drain(&mut self, mut each: impl FnMut(Event<'_>)) -> io::Result<()> {
        let mut reader = Reader::new(&self.file, &mut self.buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                each(Event::Overflow);
                continue;
            }
            let what = if flags.contains(ReadFlags::CLOSE_WRITE) {
                Happened::Written
            } else if flags.contains(ReadFlags::MOVED_TO) {
                Happened::MovedHere
            } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                Happened::Gone
            } else if flags.contains(ReadFlags::CREATE) {
                Happened::Created
            } else if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT) {
                Happened::DirGone
            } else if flags.contains(ReadFlags::IGNORED) {
                Happened::Dropped
            } else {
                continue;
            };
            let name = event.file_name().map_or(OsStr::new(""), |name| OsStr::from_bytes(name.to_bytes()));
            each(Event::In { watch: event.wd(), name, what, is_dir: flags.contains(ReadFlags::ISDIR) });
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Inotify {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}
