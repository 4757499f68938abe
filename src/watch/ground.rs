//! The directories of a project that matter, and of which of them the system tells. It looks at files and does not remember
//! them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::spelling;
use crate::base::names::Pile;
use crate::project::rules::Rules;
use crate::sys::content::{self, Look};
use crate::sys::disk;
use crate::sys::events::Queue;
use crate::sys::walk::{self, Entry, Kind};
use crate::sys::workers;

/// The directories.
pub(super) struct Ground {
    pub root: PathBuf,
    pub queue: Queue,
    pub rules: Rules,
    /// Each directory with its watch; one without is compared from time to time.
    watches: BTreeMap<Arc<str>, Option<i32>>,
    dirs: HashMap<i32, Arc<str>>,
    /// Why nothing is watched.
    polled: Option<String>,
    /// What is mounted below the root, and of which type.
    pub mounts: Vec<(String, String)>,
    /// Whether files matter whose names are no UTF-8.
    any_name: bool,
    /// How many names in a directory are left out because they are none, where there are such.
    unnamed: BTreeMap<Arc<str>, usize>,
    /// The system allows no more watches.
    full: bool,
}

/// So many files are looked at before another thread may go on.
const PART: usize = 1024;

/// What is below a directory, all as paths from the root.
#[derive(Default)]
pub(super) struct Found {
    pub dirs: Vec<Arc<str>>,
    pub files: Pile,
}

/// What is in a directory that was known before.
pub(super) struct Entries {
    pub files: BTreeSet<String>,
    pub new_dirs: Vec<String>,
    pub old_dirs: Vec<String>,
}

impl Ground {
    pub fn new(root: &Path, queue: Queue, rules: Rules, polled: Option<String>, any_name: bool) -> Self {
        Self {
            root: root.to_owned(),
            queue,
            rules,
            watches: BTreeMap::new(),
            dirs: HashMap::new(),
            polled,
            mounts: Vec::new(),
            any_name,
            unnamed: BTreeMap::new(),
            full: false,
        }
    }

    /// Where a path from the root is.
    pub fn path(&self, path: &str) -> PathBuf {
        spelling::path(&self.root, path)
    }

    /// The name of a file as text; `None` when it does not matter.
    pub fn name(&self, name: &OsStr) -> Option<String> {
        spelling::spelled(name, self.any_name)
    }

    /// Watches a directory and all below it that matter, and finds their files: first what is near, so that this is what
    /// is watched when not all can be.
    pub fn enter(&mut self, dir: &str) -> Found {
        let mut open = VecDeque::from([Arc::<str>::from(dir)]);
        let mut found = Found::default();
        while let Some(dir) = open.pop_front() {
            let full = self.path(&dir);
            self.watch(&dir, &full);
            // A directory that is gone or closed to us has no files; its watch tells when that changes.
            let entries = walk::list(&full).unwrap_or_default();
            for (path, kind) in self.sift(&dir, entries) {
                match kind {
                    Kind::Dir => open.push_back(path.into()),
                    _ => {
                        found.files.push(&path);
                    }
                }
            }
            found.dirs.push(dir);
        }
        found
    }

    /// Looks into a directory that is not watched; `None` when it is not there any more.
    pub fn look(&mut self, dir: &str) -> Option<Entries> {
        let full = self.path(dir);
        let entries = match walk::list(&full) {
            Ok(entries) => entries,
            Err(_) if matches!(content::look(&full), Ok(Look::Dir)) => Vec::new(),
            Err(_) => return None,
        };
        if !self.full {
            self.watch(&dir.into(), &full);
        }
        let (mut files, mut new_dirs) = (BTreeSet::new(), Vec::new());
        let next = |from: &str| names_from(&self.watches, from).next();
        let mut old_dirs: BTreeSet<String> = inside(next, dir).into_iter().collect();
        for (path, kind) in self.sift(dir, entries) {
            match kind {
                Kind::Dir if old_dirs.remove(&path) => {}
                Kind::Dir => new_dirs.push(path),
                _ => drop(files.insert(path)),
            }
        }
        Some(Entries { files, new_dirs, old_dirs: old_dirs.into_iter().collect() })
    }

