//! The state directory: ledger, journals, and copies of what was replaced, filed by their digest.
//!
//! ```text
//! ledger.json          what devboot wrote and what stood there before
//! runs/ID.json         one finished run
//! runs/ID.pending      a run that has begun; after a crash the next writing command settles it
//! backups/DIGEST       bytes of a file that was replaced
//! bases/ID             what a run wrote into the user's files: the bases of later merges
//! ```
//!
//! Pruning: the journals of the last [`KEPT_RUNS`] runs stay; a copy stays as long as the ledger or a kept
//! journal names it. The bases of a run stay as long as its journal.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::{self, Journal, RunId};
use super::ledger::{self, Ledger};
use crate::base::digest::Digest;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::time::Timestamp;
use crate::sys::system::{Attributes, ReadSystem, WriteSystem};

/// How many runs can be taken back.
pub const KEPT_RUNS: usize = 20;

/// The largest ledger or journal that is read.
const LARGEST: u64 = 64 << 20;

/// The state directory of one home.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

/// The state directory cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// Reading or writing failed.
    Io(PathBuf, io::Error),
    /// A file of ours cannot be understood.
    Damaged(PathBuf, String),
    /// A file was written by a newer devboot.
    Newer(PathBuf, u32),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Io(path, _) => write!(f, "cannot use {}", path.display()),
            StoreError::Damaged(path, why) => write!(f, "{} is damaged: {why}", path.display()),
            StoreError::Newer(path, format) => {
                write!(f, "{} was written by a newer devboot (format {format})", path.display())
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            StoreError::Io(..) => ErrorKind::Failed,
            StoreError::Damaged(..) | StoreError::Newer(..) => ErrorKind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            StoreError::Io(_, error) if error.kind() == io::ErrorKind::StorageFull => {
                vec!["free some space and run the same command again; nothing is half done".into()]
            }
            StoreError::Io(..) => Vec::new(),
            StoreError::Damaged(path, _) => vec![format!(
                "move {} away to start afresh: files that devboot wrote will then count as yours",
                path.display()
            )],
            StoreError::Newer(..) => vec!["use the devboot that wrote it".into()],
        }
    }
}

type Result<T> = std::result::Result<T, StoreError>;

