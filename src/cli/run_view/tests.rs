//! What a person reads of a run, line by line.

use super::*;
use crate::run::event::{RunId, Trigger};

fn id(name: &str) -> StageId {
    StageId(name.into())
}

const RUN: RunId = RunId(1);

fn start(stages: &[&str]) -> RunEvent {
    RunEvent::RunStarted {
        run: RUN,
        trigger: Trigger::Change,
        generation: 3,
        settle: 0,
        changed: vec!["a.py".into(), "b.py".into(), "c.py".into(), "d\u{1b}[2J.py".into()],
        changes: 2000,
        stages: stages.iter().map(|name| id(name)).collect(),
        part: None,
    }
}

fn end(verdict: Verdict, replayed: bool) -> StageEnd {
    StageEnd {
        verdict,
        replayed,
        exit: Some(if verdict.is_success() { 0 } else { 1 }),
        milliseconds: 412,
        attempts: 1,
        tests: None,
        failures: Vec::new(),
        note: None,
        partly: None,
    }
}

fn all(view: &mut RunView, events: &[RunEvent]) -> Vec<String> {
    events.iter().flat_map(|event| view.on(event)).collect()
}

fn output(stage: &str, text: &str) -> RunEvent {
    RunEvent::Output { run: RUN, stage: id(stage), stream: Stream::Out, text: text.into() }
}

fn finished(stage: &str, end: StageEnd) -> RunEvent {
    RunEvent::StageFinished { run: RUN, stage: id(stage), end }
}

