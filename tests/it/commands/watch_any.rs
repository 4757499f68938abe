//! `devboot watch -- COMMAND`: when the command runs, when it does not, and how it ends.

use std::fs;

use super::{Demo, Live, processes_with};
use crate::world::until;

/// Says what it read; leaves a line beside the project each time.
const READS: &str = "echo ran >> ../ran; echo \"read $(cat a.txt)\"";

fn demo() -> Demo {
    Demo::inferred(&[("a.txt", "one\n"), ("b.txt", "b\n")])
}

fn watch(demo: &Demo, options: &[&str], script: &str) -> Live {
    demo.watch(&[options, &["--", "sh", "-c", script]].concat())
}

/// Saves a file again and again, each time with something new, until it is seen: nothing tells when a watch that says
/// nothing is there.
fn save_until(demo: &Demo, name: &str, mut seen: impl FnMut() -> bool) {
    let mut count = 0;
    until("a save is seen", || {
        count += 1;
        demo.replace(name, &format!("save {count}\n"));
        seen()
    });
}

#[test]
fn it_runs_at_the_start_and_after_each_save_of_other_bytes() {
    let demo = demo();
    let mut live = watch(&demo, &[], READS);
    live.until("read one");
    live.until("done, ");
    demo.write("a.txt", "two\n");
    assert_eq!(live.until("changed: "), "changed: a.txt");
    live.until("read two");
    live.until("done, ");
    demo.write("a.txt", "two\n");
    demo.replace("a.txt", "two\n");
    fs::File::options()
        .append(true)
        .open(demo.path("a.txt"))
        .unwrap()
        .set_modified(std::time::SystemTime::now())
        .unwrap();
    demo.write("b.txt", "other\n");
    assert_eq!(live.until("changed: "), "changed: b.txt", "the same bytes are no change");
    live.until("done, ");
    fs::remove_file(demo.path("b.txt")).unwrap();
    assert_eq!(live.until("changed: "), "changed: b.txt");
    live.until("done, ");
    demo.write("deep/er/new.txt", "new\n");
    live.until("changed: deep");
    live.until("done, ");
    demo.write("deep/er/new.txt", "newer\n");
    assert_eq!(live.until("changed: "), "changed: deep/er/new.txt");
    live.until("done, ");
    live.signal("INT");
    let all = live.ends().exits(130).stdout;
    assert!(!all.contains('\u{1b}'), "{all:?}");
}

#[test]
fn a_file_whose_name_is_no_utf_8_counts_and_the_users_own_list_is_read_again() {
    use std::os::unix::ffi::OsStrExt;
    let demo = demo();
    demo.world.write(".config/git/ignore", "b.txt\n");
    let mut live = watch(&demo, &[], READS);
    live.until("done, ");
    demo.write("b.txt", "ignored\n");
    fs::write(demo.path("").join(std::ffi::OsStr::from_bytes(b"gr\xfcn.txt")), "1").unwrap();
    assert_eq!(live.until("changed: "), "changed: gr\u{FFFD}n.txt");
    live.until("done, ");
    demo.world.write(".config/git/ignore", "");
    assert_eq!(live.until("changed: "), "changed: b.txt");
    live.until("done, ");
}

#[test]
fn as_json_each_run_is_the_events_of_one_stage() {
    let demo = demo();
    let script = "cat a.txt; echo red >&2; grep -q one a.txt";
    let mut live = watch(&demo, &["--json"], script);
    let mut event = |wanted: &str| -> serde_json::Value {
        let line = live.until(&format!("\"event\":\"{wanted}\""));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["schema"], 1);
        value
    };
    let began = event("run-started");
    assert_eq!(
        (&began["run"], &began["trigger"], &began["stages"][0]),
        (&1.into(), &"start".into(), &"command".into())
    );
    let mut written = [event("output"), event("output")]
        .map(|output| (output["stream"].to_string(), output["text"].to_string()));
    written.sort();
    assert_eq!(
        written,
        [("err", "red\\n"), ("out", "one\\n")].map(|(s, t)| (format!("\"{s}\""), format!("\"{t}\"")))
    );
    assert_eq!(event("stage-finished")["end"]["verdict"], "passed");
    assert_eq!(event("run-finished")["verdict"], "passed");
    demo.write("a.txt", "two\n");
    let began = event("run-started");
    assert_eq!(
        (&began["run"], &began["trigger"], &began["changed"][0]),
        (&2.into(), &"change".into(), &"a.txt".into())
    );
    let end = event("stage-finished");
    assert_eq!((&end["end"]["verdict"], &end["end"]["exit"]), (&"failed".into(), &1.into()));
    event("run-finished");
    live.signal("INT");
    for line in live.ends().exits(130).stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn postponed_it_waits_for_the_first_save() {
    let demo = demo();
    let mut live = watch(&demo, &["--postpone"], READS);
    save_until(&demo, "a.txt", || demo.times("ran") > 0);
    let read = live.until("read ");
    assert!(read.starts_with("read save "), "{read}");
}

