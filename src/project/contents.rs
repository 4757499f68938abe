//! What a project's files hold: path → digest, read again only where the file system says that something may have
//! changed. Fingerprints ask it; nothing in it is trusted without a look at the file.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::table::{Known, Table, number};
use crate::base::digest::Digest;
use crate::sys::clock;
use crate::sys::content::{self, Below, Look};
use crate::sys::system::{ReadSystem, WriteSystem, replace};
use crate::sys::workers;

/// What a path holds, links followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// So many paths are looked at before what was found is put away.
const BLOCK: usize = 8192;

/// So large may the file of a table be, in bytes.
const LIMIT: u64 = 256 << 20;

/// The table.
#[derive(Debug)]
pub struct Contents {
    root: PathBuf,
    table: Table,
    /// How many files were read since it was made.
    reads: u64,
    edition: u64,
    /// By path: the edition of which it was seen that a file had been written since it was read, whatever it holds.
    touched: HashMap<u64, u64>,
}

/// Of so many paths it is known when they were touched.
const TOUCHED: usize = 1 << 17;

impl Contents {
    /// An empty table of the project at `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), table: Table::default(), reads: 0, edition: 0, touched: HashMap::new() }
    }

    /// The table that [`Contents::save`] wrote; empty when there is none that can be read, for it can be made again.
    pub fn load(system: &dyn ReadSystem, file: &Path, root: &Path) -> Self {
        let table =
            system.read(file, LIMIT).ok().and_then(|bytes| Table::of_bytes(&bytes)).unwrap_or_default();
        Self { table, ..Self::new(root) }
    }

    /// Keeps the table for the next start; the file's directory exists.
    pub fn save(&mut self, system: &dyn WriteSystem, file: &Path) -> io::Result<()> {
        replace(system, file, &self.table.bytes(), 0o600)
    }

    /// What a path (relative to the root) holds now: always looked at, read only where needed.
    pub fn of(&mut self, path: &str) -> Content {
        self.of_all(&[path]).pop().unwrap_or(Content::Absent)
    }

    /// What many paths hold now, in their order; files are read on several cores.
    pub fn of_all<P: AsRef<str> + Sync>(&mut self, paths: &[P]) -> Vec<Content> {
        let mut all = Vec::with_capacity(paths.len());
        let below = Below::of(&self.root).ok();
        for block in paths.chunks(BLOCK) {
            let parts = parts(block);
            let look = |part: &&[P]| {
                Some(part.iter().map(|path| self.look(below.as_ref(), path.as_ref())).collect::<Vec<_>>())
            };
            let found = workers::each(&parts, parts.len(), look);
            let found = found.into_iter().flatten().flatten();
            all.extend(block.iter().zip(found).map(|(path, found)| self.keep(path.as_ref(), found)));
        }
        all
    }

    /// Another number whenever the table says something else than before.
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// Whether it was seen, in editions after this one, that a file had been written: it may hold the same as before.
    pub fn was_touched_since(&self, path: &str, edition: u64) -> bool {
        self.touched.get(&number(path)).is_some_and(|at| *at > edition)
    }

    /// Whether these paths are files that hold what the table says. Every one is looked at, none is read.
    pub fn holds<P: AsRef<str> + Sync>(&self, paths: &[P]) -> bool {
        let Ok(below) = Below::of(&self.root) else { return paths.is_empty() };
        let holds = |part: &&[P]| {
            Some(part.iter().all(|path| {
                let known = self.known(path.as_ref()).filter(|known| !known.racy);
                known.is_some_and(
                    |known| matches!(below.look(path.as_ref()), Ok(Look::File(stamp)) if number(&stamp) == known.stamp),
                )
            }))
        };
        let parts = parts(paths);
        workers::each(&parts, parts.len(), holds).into_iter().all(|part| part == Some(true))
    }

    /// Whether one of these files changed at this second of the clock or later, as far as they are known.
    pub fn changed_since<'a>(&self, mut paths: impl Iterator<Item = &'a str>, second: i64) -> bool {
        paths.any(|path| self.known(path).is_some_and(|known| i64::from(known.changed) >= second))
    }

    /// What was last found in a path; `None` when it was never read or was not there.
    pub fn last(&self, path: &str) -> Option<Digest> {
        self.known(path).map(|known| known.digest)
    }

    /// How many files were read since the table was made or told to forget: 0 shows that nothing had changed.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Counts reads anew.
    pub fn forget_reads(&mut self) {
        self.reads = 0;
    }

    fn known(&self, path: &str) -> Option<Known> {
        self.table.get(number(path))
    }

    /// `below` is the root; without it every look begins at the root of the file system.
    fn look(&self, below: Option<&Below>, path: &str) -> Found {
        let full = || self.root.join(path);
        match below.map_or_else(|| content::look(&full()), |below| below.look(path)) {
            Ok(Look::File(stamp)) => match self.known(path) {
                Some(known) if known.stamp == number(&stamp) && !known.racy => {
                    Found::Same(known.digest, stamp.executable)
                }
                _ => read(&full()),
            },
            Ok(Look::Dir) => Found::Other(Content::Dir),
            Ok(Look::Absent) => Found::Other(Content::Absent),
            Ok(Look::Other) => Found::Other(Content::Unreadable("it is no regular file".into())),
            Err(error) => Found::Other(Content::Unreadable(error.to_string())),
        }
    }

    fn keep(&mut self, path: &str, found: Found) -> Content {
        match found {
            Found::Same(digest, executable) => Content::File { digest, executable },
            Found::Read(known) => {
                if self.known(path).is_some_and(|before| before.stamp != known.stamp) {
                    self.touch(path);
                }
                self.table.set(number(path), Some(known));
                self.reads += 1;
                self.edition += 1;
                Content::File { digest: known.digest, executable: known.executable }
            }
            Found::Other(content) => {
                if self.known(path).is_some() {
                    self.touch(path);
                    self.table.set(number(path), None);
                    self.edition += 1;
                }
                content
            }
        }
    }
}

