//! What a project's files hold: path → digest, read again only where the file system says that something may have
//! changed. Fingerprints and the watcher ask it; nothing in it is trusted without a look at the file.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::sys::clock;
use crate::sys::content::{self, Look, Stamp};
use crate::sys::system::{ReadSystem, WriteSystem, replace};
use crate::sys::workers;

/// What a path holds, links followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// Nothing is there.
    Absent,
    /// A regular file with these bytes.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory; what is in it has paths of its own.
    Dir,
    /// Something that has no content, or none that may be read: why.
    Unreadable(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    stamp: Stamp,
    digest: Digest,
    /// When it was read, by the clock of the file system's stamps: nanoseconds since 1970.
    read: i64,
}

/// The clocks of file systems tick this slowly, in nanoseconds: a second change within one tick leaves the stamp as it
/// is, so what was read so soon after its last change is read again (git calls such an entry racy).
const TICK: i64 = 20_000_000;

/// The table.
#[derive(Clone, Debug)]
pub struct Contents {
    root: PathBuf,
    known: HashMap<String, Known>,
    /// How many files were read since it was made.
    reads: u64,
    edition: u64,
}

const VERSION: u32 = 1;
const LIMIT: u64 = 256 << 20;

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    files: Vec<(String, Known)>,
}

impl Contents {
    /// An empty table of the project at `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: HashMap::new(), reads: 0, edition: 0 }
    }

    /// The table that [`Contents::save`] wrote; empty when there is none that can be read, for it can be made again.
    pub fn load(system: &dyn ReadSystem, file: &Path, root: &Path) -> Self {
        let stored = system.read(file, LIMIT).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let known = match stored {
            Some(Stored { version: VERSION, files }) => files.into_iter().collect(),
            _ => HashMap::new(),
        };
        Self { root: root.to_owned(), known, reads: 0, edition: 0 }
    }

    /// Keeps the table for the next start; the file's directory exists.
    pub fn save(&self, system: &dyn WriteSystem, file: &Path) -> io::Result<()> {
        let mut files: Vec<_> =
            self.known.iter().map(|(path, known)| (path.clone(), known.clone())).collect();
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let bytes = serde_json::to_vec(&Stored { version: VERSION, files }).map_err(io::Error::other)?;
        replace(system, file, &bytes, 0o600)
    }

    /// What a path (relative to the root) holds now: always looked at, read only where needed.
    pub fn of(&mut self, path: &str) -> Content {
        self.of_all(&[path]).pop().unwrap_or(Content::Absent)
    }

    /// What many paths hold now, in their order; files are read on several cores.
    pub fn of_all<P: AsRef<str> + Sync>(&mut self, paths: &[P]) -> Vec<Content> {
        let look = |path: &P| Some(self.look(path.as_ref()));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Threads cost more than looking at a few files does.
        let jobs = if paths.len() < 64 { 1 } else { cores };
        let found = workers::each(paths, jobs, look);
        paths.iter().zip(found).map(|(path, found)| self.keep(path.as_ref(), found)).collect()
    }

    /// Another number whenever the table says something else than before.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// Whether these paths are files that hold what the table says. Every one is looked at, none is read.
    pub fn holds<P: AsRef<str> + Sync>(&self, paths: &[P]) -> bool {
        let jobs =
            if paths.len() < 64 { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
        let parts: Vec<&[P]> = paths.chunks(paths.len().div_ceil(jobs).max(1)).collect();
        let holds = |part: &&[P]| {
            let mut full = PathBuf::new();
            Some(part.iter().all(|path| {
                full.clone_from(&self.root);
                full.push(path.as_ref());
                let known = self.known.get(path.as_ref()).filter(|known| !known.is_racy());
                known.is_some_and(
                    |known| matches!(content::look(&full), Ok(Look::File(stamp)) if stamp == known.stamp),
                )
            }))
        };
        workers::each(&parts, jobs, holds).into_iter().all(|part| part == Some(true))
    }

    /// Whether one of these files changed at this second of the clock or later, as far as they are known.
    pub fn changed_since(&self, paths: &[&str], second: i64) -> bool {
        let changed = |path: &&str| self.known.get(*path).map(|known| known.stamp.changed.0);
        paths.iter().filter_map(changed).any(|changed| changed >= second)
    }

    /// What was last found in a path; `None` when it was never read or was not there.
    pub fn last(&self, path: &str) -> Option<Digest> {
        self.known.get(path).map(|known| known.digest)
    }

    /// Forgets every path that is not wanted any more.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.edition += 1;
        self.known.retain(|path, _| wanted(path));
    }

    /// How many files were read since the table was made or told to forget: 0 shows that nothing had changed.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Takes over what another table of the same project knows and this one does not.
    pub fn adopt(&mut self, other: &Self, wanted: impl Fn(&str) -> bool) {
        self.edition += 1;
        for (path, known) in &other.known {
            if !self.known.contains_key(path) && wanted(path) {
                self.known.insert(path.clone(), known.clone());
            }
        }
    }

    /// Counts reads anew.
    pub fn forget_reads(&mut self) {
        self.reads = 0;
    }

    fn look(&self, path: &str) -> Found {
        let full = self.root.join(path);
        match content::look(&full) {
            Ok(Look::File(stamp)) => match self.known.get(path) {
                Some(known) if known.stamp == stamp && !known.is_racy() => Found::Same(known.digest, stamp),
                _ => read(&full),
            },
            Ok(Look::Dir) => Found::Other(Content::Dir),
            Ok(Look::Absent) => Found::Other(Content::Absent),
            Ok(Look::Other) => Found::Other(Content::Unreadable("it is no regular file".into())),
            Err(error) => Found::Other(Content::Unreadable(error.to_string())),
        }
    }

    fn keep(&mut self, path: &str, found: Option<Found>) -> Content {
        match found.unwrap_or(Found::Other(Content::Absent)) {
            Found::Same(digest, stamp) => Content::File { digest, executable: stamp.executable },
            Found::Read(known) => {
                let content = Content::File { digest: known.digest, executable: known.stamp.executable };
                self.known.insert(path.to_owned(), known);
                self.reads += 1;
                self.edition += 1;
                content
            }
            Found::Other(content) => {
                if self.known.remove(path).is_some() {
                    self.edition += 1;
                }
                content
            }
        }
    }
}

