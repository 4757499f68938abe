//! `devboot watch` of a project, piped: what a save runs, what it does not, and what is left when it ends.

use super::{Demo, Live, json, processes_with};
use crate::world::Ran;
use crate::world::until;

const TWO: &str = "\
[stage.a]
run = 'echo ran >> ../a-ran; cp a.txt made.txt; cat a.txt >> undeclared.txt; ! grep bad a.txt'
inputs = ['a.txt']
outputs = ['made.txt']
[stage.b]
run = 'echo ran >> ../b-ran; cat b.txt'
inputs = ['b.txt', 'made.txt']
";

fn two() -> Demo {
    let demo = Demo::new(TWO);
    demo.write("a.txt", "one\n");
    demo.write("b.txt", "one\n");
    demo
}

fn times(demo: &Demo) -> (usize, usize) {
    (demo.times("a-ran"), demo.times("b-ran"))
}

#[test]
fn a_save_runs_the_tests_red_and_green() {
    let good = "def double(x):\n    return 2 * x\n";
    let demo = Demo::inferred(&[
        ("app.py", good),
        ("test_app.py", "from app import double\n\n\ndef test_double():\n    assert double(2) == 4\n"),
    ]);
    let mut live = demo.watch(&[]);
    live.until("GREEN 1 passed");
    demo.replace("app.py", "def double(x):\n    return 3 * x\n");
    assert_eq!(live.until("changed: "), "changed: app.py");
    live.until("test_app.py:5 test_app.py::test_double: assert 6 == 4");
    live.until("RED in test, 1 failed");
    demo.write("app.py", good);
    live.until("GREEN 1 passed");
    live.signal("INT");
    let all = live.ends().exits(130).stdout;
    assert!(!all.contains('\u{1b}'), "{all:?}");
    let verdicts: Vec<String> =
        demo.runs().iter().map(|run| run["verdict"].as_str().unwrap().to_owned()).collect();
    assert_eq!(verdicts, ["passed", "failed", "passed"]);
}

#[test]
fn a_save_of_what_tests_read_elsewhere_runs_them() {
    let demo = Demo::inferred(&[
        (".gitignore", "local.py\n"),
        ("local.py", "V = 1\n"),
        (
            "test_a.py",
            "import local\n\n\ndef test_a():\n    assert local.V == 1 and open('../side.txt').read() == '1'\n",
        ),
        ("test_b.py", "def test_b():\n    pass\n"),
    ]);
    demo.write("../side.txt", "1");
    let mut live = demo.watch(&[]);
    live.until("GREEN 2 passed");
    for (file, bad, good) in [("local.py", "V = 2\n", "V = 1\n"), ("../side.txt", "2", "1")] {
        demo.write(file, bad);
        live.until("RED in test, 1 failed");
        demo.write(file, good);
        live.until("GREEN");
    }
    live.signal("INT");
    live.ends().exits(130);
}

#[test]
fn only_what_a_save_affects_runs_and_nothing_that_a_stage_wrote() {
    let demo = two();
    let mut live = demo.watch(&["--trust"]);
    live.until("GREEN 2 stages");
    assert_eq!(times(&demo), (1, 1));
    demo.write("b.txt", "more\n");
    live.until("changed: b.txt");
    live.until("GREEN");
    demo.write("a.txt", "one\n");
    demo.write("nobody.txt", "is no input\n");
    demo.write("b.txt", "two\n");
    let changed = live.until("changed: ");
    assert!(changed.contains("b.txt") && !changed.contains("a.txt"), "{changed}");
    live.until("GREEN");
    assert_eq!(times(&demo), (1, 3), "the same bytes are no change, and b is no input of a");
    demo.write("a.txt", "bad\n");
    assert!(live.until("changed: ").contains("a.txt"));
    live.until("RED in a");
    demo.write("a.txt", "two\n");
    assert!(live.until("changed: ").contains("a.txt"));
    live.until("GREEN");
    assert_eq!(times(&demo), (3, 4));
    let runs = demo.runs();
    assert_eq!((runs.len(), runs[0]["trigger"].as_str()), (5, Some("change")));
    assert_eq!(runs[0]["changed"][0], "a.txt");
    demo.history(&[]).exits(0).says("a.txt");
}

#[test]
fn a_newer_save_ends_a_run_that_it_makes_stale() {
    let demo = Demo::new(
        "[stage.a]\nrun = 'cp a.txt ../read; echo ran >> ../began; until [ -e ../go ]; do sleep 0.02; done'\n\
         inputs = ['a.txt']\n",
    );
    demo.write("a.txt", "one\n");
    let home = demo.world.home().display().to_string();
    let mut live = demo.watch(&["--trust"]);
    until("the first run has begun", || demo.times("began") == 1);
    demo.replace("a.txt", "two\n");
    live.until("CANCELLED by a newer change");
    until("the second run has begun", || demo.times("began") == 2);
    demo.world.write("go", "");
    live.until("GREEN");
    assert_eq!(demo.world.text("read"), "two\n");
    live.signal("INT");
    live.ends().exits(130);
    assert_eq!(processes_with(&home), [0; 0]);
}

