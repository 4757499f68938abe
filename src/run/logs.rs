//! Where the output of stages is kept: one log per run and stage, private, bounded each and in all.

use std::io;
use std::path::{Path, PathBuf};

use super::event::RunId;
use crate::base::digest::Digest;
use crate::project::model::StageId;
use crate::sys::log::Log;
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;
use crate::sys::tree;

/// How many runs keep their logs.
const RUNS: usize = 50;

/// How much the logs of a project may hold, in bytes; the last run's stay all the same.
const BYTES: u64 = 128 << 20;

/// The logs of a project.
#[derive(Clone, Debug)]
pub struct Logs {
    dir: PathBuf,
}

impl Logs {
    /// The logs below a directory, which need not be there yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Where a stage's log of a run is.
    pub fn path(&self, run: RunId, stage: &StageId) -> PathBuf {
        self.dir.join(run.0.to_string()).join(file_name(stage))
    }

    /// The end of a stage's log of a run, as text; `None` when there is none.
    pub fn read(&self, run: RunId, stage: &StageId) -> Option<String> {
        let bytes = RealSystem.read(&self.path(run, stage), 2 * crate::sys::log::LOG).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What a stage's log of a run holds from a byte on; nothing where there is none.
    pub fn read_from(&self, run: RunId, stage: &StageId, offset: u64) -> Vec<u8> {
        crate::sys::log::read_from(&self.path(run, stage), offset).unwrap_or_default()
    }

    /// The latest run that has logs.
    pub fn latest(&self) -> Option<RunId> {
        self.runs().into_iter().max().map(RunId)
    }

    fn runs(&self) -> Vec<u64> {
        let names = RealSystem.list(&self.dir).unwrap_or_default();
        names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect()
    }

    /// Begins a run: what an earlier one of this number wrote, whose history is lost, would be taken for its own.
    pub fn begin(&self, run: RunId) {
        let _ = tree::remove(&self.dir.join(run.0.to_string()));
    }

    pub(super) fn open(&self, run: RunId, stage: &StageId) -> io::Result<Log> {
        let path = self.path(run, stage);
        tree::create_private(path.parent().unwrap_or(&self.dir))?;
        Log::open(&path)
    }

    /// Removes the logs of the oldest runs until the others are within the bounds.
    pub fn prune(&self) {
        self.prune_to(RUNS, BYTES);
    }

    fn prune_to(&self, runs: usize, bytes: u64) {
        let mut found = self.runs();
        found.sort_unstable();
        let mut held = 0;
        for (newer, run) in found.iter().rev().enumerate() {
            let dir = self.dir.join(run.to_string());
            held += tree::size(&dir);
            if newer >= runs || newer > 0 && held > bytes {
                let _ = tree::remove(&dir);
            }
        }
    }
}

/// Names that files cannot have, or that would hide them, get another one.
fn file_name(stage: &StageId) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@' | '.' | '=' | ',' | '+');
    let name = &stage.0;
    if name.starts_with('.') || name.is_empty() || name.len() > 200 || !name.chars().all(plain) {
        let start: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).take(40).collect();
        return format!("{start}-{}.log", Digest::of(name.as_bytes()).short());
    }
    format!("{name}.log")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn stage(name: &str) -> StageId {
        StageId(name.into())
    }

    #[test]
    fn nobody_else_reads_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::new(&dir.path().join("a/logs"));
        logs.open(RunId(7), &stage("test")).unwrap().write(b"hello");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = logs.path(RunId(7), &stage("test"));
        assert_eq!(path, dir.path().join("a/logs/7/test.log"));
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(logs.read(RunId(7), &stage("test")).as_deref(), Some("hello"));
        assert_eq!(logs.read(RunId(8), &stage("test")), None);
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for name in ["../x", "/etc/passwd", ".hidden", "", "a b", "a\nb", &"x".repeat(300)] {
            let name = file_name(&stage(name));
            assert!(!name.contains(['/', ' ', '\n']) && name.len() < 70 && !name.starts_with('.'), "{name}");
        }
        assert_eq!(file_name(&stage("train@0.01-adam")), "train@0.01-adam.log");
        assert_ne!(file_name(&stage("a/b")), file_name(&stage("ab")));
    }

    #[test]
    fn the_oldest_go_first_and_the_last_stays() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::new(dir.path());
        for run in [1, 2, 9, 10, 11] {
            logs.open(RunId(run), &stage("s")).unwrap().write(&[0; 1000]);
        }
        let left = || {
            [1, 2, 9, 10, 11]
                .into_iter()
                .filter(|run| logs.path(RunId(*run), &stage("s")).exists())
                .collect::<Vec<_>>()
        };
        logs.prune_to(4, 1 << 20);
        assert_eq!(left(), [2, 9, 10, 11]);
        logs.prune_to(4, 2500);
        assert_eq!(left(), [10, 11]);
        logs.prune_to(4, 10);
        assert_eq!(left(), [11]);
    }
}