#[test]
fn once_it_ends_as_its_command_ended() {
    for (script, code, word) in [("echo it ran", 0, "done, "), ("echo it ran; exit 3", 1, "exit 3, ")] {
        let demo = demo();
        let mut live = watch(&demo, &["--once"], &format!("echo ran >> ../ran; {script}"));
        save_until(&demo, "a.txt", || live.child.try_wait().unwrap().is_some());
        live.until("it ran");
        live.ends().exits(code).says(word);
        assert_eq!(demo.times("ran"), 1);
    }
}

#[test]
fn only_files_of_the_wanted_endings_count() {
    let demo = demo();
    let mut live = watch(&demo, &["-e", "py,.toml"], READS);
    live.until("done, ");
    demo.write("b.txt", "other\n");
    demo.write("happy", "no ending\n");
    demo.write("app.py", "x = 1\n");
    assert_eq!(live.until("changed: "), "changed: app.py");
    live.until("done, ");
    demo.write("b.txt", "more\n");
    demo.write("x.toml", "\n");
    assert_eq!(live.until("changed: "), "changed: x.toml");
}

#[test]
fn what_is_ignored_does_not_count() {
    let demo = demo();
    demo.write(".gitignore", "*.log\n");
    fs::create_dir(demo.path(".git")).unwrap();
    let mut live = watch(&demo, &["-i", "out/", "-i", "b.*"], READS);
    live.until("done, ");
    demo.write("b.txt", "other\n");
    demo.write("out/file", "x\n");
    demo.write("x.log", "x\n");
    demo.write("c.txt", "c\n");
    assert_eq!(live.until("changed: "), "changed: c.txt");
}

#[test]
fn a_save_during_a_run_is_always_run_after_it() {
    let demo = demo();
    let script =
        "v=$(cat a.txt); echo \"begin $v\"; until [ -e ../go ]; do sleep 0.02; done; echo \"end $v\"";
    let mut live = watch(&demo, &[], script);
    live.until("begin one");
    for save in ["two", "three"] {
        demo.replace("a.txt", &format!("{save}\n"));
        live.until("changed: a.txt");
    }
    demo.world.write("go", "");
    live.until("end one");
    assert_eq!(live.until("begin"), "begin three");
    live.until("end three");
    live.until("done, ");
    fs::remove_file(demo.world.path("go")).unwrap();
    demo.replace("a.txt", "four\n");
    assert_eq!(live.until("begin"), "begin four", "the two saves had one run");
    live.signal("INT");
    live.ends().exits(130);
}

#[test]
fn restarted_it_ends_what_runs_and_all_that_it_started() {
    let demo = demo();
    let home = demo.world.home().display().to_string();
    let mut live = watch(&demo, &["--restart"], "sleep 600 & echo \"up $$ $(cat a.txt)\"; wait");
    let first = live.until("up ");
    let old: u32 = first.split(' ').nth(1).unwrap().parse().unwrap();
    demo.replace("a.txt", "two\n");
    let second = live.until("up ");
    assert!(second.ends_with(" two"), "{second}");
    assert!(!processes_with(&home).contains(&old));
    let sleeping =
        || processes_with("sleep\u{0}600").iter().filter(|pid| processes_with(&home).contains(pid)).count();
    // A shell goes on before what it puts behind it has begun.
    until("only that of the second start", || sleeping() == 1);
    live.signal("INT");
    live.ends().exits(130);
    assert_eq!(processes_with(&home), [0; 0]);
}

#[test]
fn an_interrupt_ends_the_command_and_what_it_started() {
    for name in ["INT", "TERM", "HUP"] {
        let demo = demo();
        let home = demo.world.home().display().to_string();
        let mut live = watch(&demo, &[], "(trap '' TERM; sleep 600 & wait) & echo up; wait");
        live.until("up");
        live.signal(name);
        live.ends().exits(130);
        assert_eq!(processes_with(&home), [0; 0], "{name}");
    }
}

#[test]
fn killed_it_leaves_nothing_behind() {
    let demo = demo();
    let home = demo.world.home().display().to_string();
    let mut live = watch(&demo, &[], "sleep 600 & sleep 600 & echo up; wait");
    live.until("up");
    live.until_it_waits();
    live.signal("KILL");
    until("all of it has ended", || processes_with(&home).is_empty());
}

#[test]
fn what_cannot_be_started_or_watched_is_said() {
    let demo = demo();
    demo.watch(&["--", "no-such-program"]).ends().exits(64).says("cannot start no-such-program");
    demo.watch(&["nowhere", "--", "true"]).ends().exits(1).says("cannot watch nowhere");
    for alone in [&["--once"][..], &["--restart"], &["-e", "py"]] {
        demo.watch(alone).ends().exits(64).says("COMMAND");
    }
}

#[test]
fn polled_files_are_seen_too() {
    let demo = demo();
    let mut live = watch(&demo, &["--poll"], READS);
    live.until("files are compared from time to time");
    live.until("done, ");
    demo.replace("a.txt", "two\n");
    live.until("changed: a.txt");
    live.until("read two");
}
