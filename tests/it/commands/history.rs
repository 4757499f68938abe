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
    let last =
        demo.logs(&["one"]).exits(0).says("one in run 3 (nothing to do: it ran at the same bytes in run 2):");
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
fn the_log_of_a_stage_for_which_nothing_had_to_be_done_is_what_it_wrote_at_these_bytes() {
    let demo = demo();
    for text in ["first\n", "second\n", "first\n"] {
        demo.write("a.txt", text);
        demo.run(&["one"]).exits(0);
    }
    for args in [&[][..], &["one"], &["--run", "3"]] {
        let shown =
            demo.logs(args).exits(0).says("one in run 3 (nothing to do: it ran at the same bytes in run 1):");
        assert!(
            shown.stdout.contains("first") && !shown.stdout.contains("second"),
            "{args:?}: {}",
            shown.stdout
        );
    }
    assert!(demo.logs(&["--run", "2"]).exits(0).says("one in run 2:").stdout.contains("second"));
    let value = json(&demo.logs(&["--json"]).exits(0).stdout);
    assert_eq!((value["run"].as_u64(), &value["replayed"]), (Some(3), &true.into()));
    // Where it is known without a look at the store it writes no log.
    demo.write("b.txt", "1\n");
    demo.write("devboot.toml", &format!("{ONE}inputs = ['b.txt']\n"));
    demo.run(&[]).exits(2);
    let mut live = demo.watch(&[]);
    live.until("RED in two");
    demo.logs(&["one", "--run", "5"])
        .exits(0)
        .says("one in run 4")
        .says(", which holds in run 5:")
        .says("first");
    let value = json(&demo.logs(&["one", "--run", "5", "--json"]).exits(0).stdout);
    assert_eq!((value["run"].as_u64(), value["replayed_in"].as_u64()), (Some(4), Some(5)));
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

/// A demo whose state is on a disk of its own.
fn on(disk: &Disk) -> Demo {
    let demo = demo();
    let state = demo.world.path(".local/state");
    fs::create_dir_all(state.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(disk.path(), &state).unwrap();
    demo
}

#[test]
fn what_a_full_or_read_only_disk_holds_can_be_read() {
    let world = World::new();
    let disk = Disk::new(&world, 4096);
    let demo = on(&disk);
    demo.run(&["one"]).exits(0);
    demo.run(&[]).exits(2);
    let file = |end: &str| disk.path().join(format!("devboot/history.db{end}"));
    let readable = |when: &str| {
        let numbers: Vec<u64> = demo.runs().iter().filter_map(|run| run["run"].as_u64()).collect();
        assert_eq!(numbers, [2, 1], "{when}");
        demo.logs(&["one", "--run", "1"]).exits(0).says("out of one");
        assert!(demo.why(&["two"]).exits(0).stdout.contains("failed in run 2"), "{when}");
    };
    disk.fill(0);
    readable("a full disk");
    disk.remount("ro");
    readable("a disk that is full and read-only");
    disk.remount("rw");
    // What a service that was killed leaves: a log that is not in the file yet, and is all that says of the second run.
    disk.fill(2 << 20);
    let opened = rusqlite::Connection::open(file("")).unwrap();
    opened.execute_batch("PRAGMA wal_autocheckpoint = 0; UPDATE run SET changes = 7").unwrap();
    let left = ["", "-wal"].map(|end| (end, fs::read(file(end)).unwrap()));
    drop(opened);
    left.iter().for_each(|(end, bytes)| fs::write(file(end), bytes).unwrap());
    disk.fill(0);
    readable("a full disk and the log of a killed service");
    assert_eq!(demo.runs()[0]["changes"], 7);
    assert_eq!(fs::read(file("-wal")).unwrap(), left[1].1, "nothing is written");
}

#[test]
fn a_run_that_the_history_has_no_room_for_says_so() {
    let world = World::new();
    let disk = Disk::new(&world, 4096);
    let demo = on(&disk);
    let fill = format!("cat /dev/zero >'{}' 2>/dev/null; echo full", disk.path().join("filler").display());
    demo.write("devboot.toml", &format!("[stage.fill]\nrun = \"{fill}\"\n"));
    let said = "not all of it is remembered: cannot use the history";
    demo.run(&["fill"]).exits(0).says(said).says("GREEN");
    disk.fill(2 << 20);
    let told = demo.run(&["fill", "--force", "--json"]).exits(0).stdout;
    let last = json(told.lines().last().unwrap());
    assert_eq!(last["event"], "run-finished");
    assert!(last["note"].as_str().is_some_and(|note| note.starts_with(said)), "{last}");
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
