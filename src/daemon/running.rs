//! Which runs are under way: `running.json` in the state directory. A service that is killed leaves it behind, and the
//! next one knows from it which runs were interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::run::event::RunId;
use crate::sys::system::{Attributes, WriteSystem};

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;

/// Runs, by the directory of their project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Running {
    projects: BTreeMap<String, BTreeSet<u64>>,
}

fn path_in(state: &Path) -> PathBuf {
    state.join("running.json")
}

impl Running {
    /// A run begins.
    pub fn begin(&mut self, root: &str, run: RunId) {
        self.projects.entry(root.to_owned()).or_default().insert(run.0);
    }

    /// A run has ended.
    pub fn end(&mut self, root: &str, run: RunId) {
        if let Some(runs) = self.projects.get_mut(root) {
            runs.remove(&run.0);
        }
        self.projects.retain(|_, runs| !runs.is_empty());
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.projects.is_empty()
    }

    /// Takes out the runs of a project.
    pub fn take(&mut self, root: &str) -> Vec<RunId> {
        self.projects.remove(root).unwrap_or_default().into_iter().map(RunId).collect()
    }

    /// What a service before us left. A damaged file says nothing.
    pub fn load(system: &dyn WriteSystem, state: &Path) -> Self {
        let bytes = system.read(&path_in(state), LARGEST).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// Writes it down; none leaves no file. It is renamed into place and not made durable: it is for the death of the
    /// service, not of the machine, and a run must not wait for the disk.
    pub fn save(&self, system: &dyn WriteSystem, state: &Path) -> io::Result<()> {
        let path = path_in(state);
        if self.is_empty() {
            return system.remove_file(&path);
        }
        let bytes = serde_json::to_vec(self).map_err(io::Error::other)?;
        let temporary = path.with_extension("json.tmp");
        system.remove_file(&temporary)?;
        system.write_new(&temporary, &bytes, &Attributes { mode: 0o600, ..Attributes::default() })?;
        system.rename(&temporary, &path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::real::RealSystem;
    use crate::sys::system::ReadSystem;

    #[test]
    fn a_killed_service_leaves_its_runs_and_a_finished_one_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut running = Running::default();
        running.begin("/p", RunId(7));
        running.begin("/p", RunId(8));
        running.end("/p", RunId(7));
        running.save(&RealSystem, dir.path()).unwrap();
        let mut left = Running::load(&RealSystem, dir.path());
        assert_eq!(left.take("/p"), [RunId(8)]);
        assert!(left.is_empty());
        left.save(&RealSystem, dir.path()).unwrap();
        assert!(RealSystem.list(dir.path()).unwrap().is_empty());
    }
}
