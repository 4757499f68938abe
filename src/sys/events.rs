//! File events, whichever way the system tells of them: one queue that can be emptied at any moment.

use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::elsewhere::Elsewhere;
#[cfg(target_os = "linux")]
use super::inotify::Inotify;

/// What happened to a name in a watched directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It came into being; what is to be in it may not be there yet.
    Created,
    /// It was written: closed after that, where [`Queue::says_when_closed`].
    Written,
    /// It came from somewhere else, whole.
    MovedHere,
    /// It is gone, or has another name.
    Gone,
    /// The directory itself is gone, or somewhere else.
    DirGone,
    /// The kernel has dropped the watch.
    Dropped,
}

/// One event.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Something in a directory.
    In {
        /// The watch of the directory.
        watch: i32,
        /// The name in it; empty for the directory itself.
        name: &'a OsStr,
        /// What happened.
        what: Happened,
        /// Whether it is a directory.
        is_dir: bool,
    },
    /// The queue was full, and events are lost.
    Overflow,
}

/// Who tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Teller {
    /// What is best on this system.
    #[default]
    Best,
    /// What there is on systems without inotify, here too.
    Elsewhere,
}

/// A queue with its watches.
pub enum Queue {
    /// inotify(7).
    #[cfg(target_os = "linux")]
    Inotify(Inotify),
    /// What other systems have.
    Elsewhere(Box<Elsewhere>),
    /// Nobody tells: one end of a pipe, and the other, into which nothing is written.
    Silent(PipeReader, PipeWriter),
}

impl Queue {
    /// A queue without watches, for what is in `root`.
    pub fn new(teller: Teller, root: &Path) -> io::Result<Self> {
        match teller {
            #[cfg(target_os = "linux")]
            Teller::Best => Inotify::new().map(Self::Inotify),
            _ => {
                Elsewhere::new(root, cfg!(target_os = "macos")).map(|queue| Self::Elsewhere(Box::new(queue)))
            }
        }
    }

    /// A queue in which nothing ever is, for whom the system has none.
    pub fn silent() -> io::Result<Self> {
        io::pipe().map(|(reader, writer)| Self::Silent(reader, writer))
    }

    /// Watches a directory, not what is below it. A directory that is watched already keeps its watch.
    pub fn add(&mut self, dir: &Path) -> io::Result<i32> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Inotify(queue) => queue.add(dir),
            Self::Elsewhere(queue) => queue.add(dir),
            Self::Silent(..) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Watches a directory for files that are written, come or go, and as little else as the system allows. One that is
    /// watched already is told of as before.
    pub fn add_for_saves(&mut self, dir: &Path) -> io::Result<i32> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Inotify(queue) => queue.add_for_saves(dir),
            _ => self.add(dir),
        }
    }

    /// Watches a directory only for that it gets another name or goes, where the system can tell of so little. One that is
    /// watched already is told of as before.
    pub fn add_for_moves(&mut self, dir: &Path) -> io::Result<i32> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Inotify(queue) => queue.add_for_moves(dir),
            // It would tell of all that is written below it.
            Self::Elsewhere(_) | Self::Silent(..) => {
                let why = format!("nobody tells of {} alone", dir.display());
                Err(io::Error::new(io::ErrorKind::Unsupported, why))
            }
        }
    }

    /// Ends a watch; fine when it has ended.
    pub fn remove(&mut self, watch: i32) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Inotify(queue) => queue.remove(watch),
            Self::Elsewhere(queue) => queue.remove(watch),
            Self::Silent(..) => {}
        }
    }

    /// Takes every event that is there, without waiting.
    pub fn drain(&mut self, each: impl FnMut(Event<'_>)) -> io::Result<()> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Inotify(queue) => queue.drain(each),
            Self::Elsewhere(queue) => queue.drain(each),
            Self::Silent(..) => Ok(()),
        }
    }

    /// Whether [`Happened::Written`] comes when the file was closed, that is when it is whole.
    pub fn says_when_closed(&self) -> bool {
        cfg!(target_os = "linux")
    }
}

/// What becomes readable when there are events.
impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Inotify(queue) => queue.as_fd(),
            Self::Elsewhere(queue) => queue.as_fd(),
            Self::Silent(queue, _) => queue.as_fd(),
        }
    }
}