#[test]
fn a_broken_devboot_toml_is_said_and_the_last_good_one_stays() {
    let demo = two();
    let mut live = demo.watch(&["--trust"]);
    live.until("GREEN");
    for (broken, why) in [
        ("[stage.a\n", "devboot.toml:1:"),
        ("[stage.a]\nrun = 'x'\nneds = []\n", "unknown key 'neds'"),
        ("[stage.a]\nrun = 'x'\nneeds = ['a']\n", "need"),
        ("", "nothing to run"),
    ] {
        demo.replace("devboot.toml", broken);
        let said = live.until("(the last good one stays)");
        assert!(said.contains(why) && said.ends_with("(the last good one stays)"), "{said}");
    }
    demo.write("b.txt", "two\n");
    live.until("changed: b.txt");
    live.until("GREEN");
    assert_eq!(times(&demo), (1, 2));
    let three = format!("{TWO}[stage.c]\nrun = 'echo ran >> ../c-ran'\ninputs = ['c.txt']\n");
    demo.replace("devboot.toml", &three);
    live.until("the pipeline is read again");
    demo.write("c.txt", "new\n");
    live.until("changed: c.txt");
    live.until("GREEN");
    until("the new stage ran", || demo.times("c-ran") > 0);
    assert_eq!(times(&demo), (1, 2));
    live.signal("TERM");
    live.ends().exits(130);
    let run = Ran::of(demo.untrusted_run(&[]).output().unwrap());
    run.exits(0).says("nothing had to run");
}

#[test]
fn its_end_is_the_end_of_all_that_it_started() {
    for (name, code) in [("INT", 130), ("TERM", 130), ("HUP", 130), ("KILL", 137)] {
        let demo = Demo::new(
            "[stage.server]\nservice = { run = 'echo serving; setsid sleep 600 & sleep 600', ready = { log = 'serving' } }\n\
             [stage.a]\nrun = '(sleep 600 & setsid sleep 600 & wait) & echo ran >> ../ran; wait'\nneeds = ['server']\n",
        );
        let home = demo.world.home().display().to_string();
        let mut live = demo.watch(&["--trust"]);
        live.until("ready");
        until("the stage runs", || demo.times("ran") == 1);
        live.signal(name);
        live.ends().exits(code);
        until("nothing is left", || processes_with(&home).is_empty());
        assert_eq!(demo.runs()[0]["verdict"], "interrupted", "{name}");
    }
}

#[test]
fn a_service_that_ends_by_itself_is_said() {
    let demo = Demo::new(
        "[stage.server]\nservice = { run = 'echo serving; until [ -e ../go ]; do sleep 0.02; done; echo the disk is gone; exit 7', \
         ready = { log = 'serving' } }\n",
    );
    let mut live = demo.watch(&["--trust"]);
    live.until("GREEN");
    demo.world.write("go", "");
    let said = live.until("  ended  ");
    assert!(said.contains("exit code 7") && said.contains("the disk is gone"), "{said}");
}

#[test]
fn json_is_one_event_a_line() {
    let demo = two();
    let mut live = Live::start(demo.watch_command(&["--trust", "--json"]));
    live.until("run-finished");
    demo.write("b.txt", "two\n");
    let finished = json(&live.until("run-finished"));
    assert_eq!((finished["schema"].as_u64(), finished["verdict"].as_str()), (Some(1), Some("passed")));
    live.signal("INT");
    let all = live.ends().exits(130).stdout;
    let events: Vec<_> = all.lines().map(json).collect();
    let started: Vec<_> = events.iter().filter(|event| event["event"] == "run-started").collect();
    assert_eq!((started.len(), started[1]["changed"][0].as_str()), (2, Some("b.txt")));
}

#[test]
fn postponed_it_waits_and_what_was_ignored_is_no_change() {
    let demo = two();
    demo.write(
        "devboot.toml",
        &format!("[project]\nignore = ['*.tmp']\n{}", TWO.replace("'b.txt',", "'b.txt', '*.tmp',")),
    );
    let mut live = demo.watch(&["--trust", "--postpone", "-i", "other.txt"]);
    let mut count = 0;
    until("a save is seen", || {
        count += 1;
        demo.replace("a.txt", &format!("save {count}\n"));
        demo.times("b-ran") > 0
    });
    live.until("GREEN");
    demo.replace("a.txt", "settled\n");
    until("the last save has run", || demo.text("made.txt") == "settled\n");
    let before = demo.times("b-ran");
    demo.write("x.tmp", "x");
    demo.write("other.txt", "x");
    demo.write("b.txt", "the end\n");
    while !live.until("changed: ").contains("b.txt") {}
    live.until("GREEN");
    assert!(demo.times("b-ran") > before);
    live.signal("INT");
    let all = live.ends().exits(130).stdout;
    assert!(!all.contains("x.tmp") && !all.contains("other.txt"), "{all}");
}
