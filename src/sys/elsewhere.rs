//! File events where there is no inotify, that is FSEvents on macOS, through the crate `notify`. It tells of them on a thread
//! of its own; here they wait in a queue, and a socket becomes readable.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{EventKind, EventKindMask, ModifyKind, RemoveKind, RenameMode};
use notify::{Config, ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::events::{Event, Happened};

/// A queue with its watches.
pub struct Elsewhere {
    watcher: RecommendedWatcher,
    heard: Arc<Mutex<Heard>>,
    ready: UnixStream,
    /// The directory that is watched with all below it: adding single ones would begin its stream anew each time.
    whole: Option<PathBuf>,
    watches: HashMap<PathBuf, i32>,
    dirs: HashMap<i32, PathBuf>,
    last: i32,
}

#[derive(Default)]
struct Heard {
    events: Vec<notify::Event>,
    lost: bool,
}

/// As many events wait at most as inotify keeps.
const LIMIT: usize = 16_384;

impl Elsewhere {
    /// A queue without watches. With `whole` the system is asked for all below `root` at once, which is what FSEvents
    /// is made for; what is not watched is left out here.
    pub fn new(root: &Path, whole: bool) -> io::Result<Self> {
        let (ready, mut wake) = UnixStream::pair()?;
        ready.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let ears = Arc::clone(&heard);
        let handler = move |event: notify::Result<notify::Event>| {
            let mut heard = ears.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(event) if !event.need_rescan() && heard.events.len() < LIMIT => heard.events.push(event),
                _ => heard.lost = true,
            }
            // A socket that is full is readable.
            let _ = wake.write(b"x");
        };
        // Never reads and opens, which would be every `grep`, nor each of the writes before a file is closed.
        let kinds = if cfg!(target_os = "linux") {
            EventKindMask::CREATE
                | EventKindMask::REMOVE
                | EventKindMask::MODIFY_NAME
                | EventKindMask::ACCESS_CLOSE
        } else {
            EventKindMask::ALL
        };
        let config = Config::default().with_follow_symlinks(false).with_event_kinds(kinds);
        let mut watcher = RecommendedWatcher::new(handler, config).map_err(io_error)?;
        if whole {
            watcher.watch(root, RecursiveMode::Recursive).map_err(io_error)?;
        }
        let whole = whole.then(|| root.to_owned());
        Ok(Self { watcher, heard, ready, whole, watches: HashMap::new(), dirs: HashMap::new(), last: 0 })
    }

    /// Watches a directory, not what is below it. A directory that is watched already keeps its watch.
    pub fn add(&mut self, dir: &Path) -> io::Result<i32> {
        if !self.is_in_whole(dir) {
            self.watcher.watch(dir, RecursiveMode::NonRecursive).map_err(io_error)?;
        }
        if let Some(watch) = self.watches.get(dir) {
            return Ok(*watch);
        }
        self.last += 1;
        let watch = self.last;
        self.watches.insert(dir.to_owned(), watch);
        self.dirs.insert(watch, dir.to_owned());
        Ok(watch)
    }

    /// Ends a watch; fine when it has ended.
    pub fn remove(&mut self, watch: i32) {
        let Some(dir) = self.dirs.remove(&watch) else { return };
        self.watches.remove(&dir);
        if !self.is_in_whole(&dir) {
            let _ = self.watcher.unwatch(&dir);
        }
    }

    /// Takes every event that is there, without waiting.
    pub fn drain(&mut self, mut each: impl FnMut(Event<'_>)) -> io::Result<()> {
        let mut bytes = [0; 1024];
        while matches!(self.ready.read(&mut bytes), Ok(count) if count > 0) {}
        let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        if heard.lost {
            each(Event::Overflow);
        }
        for event in heard.events {
            for (at, path) in event.paths.iter().enumerate() {
                let (what, is_dir) = happened(&event.kind, at, path);
                if let Some(what) = what {
                    self.tell(path, what, is_dir, &mut each);
                }
            }
        }
        Ok(())
    }

    fn tell(&self, path: &Path, what: Happened, is_dir: bool, each: &mut impl FnMut(Event<'_>)) {
        let own = self.watches.get(path);
        if let (Some(watch), Happened::Gone) = (own, what) {
            each(Event::In { watch: *watch, name: "".as_ref(), what: Happened::DirGone, is_dir: true });
        }
        if let (Some(dir), Some(name)) = (path.parent(), path.file_name())
            && let Some(watch) = self.watches.get(dir)
        {
            each(Event::In { watch: *watch, name, what, is_dir: is_dir || own.is_some() });
        }
    }

    fn is_in_whole(&self, dir: &Path) -> bool {
        self.whole.as_ref().is_some_and(|whole| dir.starts_with(whole))
    }
}

impl AsFd for Elsewhere {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

/// What an event says of its path number `at`, and whether that is a directory.
fn happened(kind: &EventKind, at: usize, path: &Path) -> (Option<Happened>, bool) {
    let meta = || std::fs::symlink_metadata(path).ok();
    let is_dir = || meta().is_some_and(|meta| meta.is_dir());
    match kind {
        EventKind::Create(_) => (Some(Happened::Created), is_dir()),
        EventKind::Remove(kind) => (Some(Happened::Gone), *kind == RemoveKind::Folder),
        EventKind::Modify(ModifyKind::Name(mode)) => match (mode, at) {
            (RenameMode::From, _) | (RenameMode::Both, 0) => (Some(Happened::Gone), false),
            (RenameMode::To, _) | (RenameMode::Both, _) => (Some(Happened::MovedHere), is_dir()),
            // One event for either end.
            _ => match meta() {
                Some(meta) => (Some(Happened::MovedHere), meta.is_dir()),
                None => (Some(Happened::Gone), false),
            },
        },
        EventKind::Modify(ModifyKind::Metadata(_)) => (None, false),
        EventKind::Access(_) if !cfg!(target_os = "linux") => (None, false),
        _ => (Some(Happened::Written), is_dir()),
    }
}

fn io_error(error: notify::Error) -> io::Error {
    match error.kind {
        ErrorKind::Io(error) => error,
        ErrorKind::MaxFilesWatch => io::Error::from_raw_os_error(libc::ENOSPC),
        ErrorKind::PathNotFound => io::ErrorKind::NotFound.into(),
        _ => io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// What is told until `last` has been.
    fn told(queue: &mut Elsewhere, last: (i32, &str, Happened)) -> Vec<(i32, String, Happened)> {
        let mut seen = Vec::new();
        while !seen.iter().any(|(watch, name, what): &(i32, String, _)| (*watch, &**name, *what) == last) {
            let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
            let ready =
                poll(&mut [PollFd::from_borrowed_fd(queue.as_fd(), PollFlags::IN)], Some(&patience)).unwrap();
            assert!(ready > 0, "{last:?} was not told: {seen:?}");
            let each = |event: Event<'_>| match event {
                Event::In { watch, name, what, .. } => {
                    seen.push((watch, name.to_str().unwrap().to_owned(), what));
                }
                Event::Overflow => panic!("nothing is lost"),
            };
            queue.drain(each).unwrap();
        }
        seen
    }

    #[test]
    fn only_watched_directories_are_told_of_even_where_the_whole_tree_is_asked_for() {
        for whole in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path();
            fs::create_dir_all(root.join("in")).unwrap();
            fs::create_dir_all(root.join("out")).unwrap();
            let mut queue = Elsewhere::new(root, whole).unwrap();
            let (top, inner) = (queue.add(root).unwrap(), queue.add(&root.join("in")).unwrap());
            assert_eq!(queue.add(root).unwrap(), top);
            fs::write(root.join("out/a"), "1").unwrap();
            fs::write(root.join("in/a"), "1").unwrap();
            fs::rename(root.join("in/a"), root.join("b")).unwrap();
            let seen = told(&mut queue, (top, "b", Happened::MovedHere));
            assert!(seen.contains(&(inner, "a".into(), Happened::Written)), "{seen:?}");
            assert!(seen.contains(&(inner, "a".into(), Happened::Gone)), "{seen:?}");
            assert_eq!(seen.iter().filter(|(watch, name, _)| *watch == top && name == "a").count(), 0);
            fs::remove_dir(root.join("in")).unwrap();
            told(&mut queue, (inner, "", Happened::DirGone));
        }
    }

    #[test]
    fn what_does_not_fit_is_said_to_be_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = Elsewhere::new(dir.path(), false).unwrap();
        let watch = queue.add(dir.path()).unwrap();
        // Two names in turn: the kernel keeps only one of two equal events.
        for i in 0..=LIMIT {
            fs::write(dir.path().join(["a", "b"][i % 2]), "1").unwrap();
        }
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while !queue.heard.lock().unwrap().lost {
            assert!(std::time::Instant::now() < end, "the queue never filled");
            std::thread::yield_now();
        }
        let mut lost = false;
        queue.drain(|event| lost |= matches!(event, Event::Overflow)).unwrap();
        assert!(lost);
        queue.remove(watch);
        queue.remove(watch);
    }
}