    /// What matters of a directory's entries.
    fn sift(&mut self, dir: &str, entries: Vec<Entry>) -> Vec<(String, Kind)> {
        let has_rules = entries.iter().any(|entry| entry.name.to_str().is_some_and(Rules::is_source));
        self.rules.enter(dir, has_rules);
        let mut kept = Vec::with_capacity(entries.len());
        let mut unnamed = 0;
        for entry in entries {
            // A name that is no UTF-8 cannot be an input: no pattern can name it.
            let Some(name) = self.name(&entry.name) else {
                unnamed += 1;
                continue;
            };
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            if entry.kind != Kind::Other && !self.rules.leave_out(&path, entry.kind == Kind::Dir) {
                kept.push((path, entry.kind));
            }
        }
        match unnamed {
            0 => drop(self.unnamed.remove(dir)),
            _ => drop(self.unnamed.insert(dir.into(), unnamed)),
        }
        kept
    }

    fn watch(&mut self, dir: &Arc<str>, full: &Path) {
        let watch = match self.polled.is_some() || self.full || self.far(dir).is_some() {
            true => None,
            false => match self.queue.add(full) {
                Ok(watch) => Some(watch),
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {
                    self.full = true;
                    None
                }
                // It is gone or closed to us: there is nothing to compare either.
                Err(_) => return self.unwatch(dir),
            },
        };
        let old = self.watches.insert(Arc::clone(dir), watch).flatten();
        if let Some(old) = old.filter(|old| Some(*old) != watch) {
            self.dirs.remove(&old);
        }
        if let Some(watch) = watch {
            self.dirs.insert(watch, Arc::clone(dir));
        }
    }

