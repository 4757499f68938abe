//! What changes in the home, outside of a clone, while the clone's own code runs: its build and its tests may write
//! wherever their user may. It is not forbidden, for some must; it is seen and said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::sys::dirs::Dirs;
use crate::sys::system::{FileKind, ReadSystem};

/// So many paths are looked at, the shallow ones first. What lies in folders below them is not seen.
const MOST: usize = 20_000;
/// So many changes are named.
const NAMED: usize = 100;

/// What a path was: kind, size in bytes, permission bits, last change.
type Stamp = (FileKind, u64, u32, (i64, u32));

/// A home at one moment.
pub(super) struct Outside {
    home: PathBuf,
    /// Folders that are not looked into.
    apart: Vec<PathBuf>,
    seen: BTreeMap<PathBuf, Stamp>,
    entered: BTreeSet<PathBuf>,
}

impl Outside {
    /// Looks at a home. What devboot itself writes, and what programs keep in their caches, is nobody's concern;
    /// `clones` are judged by their own files.
    pub(super) fn look<'a>(
        system: &dyn ReadSystem,
        dirs: &Dirs,
        clones: impl Iterator<Item = &'a PathBuf>,
    ) -> Self {
        let caches = dirs.cache.parent().filter(|parent| *parent != dirs.home).unwrap_or(&dirs.cache);
        let own = [&dirs.state, &dirs.data, &dirs.cache].map(Clone::clone);
        let apart = own.into_iter().chain([caches.to_path_buf()]).chain(clones.cloned()).collect();
        let mut outside =
            Self { home: dirs.home.clone(), apart, seen: BTreeMap::new(), entered: BTreeSet::new() };
        (outside.seen, outside.entered) = outside.walk(system, &|_, count| count < MOST);
        outside
    }

    /// What is another now, is new or has gone, each as its path below the home; of folders that came or went, the
    /// outermost alone.
    pub(super) fn changed(&self, system: &dyn ReadSystem) -> Vec<String> {
        // Where the first look stopped, this one stops as well: the rest would seem new.
        let is_new = |dir: &Path| !self.seen.contains_key(dir);
        let (now, _) =
            self.walk(system, &|dir, count| self.entered.contains(dir) || is_new(dir) && count < 2 * MOST);
        let paths: BTreeSet<&PathBuf> = self.seen.keys().chain(now.keys()).collect();
        let mut changed: Vec<&PathBuf> = Vec::new();
        for path in paths {
            let (before, after) = (self.seen.get(path), now.get(path));
            let inside = changed.last().is_some_and(|last| path.starts_with(last));
            if before != after && !inside && changed.len() < NAMED {
                changed.push(path);
            }
        }
        // pip asks rustc for its version, and where that is rustup's, it makes a folder for itself.
        changed.retain(|path| self.seen.contains_key(*path) || **path != self.home.join(".rustup"));
        let below = changed.into_iter().filter_map(|path| path.strip_prefix(&self.home).ok());
        below.map(|path| path.to_string_lossy().into_owned()).collect()
    }

    /// Everything that is there, and the folders that were looked into; `enters` is asked for each, with the number of
    /// paths so far.
    fn walk(
        &self,
        system: &dyn ReadSystem,
        enters: &dyn Fn(&Path, usize) -> bool,
    ) -> (BTreeMap<PathBuf, Stamp>, BTreeSet<PathBuf>) {
        let (mut seen, mut entered) = (BTreeMap::new(), BTreeSet::new());
        let mut open = VecDeque::from([self.home.clone()]);
        while let Some(dir) = open.pop_front() {
            if !enters(&dir, seen.len()) {
                continue;
            }
            for name in system.list(&dir).unwrap_or_default() {
                let path = dir.join(name);
                if self.apart.contains(&path) {
                    continue;
                }
                let Ok(Some(meta)) = system.meta(&path) else { continue };
                // A folder changes with what is in it, and that is seen by itself.
                let stamp = match meta.kind {
                    FileKind::Dir => (FileKind::Dir, 0, meta.mode, (0, 0)),
                    kind => (kind, meta.size, meta.mode, meta.modified),
                };
                if stamp.0 == FileKind::Dir {
                    open.push_back(path.clone());
                }
                // A folder that leads to one of ours may be made by us.
                if !self.apart.iter().any(|apart| apart.starts_with(&path)) {
                    seen.insert(path, stamp);
                }
            }
            entered.insert(dir);
        }
        (seen, entered)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sys::real::RealSystem;

    #[test]
    fn what_changes_outside_of_the_clones_is_seen_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        for file in [".bashrc", ".ssh/keys", "gone/a/b", "gone/c", "clones/one/x", "clones/two/x"] {
            fs::create_dir_all(home.join(file).parent().unwrap()).unwrap();
            fs::write(home.join(file), file).unwrap();
        }
        let dirs = Dirs {
            home: home.to_path_buf(),
            config: home.join(".config/devboot"),
            state: home.join(".local/state/devboot"),
            cache: home.join(".cache/devboot"),
            data: home.join(".local/share/devboot"),
            config_home: home.join(".config"),
        };
        let one = home.join("clones/one");
        let before = Outside::look(&RealSystem, &dirs, [&one].into_iter());
        assert_eq!(before.changed(&RealSystem), [""; 0]);
        fs::write(home.join(".bashrc"), "evil, and longer").unwrap();
        fs::write(home.join(".ssh/keys"), "evil, and longer").unwrap();
        fs::remove_dir_all(home.join("gone")).unwrap();
        fs::create_dir_all(home.join("new/deep")).unwrap();
        fs::write(home.join("new/deep/file"), "").unwrap();
        std::os::unix::fs::symlink("/etc", home.join("link")).unwrap();
        for own in ["clones/one/y", ".cache/tool", ".local/share/devboot/envs", ".local/state/devboot/log"] {
            fs::create_dir_all(home.join(own)).unwrap();
        }
        fs::write(home.join("clones/two/y"), "").unwrap();
        let changed = [".bashrc", ".ssh/keys", "clones/two/y", "gone", "link", "new"];
        assert_eq!(before.changed(&RealSystem), changed);
    }
}
