//! Keeping the store of results within its bounds: what was not used for longest goes first.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::cache::{Cache, ENTRY, Entry};
use crate::base::digest::Digest;
use crate::sys::lock::Lock;
use crate::sys::real::RealSystem;
use crate::sys::system::{Meta, ReadSystem, WriteSystem};
use crate::sys::{clock, disk, tree};

/// How large the store may be, in bytes, where the disk has room.
const MOST: u64 = 1 << 30;

/// The part of the free space that it may take at most.
const SHARE: u64 = 10;

/// After how much new the size is looked at again, in bytes.
const OFTEN: u64 = 64 << 20;

/// How long something that no entry names may be on its way into one, in seconds.
const UNDER_WAY: i64 = 3600;

impl Cache {
    /// Makes the store smaller when enough was written since the last time.
    pub(super) fn prune_when_due(&self) {
        if self.written.load(Ordering::Relaxed) >= OFTEN {
            self.written.store(0, Ordering::Relaxed);
            self.prune();
        }
    }

    /// Removes what was not used for longest until the store is within its bounds, and what nothing names. Another
    /// process that does the same is left to it.
    pub fn prune(&self) {
        let held = tree::size(&self.dir);
        let free = disk::disk(&self.dir).map_or(0, |disk| disk.free);
        self.prune_to(MOST.min((free + held) / SHARE), clock::now().0 - UNDER_WAY);
    }

    /// Keeps at most `most` bytes; what nothing names goes when it is from before `before` (seconds since 1970). False
    /// when another process is at it.
    pub(super) fn prune_to(&self, most: u64, before: i64) -> bool {
        let Ok(_lock) = Lock::take(&self.dir.join("lock")) else { return false };
        let mut entries: Vec<((i64, u32), PathBuf, Entry)> = Vec::new();
        for (path, meta) in files(&self.dir.join("entries")) {
            let read =
                RealSystem.read(&path, ENTRY).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            match read {
                Some(entry) => entries.push((meta.modified, path, entry)),
                None => drop(RealSystem.remove_file(&path)),
            }
        }
        entries.sort_by_key(|(used, ..)| Reverse(*used));
        let blobs: HashMap<PathBuf, Meta> = files(&self.dir.join("blobs")).collect();
        let weight = |digest: &Digest| blobs.get(&self.blob(digest)).map_or(0, |meta| meta.size);
        let (mut total, mut named) = (0, BTreeSet::new());
        for (_, path, entry) in &entries {
            let more: BTreeSet<Digest> = entry.blobs().filter(|digest| !named.contains(digest)).collect();
            let bytes: u64 = more.iter().map(weight).sum();
            if total + bytes > most {
                let _ = RealSystem.remove_file(path);
                continue;
            }
            total += bytes;
            named.extend(more);
        }
        let named: BTreeSet<PathBuf> = named.iter().map(|digest| self.blob(digest)).collect();
        let unnamed = blobs.iter().filter(|(path, _)| !named.contains(*path));
        let unnamed = unnamed.map(|(path, meta)| (path.clone(), meta.clone()));
        let begun = entries_of(&self.dir.join("new"));
        for (path, meta) in unnamed.chain(begun) {
            if meta.modified.0 < before {
                let _ = RealSystem.remove_file(&path);
            }
        }
        true
    }
}

/// The files two levels down.
fn files(dir: &Path) -> impl Iterator<Item = (PathBuf, Meta)> {
    let names = RealSystem.list(dir).unwrap_or_default();
    let dir = dir.to_owned();
    names.into_iter().flat_map(move |name| entries_of(&dir.join(name)))
}

fn entries_of(dir: &Path) -> Vec<(PathBuf, Meta)> {
    let names = RealSystem.list(dir).unwrap_or_default();
    let found = |name| {
        let path = dir.join(name);
        let meta = RealSystem.meta(&path).ok()??;
        Some((path, meta))
    };
    names.into_iter().filter_map(found).collect()
}
