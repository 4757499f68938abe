//! The watcher of one project: which directories are watched, what is known of their files, what has changed. It has no
//! thread and no clock of its own: whoever holds it waits for its file or its moment, and asks.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Instant;

use super::beside::Beside;
use super::change::{Cause, Change, ChangeKind, ChangeSet};
use super::ground::{Ground, inside, lead};
use super::known::Known;
use super::outside::Outside;
use super::poll::Rounds;
use super::settle::{Mark, Settle, Settled};
use super::way::Way;
use crate::base::names::Names;
use crate::project::contents::Contents;
use crate::project::inputs::Listing;
use crate::project::repository;
use crate::project::rules::Rules;
use crate::sys::events::{Event, Happened, Queue, Teller};
use crate::sys::{content, disk, walk, workers};

/// How the project is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Directories that the kernel tells about.
    pub watched: usize,
    /// Files.
    pub files: usize,
    /// Directories whose files are compared from time to time instead.
    pub compared: usize,
    /// Why that is; `None`: the kernel tells about all of them.
    pub polled: Option<String>,
    /// Files that are not watched, since their names are no UTF-8.
    pub unnamed: usize,
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
    /// The type of the file system, as the mount table has it, instead of the one that is found there.
    pub disk: Option<String>,
    /// What is mounted below the root, as paths with types, instead of what is found there.
    pub mounts: Option<Vec<(String, String)>>,
    /// Whether files matter whose names are no UTF-8; no stage can name one. Their paths are spelled as
    /// [`super::spelling`] says it.
    pub any_name: bool,
    /// Who tells of changes.
    pub teller: Teller,
}

/// The watcher.
pub struct Watcher {
    ground: Ground,
    options: Options,
    git: Option<i32>,
    way: Way,
    outside: Outside,
    beside: Beside,
    known: Known,
    /// What [`Watcher::listing`] said last, while it is still so.
    listing: Option<Listing>,
    settle: Settle,
    generation: u64,
    rescan: bool,
    rounds: Rounds,
    /// Something that is pending was found by comparing.
    compared: bool,
    gone: bool,
}

