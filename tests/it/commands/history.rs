//! `devboot history` and `devboot logs`: what is remembered, and what is said when it cannot be.

use std::fs;

use super::{Demo, json};
use crate::full_disk::Disk;
use crate::world::{Ran, World};

const ONE: &str = "[stage.one]\nrun = 'echo out of one; echo to stderr >&2; cat a.txt'\ninputs = ['a.txt']\n\
                   [stage.two]\nrun = 'echo out of two; exit 4'\nneeds = ['one']\n";

fn demo() -> Demo {
    let demo = Demo::new(ONE);
    demo.write("a.txt", "first\n");
    demo
}

#[test]
fn runs_are_listed_with_the_latest_first() {
    let demo = demo();
    demo.history(&[]).exits(0).says("nothing has run yet");
    assert_eq!(demo.runs(), [serde_json::Value::Null; 0]);
    demo.run(&["one"]).exits(0);
    demo.run(&[]).exits(2);
    demo.write("a.txt", "second\n");
    demo.run(&["one"]).exits(0);
    let listed = demo.history(&[]).exits(0).stdout;
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["run", "3", "2", "1"]);
    assert_eq!(rows[2][3], "failed", "{listed}");
    let runs = demo.runs();
    let number =
        |run: &serde_json::Value| (run["run"].as_u64().unwrap(), run["verdict"].as_str().unwrap().to_owned());
    let expected =
        [(3, "passed"), (2, "failed"), (1, "passed")].map(|(run, verdict)| (run, verdict.to_owned()));
    assert_eq!(runs.iter().map(number).collect::<Vec<_>>(), expected);
    let failed = demo.history(&["--failed", "--json"]).exits(0).stdout;
    assert_eq!(json(&failed)["runs"].as_array().unwrap().len(), 1);
    let of_two = json(&demo.history(&["--stage", "two", "--json"]).exits(0).stdout);
    assert_eq!((of_two["runs"].as_array().unwrap().len(), of_two["runs"][0]["run"].as_u64()), (1, Some(2)));
    let last = json(&demo.history(&["-n", "1", "--json"]).exits(0).stdout);
    assert_eq!(last["runs"].as_array().unwrap().len(), 1);
    let run = json(&demo.history(&["2", "--json"]).exits(0).stdout);
    assert_eq!((run["schema"].as_u64(), run["stages"][1]["end"]["exit"].as_i64()), (Some(1), Some(4)));
    demo.history(&["2"]).exits(0).says("run 2 of ~/demo").says("two  failed");
    demo.history(&["9"]).exits(64).says("there is no run 9");
    demo.history(&["--since", "yesterday"]).exits(64).says("no span");
}

#[test]
fn logs_are_what_a_stage_wrote() {
    let demo = demo();
    demo.logs(&[]).exits(64).says("nothing has run yet");
    demo.run(&[]).exits(2);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&demo.logs(&["one"]).exits(0).stdout), ["first", "out of one", "to stderr"]);
    assert_eq!(demo.logs(&[]).exits(0).stdout, "out of two\n", "the one that failed");
    demo.write("a.txt", "second\n");
    demo.run(&["one"]).exits(0);
    demo.run(&["one"]).exits(0).says("unchanged");
    let last = demo.logs(&["one"]).exits(0).says("one in run 2:");
    assert!(last.stdout.contains("second"), "{}", last.stdout);
    assert!(demo.logs(&["one", "--run", "1"]).exits(0).stdout.contains("first"));
    let value = json(&demo.logs(&["two", "--json"]).exits(0).stdout);
    assert_eq!(
        (value["schema"].as_u64(), value["run"].as_u64(), value["stage"].as_str()),
        (Some(1), Some(1), Some("two"))
    );
    assert_eq!(value["text"], "out of two\n");
    demo.logs(&["tow"]).exits(64).says("there is no log of a stage 'tow'").says("did you mean 'two'?");
    demo.logs(&["one", "--run", "77"]).exits(64);
}

