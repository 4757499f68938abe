//! The tables, as a list of steps that only grows: a file of any earlier devboot is brought to the present form, one of
//! a later devboot is left alone.

use rusqlite::{Connection, Error};

/// Step `i` brings a file of version `i` (SQLite's `user_version`) to `i + 1`.
const STEPS: &[&str] = &[
    "
    CREATE TABLE project (id INTEGER PRIMARY KEY, root TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        generation INTEGER NOT NULL,
        changes INTEGER NOT NULL,
        changed TEXT NOT NULL,
        started INTEGER NOT NULL,
        milliseconds INTEGER,
        verdict TEXT,
        owner TEXT NOT NULL,
        UNIQUE (project, number)
    ) STRICT;
    CREATE INDEX run_started ON run (started);
    CREATE TABLE stage (
        run INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        position INTEGER NOT NULL,
        why TEXT,
        verdict TEXT,
        replayed INTEGER,
        code INTEGER,
        milliseconds INTEGER,
        attempts INTEGER,
        passed INTEGER,
        failed INTEGER,
        skipped INTEGER,
        failures TEXT,
        note TEXT,
        PRIMARY KEY (run, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE last (
        project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
        stage TEXT NOT NULL,
        run INTEGER NOT NULL,
        verdict TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        items BLOB NOT NULL,
        PRIMARY KEY (project, stage)
    ) STRICT, WITHOUT ROWID;
    ",
    "
    CREATE TABLE test (
        project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
        stage TEXT NOT NULL,
        name TEXT NOT NULL,
        file TEXT NOT NULL,
        run INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        microseconds INTEGER NOT NULL,
        runs INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        flips INTEGER NOT NULL,
        PRIMARY KEY (project, stage, name)
    ) STRICT, WITHOUT ROWID;
    ",
];

/// Brings the file to the present form; `Ok(false)` when a later devboot has written it.
pub(super) fn bring_up(connection: &mut Connection) -> Result<bool, Error> {
    let version: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > STEPS.len() {
        return Ok(false);
    }
    for (i, step) in STEPS.iter().enumerate().skip(version) {
        let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have taken this step while we waited for the lock.
        let now: usize = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if now == i {
            change.execute_batch(step)?;
            change.pragma_update(None, "user_version", i + 1)?;
        }
        change.commit()?;
    }
    Ok(true)
}
