//! Carrying out a plan as one journalled transaction.
//!
//! Order: copies of what will be replaced → journal → every new byte, in temporary files beside their targets,
//! ledger included → durable → the renames → the journal is filed as done. Nothing is replaced before all bytes
//! are on the disk, so a full disk is met while everything is still old; and every replacement is one rename, so
//! a kill leaves each file old or new. The next writing command calls [`recover`], which looks which is which.
//!
//! The one exception is a file with several hard links: a rename would part it from its other names. It is
//! overwritten in place, after its space is reserved, in one call, before anything else is replaced.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::actual::Reader;
use super::entry::{Content, State};
use super::journal::{self, Journal, JournalStep, RunId};
use super::ledger::Ledger;
use super::plan::{Plan, Step};
use super::prepare::first_dirs;
use super::recover::recover;
use super::store::{StoreError, io_at};
use super::survey::Home;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::path::HomePath;
use crate::base::time::Timestamp;
use crate::sys::system::{Attributes, FileKind, WriteSystem, replace};

/// What a run is filed under.
#[derive(Clone, Debug)]
pub struct RunHeader {
    /// The command, for people.
    pub command: String,
    /// When it begins.
    pub now: Timestamp,
    /// The run that it takes back.
    pub undoes: Option<RunId>,
}

/// A plan could not be carried out.
#[derive(Debug)]
pub enum ApplyError {
    /// The state directory cannot be used; the home is as it was.
    Store(StoreError),
    /// A new file could not be written; the home is as it was.
    Staging(HomePath, io::Error),
    /// Someone changed a file between plan and apply; the home is as it was.
    ChangedMeanwhile(HomePath),
    /// Some files are new, the others old. Nothing is half written.
    CutShort {
        /// Where it stopped.
        path: HomePath,
        /// How many changes were made.
        done: usize,
        /// Why.
        error: io::Error,
    },
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplyError::Store(error) => error.fmt(f),
            ApplyError::Staging(path, _) => write!(f, "cannot write {path}; nothing was changed"),
            ApplyError::ChangedMeanwhile(path) => {
                write!(f, "{path} was changed by someone else just now; nothing was changed")
            }
            ApplyError::CutShort { path, done, .. } => {
                write!(f, "stopped at {path} after {done} changes; every file is whole, old or new")
            }
        }
    }
}

impl std::error::Error for ApplyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ApplyError::Store(error) => std::error::Error::source(error),
            ApplyError::Staging(_, error) | ApplyError::CutShort { error, .. } => Some(error),
            ApplyError::ChangedMeanwhile(_) => None,
        }
    }
}

impl Diagnose for ApplyError {
    fn kind(&self) -> ErrorKind {
        match self {
            ApplyError::Store(error) => error.kind(),
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            ApplyError::Store(error) => error.hints(),
            ApplyError::Staging(_, error) if error.kind() == io::ErrorKind::StorageFull => {
                vec!["free some space and run the same command again".into()]
            }
            ApplyError::Staging(..) => Vec::new(),
            ApplyError::ChangedMeanwhile(_) => vec!["run the same command again".into()],
            ApplyError::CutShort { .. } => {
                vec!["run the same command again to finish, or `devboot undo` to go back".into()]
            }
        }
    }
}

impl From<StoreError> for ApplyError {
    fn from(error: StoreError) -> Self {
        ApplyError::Store(error)
    }
}

/// Carries out a plan. The name of the run comes back, or `None` when there was nothing to do. The caller holds
/// the lock and has called [`recover`].
pub fn apply(
    system: &dyn WriteSystem,
    home: &Home,
    plan: &Plan,
    header: &RunHeader,
) -> Result<Option<RunId>, ApplyError> {
    if plan.is_empty() {
        return Ok(None);
    }
    let mut run = Run::begin(system, home, plan, header)?;
    if let Err(error) = run.stage() {
        run.withdraw();
        return Err(error);
    }
    match run.replace() {
        Ok(()) => {}
        Err((path, 0, Some(error))) => {
            run.withdraw();
            return Err(ApplyError::Staging(path, error));
        }
        Err((path, 0, None)) => {
            run.withdraw();
            return Err(ApplyError::ChangedMeanwhile(path));
        }
        Err((path, done, error)) => {
            let error =
                error.unwrap_or_else(|| io::Error::other("the file was changed by someone else just now"));
            // What was done is recorded now if possible; otherwise the next command finds the journal.
            let _ = recover(system, home);
            return Err(ApplyError::CutShort { path, done, error });
        }
    }
    run.finish()?;
    Ok(Some(run.journal.id))
}