#[test]
fn a_clock_that_was_set_back_does_not_make_an_earlier_run_the_last() {
    let demo = demo();
    demo.run(&["one"]).exits(0);
    let opened = rusqlite::Connection::open(demo.world.path(".local/state/devboot/history.db")).unwrap();
    opened.execute("UPDATE run SET started = started + 3600", []).unwrap();
    drop(opened);
    demo.write("a.txt", "second\n");
    demo.run(&["one"]).exits(0);
    let numbers: Vec<u64> = demo.runs().iter().filter_map(|run| run["run"].as_u64()).collect();
    assert_eq!(numbers, [2, 1]);
    assert!(demo.logs(&["one"]).exits(0).says("one in run 2:").stdout.contains("second"));
    let why = demo.why(&["one"]).exits(0).stdout;
    assert!(why.contains("passed in run 2"), "{why}");
}

#[test]
fn a_damaged_history_is_set_aside_and_the_run_goes_on() {
    let demo = demo();
    demo.run(&["one"]).exits(0);
    let path = ".local/state/devboot/history.db";
    for damage in [b"no database at all, and longer than its head".repeat(40), {
        let mut bytes = demo.world.read(path);
        bytes.iter_mut().skip(100).for_each(|byte| *byte = 0xa5);
        bytes
    }] {
        demo.world.write(path, &damage);
        demo.run(&["one"]).exits(0).says("the history was damaged").says("it is kept as").says("GREEN");
        assert_eq!(demo.runs().len(), 1, "a new one has begun");
        demo.run(&["one", "--force"]).exits(0);
        assert_eq!(demo.logs(&["one"]).exits(0).stdout.matches("first").count(), 1, "no old run's output");
        let state = demo.world.path(".local/state/devboot");
        let kept = fs::read_dir(state).unwrap().flatten().any(|entry| {
            entry.path() != demo.world.path(path) && fs::read(entry.path()).is_ok_and(|bytes| bytes == damage)
        });
        assert!(kept, "what was there is kept");
        demo.world.write(path, &damage);
        demo.history(&[]).exits(0).says("the history was damaged");
    }
}

#[test]
fn a_full_disk_takes_the_memory_and_not_the_verdict() {
    let world = World::new();
    let disk = Disk::new(&world, 4096);
    let demo = demo();
    let state = demo.world.path(".local/state");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(disk.path(), &state).unwrap();
    demo.run(&["one"]).exits(0);
    let projects = fs::read_dir(state.join("devboot/projects")).unwrap().next().unwrap().unwrap();
    let first = projects.path().join("logs/1/one.log");
    let log = fs::read_to_string(&first).unwrap();
    disk.fill(0);
    demo.write("a.txt", "second\n");
    let run = |args: &[&str]| Ran::of(demo.untrusted_run(args).output().unwrap());
    let green = run(&["one"]).exits(0).says("second").says("GREEN");
    assert!(green.stderr.contains("warning: cannot use the history"), "{}", green.stderr);
    run(&[]).exits(2).says("RED in two");
    assert_eq!(fs::read_to_string(&first).unwrap(), log, "what was kept is not touched");
    disk.fill(2 << 20);
    run(&["one"]).exits(0);
    let numbers: Vec<u64> = demo.runs().iter().filter_map(|run| run["run"].as_u64()).collect();
    assert!(numbers.len() >= 2, "what was remembered before is still there: {numbers:?}");
}

#[test]
fn runs_of_two_projects_are_kept_apart_and_listed_together() {
    let demo = demo();
    demo.world.write("other/devboot.toml", "[stage.far]\nrun = 'echo far'\n");
    let other = demo.world.path("other").display().to_string();
    demo.run(&["one"]).exits(0);
    demo.run(&["-C", &other]).exits(0);
    assert_eq!(demo.runs().len(), 1);
    let all = demo.history(&["--all"]).exits(0).says("~/demo").says("~/other").stdout;
    assert_eq!(all.lines().count(), 3, "{all}");
    demo.logs(&["far"]).exits(64);
    assert_eq!(demo.logs(&["far", "-C", &other]).exits(0).stdout, "far\n");
}
