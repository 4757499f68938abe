//! `devboot run` and `devboot why`: what runs, what is answered from the cache, and for what reason.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Demo, Live, json, processes_with};
use crate::world::{assert_same, until};

/// Two stages, the second of which reads what the first makes. Each leaves a line beside the project when it runs.
const CHAIN: &str = "\
[stage.upper]
run = 'echo ran >> ../upper-ran; echo \"made with $COLOUR\"; cat a.txt >&2; head -c 3 a.txt | tr a-z A-Z > upper.txt'
inputs = ['a.txt']
outputs = ['upper.txt']
params.'p.yaml' = ['rate']
env.COLOUR = 'red'
[stage.show]
run = 'echo ran >> ../show-ran; echo shown; cat upper.txt'
inputs = ['upper.txt']
";

fn chain() -> Demo {
    let demo = Demo::new(CHAIN);
    demo.write("a.txt", "one\n");
    demo.write("p.yaml", "rate: 0.1\nother: 1\n");
    demo
}

/// How often each of the two stages ran.
fn times(demo: &Demo) -> (usize, usize) {
    (demo.times("upper-ran"), demo.times("show-ran"))
}

#[test]
fn what_has_not_changed_is_replayed_with_its_output() {
    let demo = chain();
    let first = demo.run(&[]).exits(0).says("GREEN 2 stages").says("it has not run here before");
    assert_eq!(times(&demo), (1, 1));
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&first.stdout), ["show | ONE", "show | shown", "upper | made with red", "upper | one"]);
    let second = demo.run(&[]).exits(0).says("GREEN nothing had to run").says("unchanged");
    assert_eq!((times(&demo), lines(&second.stdout)), ((1, 1), lines(&first.stdout)));
}

#[test]
fn a_stage_runs_for_the_first_thing_that_differs_and_why_names_it() {
    let demo = chain();
    demo.run(&[]).exits(0);
    let why = demo.why(&["upper"]).exits(0).says("last  passed in run 1");
    assert!(why.stdout.contains("now   holds: passed in run 1"), "{}", why.stdout);

    demo.write("a.txt", "two\n");
    let now = demo.why(&["upper"]).exits(0).stdout;
    let of_file = now.split("now   ").nth(1).unwrap().trim().to_owned();
    let (old, new) = of_file.split_once(" → ").expect("both contents are named");
    assert!(old.starts_with("would run: a.txt changed ("), "{of_file}");
    assert_ne!(old.rsplit('(').next(), new.strip_suffix(')'), "{of_file}");
    demo.run(&[]).exits(0).says("a.txt changed (");
    assert_eq!(times(&demo), (2, 2));
    demo.why(&["upper"]).exits(0).says("last  passed in run 2").says(": a.txt changed (");

    demo.write("p.yaml", "rate: 0.1\nother: 2\n");
    demo.why(&["upper"]).exits(0).says("now   holds: passed in run 2");
    demo.write("p.yaml", "rate: 0.2\nother: 2\n");
    demo.why(&["upper"]).exits(0).says("now   would run: p.yaml: rate 0.1 → 0.2");
    demo.run(&[]).exits(0).says("p.yaml: rate 0.1 → 0.2");
    assert_eq!(times(&demo), (3, 2), "the same output came of it");

    demo.write("devboot.toml", &CHAIN.replace("'red'", "'blue'"));
    demo.why(&["upper"]).exits(0).says("now   would run: $COLOUR changed");
    demo.run(&[]).exits(0).says("$COLOUR changed").says("upper | made with blue");
    assert_eq!(times(&demo), (4, 2));

    demo.write("devboot.toml", &CHAIN.replace("'red'", "'blue'").replace("made with", "dyed"));
    let why = demo.why(&["upper"]).exits(0).says("now   would run: its command changed: ").stdout;
    let (old, new) = why.split_once(" → ").unwrap();
    assert!(old.contains("made with") && new.contains("dyed"), "{why}");
    demo.run(&[]).exits(0).says("upper | dyed blue");
    assert_eq!(times(&demo), (5, 2));

    let stages = json(&demo.why(&["--json"]).exits(0).stdout);
    assert_eq!(stages["schema"], 1);
    assert_eq!(stages["stages"][1]["now"]["decision"], "holds");
    assert!(stages["stages"][0]["last"]["why"].as_str().unwrap().starts_with("its command changed"));
}

#[test]
fn a_variable_that_is_passed_on_counts_and_no_other() {
    let demo = Demo::new(
        "[stage.a]\nrun = 'echo ran >> ../ran; echo \"[$WANTED$OTHER]\"'\ninputs = []\npass_env = ['WANTED']\n",
    );
    let with = |wanted: &str, other: &str| {
        let mut command = demo.run_command(&[]);
        let output = command.env("WANTED", wanted).env("OTHER", other).output().unwrap();
        crate::world::Ran::of(output).exits(0)
    };
    with("1", "x").says("[1]");
    with("1", "y").says("unchanged");
    with("2", "y").says("$WANTED changed").says("[2]");
    assert_eq!(demo.times("ran"), 2);
}

