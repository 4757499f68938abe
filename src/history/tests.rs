//! The history as its readers see it: what was written comes back, whatever happened to the file or the process.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::base::digest::Digest;
use crate::base::time::Timestamp;
use crate::project::model::StageId;
use crate::run::event::{Failure, Part, Partly, RunEvent, RunId, StageEnd, Tests, Trigger, Verdict};
use crate::sys::real::RealSystem;

const ROOT: &str = "/home/me/flask-ml";

fn id(name: &str) -> StageId {
    StageId(name.into())
}

fn started(number: u64, stages: &[&str]) -> RunEvent {
    RunEvent::RunStarted {
        run: RunId(number),
        trigger: Trigger::Change,
        generation: number,
        settle: 0,
        changed: vec!["app.py".into()],
        changes: 1,
        stages: stages.iter().map(|name| id(name)).collect(),
        part: None,
    }
}

fn end(verdict: Verdict) -> StageEnd {
    StageEnd {
        verdict,
        replayed: false,
        exit: Some(1),
        milliseconds: 12,
        attempts: 1,
        tests: Some(Tests { passed: 2, failed: 1, skipped: 0 }),
        failures: vec![Failure {
            name: "test_hello".into(),
            file: Some("test_hello.py".into()),
            line: Some(7),
            message: "assert 1 == 2".into(),
        }],
        note: Some("a note".into()),
        partly: None,
    }
}

fn open(dir: &Path) -> Store {
    let (store, said) = Store::open(&RealSystem, &dir.join("history.db")).unwrap();
    assert_eq!(said, None);
    store
}

fn note(store: &Store, event: &RunEvent, now: i64) {
    store.note(Path::new(ROOT), event, Timestamp(now)).unwrap();
}

/// A run of two stages of which the first fails.
fn red_run(store: &Store, number: u64, now: i64) {
    let run = RunId(number);
    note(store, &started(number, &["lint", "test"]), now);
    note(
        store,
        &RunEvent::StageStarted { run, stage: id("lint"), attempt: 1, why: "app.py changed".into() },
        now,
    );
    note(store, &RunEvent::StageFinished { run, stage: id("lint"), end: end(Verdict::Failed) }, now);
    let skipped = StageEnd { exit: None, tests: None, failures: Vec::new(), ..end(Verdict::Skipped) };
    note(store, &RunEvent::StageFinished { run, stage: id("test"), end: skipped }, now);
    note(store, &RunEvent::RunFinished { run, verdict: Verdict::Failed, milliseconds: 30, note: None }, now);
}

fn numbers(store: &Store) -> Vec<u64> {
    store.runs(&Filter::default()).unwrap().iter().map(|run| run.run.0).collect()
}