/// One transaction on its way.
struct Run<'a> {
    system: &'a dyn WriteSystem,
    home: &'a Home,
    plan: &'a Plan,
    journal: Journal,
    next: Ledger,
    /// What exists only because of this run, in the order it was made.
    made: Vec<Made>,
}

enum Made {
    File(PathBuf),
    Dir(PathBuf),
}

impl<'a> Run<'a> {
    fn begin(
        system: &'a dyn WriteSystem,
        home: &'a Home,
        plan: &'a Plan,
        header: &RunHeader,
    ) -> Result<Self, ApplyError> {
        let store = &home.store;
        store.make_dirs(system)?;
        let first_dirs = first_dirs(system, home)?;
        let ledger = store.ledger(system)?;
        let journal = Journal {
            format: journal::FORMAT,
            id: store.new_run(system, header.now)?,
            started: header.now,
            command: header.command.clone(),
            undoes: header.undoes.clone(),
            steps: plan.steps.iter().map(journal_step).collect(),
            dirs: missing_dirs(plan),
            removed_dirs: plan.remove_dirs.clone(),
        };
        let mut next = ledger;
        let changes = plan.records.iter().chain(plan.steps.iter().flat_map(|step| &step.records));
        for change in changes {
            match &change.after {
                Some(record) => next.records.insert(change.key.clone(), record.clone()),
                None => next.records.remove(&change.key),
            };
            next.kept.remove(&change.key);
        }
        next.kept.extend(plan.keep.iter().cloned());
        next.dirs.extend(journal.dirs.iter().cloned());
        next.dirs.extend(first_dirs);
        Ok(Self { system, home, plan, journal, next, made: Vec::new() })
    }

    /// Everything that needs space.
    fn stage(&mut self) -> Result<(), ApplyError> {
        let store = &self.home.store;
        for step in &self.plan.steps {
            if let Content::File { bytes, .. } = &step.before {
                store.keep(self.system, bytes)?;
            }
        }
        // What is written is the base of a later merge; losing it costs only that.
        let bases = self.plan.steps.iter().filter(|step| step.blocks.is_empty() && !step.generated);
        store.keep_bases(self.system, &self.journal.id, bases.map(|step| step.after.bytes()))?;
        for change in &self.plan.records {
            self.keep_adopted(change)?;
        }
        let pending = store.journal_path(&self.journal.id, true);
        self.write_state(&pending, &to_json(&self.journal))?;
        self.sync(pending.parent().unwrap_or(store.dir()))?;
        self.same_places().map_err(|(path, error)| match error {
            Some(error) => ApplyError::Staging(path, error),
            None => ApplyError::ChangedMeanwhile(path),
        })?;
        for index in 0..self.plan.steps.len() {
            self.stage_step(index)
                .map_err(|error| ApplyError::Staging(self.plan.steps[index].path.clone(), error))?;
        }
        let written: Vec<PathBuf> = (0..self.plan.steps.len())
            .filter(|index| {
                let step = &self.plan.steps[*index];
                matches!(step.after, Content::File { .. }) && !in_place(step)
            })
            .map(|index| self.temporary(index))
            .collect();
        self.system.sync_many(&written).map_err(io_at(store.dir()))?;
        let ledger = self.staged_ledger();
        self.made.push(Made::File(ledger.clone()));
        self.write_state(&ledger, &to_json(&self.next))
    }

    /// A directory that someone has swapped for a link since the plan would lead the writes elsewhere.
    fn same_places(&self) -> Result<(), (HomePath, Option<io::Error>)> {
        let mut reader = Reader::new(self.system, &self.home.path, self.home.real.clone());
        for step in &self.plan.steps {
            match reader.is_direct(&step.at) {
                Ok(true) => {}
                Ok(false) => return Err((step.path.clone(), None)),
                Err(error) => return Err((step.path.clone(), Some(error))),
            }
        }
        Ok(())
    }

