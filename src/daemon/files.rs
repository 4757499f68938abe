//! Files that are waited for, whether they are there or not.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::events::{self, Queue, Teller};
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;

/// Files that are watched by their directories: an editor that saves puts another file in their place.
pub(super) struct Files {
    queue: Queue,
    ready: AsyncFd<OwnedFd>,
    wanted: BTreeSet<PathBuf>,
    dirs: BTreeMap<i32, PathBuf>,
}

impl Files {
    /// None yet, all of them somewhere below `root`. On the runtime of the present thread.
    pub fn new(root: &Path) -> io::Result<Self> {
        let queue = Queue::new(Teller::Best, root)?;
        let file = queue.as_fd().try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` is open as long as it lives, and nobody replaces it in here.
        let ready = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }?;
        Ok(Self { queue, ready, wanted: BTreeSet::new(), dirs: BTreeMap::new() })
    }

    /// Waits until something has happened that [`Files::drain`] tells of. Giving up the wait loses nothing.
    pub async fn happened(&self) -> io::Result<()> {
        self.ready.readable().await?.clear_ready();
        Ok(())
    }

    /// Watches these files and no others.
    pub fn watch(&mut self, wanted: BTreeSet<PathBuf>) {
        self.wanted = wanted;
        let mut dirs = BTreeMap::new();
        for dir in self.wanted.iter().filter_map(|path| nearest(path.parent()?)) {
            // Without a watch it is looked at with the next thing that happens.
            if let Ok(watch) = self.queue.add(&dir) {
                dirs.insert(watch, dir);
            }
        }
        for gone in self.dirs.keys().filter(|watch| !dirs.contains_key(watch)) {
            self.queue.remove(*gone);
        }
        self.dirs = dirs;
    }

    /// The wanted files that something has happened to.
    pub fn drain(&mut self) -> io::Result<BTreeSet<PathBuf>> {
        let (mut touched, mut all) = (BTreeSet::new(), false);
        let (dirs, wanted) = (&self.dirs, &self.wanted);
        self.queue.drain(|event| match event {
            events::Event::Overflow => all = true,
            events::Event::In { watch, name, .. } => {
                let Some(dir) = dirs.get(&watch) else { return };
                let path = dir.join(name);
                // A directory on the way to a file comes or goes with it.
                let meant = wanted.range(path.clone()..).take_while(|one| one.starts_with(&path));
                touched.extend(meant.cloned());
            }
        })?;
        if all {
            touched.extend(self.wanted.iter().cloned());
        }
        let has_moved = |path: &PathBuf| {
            path.parent().and_then(nearest).is_none_or(|dir| !self.dirs.values().any(|known| *known == dir))
        };
        if touched.iter().any(has_moved) {
            self.watch(self.wanted.clone());
        }
        Ok(touched)
    }
}

/// A directory, or the nearest one above it that is there.
pub(super) fn nearest(dir: &Path) -> Option<PathBuf> {
    dir.ancestors().find(|dir| matches!(RealSystem.meta(dir), Ok(Some(_)))).map(Path::to_owned)
}