#[test]
fn what_was_written_comes_back_from_another_opening() {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(ROOT);
    let store = open(dir.path());
    assert_eq!(store.next_run(root).unwrap(), RunId(1));
    red_run(&store, 1, 1000);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.next_run(root).unwrap(), RunId(2));
    let runs = store.runs(&Filter::default()).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].verdict, runs[0].milliseconds), (Some(Verdict::Failed), Some(30)));
    assert_eq!((runs[0].started, runs[0].changed.as_slice()), (Timestamp(1000), &["app.py".to_owned()][..]));
    let stages = store.stages(root, RunId(1)).unwrap();
    assert_eq!((stages[0].stage.clone(), stages[0].end.clone()), (id("lint"), Some(end(Verdict::Failed))));
    assert_eq!(stages[0].why.as_deref(), Some("app.py changed"));
    let mode = fs::metadata(dir.path().join("history.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn filters_leave_out_what_is_not_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    red_run(&store, 1, 1000);
    note(&store, &started(2, &["lint"]), 2000);
    note(
        &store,
        &RunEvent::RunFinished { run: RunId(2), verdict: Verdict::Passed, milliseconds: 3, note: None },
        2000,
    );
    store.note(Path::new("/other"), &started(1, &["lint"]), Timestamp(3000)).unwrap();
    let numbers = |filter: &Filter| -> Vec<(String, u64)> {
        let runs = store.runs(filter).unwrap();
        runs.iter().map(|run| (run.project.display().to_string(), run.run.0)).collect()
    };
    let here = Filter { root: Some(ROOT.into()), ..Filter::default() };
    assert_eq!(numbers(&Filter::default()).len(), 3);
    assert_eq!(numbers(&here), [(ROOT.into(), 2), (ROOT.into(), 1)]);
    assert_eq!(numbers(&Filter { failed: true, ..here.clone() }), [(ROOT.into(), 1)]);
    assert_eq!(numbers(&Filter { since: Some(Timestamp(1500)), ..here.clone() }), [(ROOT.into(), 2)]);
    assert_eq!(numbers(&Filter { limit: 1, ..here.clone() }), [(ROOT.into(), 2)]);
    // In run 1 it was only skipped, and in run 2 it was not selected.
    assert_eq!(numbers(&Filter { stage: Some(id("test")), ..here }), []);
}

#[test]
fn a_run_whose_process_has_gone_is_interrupted_and_one_that_goes_on_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    note(&store, &started(1, &["lint"]), 1000);
    note(&store, &started(2, &["lint"]), 1000);
    // A process of the same number that began at another time is another process.
    let gone = format!("{} 1", std::process::id());
    store.connection.execute("UPDATE run SET owner = ?1 WHERE number = 1", [gone]).unwrap();
    let store = open(dir.path());
    let verdicts: Vec<_> = store.runs(&Filter::default()).unwrap().iter().map(|run| run.verdict).collect();
    assert_eq!(verdicts, [None, Some(Verdict::Interrupted)]);
    let stages = store.stages(Path::new(ROOT), RunId(1)).unwrap();
    assert_eq!(stages[0].end.as_ref().map(|end| end.verdict), Some(Verdict::Interrupted));
}

#[test]
fn a_damaged_file_is_set_aside_and_said() {
    for garbage in [&b"this is no history at all, and long enough to be looked at as one"[..], &[0xFF; 4096]]
    {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.db");
        fs::write(&path, garbage).unwrap();
        let (store, said) = Store::open(&RealSystem, &path).unwrap();
        assert!(said.unwrap().contains("history.damaged"));
        red_run(&store, 1, 1000);
        assert_eq!(fs::read(dir.path().join("history.damaged")).unwrap(), garbage);
    }
}

#[test]
fn a_file_of_a_later_devboot_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open(&RealSystem, &dir.path().join("history.db")), Err(HistoryError::Newer(_))));
}

#[test]
fn the_last_fingerprint_of_a_stage_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = (open(dir.path()), Path::new(ROOT));
    assert_eq!(store.last(root, &id("test")).unwrap(), None);
    for (run, verdict) in [(1, Verdict::Failed), (2, Verdict::Passed)] {
        let last = Last { run: RunId(run), verdict, fingerprint: Digest::of(b"x") };
        store.remember(root, &id("test"), &last, Some(b"items")).unwrap();
        assert_eq!(store.items(root, &id("test")).unwrap().as_deref(), Some(&b"items"[..]));
        assert_eq!(store.last(root, &id("test")).unwrap(), Some(last));
    }
    // The items may stay as they are, with the fingerprint that they belong to and no other.
    for (run, fingerprint, is_taken) in [(3, Digest::of(b"x"), true), (4, Digest::of(b"y"), false)] {
        let last = Last { run: RunId(run), verdict: Verdict::Flaky, fingerprint };
        store.remember(root, &id("test"), &last, None).unwrap();
        assert_eq!(store.last(root, &id("test")).unwrap() == Some(last), is_taken);
        assert_eq!(store.items(root, &id("test")).unwrap().as_deref(), Some(&b"items"[..]));
    }
    store.forget(root).unwrap();
    assert_eq!(store.last(root, &id("test")).unwrap(), None);
}

