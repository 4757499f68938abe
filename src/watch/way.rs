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
}

impl Way {
    /// To `root`, in which no name is a link.
    pub fn to(root: &Path, queue: &mut Queue) -> Self {
        let mut way = Self { root: root.to_owned(), was: None, watches: Vec::new() };
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
    }

    /// Whether a watch is of a directory above the root.
    pub fn has(&self, watch: i32) -> bool {
        self.watches.contains(&watch)
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