impl Contents {
    fn touch(&mut self, path: &str) {
        if self.touched.len() >= TOUCHED {
            self.touched.clear();
        }
        self.touched.insert(number(path), self.edition + 1);
    }
}

enum Found {
    Same(Digest, bool),
    Read(Known),
    Other(Content),
}

/// A part for each core. Threads cost more than looking at a few files does.
fn parts<P>(paths: &[P]) -> Vec<&[P]> {
    let jobs = if paths.len() < 64 { 1 } else { workers::cores() };
    paths.chunks(paths.len().div_ceil(jobs).max(1)).collect()
}

fn read(path: &Path) -> Found {
    let read = clock::nanoseconds();
    match content::digest(path) {
        Ok((stamp, digest)) => Found::Read(Known::of(&stamp, digest, read)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Other(Content::Absent),
        Err(error) => Found::Other(Content::Unreadable(error.to_string())),
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
        contents.table.each(|known| known.racy = false);
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
    fn what_was_written_and_holds_the_same_was_touched() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::write(dir.path().join("a"), text).unwrap();
        let mut contents = Contents::new(dir.path());
        write("one");
        contents.of("a");
        let edition = contents.edition();
        contents.of("a");
        assert!(!contents.was_touched_since("a", edition) && !contents.was_touched_since("b", 0));
        write("two");
        write("one");
        let time = std::time::SystemTime::UNIX_EPOCH;
        fs::File::options().write(true).open(dir.path().join("a")).unwrap().set_modified(time).unwrap();
        assert_eq!(contents.of("a"), file(b"one"));
        assert!(contents.was_touched_since("a", edition));
        assert!(!contents.was_touched_since("a", contents.edition()));
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
        contents.table.each(|known| known.racy = true);
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
    fn many_files_come_and_go() {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<String> = (0..300).map(|i| i.to_string()).collect();
        let write = |path: &String, text: &str| fs::write(dir.path().join(path), text).unwrap();
        let mut contents = Contents::new(dir.path());
        paths[..200].iter().for_each(|path| write(path, "1"));
        contents.of_all(&paths);
        paths[..50].iter().for_each(|path| fs::remove_file(dir.path().join(path)).unwrap());
        paths[150..].iter().for_each(|path| write(path, "22"));
        let found = contents.of_all(&paths);
        let is =
            |range: std::ops::Range<usize>, content: &Content| found[range].iter().all(|it| it == content);
        assert!(is(0..50, &Content::Absent) && is(50..150, &file(b"1")) && is(150..300, &file(b"22")));
        assert_eq!((contents.last("7"), contents.last("77")), (None, Some(Digest::of(b"1"))));
    }

    #[test]
    fn a_damaged_table_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "1").unwrap();
        let mut contents = Contents::new(dir.path());
        contents.of("a");
        let saved = dir.path().join("saved");
        contents.save(&RealSystem, &saved).unwrap();
        let last = || Contents::load(&RealSystem, &saved, dir.path()).last("a");
        assert_eq!(last(), Some(Digest::of(b"1")));
        fs::write(&saved, "{\"version\":1,\"files\":[[").unwrap();
        assert_eq!(last(), None);
    }
}
