//! Whole runs of real programs: what they do to us, and what is said of it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::dispatcher::Order;
use super::event::{RunEvent, StageEnd, Verdict};
use super::fixture::{World, end, needs, sh, stage};
use crate::project::model::{Action, Command, Stage, StageId};

/// The end of a script that runs alone.
async fn alone(script: &str) -> StageEnd {
    let mut world = World::new();
    let record = world.run(&[sh("s", script)]).await;
    end(&record, "s").clone()
}

fn note(end: &StageEnd) -> &str {
    end.note.as_deref().unwrap_or_default()
}

fn words(name: &str, words: &[&str]) -> Stage {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Stage { action: Action::Run(Command::Words(words)), ..stage(name) }
}

#[tokio::test]
async fn a_run_is_told_from_beginning_to_end() {
    let mut world = World::new();
    let stages =
        [sh("a", "echo one; echo two >&2"), needs(sh("b", "exit 3"), &["a"]), needs(stage("c"), &["b"])];
    let record = world.run(&stages).await;
    assert_eq!(record.verdict, Verdict::Failed);
    let verdicts: Vec<Verdict> = record.stages.iter().map(|(_, end)| end.verdict).collect();
    assert_eq!(verdicts, [Verdict::Passed, Verdict::Failed, Verdict::Skipped]);
    assert_eq!((end(&record, "b").exit, note(end(&record, "b"))), (Some(3), "exit code 3"));
    assert_eq!(note(end(&record, "c")), "b did not succeed");
    let names: Vec<String> = world
        .events()
        .iter()
        .filter(|event| !matches!(event, RunEvent::Output { .. }))
        .map(|event| match event {
            RunEvent::RunStarted { .. } => "run".into(),
            RunEvent::StageStarted { stage, .. } => format!("start {stage}"),
            RunEvent::StageFinished { stage, .. } => format!("end {stage}"),
            RunEvent::RunFinished { verdict, .. } => format!("{verdict:?}"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["run", "start a", "end a", "start b", "end b", "end c", "Failed"]);
    let log = world.tools.logs.read(record.run, &StageId("a".into())).unwrap();
    assert!(log.contains("one\n") && log.contains("two\n"), "{log}");
}

#[tokio::test]
async fn only_the_given_environment_is_there_and_nothing_to_be_read() {
    let mut world = World::new();
    world.run(&[sh("s", "env | cut -d= -f1 | sort | tr '\\n' ' '; cat")]).await;
    assert_eq!(world.output(), "PATH PWD ");
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let mut world = World::new();
    world.write("plain", "text");
    let elsewhere = Stage { cwd: "gone".into(), ..stage("elsewhere") };
    let far = Stage { on: "ray".into(), ..stage("far") };
    let unread = Stage { inputs: vec!["missing.csv".into()], ..stage("unread") };
    let stages = [
        words("missing", &["devboot-no-such-program"]),
        words("closed", &["./plain"]),
        words("nothing", &[]),
        elsewhere,
        far,
        unread,
    ];
    let record = world.run(&stages).await;
    for (name, why) in [
        ("missing", "cannot start devboot-no-such-program: No such file or directory"),
        ("closed", "cannot start ./plain: Permission denied"),
        ("nothing", "cannot start : No such file"),
        ("elsewhere", "there is no directory "),
        ("far", "no place called 'ray'"),
        ("unread", "cannot read missing.csv: No such file"),
    ] {
        let end = end(&record, name);
        assert_eq!(end.verdict, Verdict::NotStarted, "{name}");
        assert!(note(end).starts_with(why), "{name}: {}", note(end));
    }
    let end = alone("devboot-no-such-program").await;
    assert_eq!((end.verdict, note(&end)), (Verdict::Failed, "exit code 127: a command was not found"));
}

#[tokio::test]
async fn a_signal_is_a_failure() {
    let end = alone("kill -SEGV $$").await;
    assert_eq!(
        (end.verdict, end.exit, note(&end)),
        (Verdict::Failed, None, "ended by signal 11 (bad memory access)")
    );
}

#[tokio::test]
async fn what_forks_away_and_holds_the_output_is_not_waited_for() {
    let end = alone("setsid sh -c 'trap \"\" TERM HUP; exec sleep 600' & exit 0").await;
    assert_eq!(end.verdict, Verdict::Passed);
}

#[tokio::test]
async fn a_time_limit_holds_for_who_ignores_the_polite_signal() {
    let mut world = World::new();
    let stubborn = sh("s", "trap '' TERM; while :; do sleep 1; done");
    let record = world.run(&[Stage { timeout: Some(Duration::from_millis(200)), ..stubborn }]).await;
    let end = end(&record, "s");
    assert_eq!((end.verdict, end.exit, note(end)), (Verdict::TimedOut, None, "it took longer than 200 ms"));
}

#[tokio::test]
async fn a_cancelled_stage_ends_with_all_that_it_started_and_the_others_go_on() {
    let mut world = World::new();
    let endless =
        sh("endless", "trap '' TERM; setsid sh -c 'echo $$ >pid; echo up; exec sleep 600' & wait; sleep 600");
    let stages = [endless, needs(stage("after"), &["endless"]), sh("other", "true")];
    let order = Order::Cancel(vec![StageId("endless".into())]);
    let record = world.run_until_output(&stages, order).await;
    let verdict = |name| end(&record, name).verdict;
    assert_eq!(
        (verdict("endless"), verdict("after"), verdict("other")),
        (Verdict::Cancelled, Verdict::Skipped, Verdict::Passed)
    );
    let id = world.read("pid").trim().to_owned();
    assert!(!Path::new(&format!("/proc/{id}")).exists(), "{id} is left behind");
}

#[tokio::test]
async fn an_interruption_ends_everything() {
    let mut world = World::new();
    let stages = [sh("a", "echo up; sleep 600"), needs(stage("b"), &["a"])];
    let record = world.run_until_output(&stages, Order::CancelAll(Verdict::Interrupted)).await;
    assert_eq!(record.verdict, Verdict::Interrupted);
    assert!(record.stages.iter().all(|(_, end)| end.verdict == Verdict::Interrupted));
}

#[tokio::test]
async fn a_dropped_run_leaves_nothing_behind() {
    let mut world = World::new();
    let job = world.job(&[sh("s", "echo $$ >pid; echo up; sleep 600")]);
    let (_orders, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    {
        let run = super::dispatcher::execute(job, &world.tools, &mut receiver, &world.feed);
        tokio::pin!(run);
        let up = async { while !matches!(world.follower.next().await, Some(RunEvent::Output { .. })) {} };
        tokio::select! {
            _ = &mut run => panic!("it has ended"),
            () = up => {}
        }
    }
    let id = world.read("pid").trim().to_owned();
    while Path::new(&format!("/proc/{id}")).exists() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_repeat_that_succeeds_is_flaky_also_when_it_is_replayed() {
    let mut world = World::new();
    let stages = [Stage { retries: 2, ..sh("s", "echo x >>tries; test $(wc -l <tries) -ge 3") }];
    for replayed in [false, true] {
        let record = world.run(&stages).await;
        let end = end(&record, "s");
        assert_eq!((end.verdict, end.replayed, record.verdict), (Verdict::Flaky, replayed, Verdict::Flaky));
        assert_eq!(world.read("tries"), "x\nx\nx\n");
    }
}

#[tokio::test]
async fn binary_output_is_text_in_events_and_bytes_in_the_log() {
    let mut world = World::new();
    let record = world.run(&[sh("s", "printf 'a\\377\\000b'")]).await;
    assert_eq!(end(&record, "s").verdict, Verdict::Passed);
    assert_eq!(world.output(), "a\u{fffd}\0b");
    let log = fs::read(world.tools.logs.path(record.run, &StageId("s".into()))).unwrap();
    assert_eq!(log, b"a\xff\0b");
}

#[test]
fn a_kill_of_ours_in_the_middle_of_a_run_leaves_nothing_behind() {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let apart = ["--exact", "run::run_tests::a_long_run_apart", "--ignored", "--nocapture"];
    let mut ours =
        Command::new(std::env::current_exe().unwrap()).args(apart).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(ours.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ids = lines.into_iter().find_map(|line| line.strip_prefix("ids ").map(str::to_owned)).unwrap();
    ours.kill().unwrap();
    ours.wait().unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    let (ids, project) = ids.split_at(ids.find('/').unwrap());
    for id in ids.split_whitespace() {
        while Path::new(&format!("/proc/{id}")).exists() {
            assert!(std::time::Instant::now() < end, "{id} is left behind");
            std::thread::yield_now();
        }
    }
    fs::remove_dir_all(Path::new(project.trim()).parent().unwrap()).unwrap();
}

#[tokio::test]
#[ignore = "a part of another test, in a process of its own"]
async fn a_long_run_apart() {
    let mut world = World::new();
    let away = "setsid sh -c 'trap \"\" TERM HUP INT; exec sleep 60' >/dev/null 2>&1 &";
    let job = world.job(&[sh("s", &format!("{away} echo ids $$ $! $PWD; sleep 60"))]);
    let (_orders, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let run = super::dispatcher::execute(job, &world.tools, &mut receiver, &world.feed);
    let tell = async {
        while let Some(event) = world.follower.next().await {
            if let RunEvent::Output { text, .. } = event {
                std::io::Write::write_all(&mut std::io::stdout(), format!("\n{text}\n").as_bytes()).unwrap();
            }
        }
    };
    tokio::join!(run, tell);
}

/// Our memory in bytes.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn a_hundred_megabytes_of_output_stay_outside() {
    // In a process of its own: other tests need memory, too.
    let apart = ["--exact", "run::run_tests::a_hundred_megabytes_apart", "--ignored"];
    let done = std::process::Command::new(std::env::current_exe().unwrap()).args(apart).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
#[ignore = "a part of another test, in a process of its own"]
async fn a_hundred_megabytes_apart() {
    let mut world = World::new();
    world.run(&[sh("s", "echo first")]).await;
    world.events();
    let script = "yes 'a line that a test has printed' | head -c 100000000; echo the end";
    let before = resident();
    let record = world.run(&[sh("s", script)]).await;
    let grown = resident().saturating_sub(before);
    assert_eq!(end(&record, "s").verdict, Verdict::Passed);
    assert!(grown < 8 << 20, "grown by {} kB", grown >> 10);
    let events = world.events();
    assert!(events.len() < 2000, "{} events", events.len());
    let log = fs::metadata(world.tools.logs.path(record.run, &StageId("s".into()))).unwrap().len();
    assert!(log < (16 << 20) + 200, "{log}");
    assert!(
        matches!(&events[events.len() - 3], RunEvent::Output { text, .. } if text.ends_with("the end\n"))
    );
}

#[tokio::test]
async fn tests_that_did_not_run_are_not_green() {
    let end = alone("printf 'collected 0 items\\n\\n=== no tests ran in 0.01s ===\\n'; exit 5").await;
    assert_eq!((end.verdict, note(&end)), (Verdict::NoTestRan, "pytest ran no test"));
}

#[tokio::test]
async fn a_failure_is_found_in_the_output_with_its_place() {
    let mut world = World::new();
    world.write(
        "tests/test_a.py",
        "import unittest\nclass T(unittest.TestCase):\n    def test_x(self): self.fail('no')\n",
    );
    let stage = Stage { cwd: "tests".into(), ..sh("s", "python3 -B -m unittest") };
    let record = world.run(&[stage]).await;
    let end = end(&record, "s");
    assert_eq!((end.verdict, end.tests.unwrap().failed), (Verdict::Failed, 1));
    let failure = &end.failures[0];
    assert_eq!((failure.file.as_deref(), failure.line), (Some("tests/test_a.py"), Some(3)));
    assert_eq!(failure.message, "AssertionError: no");
}

#[tokio::test]
async fn an_unchanged_stage_is_replayed_and_its_outputs_are_put_back() {
    let mut world = World::new();
    world.write("in", "1");
    let stage = |script| Stage { inputs: vec!["in".into()], outputs: vec!["out".into()], ..sh("s", script) };
    let stages = [stage("echo made; echo x >>runs; cp in out")];
    world.run(&stages).await;
    world.output();
    for damage in ["none", "changed", "removed"] {
        match damage {
            "changed" => world.write("out", "other"),
            "removed" => fs::remove_file(world.path("out")).unwrap(),
            _ => {}
        }
        let record = world.run(&stages).await;
        assert!(end(&record, "s").replayed, "{damage}");
        assert_eq!((world.output().as_str(), world.read("out").as_str()), ("made\n", "1"), "{damage}");
        assert_eq!(world.tools.logs.read(record.run, &StageId("s".into())).as_deref(), Some("made\n"));
    }
    assert!(world.site.wrote.lock().unwrap().contains(&"out".to_owned()));
    world.write("in", "2");
    assert!(!end(&world.run(&stages).await, "s").replayed);
    world.write("in", "1");
    assert!(end(&world.run(&stages).await, "s").replayed);
    assert_eq!((world.read("out").as_str(), world.read("runs").as_str()), ("1", "x\nx\n"));
    let forced = super::dispatcher::Job { force: true, ..world.job(&stages) };
    assert!(!end(&world.run_job(forced).await, "s").replayed);
}

#[tokio::test]
async fn a_failure_is_run_again() {
    let mut world = World::new();
    let stages = [sh("s", "echo x >>runs; exit 1")];
    for _ in 0..2 {
        assert!(!end(&world.run(&stages).await, "s").replayed);
    }
    assert_eq!(world.read("runs"), "x\nx\n");
}

#[tokio::test]
async fn outputs_that_are_not_made_are_a_failure() {
    let mut world = World::new();
    let record = world.run(&[Stage { outputs: vec!["a".into(), "b".into()], ..sh("s", "touch a") }]).await;
    let end = end(&record, "s");
    assert_eq!((end.verdict, note(end)), (Verdict::Failed, "it succeeded but did not make b"));
}

#[tokio::test]
async fn a_stage_that_writes_into_its_inputs_is_named_and_not_kept() {
    let mut world = World::new();
    world.write("in", "1");
    let stages = [Stage { inputs: vec!["in".into()], ..sh("s", "echo more >>in") }];
    for _ in 0..2 {
        let record = world.run(&stages).await;
        let end = end(&record, "s");
        assert_eq!((end.verdict, end.replayed), (Verdict::Passed, false));
        assert_eq!(note(end), "its inputs changed while it ran: in");
    }
}

#[tokio::test]
async fn never_more_than_the_slots_at_once() {
    let mut world = World::new();
    let script = "mkdir busy || exit 1; sleep 0.05; rmdir busy";
    let stages: Vec<Stage> = (0..6).map(|i| Stage { cache: false, ..sh(&format!("s{i}"), script) }).collect();
    let job = super::dispatcher::Job { slots: 1, ..world.job(&stages) };
    assert_eq!(world.run_job(job).await.verdict, Verdict::Passed);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_is_said_and_stops_nothing() {
    let mut world = World::new();
    fs::write(world.dir.path().join("logs"), "in the way").unwrap();
    let record = world.run(&[sh("s", "echo x")]).await;
    let end = end(&record, "s");
    assert_eq!(end.verdict, Verdict::Passed);
    assert!(note(end).starts_with("its output is not logged: "), "{}", note(end));
    assert_eq!(world.output(), "x\n");
}