    /// The user's file that an entry was found equal to: its bytes are needed once the entry changes.
    fn keep_adopted(&self, change: &super::journal::RecordChange) -> Result<(), ApplyError> {
        if let (None, Some(record)) = (&change.before, &change.after)
            && let super::ledger::Original::Whole(State::File { .. }) = record.original
        {
            let path = change.key.path.under(&self.home.path);
            let bytes = self.system.read(&path, super::actual::LARGEST).map_err(io_at(&path))?;
            self.home.store.keep(self.system, &bytes)?;
        }
        Ok(())
    }

    fn staged_ledger(&self) -> PathBuf {
        self.home.store.ledger_path().with_extension("next")
    }

    /// Writes one of our own files.
    fn write_state(&self, path: &Path, bytes: &[u8]) -> Result<(), ApplyError> {
        replace(self.system, path, bytes, 0o600)
            .map_err(|error| StoreError::Io(path.to_path_buf(), error).into())
    }

    fn sync(&self, dir: &Path) -> Result<(), ApplyError> {
        self.system.sync(dir).map_err(|error| StoreError::Io(dir.to_path_buf(), error).into())
    }

    fn stage_step(&mut self, index: usize) -> io::Result<()> {
        let step = &self.plan.steps[index];
        for dir in &step.make_dirs {
            let dir = dir.under(&self.home.path);
            if self.system.meta(&dir)?.is_none() {
                self.system.create_dir(&dir, 0o755)?;
                self.made.push(Made::Dir(dir));
            }
        }
        let temporary = self.temporary(index);
        match &step.after {
            Content::File { .. } if in_place(step) => {}
            Content::File { bytes, mode } => {
                self.made.push(Made::File(temporary.clone()));
                self.system.write_new(&temporary, bytes, &self.attributes(step, *mode))?;
            }
            Content::Symlink(to) => {
                self.made.push(Made::File(temporary.clone()));
                self.system.symlink(Path::new(to), &temporary)?;
            }
            Content::Dir if step.before == Content::Absent => {
                let at = step.at.under(&self.home.path);
                if self.system.meta(&at)?.is_none() {
                    self.system.create_dir(&at, 0o755)?;
                    self.made.push(Made::Dir(at));
                }
            }
            Content::Absent | Content::Dir => {}
        }
        Ok(())
    }

    fn attributes(&self, step: &Step, mode: u32) -> Attributes {
        let existing = step.meta.as_ref().filter(|meta| meta.kind == FileKind::File);
        let own = crate::sys::process::owner();
        Attributes {
            mode,
            owner: existing.map(|meta| (meta.uid, meta.gid)).filter(|owner| *owner != own),
            modified: step.modified,
            like: existing.map(|_| step.at.under(&self.home.path)),
        }
    }

    fn temporary(&self, index: usize) -> PathBuf {
        let at = self.plan.steps[index].at.under(&self.home.path);
        at.with_file_name(self.journal.temporary(index))
    }

    /// The replacements. On an error: where, how many were made before, and the system's reason (`None`: the
    /// file is not what the plan saw).
    fn replace(&mut self) -> Result<(), (HomePath, usize, Option<io::Error>)> {
        let steps = &self.plan.steps;
        self.same_places().map_err(|(path, error)| (path, 0, error))?;
        for step in steps {
            match self.as_planned(step) {
                Ok(true) => {}
                Ok(false) => return Err((step.path.clone(), 0, None)),
                Err(error) => return Err((step.path.clone(), 0, Some(error))),
            }
        }
        let order = (0..steps.len())
            .filter(|i| in_place(&steps[*i]))
            .chain((0..steps.len()).filter(|i| !in_place(&steps[*i])));
        for (done, index) in order.enumerate() {
            let step = &steps[index];
            self.replace_one(index).map_err(|error| (step.path.clone(), done, Some(error)))?;
        }
        Ok(())
    }

    fn as_planned(&self, step: &Step) -> io::Result<bool> {
        let now = self.system.meta(&step.at.under(&self.home.path))?;
        Ok(match (&step.meta, &now) {
            (None, None) => true,
            (Some(then), Some(now)) if now.kind == FileKind::Dir => then.kind == FileKind::Dir,
            (Some(then), Some(now)) => {
                (&then.kind, then.size, then.modified, then.mode)
                    == (&now.kind, now.size, now.modified, now.mode)
            }
            // A directory that staging has made.
            (None, Some(now)) => now.kind == FileKind::Dir && step.after == Content::Dir,
            (Some(_), None) => false,
        })
    }

