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
    // In a table without row ids SQLite reads a row as a whole to compare its key, and the items of a stage may be megabytes.
    "
    CREATE TABLE last_by_row (
        project INTEGER NOT NULL REFERENCES project(id) ON DELETE CASCADE,
        stage TEXT NOT NULL,
        run INTEGER NOT NULL,
        verdict TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        items BLOB NOT NULL,
        PRIMARY KEY (project, stage)
    ) STRICT;
    INSERT INTO last_by_row SELECT project, stage, run, verdict, fingerprint, items FROM last;
    DROP TABLE last;
    ALTER TABLE last_by_row RENAME TO last;
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
    // What was asked for, where that was not all of the project; whether only some tests of a stage were, and of how many.
    "
    ALTER TABLE run ADD COLUMN part TEXT;
    ALTER TABLE stage ADD COLUMN asked INTEGER;
    ALTER TABLE stage ADD COLUMN total INTEGER;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_first_version_keeps_what_stages_were_in_a_table_that_is_read_row_by_row() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch(
                "INSERT INTO project (id, root) VALUES (3, '/p');
                 INSERT INTO last (project, stage, run, verdict, fingerprint, items)
                 VALUES (3, 'test', 7, 'passed', 'abc', x'0102');",
            )
            .unwrap();
        assert!(bring_up(&mut connection).unwrap());
        let row = connection.query_row(
            "SELECT project, stage, run, verdict, fingerprint, items FROM last",
            [],
            |row| {
                let (project, stage, run): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let (verdict, fingerprint, items): (String, String, Vec<u8>) =
                    (row.get(3)?, row.get(4)?, row.get(5)?);
                Ok((project, stage, run, verdict, fingerprint, items))
            },
        );
        assert_eq!(row.unwrap(), (3, "test".into(), 7, "passed".into(), "abc".into(), vec![1, 2]));
        let without_row_ids = "SELECT wr FROM pragma_table_list WHERE name = 'last'";
        assert!(!connection.query_row(without_row_ids, [], |row| row.get::<_, bool>(0)).unwrap());
        let columns = "SELECT COUNT(*) FROM pragma_table_info('run') WHERE name = 'part'";
        assert_eq!(connection.query_row(columns, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
        assert!(bring_up(&mut connection).unwrap(), "and once only");
    }
}
