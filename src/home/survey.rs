//! One home directory with its store: reading everything that a plan looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::actual::{Actual, Reader};
use super::entry::{Entry, EntryKind, Key, State};
use super::journal::{Journal, JournalStep, RunId};
use super::ledger::{Ledger, Original, Written};
use super::plan::{Plan, Resolution, Situation};
use super::store::{Store, StoreError};
use crate::base::digest::Digest;
use crate::base::error::Fault;
use crate::base::path::HomePath;
use crate::sys::system::ReadSystem;

/// A home directory and what devboot remembers of it.
#[derive(Clone, Debug)]
pub struct Home {
    /// The home directory.
    pub path: PathBuf,
    /// The same with its own symbolic links followed.
    pub real: PathBuf,
    /// Ledger, journals, copies.
    pub store: Store,
}

/// Everything that a plan looks at, read at one moment.
#[derive(Debug)]
pub struct Survey {
    /// The last-written states.
    pub ledger: Ledger,
    /// The actual states.
    pub actual: BTreeMap<HomePath, Actual>,
    /// Bytes that a way back may need.
    pub stored: BTreeMap<Digest, Vec<u8>>,
}

impl Home {
    /// A home directory with its state directory. `real` is the home with its own symbolic links followed.
    pub fn new(path: &Path, real: &Path, state: &Path) -> Self {
        Self { path: path.to_path_buf(), real: real.to_path_buf(), store: Store::new(state) }
    }

    /// The path relative to the home directory; `None` when it is outside or not Unicode.
    pub fn home_path(&self, path: &Path) -> Option<HomePath> {
        HomePath::parse(path.strip_prefix(&self.path).ok()?.to_str()?).ok()
    }

    /// Reads what a plan for `entries` looks at.
    pub fn survey(&self, system: &dyn ReadSystem, entries: &[Entry]) -> Result<Survey, StoreError> {
        let ledger = self.store.ledger(system)?;
        let mut reader = Reader::new(system, &self.path, self.real.clone());
        let mut actual = BTreeMap::new();
        for entry in entries {
            let follow = !matches!(entry.kind, EntryKind::Symlink(_) | EntryKind::Absent);
            actual.entry(entry.path.clone()).or_insert_with(|| reader.read(&entry.path, follow));
        }
        for path in ledger.records.iter().filter_map(|(key, record)| super::retreat::aside(key, record)) {
            actual.entry(path.clone()).or_insert_with(|| reader.read(&path, true));
        }
        for (key, record) in &ledger.records {
            let follow = !matches!(record.written, Written::Whole(State::Symlink(_) | State::Absent));
            actual.entry(key.path.clone()).or_insert_with(|| reader.read(&key.path, follow));
        }
        let asked: BTreeSet<Key> = entries.iter().map(Entry::key).collect();
        let originals =
            ledger.records.iter().filter(|(key, _)| !asked.contains(key)).filter_map(|(_, record)| {
                match record.original {
                    Original::Whole(State::File { digest, .. }) => Some(digest),
                    _ => None,
                }
            });
        let stored = self.store.load(system, originals.collect::<BTreeSet<_>>());
        Ok(Survey { ledger, actual, stored })
    }

    /// Reads what going back behind `journal` looks at.
    pub fn survey_run(&self, system: &dyn ReadSystem, journal: &Journal) -> Result<Survey, StoreError> {
        let mut reader = Reader::new(system, &self.path, self.real.clone());
        let actual = journal
            .steps
            .iter()
            .map(|step| (step.path.clone(), reader.read(&step.path, follows(step))))
            .collect();
        let stored = self.store.load(system, journal.digests());
        Ok(Survey { ledger: self.store.ledger(system)?, actual, stored })
    }

    /// The plan for `entries`.
    pub fn plan(
        &self,
        system: &dyn ReadSystem,
        entries: &[Entry],
        answers: &BTreeMap<Key, Resolution>,
    ) -> Result<Plan, Fault> {
        let survey = self.survey(system, entries)?;
        Ok(super::plan::plan(&survey.situation(entries, answers))?)
    }

    /// The plan that takes back everything.
    pub fn plan_uninstall(&self, system: &dyn ReadSystem) -> Result<Plan, Fault> {
        let survey = self.survey(system, &[])?;
        Ok(super::retreat::uninstall(&survey.situation(&[], &BTreeMap::new()))?)
    }

    /// The plan that takes back `journal`.
    pub fn plan_undo(
        &self,
        system: &dyn ReadSystem,
        journal: &Journal,
        answers: &BTreeMap<Key, Resolution>,
    ) -> Result<Plan, Fault> {
        let survey = self.survey_run(system, journal)?;
        Ok(super::retreat::undo(journal, &survey.situation(&[], answers)))
    }

    /// The newest run that is not itself an undo and has not been taken back; `None` when there is none.
    pub fn last_undoable(&self, system: &dyn ReadSystem) -> Result<Option<Journal>, StoreError> {
        let mut undone: BTreeSet<RunId> = BTreeSet::new();
        for id in self.store.runs(system)?.into_iter().rev() {
            let Some(journal) = self.store.journal(system, &id, false)? else { continue };
            match journal.undoes {
                // An undo that was itself taken back counts for nothing.
                Some(_) if undone.contains(&id) => {}
                Some(target) => {
                    undone.insert(target);
                }
                None if undone.contains(&id) => {}
                None => return Ok(Some(journal)),
            }
        }
        Ok(None)
    }
}

impl Survey {
    /// The survey as a plan looks at it.
    pub fn situation<'a>(
        &'a self,
        entries: &'a [Entry],
        answers: &'a BTreeMap<Key, Resolution>,
    ) -> Situation<'a> {
        Situation { entries, ledger: &self.ledger, actual: &self.actual, answers, stored: &self.stored }
    }
}

/// Whether a step's path is read through a symbolic link that stands there.
pub(super) fn follows(step: &JournalStep) -> bool {
    let link = |state: &State| matches!(state, State::Symlink(_));
    step.at != step.path || !(link(&step.before) || link(&step.after))
}
