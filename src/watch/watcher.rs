//! The watcher of one project: which directories are watched, what is known of their files, what has changed. It has no
//! thread and no clock of its own: whoever holds it waits for its file or its moment, and asks.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::rules::Rules;
use super::settle::{Mark, Settle, Settled};
use crate::project::contents::{Content, Contents};
use crate::project::inputs::Listing;
use crate::sys::content::{self, Look};
use crate::sys::inotify::{Event, Happened, Inotify};
use crate::sys::walk::{self, Kind};
use crate::sys::{disk, real};

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It holds something else.
    Modified,
    /// It is gone.
    Removed,
}

/// One file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Relative to the root.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
}

/// What made files change, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody saved, or a program wrote.
    Save,
    /// git changed the work tree.
    Git,
    /// They were compared one by one, since events were lost or there are none.
    Rescan,
}

/// Files that changed and are at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// Counted up by one with every set.
    pub generation: u64,
    /// The files, by path.
    pub changes: Vec<Change>,
    /// What made them change.
    pub cause: Cause,
}

/// How the project is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Directories that the kernel tells about.
    pub watched: usize,
    /// Files.
    pub files: usize,
    /// Why the files are compared from time to time instead; `None`: the kernel tells about all of them.
    pub polled: Option<String>,
}

/// Options.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Patterns that are left out besides, as in a `.gitignore` at the root.
    pub ignore: Vec<String>,
    /// What stages name, though a rule may ignore it.
    pub places: Vec<(String, bool)>,
    /// Compare files from time to time and rely on no events.
    pub poll: bool,
}

/// The watcher.
pub struct Watcher {
    root: PathBuf,
    options: Options,
    inotify: Inotify,
    rules: Rules,
    dirs: HashMap<i32, Arc<str>>,
    watches: HashMap<Arc<str>, i32>,
    git: Option<i32>,
    /// Each file with the digest of its stamp.
    known: HashMap<Box<str>, u64>,
    contents: Arc<Mutex<Contents>>,
    settle: Settle,
    generation: u64,
    rescan: bool,
    polled: Option<String>,
    next_poll: Option<Instant>,
    gone: bool,
}

/// How often files are compared where there are no events, and how much longer than the comparison itself took.
const POLL: Duration = Duration::from_millis(500);
const POLL_SHARE: u32 = 50;

impl Watcher {
    /// Begins to watch. `contents` knows what files held, so that a file that is written again with the same bytes
    /// has not changed; it may be filled later.
    ///
    /// # Errors
    /// The root cannot be read, or the system has no queue left.
    pub fn new(root: &Path, options: Options, contents: Arc<Mutex<Contents>>) -> io::Result<Self> {
        walk::list(root)?;
        let places: Vec<(&str, bool)> =
            options.places.iter().map(|(place, whole)| (place.as_str(), *whole)).collect();
        let mut this = Self {
            root: root.to_owned(),
            inotify: Inotify::new()?,
            rules: Rules::new(root, &options.ignore, &places),
            options: options.clone(),
            dirs: HashMap::new(),
            watches: HashMap::new(),
            git: None,
            known: HashMap::new(),
            contents,
            settle: Settle::default(),
            generation: 0,
            rescan: false,
            polled: None,
            next_poll: None,
            gone: false,
        };
        if options.poll {
            this.polled = Some("it was asked for".into());
        } else if let Some(kind) = disk::without_events(root) {
            this.polled = Some(format!("{kind} tells nothing of what others write"));
        }
        if this.polled.is_some() {
            this.next_poll = Some(Instant::now() + POLL);
        }
        if let Some(dir) = git_dir(root) {
            this.git = this.inotify.add(&dir).ok();
        }
        let mut files = Vec::new();
        this.enter("", &mut files);
        // The watches stand; only now are the files looked at, so that nothing falls between the two.
        for file in files {
            let stamp = this.stamp(&file);
            if let Some(stamp) = stamp {
                this.known.insert(file.into(), stamp);
            }
        }
        Ok(this)
    }

    /// What becomes readable when something happens.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// The project's files as they are known.
    pub fn listing(&mut self) -> Listing {
        let mut names: Vec<String> = self.known.keys().map(|name| name.to_string()).collect();
        names.sort_unstable();
        if self.options.places.is_empty() {
            return Listing { files: names, ignored: Vec::new() };
        }
        let (ignored, files) = names.into_iter().partition(|name| self.rules.is_ignored(name, false));
        Listing { files, ignored }
    }

    /// How the project is watched.
    pub fn coverage(&self) -> Coverage {
        Coverage { watched: self.dirs.len(), files: self.known.len(), polled: self.polled.clone() }
    }