#[test]
fn a_touch_and_a_rewrite_of_the_same_bytes_run_nothing() {
    let demo = chain();
    demo.run(&[]).exits(0);
    let path = demo.path("a.txt");
    let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_secs(100);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    demo.run(&[]).exits(0).says("nothing had to run");
    demo.replace("a.txt", "one\n");
    demo.run(&[]).exits(0).says("nothing had to run");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    demo.run(&[]).exits(0).says("nothing had to run");
    assert_eq!(times(&demo), (1, 1));
}

#[test]
fn what_a_stage_made_is_put_back_from_the_cache() {
    let demo = chain();
    demo.run(&[]).exits(0);
    fs::remove_file(demo.path("upper.txt")).unwrap();
    demo.run(&[]).exits(0).says("upper.txt is put back");
    assert_eq!((demo.text("upper.txt"), times(&demo)), ("ONE".into(), (1, 1)));
    demo.write("upper.txt", "by hand");
    demo.run(&[]).exits(0);
    assert_eq!((demo.text("upper.txt"), times(&demo)), ("ONE".into(), (1, 1)));
}

#[test]
fn a_state_that_was_known_before_comes_back_without_a_run() {
    let demo = chain();
    demo.run(&[]).exits(0);
    demo.write("a.txt", "two\n");
    demo.run(&[]).exits(0);
    assert_eq!((demo.text("upper.txt"), times(&demo)), ("TWO".into(), (2, 2)));
    demo.write("a.txt", "one\n");
    demo.run(&[]).exits(0).says("show | ONE").says("nothing had to run");
    assert_eq!((demo.text("upper.txt"), times(&demo)), ("ONE".into(), (2, 2)));
}

#[test]
fn the_same_output_of_a_stage_that_ran_again_runs_nothing_after_it() {
    let demo = chain();
    demo.run(&[]).exits(0);
    demo.write("a.txt", "one and more\n");
    demo.run(&[]).exits(0).says("1 of 2 stages ran");
    assert_eq!(times(&demo), (2, 1));
}

#[test]
fn a_failure_is_red_and_what_needs_it_is_skipped() {
    let demo = Demo::new(
        "[stage.bad]\nrun = 'echo broken; exit 3'\ninputs = ['x']\n[stage.after]\nrun = 'echo ran >> ../after-ran'\n\
         needs = ['bad']\n[stage.other]\nrun = 'echo ran >> ../other-ran'\ninputs = ['x']\n",
    );
    demo.write("x", "");
    let ran = demo.run(&[]).exits(2).says("RED in bad").says("exit code 3").says("1 stage skipped");
    assert!(ran.stdout.contains("bad | broken"), "{}", ran.stdout);
    assert!(ran.stderr.contains("bad did not succeed"), "{}", ran.stderr);
    assert_eq!((demo.times("after-ran"), demo.times("other-ran")), (0, 1));
    demo.run(&[]).exits(2).says("it failed in run 1");
    demo.write("devboot.toml", &demo.text("devboot.toml").replace("exit 3", "exit 0"));
    demo.run(&[]).exits(0).says("GREEN");
    assert_eq!((demo.times("after-ran"), demo.times("other-ran")), (1, 1));
}

#[test]
fn force_runs_what_holds() {
    let demo = chain();
    demo.run(&[]).exits(0);
    demo.run(&["--force", "upper"]).exits(0).says("it was asked for with --force");
    assert_eq!(times(&demo), (2, 1));
    demo.run(&["--force"]).exits(0);
    assert_eq!(times(&demo), (3, 2));
}

#[test]
fn a_stage_by_name_runs_with_what_it_needs_and_an_unknown_one_is_named() {
    let demo = chain();
    demo.run(&["upper"]).exits(0).says("GREEN IN PART only upper (1 of 2 stages), 1 stage");
    assert_eq!(times(&demo), (1, 0));
    demo.run(&["show"]).exits(0);
    assert_eq!(times(&demo), (1, 1));
    demo.run(&["shw"]).exits(64).says("there is no stage 'shw'").says("did you mean 'show'?");
    demo.why(&["shw"]).exits(64).says("did you mean 'show'?");
}

