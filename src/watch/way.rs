//! The way to a project's root. When a directory above it gets another name, nothing happens to the root itself; yet then
//! nothing stands at its path, or another tree does.

use std::path::{Path, PathBuf};

use crate::sys::events::Queue;
use crate::sys::walk;

/// The directories above a root, and which directory the root was.
#[derive(Debug)]
pub(super) struct Way {
    root: PathBuf,
    /// What is at its end; `None` where that could not be seen.
    was: Option<(u64, u64)>,
    /// Not each directory above can be watched: some may not be read, and not every system tells of so little.
    watches: Vec<i32>,
    /// The directory of a link that stands in the root's place: who takes it away does nothing to what it leads to.
    link: Option<i32>,
}

impl Way {
    /// To `root`, in which no name was a link when it became a project.
    pub fn to(root: &Path, queue: &mut Queue) -> Self {
        let mut way = Self { root: root.to_owned(), was: None, watches: Vec::new(), link: None };
        way.watch(queue);
        // The watches stand: what comes in its place after this look is told of.
        way.was = walk::place(root).ok().flatten();
        way
    }

    /// Watches what is above the root now. What is watched already keeps its watch.
    pub fn watch(&mut self, queue: &mut Queue) {
        // From above: what takes the place of one that is watched cannot be missed on the way down. `/` goes nowhere.
        let above: Vec<&Path> = self.root.ancestors().skip(1).filter(|dir| dir.parent().is_some()).collect();
        let watches = above.into_iter().rev().filter_map(|dir| queue.add_for_moves(dir).ok());
        self.watches = watches.collect();
        let dir = self.root.parent().filter(|_| walk::is_link(&self.root));
        self.link = dir.and_then(|dir| queue.add_for_saves(dir).ok());
    }

    /// Whether that a directory is gone, or that something happened to a name in one, may mean that the root is elsewhere.
    pub fn may_have_changed(&self, watch: i32, name: Option<&str>, is_dir_gone: bool) -> bool {
        let is_root = |name: &str| self.root.file_name().is_some_and(|own| own == name);
        is_dir_gone && self.watches.contains(&watch) || self.link == Some(watch) && name.is_some_and(is_root)
    }

    /// Whether nothing is at the root's path any more.
    pub fn leads_nowhere(&self) -> bool {
        matches!(walk::place(&self.root), Ok(None))
    }

    /// Whether nothing is at the root's path any more, or something else than was.
    pub fn leads_elsewhere(&self) -> bool {
        walk::place(&self.root).is_ok_and(|now| now.is_none() || self.was.is_some() && now != self.was)
    }
}
