//! Settling a run that was cut short: which of its changes were made is read off the disk, not off marks.

use super::actual::Reader;
use super::apply::{remove_if_empty, to_json};
use super::journal::{JournalStep, RunId};
use super::ledger::Ledger;
use super::prepare::first_dirs;
use super::retreat::finished_steps;
use super::store::{Store, StoreError, io_at};
use super::survey::{Home, follows};
use crate::sys::system::{WriteSystem, replace};

/// A run that was cut short and is now settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Which.
    pub id: RunId,
    /// How many of its changes had been made.
    pub finished: usize,
    /// How many it would have made.
    pub total: usize,
}

/// Settles every run that was cut short: temporary files go, the changes that were made are put in the ledger.
/// The same command again then finishes the rest, and `undo` goes back. The caller holds the lock.
pub fn recover(system: &dyn WriteSystem, home: &Home) -> Result<Vec<Recovered>, StoreError> {
    let store = &home.store;
    let mut settled = Vec::new();
    for id in store.pending(system)? {
        let Some(journal) = store.journal(system, &id, true)? else { continue };
        for (index, step) in journal.steps.iter().enumerate() {
            let temporary = step.at.under(&home.path).with_file_name(journal.temporary(index));
            system.remove_file(&temporary).map_err(io_at(&temporary))?;
        }
        for step in &journal.steps {
            super::torn::mend(system, home, step).map_err(io_at(&step.at.under(&home.path)))?;
        }
        let mut reader = Reader::new(system, &home.path, home.real.clone());
        let actual = journal
            .steps
            .iter()
            .map(|step| (step.path.clone(), reader.read(&step.path, follows(step))))
            .collect();
        let finished: Vec<&JournalStep> = finished_steps(&journal, &actual).collect();
        let mut ledger = store.ledger(system)?;
        for change in finished.iter().flat_map(|step| &step.records) {
            match &change.after {
                Some(record) => ledger.records.insert(change.key.clone(), record.clone()),
                None => ledger.records.remove(&change.key),
            };
        }
        if finished.is_empty() {
            for dir in journal.dirs.iter().rev() {
                remove_if_empty(system, &dir.under(&home.path));
            }
        } else {
            ledger.dirs.extend(journal.dirs.iter().cloned());
        }
        ledger.dirs.extend(first_dirs(system, home)?);
        write_ledger(system, store, &ledger)?;
        let (from, to) = (store.journal_path(&id, true), store.journal_path(&id, false));
        let filed = if finished.is_empty() {
            system.remove_file(&store.bases_path(&id)).and_then(|()| system.remove_file(&from))
        } else {
            system.rename(&from, &to)
        };
        filed.map_err(io_at(&from))?;
        settled.push(Recovered { id, finished: finished.len(), total: journal.steps.len() });
    }
    Ok(settled)
}

fn write_ledger(system: &dyn WriteSystem, store: &Store, ledger: &Ledger) -> Result<(), StoreError> {
    let path = store.ledger_path();
    system
        .remove_file(&path.with_extension("next"))
        .and_then(|()| replace(system, &path, &to_json(ledger), 0o600))
        .map_err(io_at(&path))
}