impl Store {
    /// The store in a state directory, which need not exist yet.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_path_buf() }
    }

    /// The state directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The ledger; an empty one when there is none yet.
    pub fn ledger(&self, system: &dyn ReadSystem) -> Result<Ledger> {
        let path = self.ledger_path();
        let Some(bytes) = self.read_if_there(system, &path)? else { return Ok(Ledger::default()) };
        let ledger: Ledger = parse(&path, &bytes, ledger::FORMAT)?;
        Ok(ledger)
    }

    pub(super) fn ledger_path(&self) -> PathBuf {
        self.dir.join("ledger.json")
    }

    /// Which directories were made for the state directory, until the ledger has them.
    pub(super) fn made_path(&self) -> PathBuf {
        self.dir.join("made.json")
    }

    /// The finished runs, oldest first.
    pub fn runs(&self, system: &dyn ReadSystem) -> Result<Vec<RunId>> {
        self.named(system, ".json")
    }

    /// The runs that have begun and were not settled.
    pub fn pending(&self, system: &dyn ReadSystem) -> Result<Vec<RunId>> {
        self.named(system, ".pending")
    }

    fn named(&self, system: &dyn ReadSystem, suffix: &str) -> Result<Vec<RunId>> {
        let dir = self.dir.join("runs");
        if system.meta(&dir).map_err(io_at(&dir))?.is_none() {
            return Ok(Vec::new());
        }
        let names = system.list(&dir).map_err(io_at(&dir))?;
        let mut ids: Vec<RunId> =
            names.iter().filter_map(|name| RunId::parse(name.to_str()?.strip_suffix(suffix)?)).collect();
        ids.sort_by_key(RunId::order);
        Ok(ids)
    }

    /// One run's journal.
    pub fn journal(&self, system: &dyn ReadSystem, id: &RunId, pending: bool) -> Result<Option<Journal>> {
        let path = self.journal_path(id, pending);
        match self.read_if_there(system, &path)? {
            Some(bytes) => parse(&path, &bytes, journal::FORMAT).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn journal_path(&self, id: &RunId, pending: bool) -> PathBuf {
        self.dir.join("runs").join(format!("{id}.{}", if pending { "pending" } else { "json" }))
    }

    /// A name for a run that begins now. It sorts after every other one, even when the clock has been set back:
    /// `undo` and pruning go by the names.
    pub fn new_run(&self, system: &dyn ReadSystem, now: Timestamp) -> Result<RunId> {
        let first = RunId::new(now, 0);
        let newest = self
            .runs(system)?
            .into_iter()
            .chain(self.pending(system)?)
            .max_by_key(RunId::order)
            .filter(|newest| newest.order() >= first.order());
        Ok(newest.map_or(first, |newest| newest.following()))
    }

    /// The stored bytes with this digest; `None` when they are gone or damaged.
    pub fn bytes(&self, system: &dyn ReadSystem, digest: Digest) -> Option<Vec<u8>> {
        let bytes = system.read(&self.backup_path(digest), super::actual::LARGEST).ok()?;
        (Digest::of(&bytes) == digest).then_some(bytes)
    }

    pub(super) fn backup_path(&self, digest: Digest) -> PathBuf {
        self.dir.join("backups").join(digest.to_string())
    }

    /// Files bytes under their digest, durably. Bytes that are there already are not written.
    pub(super) fn keep(&self, system: &dyn WriteSystem, bytes: &[u8]) -> Result<()> {
        let digest = Digest::of(bytes);
        let path = self.backup_path(digest);
        if system.meta(&path).map_err(io_at(&path))?.is_some() {
            if self.bytes(system, digest).is_some() {
                return Ok(());
            }
            system.remove_file(&path).map_err(io_at(&path))?;
        }
        // Written under another name first: a copy with the right name is always whole.
        let temporary = path.with_extension("tmp");
        system.remove_file(&temporary).map_err(io_at(&temporary))?;
        let attributes = Attributes { mode: 0o600, ..Attributes::default() };
        let done = system
            .write_new(&temporary, bytes, &attributes)
            .and_then(|()| system.sync(&temporary))
            .and_then(|()| system.rename(&temporary, &path));
        if done.is_err() {
            let _ = system.remove_file(&temporary);
        }
        done.map_err(io_at(&path))
    }

    /// Keeps the texts that a run writes, in one file: digest, length, bytes, one after the other.
    pub(super) fn keep_bases<'a>(
        &self,
        system: &dyn WriteSystem,
        id: &RunId,
        texts: impl Iterator<Item = &'a [u8]>,
    ) -> Result<()> {
        let mut pack = Vec::new();
        for text in texts.filter(|text| !text.is_empty()) {
            pack.extend(format!("{} {}\n", Digest::of(text), text.len()).bytes());
            pack.extend(text);
        }
        if pack.is_empty() {
            return Ok(());
        }
        let path = self.bases_path(id);
        let attributes = Attributes { mode: 0o600, ..Attributes::default() };
        let done = system.write_new(&path, &pack, &attributes);
        if done.is_err() {
            let _ = system.remove_file(&path);
        }
        done.map_err(io_at(&path))
    }

    pub(super) fn bases_path(&self, id: &RunId) -> PathBuf {
        self.dir.join("bases").join(id.as_str())
    }

    /// The base of a merge, from the newest run that wrote it; `None` when it is gone.
    pub fn base(&self, system: &dyn ReadSystem, digest: Digest) -> Option<Vec<u8>> {
        let runs = self.runs(system).ok()?;
        runs.iter()
            .rev()
            .find_map(|id| find_in_pack(&system.read(&self.bases_path(id), LARGEST).ok()?, digest))
    }

    /// Makes the directories inside the state directory.
    pub(super) fn make_dirs(&self, system: &dyn WriteSystem) -> Result<()> {
        for name in ["runs", "backups", "bases"] {
            let dir = self.dir.join(name);
            if system.meta(&dir).map_err(io_at(&dir))?.is_none() {
                system.create_dir(&dir, 0o700).map_err(io_at(&dir))?;
            }
        }
        Ok(())
    }

    /// Removes journals beyond [`KEPT_RUNS`] and copies that nothing names any more. Best effort.
    pub(super) fn prune(&self, system: &dyn WriteSystem, ledger: &Ledger) -> Result<()> {
        let runs = self.runs(system)?;
        let excess = runs.len().saturating_sub(KEPT_RUNS);
        for id in &runs[..excess] {
            for path in [self.bases_path(id), self.journal_path(id, false)] {
                system.remove_file(&path).map_err(io_at(&path))?;
            }
        }
        if excess == 0 {
            return Ok(());
        }
        let mut named = ledger.digests();
        for (id, pending) in runs[excess..]
            .iter()
            .map(|id| (id, false))
            .chain(self.pending(system)?.iter().map(|id| (id, true)))
        {
            if let Some(journal) = self.journal(system, id, pending)? {
                named.extend(journal.digests());
            }
        }
        let dir = self.dir.join("backups");
        for name in system.list(&dir).map_err(io_at(&dir))? {
            let keep = name
                .to_str()
                .and_then(|name| name.parse::<Digest>().ok())
                .is_some_and(|d| named.contains(&d));
            if !keep {
                let path = dir.join(name);
                system.remove_file(&path).map_err(io_at(&path))?;
            }
        }
        Ok(())
    }

    /// Bytes for a plan that may lead back to any of these digests.
    pub fn load(
        &self,
        system: &dyn ReadSystem,
        digests: impl IntoIterator<Item = Digest>,
    ) -> BTreeMap<Digest, Vec<u8>> {
        digests.into_iter().filter_map(|digest| Some((digest, self.bytes(system, digest)?))).collect()
    }

    fn read_if_there(&self, system: &dyn ReadSystem, path: &Path) -> Result<Option<Vec<u8>>> {
        match system.read(path, LARGEST) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(StoreError::Io(path.to_path_buf(), error)),
        }
    }
}

fn find_in_pack(mut pack: &[u8], digest: Digest) -> Option<Vec<u8>> {
    loop {
        let end = pack.iter().position(|byte| *byte == b'\n')?;
        let (name, length) = std::str::from_utf8(&pack[..end]).ok()?.split_once(' ')?;
        let rest = pack.get(end + 1..)?;
        let (text, next) = rest.split_at_checked(length.parse().ok()?)?;
        if name == digest.to_string() && Digest::of(text) == digest {
            return Some(text.to_vec());
        }
        pack = next;
    }
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8], known: u32) -> Result<T> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    // The head is read first: a newer format may have fields that would otherwise look like damage.
    match serde_json::from_slice::<Head>(bytes) {
        Ok(head) if head.format > known => return Err(StoreError::Newer(path.to_path_buf(), head.format)),
        _ => {}
    }
    serde_json::from_slice(bytes).map_err(|error| StoreError::Damaged(path.to_path_buf(), error.to_string()))
}

pub(super) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    move |error| StoreError::Io(path.to_path_buf(), error)
}