impl Watcher {
    /// Begins to watch. Of a file that nobody had read before it was touched, nobody can say what it held: its first
    /// touch counts as a change, unless somebody tells what it was ([`Watcher::seed`]).
    ///
    /// # Errors
    /// The root cannot be read, or too many files are open.
    pub fn new(root: &Path, options: Options) -> io::Result<Self> {
        walk::list(root)?;
        let polled = if options.poll {
            Some("it was asked for".to_owned())
        } else {
            let kind = match &options.disk {
                Some(kind) => disk::tells_nothing(kind).then(|| kind.clone()),
                None => disk::without_events(root),
            };
            kind.map(|kind| format!("{kind} tells nothing of what others write"))
        };
        let (mut queue, polled) = match Queue::new(options.teller, root) {
            // Where no file can be opened any more, this fails, too.
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
                (Queue::silent()?, polled.or(Some(NO_QUEUE.to_owned())))
            }
            queue => (queue?, polled),
        };
        let way = Way::to(root, &mut queue);
        let outside = Outside::of(root, &mut queue);
        let mut this = Self {
            ground: Ground::new(root, queue, rules(root, &options), polled, options.any_name),
            options,
            git: None,
            way,
            outside,
            beside: Beside::default(),
            known: Known::default(),
            listing: None,
            settle: Settle::default(),
            generation: 0,
            rescan: false,
            rounds: Rounds::default(),
            compared: false,
            gone: false,
        };
        if let Some(dir) = repository::top(root).and_then(repository::git_dir) {
            this.git = this.ground.queue.add(&dir).ok();
        }
        this.ground.mounts = this.mounts();
        let found = this.ground.enter("");
        // The watches stand; only now are the files looked at, so that nothing falls between the two.
        this.known = Known::of(&found.files, &this.ground.stamps(&found.files));
        this.begin_rounds(Instant::now());
        // What came in its place meanwhile may be what is watched.
        this.gone = this.is_gone();
        Ok(this)
    }

    /// What becomes readable when something happens.
    pub fn file(&self) -> BorrowedFd<'_> {
        self.ground.queue.as_fd()
    }

    /// The project's files as they are known.
    pub fn listing(&mut self) -> Listing {
        let (known, rules, places) = (&mut self.known, &mut self.ground.rules, &self.options.places);
        let listing = self.listing.get_or_insert_with(|| {
            let files = known.names();
            // Only what stages name is here though a rule ignores it.
            let is_ignored = |name: &&str| !places.is_empty() && rules.is_ignored(name, false);
            let ignored = Names::sorted(files.iter().filter(is_ignored));
            if ignored.is_empty() {
                return Listing { files, ..Listing::default() };
            }
            Listing::of(Names::sorted(files.iter().filter(|name| !ignored.contains(name))), ignored)
        });
        listing.clone()
    }

    /// How the project is watched.
    pub fn coverage(&self) -> Coverage {
        let (watched, compared) = self.ground.counts();
        Coverage {
            watched,
            files: self.known.len(),
            compared,
            polled: self.ground.why_polled(),
            unnamed: self.ground.unnamed(),
        }
    }

    fn mounts(&self) -> Vec<(String, String)> {
        self.options.mounts.clone().unwrap_or_else(|| disk::mounts_below(&self.ground.root))
    }

    /// Whether the root is gone, or another directory has taken its place; it is looked at.
    pub fn is_gone(&self) -> bool {
        // Where nobody tells, what has come in its place is compared, and a directory may have another number each time.
        let is_gone = || match self.ground.is_watched("") {
            true => self.way.leads_elsewhere(),
            false => self.way.leads_nowhere(),
        };
        self.gone || is_gone()
    }

    /// Whether that was seen or told already.
    pub(super) fn is_known_to_be_gone(&self) -> bool {
        self.gone
    }

    /// The generation of the last set.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes every event that is there; never waits.
    pub fn drain(&mut self, now: Instant) {
        let mut events: Vec<(i32, OsString, Happened, bool)> = Vec::new();
        let mut overflow = false;
        let drained = self.ground.queue.drain(|event| match event {
            Event::Overflow => overflow = true,
            Event::In { watch, name, what, is_dir } => {
                events.push((watch, name.to_owned(), what, is_dir));
            }
        });
        self.rescan |= overflow || drained.is_err();
        for (watch, name, what, is_dir) in events {
            let name = self.ground.name(&name);
            self.event(watch, name.as_deref(), what, is_dir, now);
        }
    }

    /// What files held is known from a table, but for those that were touched since it was made.
    pub fn seed(&mut self, table: &Contents, now: Instant) {
        self.drain(now);
        let Self { known, settle, .. } = self;
        known.learn(|name| {
            if settle.is_pending(name) { None } else { table.last(name).map(|digest| digest.number()) }
        });
    }

    /// A run may have read files that are not at rest yet. Where that was something else than what is known, as the table has it, they are told
    /// of whatever they hold when they are: bytes that came and went again are no change to who saw neither, and one to the run.
    pub fn compare_with(&mut self, table: &Contents, now: Instant) {
        self.drain(now);
        let Self { known, settle, .. } = self;
        for path in settle.pending() {
            let read = table.last(path).map(|digest| digest.number());
            if read.is_some() && read != known.content(path) {
                known.set_content(path, None);
            }
        }
    }

    /// What is watched besides the project's files, from now on: paths relative to the root, or whole; of a directory that packages
    /// are installed into only what is installed matters. They are in no listing. What is new among them and was changed in the second
    /// `since` of the clock or later is told of, too.
    pub fn watch_beside(&mut self, paths: &[String], since: i64, now: Instant) {
        for path in self.beside.set(&self.ground.root, paths, since, &mut self.ground.queue) {
            self.settle.touch(path, Mark::Whole, now);
        }
    }

    /// When [`Watcher::take`] is to be asked; `None`: not before something happens.
    pub fn due(&self) -> Option<Instant> {
        if self.rescan {
            return Some(Instant::now());
        }
        [self.settle.due(), self.rounds.due()].into_iter().flatten().min()
    }

    /// Until when no event can make anything due sooner, so that there is no need to look at one.
    pub fn nap(&self, now: Instant) -> Option<Instant> {
        if self.rescan { None } else { self.settle.nap(now) }
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
        let rescan = std::mem::take(&mut self.rescan) || self.outside.has_changed();
        if rescan {
            self.compare(now);
        } else if self.rounds.due().is_some_and(|due| due <= now) {
            self.turn(now);
        }
        rescan
    }

    /// Compares the whole tree with what is known, watches included.
    fn compare(&mut self, now: Instant) {
        self.outside = Outside::of(&self.ground.root, &mut self.ground.queue);
        self.ground.rules = rules(&self.ground.root, &self.options);
        self.ground.mounts = self.mounts();
        self.listing = None;
        let found = self.ground.enter("");
        let dirs: BTreeSet<&str> = found.dirs.iter().map(|dir| &**dir).collect();
        for dir in self.ground.others(&dirs) {
            self.ground.leave(&dir);
        }
        let mut gone: BTreeSet<&str> = self.known.from("").collect();
        for file in found.files.iter() {
            let was_known = gone.remove(file);
            if !was_known || self.ground.stamp(file) != self.known.stamp(file) {
                self.settle.touch(file.to_owned(), Mark::Whole, now);
            }
        }
        for file in gone {
            self.settle.touch(file.to_owned(), Mark::Gone, now);
        }
        self.begin_rounds(now);
    }

    fn begin_rounds(&mut self, now: Instant) {
        if self.ground.counts().1 > 0 {
            self.rounds.begin(now);
        }
    }

    /// Compares some of the directories of which nobody tells.
    fn turn(&mut self, now: Instant) {
        let begun = Instant::now();
        self.gone = self.is_gone();
        let (dirs, least) = self.rounds.turn(&self.ground.polled());
        let mut last = None;
        for (at, dir) in dirs.into_iter().enumerate() {
            if at >= least && begun.elapsed() >= Rounds::budget() {
                break;
            }
            if self.look_into(&dir, now) {
                self.rounds.warm(&dir);
                self.compared = true;
            }
            last = Some(dir);
        }
        let is_any = self.ground.counts().1 > 0;
        self.rounds.end(last, begun.elapsed(), is_any, now);
    }

    /// Compares a directory with what is known of it; whether anything is another.
    fn look_into(&mut self, dir: &str, now: Instant) -> bool {
        let Some(entries) = self.ground.look(dir) else {
            // A root that cannot be read just now is looked at again.
            if dir.is_empty() && !self.gone {
                return false;
            }
            self.leave(dir, now);
            return true;
        };
        let mut changed = false;
        let files = inside(|from| self.known.from(from).next(), dir).into_iter();
        let mut gone: BTreeSet<String> = files.filter(|name| !entries.files.contains(name)).collect();
        for file in entries.files {
            let stamp = self.ground.stamp(&file);
            if stamp != self.known.stamp(&file) {
                gone.remove(&file);
                self.touch(file, Mark::Perhaps, now);
                changed = true;
            }
        }
        for new in entries.new_dirs {
            self.enter(&new, now);
            changed = true;
        }
        for old in entries.old_dirs {
            self.leave(&old, now);
            changed = true;
        }
        changed |= !gone.is_empty();
        gone.into_iter().for_each(|file| self.settle.touch(file, Mark::Gone, now));
        changed
    }

    fn event(&mut self, watch: i32, name: Option<&str>, what: Happened, is_dir: bool, now: Instant) {
        self.rescan |= name.is_some_and(|name| self.outside.is_one(watch, name));
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
        if self.way.may_have_changed(watch, name, what == Happened::DirGone) {
            self.gone = self.is_gone();
            self.way.watch(&mut self.ground.queue);
        }
        for path in name.map(|name| self.beside.named(watch, name)).unwrap_or_default() {
            self.settle.touch(path, Mark::Whole, now);
        }
        let Some(dir) = self.ground.dir(watch) else { return };
        match (what, name) {
            (Happened::Dropped, _) => self.ground.forget(watch),
            (Happened::DirGone, _) if dir.is_empty() => (self.gone, self.rescan) = (true, true),
            (Happened::DirGone, _) if !self.ground.is_dir(&dir) => self.leave(&dir, now),
            (_, Some(name)) if !name.is_empty() => {
                let path = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
                if self.ground.rules.leave_out(&path, is_dir) {
                    return;
                }
                match (is_dir, what) {
                    (true, Happened::Gone) => self.leave(&path, now),
                    (true, _) => self.enter(&path, now),
                    (false, _) => {
                        let mark = self.mark(&path, what);
                        self.touch(path, mark, now);
                    }
                }
            }
            _ => {}
        }
    }

    fn mark(&self, path: &str, what: Happened) -> Mark {
        match what {
            Happened::Gone => Mark::Gone,
            Happened::Created | Happened::Written if !self.ground.queue.says_when_closed() => Mark::Perhaps,
            // A link is whole when it is there, and so is another name of a file that is not new.
            Happened::Created if walk::is_new_and_open(&self.ground.path(path)) => Mark::Begun,
            _ => Mark::Whole,
        }
    }

    fn touch(&mut self, path: String, mark: Mark, now: Instant) {
        self.rescan |= Rules::is_rule_file(&path);
        self.settle.touch(path, mark, now);
    }

    /// A directory has come, with all that is in it.
    fn enter(&mut self, dir: &str, now: Instant) {
        for file in self.ground.enter(dir).files.iter() {
            self.settle.touch(file.to_owned(), Mark::Whole, now);
        }
        self.begin_rounds(now);
    }

    /// A directory has gone, with all that was in it.
    fn leave(&mut self, dir: &str, now: Instant) {
        self.ground.leave(dir);
        let lead = lead(dir);
        let files = self.known.from(&lead).take_while(|name| name.starts_with(&lead));
        let files: Vec<String> = files.map(str::to_owned).collect();
        files.into_iter().for_each(|file| self.settle.touch(file, Mark::Gone, now));
    }

    /// What of all that was touched is really another than before.
    fn set(&mut self, settled: Settled, rescanned: bool) -> Option<ChangeSet> {
        let mut changes = Vec::new();
        for path in settled.paths {
            if let Some(has_changed) = self.beside.changed(&path) {
                changes.extend(has_changed.then_some(Change { path, kind: ChangeKind::Modified }));
                continue;
            }
            // What is no longer watched beside the files is none of them for that it was touched before.
            let is_gone = self.beside.is_gone(&path);
            if is_gone && (path.starts_with('/') || self.ground.rules.leave_out(&path, false)) {
                continue;
            }
            if rescanned && self.ground.rules.leave_out(&path, false) {
                self.known.remove(&path);
                self.listing = None;
                continue;
            }
            let (before, now) = (self.known.stamp(&path), self.ground.stamp(&path));
            let kind = match (before, now) {
                (None, None) => continue,
                (Some(_), None) => ChangeKind::Removed,
                (None, Some(_)) => ChangeKind::Created,
                (Some(before), Some(now)) if before == now => continue,
                (Some(_), Some(_)) => ChangeKind::Modified,
            };
            match now {
                Some(now) => self.known.set(&path, now),
                None => self.known.remove(&path),
            }
            if kind != ChangeKind::Modified {
                self.listing = None;
            }
            changes.push(Change { path, kind });
        }
        self.keep_others(&mut changes);
        let compared = std::mem::take(&mut self.compared) || rescanned;
        if changes.is_empty() {
            return None;
        }
        self.generation += 1;
        let cause = match (settled.git, compared) {
            (true, _) => Cause::Git,
            (_, true) => Cause::Rescan,
            _ => Cause::Save,
        };
        Some(ChangeSet { generation: self.generation, changes, cause, waited: settled.waited })
    }

    /// Leaves out the files that hold the same bytes as when they were last read; one that was never read may not.
    fn keep_others(&mut self, changes: &mut Vec<Change>) {
        let is_modified = |change: &&Change| change.kind == ChangeKind::Modified;
        let modified: Vec<&str> =
            changes.iter().filter(is_modified).map(|change| change.path.as_str()).collect();
        let read =
            |path: &&str| content::digest(&self.ground.path(path)).ok().map(|(_, digest)| digest.number());
        // Threads cost more than reading a few files does.
        let jobs = if modified.len() < FEW { 1 } else { workers::cores() };
        let found = workers::each(&modified, jobs, |path| Some(read(path)));
        let mut same = Vec::new();
        for (path, now) in modified.into_iter().zip(found) {
            let now = now.flatten();
            same.push(now.is_some() && now == self.known.content(path));
            self.known.set_content(path, now);
        }
        let mut same = same.into_iter();
        changes.retain(|change| change.kind != ChangeKind::Modified || !same.next().unwrap_or(false));
    }
}

/// Why nothing is watched where other programs have all queues for events that the system allows.
const NO_QUEUE: &str =
    "the system allows no more programs to be told of changes (fs.inotify.max_user_instances)";

/// So many files are read one after the other.
const FEW: usize = 64;

fn rules(root: &Path, options: &Options) -> Rules {
    let places: Vec<(&str, bool)> =
        options.places.iter().map(|(place, whole)| (place.as_str(), *whole)).collect();
    Rules::new(root, &options.ignore, &places)
}
