//! What is not among a project's files and counts all the same: what its tests were seen to read elsewhere, and the directories
//! that packages are installed into.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::base::digest::Digest;
use crate::sys::content::{self, Look, Stamp};
use crate::sys::events::Queue;
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;

/// So many are watched.
const MOST: usize = 500;

/// Files of this size, in bytes, are read when they are watched; of others the first change counts whatever they hold.
const SMALL: u64 = 256 << 10;

/// What is told of an installed package is in names that end so.
const INSTALLED: [&str; 4] = [".dist-info", ".egg-info", ".egg-link", ".pth"];

/// Paths as they were when they were looked at last.
#[derive(Debug, Default)]
pub(super) struct Beside {
    paths: Vec<String>,
    items: Vec<Item>,
    /// What was one of them; what is still told of it concerns nobody.
    gone: BTreeSet<String>,
}

#[derive(Debug)]
struct Item {
    path: String,
    full: PathBuf,
    was: Was,
    /// What a file held then, as a number; none when nobody has read it.
    held: Option<u64>,
    /// The watch of a directory of packages, or of the directory that a file is in.
    watch: Option<i32>,
}

#[derive(Debug, PartialEq, Eq)]
enum Was {
    Nothing,
    File(Stamp),
    /// The names by which packages are installed.
    Packages(Digest),
}

impl Beside {
    /// Watches these from now on; relative to `root`, or whole. What is watched already stays as it was seen. What is new here and
    /// may have changed since this second of the clock, when nobody looked, is returned: it counts as changed.
    pub fn set(&mut self, root: &Path, paths: &[String], since: i64, queue: &mut Queue) -> Vec<String> {
        if self.paths == paths {
            return Vec::new();
        }
        let mut late = Vec::new();
        let mut old = std::mem::take(&mut self.items);
        self.paths = paths.to_vec();
        for path in paths.iter().take(MOST) {
            if let Some(at) = old.iter().position(|item| item.path == *path) {
                self.items.push(old.swap_remove(at));
                continue;
            }
            let full = root.join(path);
            let watch = match content::look(&full) {
                Ok(Look::Dir) => queue.add(&full).ok(),
                _ => full.parent().and_then(|dir| queue.add_for_saves(dir).ok()),
            };
            let mut was = now(&full);
            if changed(&full).is_some_and(|changed| changed >= since) {
                was = Was::Nothing;
                late.push(path.clone());
            }
            let held = small(&was).then(|| read(&full)).flatten();
            // What is written just now is read when it is told of.
            let held = held.filter(|_| now(&full) == was);
            self.items.push(Item { path: path.clone(), was, held, full, watch });
        }
        self.gone.extend(old.into_iter().map(|item| item.path));
        self.gone.retain(|path| !paths.contains(path));
        late
    }

    /// Which of them an event in a watched directory may be about.
    pub fn named(&self, watch: i32, name: &str) -> Vec<String> {
        let is_meant = |item: &&Item| {
            item.watch == Some(watch)
                && match item.was {
                    Was::Packages(_) => INSTALLED.iter().any(|end| name.ends_with(end)),
                    _ => item.full.file_name().is_some_and(|own| own == name),
                }
        };
        self.items.iter().filter(is_meant).map(|item| item.path.clone()).collect()
    }

    /// Whether a path was one of them and is none any more.
    pub fn is_gone(&self, path: &str) -> bool {
        self.gone.contains(path)
    }

    /// Whether a path is one of them; and then, whether it is not what it was. A file that holds the same bytes is.
    pub fn changed(&mut self, path: &str) -> Option<bool> {
        let item = self.items.iter_mut().find(|item| item.path == path)?;
        let now = now(&item.full);
        if std::mem::replace(&mut item.was, now) == item.was {
            return Some(false);
        }
        let held = matches!(item.was, Was::File(_)).then(|| read(&item.full)).flatten();
        let is_same = held.is_some() && held == item.held;
        item.held = held;
        Some(!is_same)
    }
}

/// Whether it is a file that is read before anything happens to it.
fn small(was: &Was) -> bool {
    matches!(was, Was::File(stamp) if stamp.size <= SMALL)
}

fn read(path: &Path) -> Option<u64> {
    content::digest(path).ok().map(|(_, digest)| digest.number())
}

/// The second in which a file, or what is in a directory, was changed last.
fn changed(path: &Path) -> Option<i64> {
    match content::look(path).ok()? {
        Look::File(stamp) => Some(stamp.changed.0),
        _ => Some(RealSystem.meta(path).ok()??.modified.0),
    }
}

fn now(path: &Path) -> Was {
    match content::look(path) {
        Ok(Look::File(stamp)) => Was::File(stamp),
        Ok(Look::Dir) => {
            let names = RealSystem.list(path).unwrap_or_default();
            let mut names: Vec<String> =
                names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect();
            names.retain(|name| INSTALLED.iter().any(|end| name.ends_with(end)));
            names.sort_unstable();
            Was::Packages(Digest::of_parts(names.iter().map(String::as_bytes)))
        }
        _ => Was::Nothing,
    }
}