enum Found {
    Same(Digest, Stamp),
    Read(Known),
    Other(Content),
}

fn read(path: &Path) -> Found {
    let read = clock::nanoseconds();
    match content::digest(path) {
        Ok((stamp, digest)) => Found::Read(Known { stamp, digest, read }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Other(Content::Absent),
        Err(error) => Found::Other(Content::Unreadable(error.to_string())),
    }
}

impl Known {
    fn is_racy(&self) -> bool {
        let (seconds, nanoseconds) = self.stamp.changed;
        seconds * 1_000_000_000 + i64::from(nanoseconds) + TICK > self.read
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;

    use super::*;
    use crate::sys::real::RealSystem;

    fn file(bytes: &[u8]) -> Content {
        Content::File { digest: Digest::of(bytes), executable: false }
    }

    /// As if every file had been read long after its last change.
    fn settled(contents: &mut Contents) {
        contents.known.values_mut().for_each(|known| known.read += 2 * TICK);
    }

    #[test]
    fn it_holds_until_a_file_is_touched_and_its_edition_says_what_was_read_since() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<String> = (0..200).map(|i| i.to_string()).collect();
        paths.iter().for_each(|path| fs::write(dir.path().join(path), path).unwrap());
        let mut contents = Contents::new(dir.path());
        assert!(!contents.holds(&paths), "nothing is known yet");
        contents.of_all(&paths);
        settled(&mut contents);
        let edition = contents.edition();
        assert!(contents.holds(&paths) && contents.holds::<&str>(&[]));
        assert!(!contents.holds(&["no such file"]));
        fs::write(dir.path().join("150"), "another").unwrap();
        assert!(!contents.holds(&paths));
        assert_eq!(contents.edition(), edition, "looking changes nothing");
        contents.of_all(&paths);
        assert_ne!(contents.edition(), edition);
        settled(&mut contents);
        fs::remove_file(dir.path().join("7")).unwrap();
        assert!(!contents.holds(&paths));
    }

    #[test]
    fn what_has_not_changed_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..100 {
            fs::write(dir.path().join(i.to_string()), i.to_string()).unwrap();
        }
        let paths: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let mut contents = Contents::new(dir.path());
        let first = contents.of_all(&paths);
        assert_eq!((first[7].clone(), contents.reads()), (file(b"7"), 100));
        settled(&mut contents);
        let saved = dir.path().join("saved");
        contents.save(&RealSystem, &saved).unwrap();
        let mut again = Contents::load(&RealSystem, &saved, dir.path());
        assert_eq!((again.of_all(&paths), again.reads()), (first, 0));
    }

    #[test]
    fn a_change_of_the_same_size_with_its_old_time_put_back_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "one").unwrap();
        let mut contents = Contents::new(dir.path());
        assert_eq!(contents.of("a"), file(b"one"));
        settled(&mut contents);
        let time = fs::metadata(&path).unwrap().modified().unwrap();
        // The time of change moves on with the next tick of the file system's clock.
        let changed = |path: &Path| match content::look(path).unwrap() {
            Look::File(stamp) => stamp.changed,
            other => panic!("{other:?}"),
        };
        let before = changed(&path);
        while changed(&path) == before {
            fs::write(&path, "two").unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        assert_eq!(contents.of("a"), file(b"two"));
    }

    #[test]
    fn a_file_that_was_read_right_after_its_change_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "one").unwrap();
        let mut contents = Contents::new(dir.path());
        contents.of("a");
        contents.known.values_mut().for_each(|known| {
            known.read = known.stamp.changed.0 * 1_000_000_000 + i64::from(known.stamp.changed.1);
        });
        contents.of("a");
        assert_eq!(contents.reads(), 2);
    }

    #[test]
    fn what_is_no_file_and_what_is_gone_are_said() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "one").unwrap();
        let mut contents = Contents::new(dir.path());
        contents.of("a");
        fs::remove_file(dir.path().join("a")).unwrap();
        assert_eq!((contents.of("a"), contents.last("a")), (Content::Absent, None));
        assert_eq!(contents.of(""), Content::Dir);
    }

    #[test]
    fn a_damaged_table_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let saved = dir.path().join("saved");
        fs::write(&saved, "{\"version\":1,\"files\":[[").unwrap();
        assert!(Contents::load(&RealSystem, &saved, dir.path()).known.is_empty());
    }
}