    /// Whether the root is gone, or another directory has taken its place.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// The generation of the last set.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes every event that is there; never waits.
    pub fn drain(&mut self, now: Instant) {
        let mut events: Vec<(i32, Option<String>, Happened, bool)> = Vec::new();
        let mut overflow = false;
        let drained = self.inotify.drain(|event| match event {
            Event::Overflow => overflow = true,
            // A name that is no UTF-8 cannot be an input: no pattern can name it.
            Event::In { watch, name, what, is_dir } => {
                events.push((watch, name.to_str().map(str::to_owned), what, is_dir));
            }
        });
        self.rescan |= overflow || drained.is_err();
        for (watch, name, what, is_dir) in events {
            self.event(watch, name.as_deref(), what, is_dir, now);
        }
    }

    /// What files held is known from another table, but for those that were touched since it was made.
    pub fn seed(&mut self, table: &Contents, now: Instant) {
        self.drain(now);
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        contents.adopt(table, |path| !self.settle.is_pending(path));
    }

    /// When [`Watcher::take`] is to be asked; `None`: not before something happens.
    pub fn due(&self) -> Option<Instant> {
        if self.rescan {
            return Some(Instant::now());
        }
        [self.settle.due(), self.next_poll].into_iter().flatten().min()
    }

    /// What has changed and is at rest.
    pub fn take(&mut self, now: Instant) -> Option<ChangeSet> {
        let rescanned = self.rescan_if_due(now);
        let settled = if rescanned { self.settle.flush(now) } else { self.settle.take(now) };
        self.set(settled?, rescanned)
    }

    /// What has changed up to now, at rest or not; nothing while git is at work.
    pub fn flush(&mut self, now: Instant) -> Option<ChangeSet> {
        self.drain(now);
        let rescanned = self.rescan_if_due(now);
        let settled = self.settle.flush(now)?;
        self.set(settled, rescanned)
    }

    fn rescan_if_due(&mut self, now: Instant) -> bool {
        let poll = self.next_poll.is_some_and(|due| due <= now);
        if !self.rescan && !poll {
            return false;
        }
        self.rescan = false;
        let begun = Instant::now();
        self.compare(now);
        if poll {
            self.next_poll = Some(now + POLL.max(begun.elapsed() * POLL_SHARE));
        }
        true
    }

    /// Compares the whole tree with what is known, watches included.
    fn compare(&mut self, now: Instant) {
        let places: Vec<(&str, bool)> =
            self.options.places.iter().map(|(place, whole)| (place.as_str(), *whole)).collect();
        self.rules = Rules::new(&self.root, &self.options.ignore, &places);
        let mut files = Vec::new();
        self.enter("", &mut files);
        let mut old: BTreeMap<String, u64> =
            self.known.iter().map(|(name, stamp)| (name.to_string(), *stamp)).collect();
        for file in files {
            let before = old.remove(&file);
            if before.is_none() || self.stamp(&file) != before {
                self.settle.touch(file, Mark::Whole, now);
            }
        }
        for file in old.into_keys() {
            self.settle.touch(file, Mark::Gone, now);
        }
    }

    /// Watches a directory and all below it that matter, and collects their files.
    fn enter(&mut self, dir: &str, files: &mut Vec<String>) {
        let mut open = vec![dir.to_owned()];
        while let Some(dir) = open.pop() {
            let full = self.root.join(&dir);
            self.watch(&dir, &full);
            // A directory that is gone or closed to us has no files; its watch tells when that changes.
            for entry in walk::list(&full).unwrap_or_default() {
                let Some(name) = entry.name.to_str() else { continue };
                let path = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
                let is_dir = entry.kind == Kind::Dir;
                if self.rules.leave_out(&path, is_dir) {
                    continue;
                }
                match entry.kind {
                    Kind::Dir => open.push(path),
                    Kind::File | Kind::Link => files.push(path),
                    Kind::Other => {}
                }
            }
        }
    }