    /// The mount that a directory is on, when nobody here is told of what is written there.
    fn far(&self, dir: &str) -> Option<&(String, String)> {
        let is_in = |mount: &str| {
            dir.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mounts = self.mounts.iter().filter(|(place, _)| is_in(place));
        mounts.max_by_key(|(place, _)| place.len()).filter(|(_, kind)| disk::tells_nothing(kind))
    }

    fn unwatch(&mut self, dir: &str) {
        self.unnamed.remove(dir);
        if let Some(Some(watch)) = self.watches.remove(dir) {
            self.queue.remove(watch);
            self.dirs.remove(&watch);
            self.full = false;
        }
    }

    /// A directory has gone, with all that was in it.
    pub fn leave(&mut self, dir: &str) {
        let lead = lead(dir);
        let below = names_from(&self.watches, &lead).take_while(|name| name.starts_with(&lead));
        let names: Vec<Arc<str>> = below.chain([dir]).map(Arc::from).collect();
        for name in names {
            self.rules.leave(&name);
            self.unwatch(&name);
        }
    }

    /// The system has ended a watch.
    pub fn forget(&mut self, watch: i32) {
        if let Some(name) = self.dirs.remove(&watch)
            && self.watches.get(&name) == Some(&Some(watch))
        {
            self.watches.remove(&name);
            self.full = false;
        }
    }

    /// The directories that are not among these.
    pub fn others(&self, dirs: &BTreeSet<&str>) -> Vec<Arc<str>> {
        self.watches.keys().filter(|name| !dirs.contains(&***name)).cloned().collect()
    }

    /// The directory of a watch.
    pub fn dir(&self, watch: i32) -> Option<Arc<str>> {
        self.dirs.get(&watch).cloned()
    }

    /// Whether the system tells of a directory.
    pub fn is_watched(&self, dir: &str) -> bool {
        matches!(self.watches.get(dir), Some(Some(_)))
    }

    pub fn is_dir(&self, dir: &str) -> bool {
        matches!(content::look(&self.path(dir)), Ok(Look::Dir))
    }

    /// The directories that are compared, in their order.
    pub fn polled(&self) -> Vec<Arc<str>> {
        self.watches.iter().filter(|(_, watch)| watch.is_none()).map(|(name, _)| Arc::clone(name)).collect()
    }

    /// How many directories are watched, and how many are compared.
    pub fn counts(&self) -> (usize, usize) {
        (self.dirs.len(), self.watches.len().saturating_sub(self.dirs.len()))
    }

    /// How many files are not watched because their names are no UTF-8.
    pub fn unnamed(&self) -> usize {
        self.unnamed.values().sum()
    }

    /// Why directories are compared.
    pub fn why_polled(&self) -> Option<String> {
        if let Some(why) = &self.polled {
            return Some(why.clone());
        }
        let (watched, compared) = self.counts();
        let mut far: BTreeMap<&(String, String), usize> = BTreeMap::new();
        if !self.mounts.is_empty() {
            let dirs = self.watches.iter().filter(|(_, watch)| watch.is_none());
            dirs.filter_map(|(dir, _)| self.far(dir)).for_each(|mount| *far.entry(mount).or_default() += 1);
        }
        let rest = compared - far.values().sum::<usize>();
        let mut whys: Vec<String> = far
            .keys()
            .map(|(place, kind)| format!("those in {place}, since {kind} tells nothing of what others write"))
            .collect();
        if rest > 0 {
            whys.push(format!(
                "{rest} of the directories, since the system allows no more than the other {watched} to be watched \
                 (fs.inotify.max_user_watches)"
            ));
        }
        (!whys.is_empty()).then(|| whys.join("; "))
    }

    /// What [`Ground::stamp`] says of each of these files.
    pub fn stamps(&self, files: &Pile) -> Vec<Option<u64>> {
        let places: Vec<usize> = (0..files.len()).collect();
        let parts: Vec<&[usize]> = places.chunks(PART).collect();
        let stamps = |part: &&[usize]| {
            let stamp = |place: &usize| files.get(*place).and_then(|file| self.stamp(file));
            Some(part.iter().map(stamp).collect::<Vec<_>>())
        };
        workers::each(&parts, workers::cores(), stamps).into_iter().flatten().flatten().collect()
    }

    /// What the file system says of a file, as one number that is not 0; `None` when there is none.
    pub fn stamp(&self, file: &str) -> Option<u64> {
        let Ok(Look::File(stamp)) = content::look(&self.path(file)) else { return None };
        let mut hasher = DefaultHasher::new();
        stamp.hash(&mut hasher);
        Some(hasher.finish().max(1))
    }
}

/// What follows a name in a table, and the name itself.
fn names_from<'a>(table: &'a BTreeMap<Arc<str>, Option<i32>>, first: &str) -> impl Iterator<Item = &'a str> {
    table.range::<str, _>((Bound::Included(first), Bound::Unbounded)).map(|(name, _)| &**name)
}

/// What begins the names below a directory.
pub(super) fn lead(dir: &str) -> String {
    if dir.is_empty() { String::new() } else { format!("{dir}/") }
}

/// The names in a directory, and not deeper. `next` finds the first of a table's names that is not before another.
pub(super) fn inside<'a>(next: impl Fn(&str) -> Option<&'a str>, dir: &str) -> Vec<String> {
    let lead = lead(dir);
    let (mut found, mut from) = (Vec::new(), lead.clone());
    while let Some(name) = next(&from) {
        let Some(rest) = name.strip_prefix(&lead) else { break };
        from = match rest.split_once('/') {
            // On to what follows that directory: `0` is the character after the slash.
            Some((deeper, _)) => format!("{lead}{deeper}0"),
            None => {
                if !rest.is_empty() {
                    found.push(name.to_owned());
                }
                format!("{name}\0")
            }
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_directory_and_not_deeper() {
        let names = ["", "a", "a-b", "a.x", "a/b", "a/b/c", "a/b-c", "a/d/e/f", "a0", "b"];
        let table: BTreeMap<Arc<str>, Option<i32>> =
            names.iter().map(|name| ((*name).into(), None)).collect();
        let inside = |dir: &str| inside(|from| names_from(&table, from).next(), dir);
        assert_eq!(inside(""), ["a", "a-b", "a.x", "a0", "b"]);
        assert_eq!(inside("a"), ["a/b", "a/b-c"]);
        assert_eq!(inside("a/d"), [""; 0]);
    }
}