#[test]
fn old_runs_go_and_the_one_under_way_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    note(&store, &started(1, &["lint"]), 0);
    for number in 2..=10 {
        red_run(&store, number, number as i64);
    }
    assert_eq!(store.prune(Keep { runs: 5, seconds: 1000, least: 0 }, Timestamp(10)).unwrap(), 4);
    assert_eq!(store.prune(Keep { runs: 5, seconds: 2, least: 0 }, Timestamp(10)).unwrap(), 2);
    assert_eq!(numbers(&store), [10, 9, 8, 1]);
    let orphans: i64 = store
        .connection
        .query_row("SELECT COUNT(*) FROM stage WHERE run NOT IN (SELECT id FROM run)", [], |row| row.get(0))
        .unwrap();
    assert_eq!(orphans, 0);
}

#[test]
fn runs_of_some_tests_say_so_and_are_left_out_when_the_whole_stage_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    red_run(&store, 1, 1000);
    let part = Part { stages: vec![id("lint")], tests: vec!["a.py".into()], of: 2 };
    let RunEvent::RunStarted { run, trigger, generation, settle, changed, changes, stages, .. } =
        started(2, &["lint"])
    else {
        panic!()
    };
    let part = Some(part);
    let begun = RunEvent::RunStarted {
        run,
        trigger,
        generation,
        settle,
        changed,
        changes,
        stages,
        part: part.clone(),
    };
    note(&store, &begun, 1001);
    let partly = Some(Partly { asked: true, of: Some(9) });
    let some = StageEnd { partly, ..end(Verdict::Passed) };
    note(&store, &RunEvent::StageFinished { run, stage: id("lint"), end: some.clone() }, 1001);
    let found = store.runs(&Filter::default()).unwrap();
    assert_eq!((&found[0].part, &found[1].part), (&part, &None));
    assert_eq!(store.stages(Path::new(ROOT), run).unwrap()[0].end, Some(some));
    let of_stage = Filter { stage: Some(id("lint")), limit: 1, ..Filter::default() };
    assert_eq!(store.runs(&of_stage).unwrap()[0].run, RunId(2));
    assert_eq!(store.runs(&Filter { whole: true, ..of_stage }).unwrap()[0].run, RunId(1));
}

const DAY: i64 = 86_400;

#[test]
fn the_last_run_is_the_one_that_began_last_whatever_the_clock_said() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (number, when) in [(1, 1000), (2, 1100), (3, 200), (4, 300), (5, 90_000), (6, 1200)] {
        red_run(&store, number, when);
    }
    assert_eq!(numbers(&store), [6, 5, 4, 3, 2, 1]);
    let last = Filter { stage: Some(id("lint")), limit: 1, ..Filter::default() };
    assert_eq!(store.runs(&last).unwrap()[0].run, RunId(6));
}

#[test]
fn runs_of_a_clock_that_was_wrong_go_with_their_neighbours() {
    let keep = Keep { runs: 100, seconds: 90 * DAY, least: 0 };
    let today = 20_000 * DAY;
    // One year back, and ten ahead, between runs of the right clock.
    for wrong in [today - 365 * DAY, today + 3650 * DAY] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        for (number, when) in [(1, today), (2, wrong), (3, wrong), (4, today + DAY)] {
            red_run(&store, number, when);
        }
        assert_eq!(store.prune(keep, Timestamp(today + DAY)).unwrap(), 0, "none of them is old");
        red_run(&store, 5, today + 95 * DAY);
        assert_eq!(store.prune(keep, Timestamp(today + 95 * DAY)).unwrap(), 4, "all of them are");
        assert_eq!(numbers(&store), [5]);
    }
}

#[test]
fn the_runs_before_a_clock_that_is_ahead_do_not_all_go() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    (1..=9).for_each(|number| red_run(&store, number, 1000));
    red_run(&store, 10, 10_000 * DAY);
    let keep = Keep { runs: 100, seconds: 90 * DAY, least: 4 };
    store.prune(keep, Timestamp(10_000 * DAY)).unwrap();
    assert_eq!(numbers(&store), [10, 9, 8, 7]);
}