#[test]
fn json_is_one_event_a_line_each_with_its_schema() {
    let demo = chain();
    let ran = demo.run(&["--json"]).exits(0);
    let events: Vec<_> = ran.stdout.lines().map(json).collect();
    assert!(events.iter().all(|event| event["schema"] == 1 && event["run"] == 1), "{}", ran.stdout);
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("run-started", "run-finished"));
    for (kind, count) in [("stage-started", 2), ("stage-finished", 2)] {
        assert_eq!(kinds.iter().filter(|found| **found == kind).count(), count, "{kinds:?}");
    }
    let said: String = events.iter().filter_map(|event| event["text"].as_str()).collect();
    assert!(said.contains("made with red") && said.contains("shown"), "{said}");
    assert_eq!(events.last().unwrap()["verdict"], "passed");
    let again = demo.run(&["--json"]).exits(0);
    let ends: Vec<_> =
        again.stdout.lines().map(json).filter(|event| event["event"] == "stage-finished").collect();
    assert!(ends.iter().all(|event| event["end"]["replayed"] == true), "{}", again.stdout);
}

#[test]
fn a_dry_run_and_why_write_nothing_at_all() {
    let demo = chain();
    let fresh = demo.world.tree();
    let dry = |args: &[&str]| {
        let ran = crate::world::Ran::of(demo.untrusted_run(args).output().unwrap()).exits(0);
        ran.stdout
    };
    assert!(dry(&["-n"]).contains("would run  it has not run here before"));
    assert_same(&fresh, &demo.world.tree(), "a dry run in a new home");
    demo.why(&[]).exits(0).says("it has not run yet");
    assert_same(&fresh, &demo.world.tree(), "why in a new home");
    demo.run(&[]).exits(0);
    demo.write("a.txt", "two\n");
    let before = demo.world.tree();
    let told = dry(&["--dry-run"]);
    assert!(told.contains("a.txt changed") && told.contains("show"), "{told}");
    assert_eq!(json(&dry(&["-n", "--json"]))["stages"][0]["decision"], "run");
    demo.why(&[]).exits(0);
    demo.why(&["--json"]).exits(0);
    assert_same(&before, &demo.world.tree(), "a dry run after a run");
}

#[test]
fn two_runs_of_a_project_never_meet() {
    let demo = Demo::new(
        "[stage.slow]\nrun = 'echo begins >> ../seen; until [ -e ../go ]; do sleep 0.02; done; echo ends >> ../seen'\ncache = false\n",
    );
    let mut first = Live::start(demo.run_command(&[]));
    until("the first one runs", || demo.times("seen") == 1);
    let mut second = Live::start(demo.run_command(&[]));
    second.until(&format!("waits for another run of this project, process {}", first.child.id()));
    // One that waits can be given up, and has run nothing.
    let mut third = Live::start(demo.run_command(&["--json"]));
    third.until("waits for another run");
    third.signal("INT");
    let third = third.ends().exits(130);
    assert!(
        third.stdout.contains("\"verdict\":\"interrupted\"") && !third.stdout.contains("stage-started"),
        "{}",
        third.stdout
    );
    assert_eq!(demo.times("seen"), 1);
    demo.world.write("go", "");
    first.until("GREEN");
    let _ = first.ends().exits(0);
    second.until("GREEN");
    let _ = second.ends().exits(0);
    assert_eq!(demo.world.text("seen"), "begins\nends\nbegins\nends\n");
    let numbers: Vec<u64> = demo.runs().iter().map(|run| run["run"].as_u64().unwrap()).collect();
    assert!(
        numbers.iter().collect::<std::collections::BTreeSet<_>>().len() == numbers.len()
            && numbers.len() >= 2
    );
}

#[test]
fn a_stage_that_asks_for_a_run_of_its_own_project_is_told_why_not() {
    let run = format!("{} run other", crate::world::DEVBOOT);
    let demo = Demo::new(&format!("[stage.a]\nrun = '{run}'\n[stage.other]\nrun = 'echo ran'\n"));
    let _ = demo
        .run(&["a"])
        .exits(2)
        .says("for it is part of a run of it")
        .says("belongs among the stage's `needs`");
    // Another project is another matter.
    demo.world.write("other/devboot.toml", "[stage.b]\nrun = 'echo the other one'\n");
    let run = format!("{} run --trust -C ../other", crate::world::DEVBOOT);
    demo.write("devboot.toml", &format!("[stage.a]\nrun = '{run}'\n"));
    let _ = demo.run(&["a"]).exits(0).says("the other one");
}

#[test]
fn a_service_by_name_runs_until_it_ends_or_is_ended() {
    let demo = Demo::new(
        "[stage.server]\nservice = { run = 'echo serving; until [ -e ../go ]; do sleep 0.02; done; echo no more; exit 7', \
         ready = { log = 'serving' } }\n",
    );
    let home = demo.world.home().display().to_string();
    let mut live = Live::start(demo.run_command(&["server"]));
    live.until("running; Ctrl-C ends it");
    live.signal("INT");
    let _ = live.ends();
    assert_eq!(processes_with(&home), [0; 0]);
    let mut live = Live::start(demo.run_command(&["server"]));
    live.until("running; Ctrl-C ends it");
    demo.world.write("go", "");
    live.until("no more");
    let _ = live.ends().says("exit code 7");
}