#[test]
fn a_red_run_shows_what_to_mend_and_one_line_that_says_it_all() {
    let tests = Some(Tests { passed: 3, failed: 1, skipped: 0 });
    let failures = vec![Failure {
        name: "test_hello".into(),
        file: Some("test_app.py".into()),
        line: Some(7),
        message: "assert 404 == 200\n +  where 404 = status".into(),
    }];
    let note = Some("test failed".into());
    let lines = all(
        &mut RunView::new(Options::default()),
        &[
            start(&["lint", "test", "smoke"]),
            finished("lint", end(Verdict::Passed, true)),
            output("test", "much output\n"),
            finished("test", StageEnd { tests, failures, ..end(Verdict::Failed, false) }),
            finished("smoke", StageEnd { note, ..end(Verdict::Skipped, false) }),
            RunEvent::RunFinished { run: RUN, verdict: Verdict::Failed, milliseconds: 530, note: None },
        ],
    );
    let expected = [
        "changed: a.py, b.py, c.py and 1997 others",
        "  test   failed       1 failed, 3 passed, 412 ms",
        "    test_app.py:7 test_hello: assert 404 == 200",
        "       +  where 404 = status",
        "  smoke  skipped      test failed",
        "RED in test, 1 failed, 3 passed, 1 stage skipped, 1 of 3 stages ran, 530 ms",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn without_parsed_failures_the_end_of_the_output_is_shown_and_only_then() {
    let text: String = (0..100).map(|i| format!("line {i}\n")).collect();
    let events = |verdict| {
        [start(&["a"]), output("a", &text), output("a", "last"), finished("a", end(verdict, false))]
    };
    let lines = all(&mut RunView::new(Options::default()), &events(Verdict::Failed));
    assert_eq!((lines[2].as_str(), lines.last().unwrap().as_str()), ("    line 71", "    last"));
    let lines = all(&mut RunView::new(Options::default()), &events(Verdict::Passed));
    assert_eq!(lines[1..], ["  a  passed       412 ms"]);
}

#[test]
fn streamed_output_says_whose_it_is_when_there_are_several() {
    let mut view = RunView::new(Options { output: true, ..Options::default() });
    view.on(&start(&["a", "b"]));
    assert_eq!(view.on(&output("a", "one\ntw")), ["a | one"]);
    assert_eq!(view.on(&output("b", "1\n")), ["b | 1"]);
    assert_eq!(view.on(&output("a", "o\n")), ["a | two"]);
    view.on(&start(&["a"]));
    assert_eq!(view.on(&output("a", "one\n")), ["one"]);
}

#[test]
fn output_keeps_its_colours_and_nothing_else_that_moves_a_terminal() {
    assert_eq!(shown("\u{1b}[2J\u{1b}[31mred\u{1b}[0m", true), "\u{1b}[31mred\u{1b}[0m\u{1b}[0m");
    assert_eq!(shown("\u{1b}[31mred\u{1b}[0m", false), "red");
    assert_eq!(shown("10%\r20%\r100%\r", true), "100%");
    assert_eq!(shown("\u{1b}]0;title\u{7}x", true), "\\u{1b}]0;title\\u{7}x");
    assert_eq!(shown("\u{1b}[é", true), "");
    assert_eq!(shown("\u{1b}[12", true), "\\u{1b}[12");
}

#[test]
fn a_run_of_a_part_says_so_and_of_what() {
    let verdict = |stages: &[&str], part: Part, partly| {
        let mut view = RunView::new(Options::default());
        let mut start = start(stages);
        if let RunEvent::RunStarted { part: of, .. } = &mut start {
            *of = Some(part);
        }
        let tests = Some(Tests { passed: 2, ..Tests::default() });
        let end = |_| StageEnd { tests, partly, ..end(Verdict::Passed, false) };
        let ends = stages.iter().map(|stage| finished(stage, end(())));
        let over = RunEvent::RunFinished { run: RUN, verdict: Verdict::Passed, milliseconds: 2, note: None };
        let events: Vec<RunEvent> = std::iter::once(start).chain(ends).chain([over]).collect();
        all(&mut view, &events).pop().unwrap()
    };
    let tests = |tests: &[&str]| Part {
        stages: vec![id("test")],
        tests: tests.iter().map(|test| (*test).into()).collect(),
        of: 1,
    };
    let asked = |of| Some(Partly { asked: true, of });
    assert_eq!(
        verdict(&["test"], tests(&["a.py", "b.py"]), asked(Some(9))),
        "GREEN IN PART 2 passed, only a.py, b.py (2 of 9 tests), 1 stage, 2 ms"
    );
    assert_eq!(
        verdict(&["test"], tests(&["-k", "a or b"]), asked(None)),
        "GREEN IN PART 2 passed, only -k a or b, 1 stage, 2 ms"
    );
    let stages = Part { stages: vec![id("test")], tests: Vec::new(), of: 3 };
    assert_eq!(
        verdict(&["prepare", "test"], stages, None),
        "GREEN IN PART 4 passed, only test (2 of 3 stages), 2 stages, 2 ms"
    );
}

#[test]
fn flaky_tests_are_named_before_the_verdict_with_what_they_did() {
    let ended = |name: &str, outcome, flaky| RunEvent::TestsFinished {
        run: RUN,
        stage: id("test"),
        tests: vec![TestResult {
            name: name.into(),
            file: "t.py".into(),
            outcome,
            microseconds: 1,
            flaky,
            line: None,
            message: String::new(),
            text: String::new(),
        }],
    };
    let lines = all(
        &mut RunView::new(Options::default()),
        &[
            start(&["test"]),
            ended("t::a", Outcome::Failed, false),
            ended("t::b", Outcome::Failed, true),
            ended("t::c", Outcome::Passed, true),
            ended("t::d", Outcome::Passed, false),
            ended("t::a", Outcome::Passed, true),
            finished("test", end(Verdict::Failed, false)),
            RunEvent::RunFinished { run: RUN, verdict: Verdict::Failed, milliseconds: 2, note: None },
        ],
    );
    let flaky: Vec<&String> = lines.iter().filter(|line| line.contains("flaky")).collect();
    assert_eq!(
        flaky,
        [
            "  test  flaky        t::a: failed, and then passed at the same bytes",
            "  test  flaky        t::b: failed now, and has passed at the same bytes",
            "  test  flaky        t::c: passed now, and has failed at the same bytes",
        ]
    );
    assert!(lines.last().unwrap().starts_with("RED"), "{lines:?}");
}

#[test]
fn a_run_that_had_nothing_to_do_says_so() {
    let mut view = RunView::new(Options::default());
    let events = [
        start(&["a"]),
        finished(
            "a",
            StageEnd { tests: Some(Tests { passed: 2, ..Tests::default() }), ..end(Verdict::Passed, true) },
        ),
        RunEvent::RunFinished {
            run: RUN,
            verdict: Verdict::Passed,
            milliseconds: 2,
            note: Some("a loss".into()),
        },
    ];
    assert_eq!(all(&mut view, &events)[1..], ["  a loss", "GREEN 2 passed, nothing had to run, 2 ms"]);
}
