//! Writing what happened. One file for all projects; several processes may have it open. The history never stops a
//! run: whoever gets an error from here says it once and goes on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use super::migrate;
use crate::base::digest::Digest;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::time::Timestamp;
use crate::project::model::StageId;
use crate::run::event::{RunEvent, RunId, StageEnd, TestResult, Verdict};
use crate::sys::process;
use crate::sys::system::{Attributes, ReadSystem, WriteSystem};

/// Why the history could not be read or written.
#[derive(Debug)]
pub enum HistoryError {
    /// The file could not be made or set aside.
    Io(PathBuf, std::io::Error),
    /// SQLite's own words.
    Sqlite(PathBuf, rusqlite::Error),
    /// A later devboot has written it.
    Newer(PathBuf),
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, error) => write!(f, "cannot use the history {}: {error}", path.display()),
            Self::Sqlite(path, error) => write!(f, "cannot use the history {}: {error}", path.display()),
            Self::Newer(path) => {
                write!(f, "the history {} was written by a later devboot", path.display())
            }
        }
    }
}

impl std::error::Error for HistoryError {}

impl Diagnose for HistoryError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Newer(_) => vec!["use that devboot, or move the file away to begin a new history".into()],
            Self::Io(path, _) | Self::Sqlite(path, _) => {
                let dir = path.parent().unwrap_or(path).display();
                vec![format!("is its disk full, or is it read-only? `df {dir}` says; what is in it stays")]
            }
        }
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Runs of each project.
    pub runs: u64,
    /// For how long, in seconds; newer runs than [`Keep::runs`] go, too, when they are older than this.
    pub seconds: i64,
    /// So many of each project stay however old they are: the clock that says it may be wrong.
    pub least: u64,
}

impl Default for Keep {
    fn default() -> Self {
        Self { runs: 2_000, seconds: 90 * 86_400, least: 50 }
    }
}

/// What a stage was when it last ran or was replayed: what the next run is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// In which run.
    pub run: RunId,
    /// What came of it.
    pub verdict: Verdict,
    /// The digest of its fingerprint.
    pub fingerprint: Digest,
}

/// The columns of a run that begins.
struct Began {
    kind: String,
    generation: u64,
    changed: String,
    changes: u64,
    part: Option<String>,
}

/// How long another process may write.
const BUSY: Duration = Duration::from_secs(5);
/// So many pages are copied at once.
const PAGES: i32 = 1000;

/// The history.
pub struct Store {
    pub(super) connection: Connection,
    path: PathBuf,
    owner: String,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.path.display())
    }
}

impl Store {
    /// Where the history of all projects is, below the state directory.
    pub fn path(state: &Path) -> PathBuf {
        state.join("history.db")
    }

    /// Opens the history at `path`, or begins it; its directory exists. A file that is no history, or a damaged one,
    /// is set aside: then the second value says so. Runs whose process has gone are marked as interrupted.
    pub fn open(system: &dyn WriteSystem, path: &Path) -> Result<(Self, Option<String>), HistoryError> {
        match Self::attempt(system, path) {
            Err(HistoryError::Sqlite(_, error)) if is_damage(&error) => {
                let aside = set_aside(system, path).map_err(|error| HistoryError::Io(path.into(), error))?;
                let said = format!("the history was damaged ({error}); it is kept as {}", aside.display());
                Ok((Self::attempt(system, path)?, Some(said)))
            }
            other => Ok((other?, None)),
        }
    }

    /// The history for one who only reads it: where it cannot be written, because the disk is full or read-only, it is
    /// read as it stands. The rest is as [`Store::open`] says it.
    pub fn open_to_read(
        system: &dyn WriteSystem,
        path: &Path,
    ) -> Result<(Self, Option<String>), HistoryError> {
        match Self::open(system, path) {
            Err(error @ (HistoryError::Io(..) | HistoryError::Sqlite(..))) => {
                // Why it cannot be opened says more than why it cannot be looked at.
                let found = Self::look(system, path).ok().flatten();
                found.map(|found| (found, None)).ok_or(error)
            }
            other => other,
        }
    }

