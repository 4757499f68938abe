//! What tests were seen to read that no listing of the project has: files that git ignores, and files outside of the project. A
//! stage depends on them as on any other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::base::digest::Digest;
use crate::project::model::StageId;
use crate::sys::real::RealSystem;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

/// So many are kept of a stage.
const MOST: usize = 1000;

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

/// Those of what was read: neither listed nor written by a run, and there. `is_file` says what is.
pub(super) fn found(
    reads: &BTreeMap<String, Vec<String>>,
    (listed, written): (&[String], &BTreeSet<String>),
    is_file: impl Fn(&[String]) -> Vec<bool>,
) -> Vec<String> {
    let listed: BTreeSet<&String> = listed.iter().collect();
    let read: BTreeSet<&String> = reads.values().flatten().collect();
    let is_elsewhere = |path: &&&String| !listed.contains(**path) && !written.contains(**path);
    let paths: Vec<String> =
        read.iter().filter(is_elsewhere).take(MOST).map(|path| (*path).clone()).collect();
    let there = is_file(&paths);
    paths.into_iter().zip(there).filter_map(|(path, there)| there.then_some(path)).collect()
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
    fn what_is_listed_or_written_or_gone_is_not_elsewhere() {
        let reads = ["listed.py", "ignored.csv", "/out/side.txt", "made.log", "gone"].map(str::to_owned);
        let reads = BTreeMap::from([("t.py".to_owned(), reads.to_vec())]);
        let written = BTreeSet::from(["made.log".to_owned()]);
        let is_file = |paths: &[String]| paths.iter().map(|path| path != "gone").collect();
        let paths = found(&reads, (&["listed.py".to_owned()], &written), is_file);
        assert_eq!(paths, ["/out/side.txt", "ignored.csv"]);
        let (dir, stage) = (tempfile::tempdir().unwrap(), StageId("test".into()));
        assert!(of(dir.path(), &stage).is_empty());
        keep(dir.path(), &stage, &paths).unwrap();
        assert_eq!(of(dir.path(), &stage), paths);
    }
}