    fn replace_one(&self, index: usize) -> io::Result<()> {
        let step = &self.plan.steps[index];
        let at = step.at.under(&self.home.path);
        match &step.after {
            Content::File { bytes, mode } if in_place(step) => {
                self.system.overwrite(&at, bytes)?;
                match step.before {
                    Content::File { mode: old, .. } if old == *mode => Ok(()),
                    _ => self.system.set_mode(&at, *mode),
                }
            }
            Content::File { .. } | Content::Symlink(_) => {
                if step.before == Content::Dir {
                    self.system.remove_dir(&at)?;
                }
                self.system.rename(&self.temporary(index), &at)
            }
            Content::Dir => {
                if matches!(step.before, Content::Absent | Content::Dir) {
                    return Ok(());
                }
                self.system.remove_file(&at)?;
                self.system.create_dir(&at, 0o755)
            }
            Content::Absent if step.before == Content::Dir => {
                remove_if_empty(self.system, &at);
                Ok(())
            }
            Content::Absent => self.system.remove_file(&at),
        }
    }

    /// Files the run as done.
    fn finish(&mut self) -> Result<(), ApplyError> {
        let parents: BTreeSet<PathBuf> = self
            .plan
            .steps
            .iter()
            .filter_map(|step| step.at.under(&self.home.path).parent().map(Path::to_path_buf))
            .collect();
        let mut there = Vec::new();
        for dir in parents {
            if self.system.meta(&dir).map_err(io_at(&dir))?.is_some() {
                there.push(dir);
            }
        }
        self.system.sync_many(&there).map_err(io_at(self.home.store.dir()))?;
        for dir in &self.plan.remove_dirs {
            remove_if_empty(self.system, &dir.under(&self.home.path));
        }
        let store = &self.home.store;
        let renamed = self
            .system
            .rename(&self.staged_ledger(), &store.ledger_path())
            .and_then(|()| {
                let (from, to) =
                    (store.journal_path(&self.journal.id, true), store.journal_path(&self.journal.id, false));
                self.system.rename(&from, &to)
            })
            .and_then(|()| self.system.sync(store.dir()));
        renamed.map_err(io_at(store.dir()))?;
        // The work is done and filed; what pruning cannot remove now it removes another time.
        let _ = store.prune(self.system, &self.next);
        Ok(())
    }

    /// Takes away everything this run made; the home is as it was.
    fn withdraw(&mut self) {
        for made in self.made.iter().rev() {
            let _ = match made {
                Made::File(path) => self.system.remove_file(path),
                Made::Dir(path) => self.system.remove_dir(path),
            };
        }
        let store = &self.home.store;
        for path in [store.bases_path(&self.journal.id), store.journal_path(&self.journal.id, true)] {
            let _ = self.system.remove_file(&path);
        }
    }
}

fn in_place(step: &Step) -> bool {
    let several = step.meta.as_ref().is_some_and(|meta| meta.kind == FileKind::File && meta.links > 1);
    several && matches!((&step.before, &step.after), (Content::File { .. }, Content::File { .. }))
}

pub(super) fn remove_if_empty(system: &dyn WriteSystem, dir: &Path) {
    // A directory that holds something stays: that is not a failure.
    let _ = system.remove_dir(dir);
}

pub(super) fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    // Our own types have no map with keys that are not text and no failing serialiser.
    serde_json::to_vec(value).unwrap_or_default()
}

fn journal_step(step: &Step) -> JournalStep {
    let mut before = step.before.state();
    if let (State::File { modified, .. }, Some(meta)) = (&mut before, &step.meta) {
        *modified = Some(meta.modified);
    }
    JournalStep {
        path: step.path.clone(),
        at: step.at.clone(),
        before,
        after: step.after.state(),
        blocks: step.blocks.clone(),
        records: step.records.clone(),
    }
}

fn missing_dirs(plan: &Plan) -> Vec<HomePath> {
    let mut seen = BTreeSet::new();
    plan.steps
        .iter()
        .flat_map(|step| &step.make_dirs)
        .filter(|dir| seen.insert((*dir).clone()))
        .cloned()
        .collect()
}
