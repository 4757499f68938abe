//! What tests were seen to read that no listing of the project has: files that git ignores, and files outside of the project. A
//! stage depends on them as on any other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::memory::Memory;
use crate::base::digest::Digest;
use crate::project::model::StageId;
use crate::sys::real::RealSystem;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

/// So many are kept of a stage.
const MOST: usize = 1000;

/// After so many runs one after the other that left a file otherwise than it was, it is theirs.
pub(super) const OWN: u32 = 3;

/// The largest file of them that is read, in bytes.
const LIMIT: u64 = 8 << 20;

fn file(dir: &Path, stage: &StageId) -> PathBuf {
    dir.join(format!("elsewhere-{}.json", Digest::of(stage.0.as_bytes()).short()))
}

/// The paths for a stage, sorted: relative to the root, or whole. `dir` is where what is remembered of the project is kept.
pub fn of(dir: &Path, stage: &StageId) -> Vec<String> {
    let bytes = RealSystem.read(&file(dir, stage), LIMIT);
    bytes.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum There {
    File,
    Nothing,
    /// A directory, or what cannot be read.
    Other,
}

/// Those of what was read: not listed, and there, or looked for in the project in vain, but not what runs make for themselves: they wrote it
/// before they read it, or leave it otherwise than it was, again and again. A file that tests only write anew as it was counts.
pub(super) fn found(
    memory: &Memory,
    listed: &[String],
    there: impl Fn(&[String]) -> Vec<There>,
) -> Vec<String> {
    let listed: BTreeSet<&String> = listed.iter().collect();
    let read: BTreeSet<&String> = memory.reads.values().flatten().collect();
    let is_altered = |path: &String| memory.altered.get(path).is_some_and(|times| *times >= OWN);
    let is_own = |path: &String| memory.made.contains(path) || is_altered(path);
    let is_elsewhere = |path: &&&String| !listed.contains(**path) && !is_own(path);
    let paths: Vec<String> =
        read.iter().filter(is_elsewhere).take(MOST).map(|path| (*path).clone()).collect();
    let there = there(&paths);
    let counts = |path: &String, there: There| match there {
        There::File => true,
        There::Nothing => !path.starts_with('/') && !memory.passing.contains(path),
        There::Other => false,
    };
    paths.into_iter().zip(there).filter_map(|(path, there)| counts(&path, there).then_some(path)).collect()
}

/// Keeps them for a stage.
///
/// # Errors
/// They cannot be written.
pub(super) fn keep(dir: &Path, stage: &StageId, paths: &[String]) -> std::io::Result<()> {
    if of(dir, stage) == paths {
        return Ok(());
    }
    let bytes = serde_json::to_vec(paths).unwrap_or_default();
    replace(&RealSystem as &dyn WriteSystem, &file(dir, stage), &bytes, 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_or_made_by_runs_or_gone_is_not_elsewhere() {
        let reads = [
            "listed.py",
            "ignored.csv",
            "/out/side.txt",
            "made.log",
            "grows.log",
            "missing",
            "passing",
            "/out/gone",
            ".",
        ]
        .map(str::to_owned);
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<String>>();
        let memory = Memory {
            reads: [("t.py".to_owned(), reads.to_vec())].into(),
            made: set(&["made.log"]),
            passing: set(&["passing"]),
            altered: [("grows.log".to_owned(), OWN), ("ignored.csv".to_owned(), OWN - 1)].into(),
            ..Memory::default()
        };
        let there = |path: &String| match path.as_str() {
            "missing" | "passing" | "/out/gone" => There::Nothing,
            "." => There::Other,
            _ => There::File,
        };
        let there = |paths: &[String]| paths.iter().map(there).collect();
        let paths = found(&memory, &["listed.py".to_owned()], there);
        assert_eq!(paths, ["/out/side.txt", "ignored.csv", "missing"]);
        let (dir, stage) = (tempfile::tempdir().unwrap(), StageId("test".into()));
        assert!(of(dir.path(), &stage).is_empty());
        keep(dir.path(), &stage, &paths).unwrap();
        assert_eq!(of(dir.path(), &stage), paths);
    }
}