    fn watch(&mut self, dir: &str, full: &Path) {
        if self.polled.is_some() {
            return;
        }
        match self.inotify.add(full) {
            Ok(watch) => {
                let name: Arc<str> = dir.into();
                if let Some(old) = self.watches.insert(Arc::clone(&name), watch)
                    && old != watch
                {
                    self.dirs.remove(&old);
                }
                self.dirs.insert(watch, name);
            }
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                self.polled = Some(format!(
                    "the system allows no more than {} watched directories (fs.inotify.max_user_watches)",
                    self.dirs.len()
                ));
                self.next_poll = Some(Instant::now() + POLL);
            }
            Err(_) => {}
        }
    }

    fn event(&mut self, watch: i32, name: Option<&str>, what: Happened, is_dir: bool, now: Instant) {
        if Some(watch) == self.git {
            match (name, what) {
                (Some("index.lock"), Happened::Created) => self.settle.git(true, now),
                (Some("index.lock"), Happened::Gone) | (Some("index"), Happened::MovedHere) => {
                    self.settle.git(false, now)
                }
                _ => {}
            }
            return;
        }
        let Some(dir) = self.dirs.get(&watch).cloned() else { return };
        match (what, name) {
            (Happened::Dropped, _) => self.forget_watch(watch),
            (Happened::DirGone, _) if dir.is_empty() => (self.gone, self.rescan) = (true, true),
            (_, Some(name)) if !name.is_empty() => {
                let path = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
                if self.rules.leave_out(&path, is_dir) {
                    return;
                }
                match (is_dir, what) {
                    (true, Happened::Gone) => self.leave(&path, now),
                    (true, _) => {
                        let mut files = Vec::new();
                        self.enter(&path, &mut files);
                        files.into_iter().for_each(|file| self.settle.touch(file, Mark::Whole, now));
                    }
                    (false, _) => self.touch(path, what, now),
                }
            }
            _ => {}
        }
    }

    fn touch(&mut self, path: String, what: Happened, now: Instant) {
        if Rules::is_rule_file(&path) {
            self.rescan = true;
        }
        let mark = match what {
            Happened::Gone => Mark::Gone,
            // A link is whole when it is there, and so is another name of a file that is not new.
            Happened::Created if walk::is_new_and_open(&self.root.join(&path)) => Mark::Begun,
            _ => Mark::Whole,
        };
        self.settle.touch(path, mark, now);
    }

    /// A directory has gone, with all that was in it.
    fn leave(&mut self, dir: &str, now: Instant) {
        let inside = format!("{dir}/");
        let below: Vec<(Arc<str>, i32)> = self
            .watches
            .iter()
            .filter(|(name, _)| &***name == dir || name.starts_with(&inside))
            .map(|(name, watch)| (Arc::clone(name), *watch))
            .collect();
        for (name, watch) in below {
            self.inotify.remove(watch);
            self.watches.remove(&name);
            self.dirs.remove(&watch);
        }
        let files: Vec<String> =
            self.known.keys().filter(|name| name.starts_with(&inside)).map(|name| name.to_string()).collect();
        files.into_iter().for_each(|file| self.settle.touch(file, Mark::Gone, now));
    }

    fn forget_watch(&mut self, watch: i32) {
        if let Some(name) = self.dirs.remove(&watch)
            && self.watches.get(&name) == Some(&watch)
        {
            self.watches.remove(&name);
        }
    }

    fn stamp(&self, file: &str) -> Option<u64> {
        match content::look(&self.root.join(file)) {
            Ok(Look::File(stamp)) => {
                let mut hasher = DefaultHasher::new();
                stamp.hash(&mut hasher);
                Some(hasher.finish())
            }
            _ => None,
        }
    }

    /// What of all that was touched is really another than before.
    fn set(&mut self, settled: Settled, rescanned: bool) -> Option<ChangeSet> {
        let mut changes = Vec::new();
        for path in settled.paths {
            let (before, now) = (self.known.get(path.as_str()).copied(), self.stamp(&path));
            let kind = match (before, now) {
                (None, None) => continue,
                (Some(_), None) => ChangeKind::Removed,
                (None, Some(_)) => ChangeKind::Created,
                (Some(before), Some(now)) if before == now => continue,
                (Some(_), Some(_)) => ChangeKind::Modified,
            };
            match now {
                Some(now) => drop(self.known.insert(path.as_str().into(), now)),
                None => drop(self.known.remove(path.as_str())),
            }
            if kind != ChangeKind::Modified || self.is_other(&path) {
                changes.push(Change { path, kind });
            }
        }
        if changes.is_empty() {
            return None;
        }
        self.generation += 1;
        let cause = match (settled.git, rescanned) {
            (true, _) => Cause::Git,
            (_, true) => Cause::Rescan,
            _ => Cause::Save,
        };
        Some(ChangeSet { generation: self.generation, changes, cause })
    }

    /// Whether a file holds other bytes than when it was last read; one that was never read may.
    fn is_other(&self, path: &str) -> bool {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        let before = contents.last(path);
        match (before, contents.of(path)) {
            (Some(before), Content::File { digest, .. }) => before != digest,
            _ => true,
        }
    }
}

/// Where git keeps its index for this work tree.
fn git_dir(root: &Path) -> Option<PathBuf> {
    use crate::sys::system::ReadSystem;
    let git = root.join(".git");
    if matches!(content::look(&git), Ok(Look::Dir)) {
        return Some(git);
    }
    // A work tree of its own: the file says where.
    let text = real::RealSystem.read(&git, 4096).ok()?;
    let text = String::from_utf8(text).ok()?;
    let dir = root.join(text.strip_prefix("gitdir:")?.trim());
    matches!(content::look(&dir), Ok(Look::Dir)).then_some(dir)
}