    /// The history to read from; `None` when there is none yet. Nothing is written.
    pub fn look(system: &dyn ReadSystem, path: &Path) -> Result<Option<Self>, HistoryError> {
        let there = |path: &Path| matches!(system.meta(path), Ok(Some(_)));
        if !there(path) {
            return Ok(None);
        }
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        // Without its log nobody has it open, and it can be read as it stands. With it, SQLite reads both, and makes
        // no file that is not there.
        let has_log = there(Path::new(&log));
        let mode = if has_log { "mode=ro" } else { "immutable=1" };
        let read = |uri, access| -> Result<Connection, rusqlite::Error> {
            let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(uri, flags)?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(connection)
        };
        let is_there = |connection: Connection| {
            connection.query_row("PRAGMA schema_version", [], |_| Ok(())).map(|()| connection)
        };
        let shared = read(uri(path, mode), OpenFlags::SQLITE_OPEN_READ_ONLY).and_then(is_there);
        // A log that nobody has open needs memory that is shared through a file, and a full disk has no room for one.
        // Who has the history alone shares nothing: so it is copied, and others need not wait.
        let alone = || -> Result<Connection, rusqlite::Error> {
            let source = read(uri(path, "mode=rw"), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            source.busy_timeout(BUSY)?;
            source.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA query_only = ON;")?;
            let mut copy = Connection::open_in_memory()?;
            Backup::new(&source, &mut copy)?.run_to_completion(PAGES, Duration::ZERO, None)?;
            Ok(copy)
        };
        let connection = match shared {
            Err(error) if has_log => alone().map_err(|_| error),
            other => other,
        };
        let connection = connection.map_err(|error| HistoryError::Sqlite(path.into(), error))?;
        Ok(Some(Self { connection, path: path.into(), owner: String::new() }))
    }

    fn attempt(system: &dyn WriteSystem, path: &Path) -> Result<Self, HistoryError> {
        let failed = |error| HistoryError::Sqlite(path.into(), error);
        let made = match system.meta(path) {
            Ok(Some(_)) => Ok(()),
            // SQLite would make it with the permissions of the umask, and gives them to its other files, too.
            Ok(None) => system.write_new(path, b"", &Attributes { mode: 0o600, ..Attributes::default() }),
            Err(error) => Err(error),
        };
        match made {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(HistoryError::Io(path.into(), error));
            }
            _ => {}
        }
        let mut connection = Connection::open(path).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        // Where the file system cannot share memory, SQLite stays with its older journal by itself.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;",
            )
            .map_err(failed)?;
        if !migrate::bring_up(&mut connection).map_err(failed)? {
            return Err(HistoryError::Newer(path.into()));
        }
        let owner = process::identity(process::id()).unwrap_or_default();
        let this = Self { connection, path: path.into(), owner };
        this.mark_interrupted()?;
        Ok(this)
    }

    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> HistoryError + use<> {
        let path = self.path.clone();
        move |error| HistoryError::Sqlite(path.clone(), error)
    }

    /// The runs that nobody will end: their process has gone.
    fn mark_interrupted(&self) -> Result<(), HistoryError> {
        let failed = self.failed();
        let mut open =
            self.connection.prepare("SELECT id, owner FROM run WHERE verdict IS NULL").map_err(&failed)?;
        let runs: Vec<(i64, String)> = open
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .and_then(Iterator::collect)
            .map_err(&failed)?;
        for (id, owner) in runs {
            let number = owner.split(' ').next().and_then(|number| number.parse().ok());
            if number.and_then(process::identity).is_some_and(|identity| identity == owner) {
                continue;
            }
            let interrupted = word(Verdict::Interrupted);
            self.connection
                .execute("UPDATE run SET verdict = ?2 WHERE id = ?1", params![id, interrupted])
                .and_then(|_| {
                    let stages = "UPDATE stage SET verdict = ?2 WHERE run = ?1 AND verdict IS NULL";
                    self.connection.execute(stages, params![id, interrupted])
                })
                .map_err(&failed)?;
        }
        Ok(())
    }

    fn project(&self, root: &Path) -> Result<i64, rusqlite::Error> {
        let root = root.to_string_lossy();
        let find = || {
            let mut find = self.connection.prepare("SELECT id FROM project WHERE root = ?1")?;
            find.query_row([&root], |row| row.get(0)).optional()
        };
        if let Some(id) = find()? {
            return Ok(id);
        }
        self.connection.execute("INSERT OR IGNORE INTO project (root) VALUES (?1)", [&root])?;
        find()?.ok_or(rusqlite::Error::QueryReturnedNoRows)
    }

    /// Does some work as one change of the file: what is written in it costs as much as one thing.
    ///
    /// # Errors
    /// The work is undone. One that ended the change before is the work's own.
    pub fn together(&self, work: impl FnOnce()) -> Result<(), HistoryError> {
        // Without the bracket every statement is a change of its own, and nothing is lost but time.
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE").is_ok();
        work();
        if begun && let Err(error) = self.connection.execute_batch("COMMIT") {
            let _ = self.connection.execute_batch("ROLLBACK");
            return Err(self.failed()(error));
        }
        Ok(())
    }

    /// The number for the next run of a project.
    pub fn next_run(&self, root: &Path) -> Result<RunId, HistoryError> {
        let next = || {
            let project = self.project(root)?;
            let most = "SELECT COALESCE(MAX(number), 0) + 1 FROM run WHERE project = ?1";
            self.connection.query_row(most, [project], |row| row.get(0))
        };
        next().map(RunId).map_err(self.failed())
    }

    /// Writes down what happened in a project at `now`; events that say nothing lasting are passed over.
    pub fn note(&self, root: &Path, event: &RunEvent, now: Timestamp) -> Result<(), HistoryError> {
        self.write(root, event, now).map_err(self.failed())
    }

    fn write(&self, root: &Path, event: &RunEvent, now: Timestamp) -> Result<(), rusqlite::Error> {
        let find = |run: &RunId| -> Result<Option<i64>, rusqlite::Error> {
            let sql = "SELECT run.id FROM run JOIN project ON project.id = run.project
                       WHERE root = ?1 AND number = ?2";
            let mut find = self.connection.prepare(sql)?;
            find.query_row(params![root.to_string_lossy(), run.0], |row| row.get(0)).optional()
        };
        match event {
            RunEvent::RunStarted { run, trigger, generation, changed, changes, stages, part, .. } => {
                let began = Began {
                    kind: word(trigger),
                    generation: *generation,
                    changed: json(changed),
                    changes: *changes,
                    part: part.as_ref().map(json),
                };
                self.connection.execute_batch("SAVEPOINT started")?;
                let done = self.begin(root, *run, began, stages, now);
                let end =
                    if done.is_ok() { "RELEASE started" } else { "ROLLBACK TO started; RELEASE started" };
                self.connection.execute_batch(end).and(done)?;
            }
            RunEvent::StageStarted { run, stage, why, .. } => {
                if let Some(id) = find(run)? {
                    let sql = "UPDATE stage SET why = ?3 WHERE run = ?1 AND name = ?2";
                    self.connection.execute(sql, params![id, stage.0, why])?;
                }
            }
            RunEvent::TestsFinished { run, stage, tests } => self.note_tests(root, *run, stage, tests)?,
            RunEvent::StageFinished { run, stage, end } => {
                if let Some(id) = find(run)? {
                    self.end_stage(id, stage, end)?;
                }
            }
            RunEvent::RunFinished { run, verdict, milliseconds, .. } => {
                if let Some(id) = find(run)? {
                    let sql = "UPDATE run SET verdict = ?2, milliseconds = ?3 WHERE id = ?1";
                    self.connection.execute(sql, params![id, word(verdict), milliseconds])?;
                }
            }
            RunEvent::Output { .. }
            | RunEvent::TestFailed { .. }
            | RunEvent::Affected { .. }
            | RunEvent::Spent { .. }
            | RunEvent::ServiceReady { .. }
            | RunEvent::ServiceEnded { .. } => {}
        }
        Ok(())
    }

    fn begin(
        &self,
        root: &Path,
        run: RunId,
        began: Began,
        stages: &[StageId],
        now: Timestamp,
    ) -> Result<(), rusqlite::Error> {
        let project = self.project(root)?;
        let Began { kind, generation, changed, changes, part } = began;
        self.connection.execute(
            "INSERT INTO run (project, number, kind, generation, changes, changed, started, owner, part)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![project, run.0, kind, generation, changes, changed, now.0, self.owner, part],
        )?;
        let id = self.connection.last_insert_rowid();
        let sql = "INSERT OR IGNORE INTO stage (run, name, position) VALUES (?1, ?2, ?3)";
        let mut add = self.connection.prepare(sql)?;
        for (position, stage) in stages.iter().enumerate() {
            add.execute(params![id, stage.0, position])?;
        }
        Ok(())
    }

    fn end_stage(&self, run: i64, stage: &StageId, end: &StageEnd) -> Result<(), rusqlite::Error> {
        let tests = end.tests.as_ref();
        self.connection.execute(
            "UPDATE stage SET verdict = ?3, replayed = ?4, code = ?5, milliseconds = ?6, attempts = ?7, passed = ?8,
             failed = ?9, skipped = ?10, failures = ?11, note = ?12, asked = ?13, total = ?14
             WHERE run = ?1 AND name = ?2",
            params![
                run,
                stage.0,
                word(end.verdict),
                end.replayed,
                end.exit,
                end.milliseconds,
                end.attempts,
                tests.map(|tests| tests.passed),
                tests.map(|tests| tests.failed),
                tests.map(|tests| tests.skipped),
                json(&end.failures),
                end.note,
                end.partly.map(|partly| partly.asked),
                end.partly.and_then(|partly| partly.of),
            ],
        )?;
        Ok(())
    }

    fn note_tests(
        &self,
        root: &Path,
        run: RunId,
        stage: &StageId,
        tests: &[TestResult],
    ) -> Result<(), rusqlite::Error> {
        let project = self.project(root)?;
        let mut note = self.connection.prepare(
            "INSERT INTO test (project, stage, name, file, run, outcome, microseconds, runs, failures, flips)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9)
             ON CONFLICT (project, stage, name) DO UPDATE SET file = excluded.file, run = excluded.run,
             outcome = excluded.outcome, microseconds = excluded.microseconds, runs = runs + 1,
             failures = failures + excluded.failures,
             flips = flips + (excluded.flips AND excluded.outcome <> outcome)",
        )?;
        for test in tests {
            note.execute(params![
                project,
                stage.0,
                test.name,
                test.file,
                run.0,
                word(test.outcome),
                test.microseconds,
                test.outcome.is_failure(),
                test.flaky,
            ])?;
        }
        Ok(())
    }

    /// Remembers what a stage was in a run, for the next comparison. `items` are the fingerprint's, in the form of who
    /// wrote them; `None` when they are there already, with the same fingerprint.
    pub fn remember(
        &self,
        root: &Path,
        stage: &StageId,
        last: &Last,
        items: Option<&[u8]>,
    ) -> Result<(), HistoryError> {
        let write = || {
            let project = self.project(root)?;
            let fingerprint = last.fingerprint.to_string();
            let (run, verdict) = (last.run.0, word(last.verdict));
            match items {
                Some(items) => self.connection.execute(
                    "INSERT OR REPLACE INTO last (project, stage, run, verdict, fingerprint, items)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    params![project, stage.0, run, verdict, fingerprint, items],
                ),
                None => self.connection.execute(
                    "UPDATE last SET run = ?3, verdict = ?4 WHERE project = ?1 AND stage = ?2 AND fingerprint = ?5",
                    params![project, stage.0, run, verdict, fingerprint],
                ),
            }
        };
        write().map(drop).map_err(self.failed())
    }

    /// What a stage was when it last ran; `None` when it never did.
    pub fn last(&self, root: &Path, stage: &StageId) -> Result<Option<Last>, HistoryError> {
        let sql = "SELECT last.run, verdict, fingerprint FROM last JOIN project ON project.id = last.project
                   WHERE root = ?1 AND stage = ?2";
        let row = self
            .connection
            .query_row(sql, params![root.to_string_lossy(), stage.0], |row| {
                let (run, verdict): (u64, String) = (row.get(0)?, row.get(1)?);
                Ok((run, verdict, row.get::<_, String>(2)?))
            })
            .optional()
            .map_err(self.failed())?;
        // A row that makes no sense is as good as none.
        Ok(row.and_then(|(run, verdict, fingerprint)| {
            let (verdict, fingerprint) = (of_word(&verdict)?, fingerprint.parse().ok()?);
            Some(Last { run: RunId(run), verdict, fingerprint })
        }))
    }

    /// The items of a stage's last fingerprint; `None` when there are none.
    pub fn items(&self, root: &Path, stage: &StageId) -> Result<Option<Vec<u8>>, HistoryError> {
        let sql =
            "SELECT items FROM last JOIN project ON project.id = last.project WHERE root = ?1 AND stage = ?2";
        let found =
            self.connection.query_row(sql, params![root.to_string_lossy(), stage.0], |row| row.get(0));
        found.optional().map_err(self.failed())
    }

    /// Lets go the pages of the file that it keeps in memory.
    pub fn give_back(&self) {
        let _ = self.connection.execute_batch("PRAGMA shrink_memory");
    }

    /// Forgets a project with its runs.
    pub fn forget(&self, root: &Path) -> Result<(), HistoryError> {
        let sql = "DELETE FROM project WHERE root = ?1";
        self.connection.execute(sql, [root.to_string_lossy()]).map(drop).map_err(self.failed())
    }

    /// Removes the runs that are more or older than is kept; what is under way stays.
    ///
    /// Runs begin one after the other, which a clock that was set does not change: one is old when a later one is, and
    /// young when an earlier one is. What is dated to the future says nothing of its age.
    pub fn prune(&self, keep: Keep, now: Timestamp) -> Result<u64, HistoryError> {
        let sql = "WITH newest AS (SELECT project, MAX(number) AS number FROM run GROUP BY project),
                   young AS (SELECT MIN(id) AS id FROM run WHERE started BETWEEN ?1 AND ?2),
                   old AS (SELECT MAX(id) AS id FROM run WHERE started < ?1
                           AND id < COALESCE((SELECT id FROM young), id + 1))
                   DELETE FROM run WHERE verdict IS NOT NULL
                   AND (number <= (SELECT number FROM newest WHERE newest.project = run.project) - ?3
                        OR id <= (SELECT id FROM old)
                        AND number <= (SELECT number FROM newest WHERE newest.project = run.project) - ?4)";
        let oldest = now.0.saturating_sub(keep.seconds);
        let count = self.connection.execute(sql, params![oldest, now.0, keep.runs, keep.least]);
        // A test that has not run for so long is no longer there.
        let gone = "DELETE FROM test WHERE run <
                    (SELECT MAX(number) FROM run WHERE run.project = test.project) - ?1";
        self.connection.execute(gone, [keep.runs]).map_err(self.failed())?;
        count.map(|count| count as u64).map_err(self.failed())
    }
}

/// The word that a value has in JSON, for columns that are words.
pub(super) fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(super) fn of_word<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(word.into()).ok()
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "[]".into())
}

/// A path as SQLite's URI, every byte that means something in one escaped.
fn uri(path: &Path, query: &str) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut text = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            text.push(char::from(*byte));
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
    }
    format!("{text}?{query}")
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
        // The tables are not those of the version that it says it has.
        || matches!(error.sqlite_error_code(), Some(ErrorCode::Unknown))
}

fn set_aside(system: &dyn WriteSystem, path: &Path) -> std::io::Result<PathBuf> {
    let aside = path.with_extension("damaged");
    system.rename(path, &aside)?;
    for end in ["-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        system.remove_file(Path::new(&name))?;
    }
    Ok(aside)
}
