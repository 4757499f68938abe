//! Reading what happened.

use std::path::{Path, PathBuf};

use rusqlite::{Row, params};
use serde::Serialize;

use super::store::{HistoryError, Store, of_word};
use crate::base::time::Timestamp;
use crate::project::model::StageId;
use crate::run::event::{Failure, Outcome, Part, Partly, RunId, StageEnd, Tests, Trigger, Verdict};

/// Which runs are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of one project only.
    pub root: Option<PathBuf>,
    /// Of one stage only: runs in which it ran or was replayed.
    pub stage: Option<StageId>,
    /// With a stage: only runs in which not only some of its tests were asked for.
    pub whole: bool,
    /// Only those that did not succeed.
    pub failed: bool,
    /// Begun from then on.
    pub since: Option<Timestamp>,
    /// At most so many, the latest first; 0 for all.
    pub limit: u32,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The project's root.
    pub project: PathBuf,
    /// Its number in the project.
    pub run: RunId,
    /// What asked for it.
    pub trigger: Trigger,
    /// What was asked for, when that was not all of the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Some of the paths that changed.
    pub changed: Vec<String>,
    /// How many paths changed in all.
    pub changes: u64,
    /// When it began.
    pub started: Timestamp,
    /// How long it took, in milliseconds; `None` while it is under way or when its end was not seen.
    pub milliseconds: Option<u64>,
    /// What came of it; `None` while it is under way.
    pub verdict: Option<Verdict>,
}

/// A stage of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// Which.
    pub stage: StageId,
    /// Why it ran or did not.
    pub why: Option<String>,
    /// How it ended; `None` while it is under way.
    pub end: Option<StageEnd>,
}

impl Store {
    /// The runs that are wanted, the latest first: in the order in which they began, whatever the clock said.
    pub fn runs(&self, filter: &Filter) -> Result<Vec<Run>, HistoryError> {
        let sql = "SELECT root, number, kind, changed, changes, started, milliseconds, verdict, part
            FROM run JOIN project ON project.id = run.project
            WHERE (?1 IS NULL OR root = ?1) AND (?2 IS NULL OR started >= ?2)
            AND (?3 = 0 OR verdict NOT IN ('passed', 'flaky'))
            AND (?4 IS NULL OR EXISTS (SELECT 1 FROM stage WHERE stage.run = run.id AND stage.name = ?4
                 AND stage.verdict NOT IN ('skipped') AND (?6 = 0 OR COALESCE(stage.asked, 0) = 0)))
            ORDER BY run.id DESC LIMIT ?5";
        let limit = if filter.limit == 0 { -1 } else { i64::from(filter.limit) };
        let values = params![
            filter.root.as_ref().map(|root| root.to_string_lossy().into_owned()),
            filter.since.map(|since| since.0),
            filter.failed,
            filter.stage.as_ref().map(|stage| &stage.0),
            limit,
            filter.whole,
        ];
        self.connection
            .prepare(sql)
            .and_then(|mut query| query.query_map(values, run)?.collect())
            .map_err(self.failed())
    }

    /// The stages of a run, in their order.
    pub fn stages(&self, root: &Path, run: RunId) -> Result<Vec<Stage>, HistoryError> {
        let sql =
            "SELECT name, why, stage.verdict, replayed, code, stage.milliseconds, attempts, passed, failed,
            skipped, failures, note, asked, total FROM stage JOIN run ON run.id = stage.run
            JOIN project ON project.id = run.project WHERE root = ?1 AND number = ?2 ORDER BY position";
        self.connection
            .prepare(sql)
            .and_then(|mut query| query.query_map(params![root.to_string_lossy(), run.0], stage)?.collect())
            .map_err(self.failed())
    }
}

/// What is known of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Test {
    /// Its stage.
    pub stage: StageId,
    /// As its runner names it.
    pub name: String,
    /// Its file.
    pub file: String,
    /// In which run it ran last.
    pub run: RunId,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took, in microseconds.
    pub microseconds: u64,
    /// How often it has run.
    pub runs: u64,
    /// How often it failed.
    pub failures: u64,
    /// How often it had another outcome than before at the same bytes.
    pub flips: u64,
}

impl Store {
    /// The tests of a project, the slowest first; at most so many, 0 for all.
    pub fn tests(&self, root: &Path, limit: u32) -> Result<Vec<Test>, HistoryError> {
        let sql = "SELECT stage, name, file, run, outcome, microseconds, runs, failures, flips
            FROM test JOIN project ON project.id = test.project WHERE root = ?1
            ORDER BY microseconds DESC, name LIMIT ?2";
        let limit = if limit == 0 { -1 } else { i64::from(limit) };
        let found = self
            .connection
            .prepare(sql)
            .and_then(|mut query| query.query_map(params![root.to_string_lossy(), limit], test)?.collect());
        found.map_err(self.failed())
    }
}

fn test(row: &Row<'_>) -> Result<Test, rusqlite::Error> {
    Ok(Test {
        stage: StageId(row.get(0)?),
        name: row.get(1)?,
        file: row.get(2)?,
        run: RunId(row.get(3)?),
        outcome: of_word(&row.get::<_, String>(4)?).unwrap_or(Outcome::Error),
        microseconds: row.get(5)?,
        runs: row.get(6)?,
        failures: row.get(7)?,
        flips: row.get(8)?,
    })
}

fn run(row: &Row<'_>) -> Result<Run, rusqlite::Error> {
    Ok(Run {
        project: PathBuf::from(row.get::<_, String>(0)?),
        run: RunId(row.get(1)?),
        part: row.get::<_, Option<String>>(8)?.and_then(|part| serde_json::from_str(&part).ok()),
        trigger: of_word(&row.get::<_, String>(2)?).unwrap_or(Trigger::Request),
        changed: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
        changes: row.get(4)?,
        started: Timestamp(row.get(5)?),
        milliseconds: row.get(6)?,
        verdict: row.get::<_, Option<String>>(7)?.and_then(|verdict| of_word(&verdict)),
    })
}

fn stage(row: &Row<'_>) -> Result<Stage, rusqlite::Error> {
    let verdict: Option<Verdict> = row.get::<_, Option<String>>(2)?.and_then(|verdict| of_word(&verdict));
    let tests = match (row.get(7)?, row.get(8)?, row.get(9)?) {
        (Some(passed), Some(failed), Some(skipped)) => Some(Tests { passed, failed, skipped }),
        _ => None,
    };
    let failures: Vec<Failure> = row
        .get::<_, Option<String>>(10)?
        .and_then(|failures| serde_json::from_str(&failures).ok())
        .unwrap_or_default();
    let end = match verdict {
        None => None,
        Some(verdict) => Some(StageEnd {
            verdict,
            replayed: row.get::<_, Option<bool>>(3)?.unwrap_or(false),
            exit: row.get(4)?,
            milliseconds: row.get::<_, Option<u64>>(5)?.unwrap_or(0),
            attempts: row.get::<_, Option<u32>>(6)?.unwrap_or(0),
            tests,
            failures,
            note: row.get(11)?,
            partly: match row.get(12)? {
                Some(asked) => Some(Partly { asked, of: row.get(13)? }),
                None => None,
            },
        }),
    };
    Ok(Stage { stage: StageId(row.get(0)?), why: row.get(1)?, end })
}
