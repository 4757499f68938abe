//! The service at work: what a save affects is run, whoever looks sees it, whoever asks is answered by it.

use std::io::BufRead;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::*;

const PIPELINE: &str = "[stage.count]\nrun = 'wc -l < rows.csv > count.txt && cat count.txt'\ninputs = ['rows.csv']\n\
                        outputs = ['count.txt']\n\n[stage.few]\nrun = 'test $(cat count.txt) -lt 3'\ninputs = ['count.txt']\n\
                        needs = ['count']\n";

/// A project with one input, and the service that keeps it.
fn kept() -> Served {
    let served = Served::started();
    served.world.write("ml/devboot.toml", PIPELINE).write("ml/rows.csv", "1\n2\n");
    let _ = served.devboot(["project", "add", "ml"]).exits(0).says("trusted as it is now");
    served.wait_for_project("green since run 1");
    served
}

#[test]
fn a_part_of_a_red_project_does_not_turn_it_green() {
    let served = kept();
    served.rows("1\n2\n3\n");
    served.wait_for_project("red since run 2");
    let _ = served.run(&["count"]).exits(0).says("GREEN IN PART only count (1 of 2 stages)");
    served.wait_for_project("red since run 2");
    served.rows("1\n");
    served.wait_for_project("green since run 4");
}

#[test]
fn a_project_whose_runs_ask_for_their_own_next_ones_says_what_it_waits_for() {
    let served = Served::started();
    let pipeline = "[stage.own]\nrun = 'echo x >> rows.csv; ! grep bad rows.csv'\ninputs = ['rows.csv']\n";
    served.world.write("ml/devboot.toml", pipeline).write("ml/rows.csv", "1\n");
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    // It waits, and says for how long and for whom.
    until("a rest", || {
        let listed = served.devboot(["project", "list"]).exits(0).stdout;
        listed.contains("rows.csv changed") && listed.contains(", or with a save")
    });
    // A save ends the rest, and has its verdict.
    served.rows("bad\n");
    served.wait_for_project("red since run");
}

#[test]
fn who_saves_and_asks_at_once_again_and_again_is_answered_each_time() {
    let served = kept();
    for count in 1..=24 {
        served.rows(&"1\n".repeat(1 + count % 4));
        let mut command = served.world.command("timeout");
        command.args(["60", DEVBOOT, "run", "-C", "ml"]);
        let ran = Ran::of(command.output().unwrap());
        let _ = ran.exits(if 1 + count % 4 < 3 { 0 } else { 2 });
        let listed = served.devboot(["project", "list"]).exits(0).stdout;
        assert!(!listed.contains("or with a save"), "{listed}");
    }
    let log = served.log();
    assert!(!log.contains("asking for their own"), "{log}");
}

#[test]
fn a_service_that_has_ended_by_itself_is_in_the_status_until_it_runs_again() {
    let served = Served::started();
    let pids = served.world.outside().join("pids");
    let run = format!("echo $$ >> {}; echo up; exec sleep 1000", pids.display());
    let pipeline = format!("[stage.web]\nservice = {{ run = '{run}', ready = {{ log = 'up' }} }}\n");
    served.world.write("ml/devboot.toml", pipeline);
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    served.wait_for_project("green since run 1");
    let words = "green since run 1; web has ended: ended by signal 9";
    kill(fs::read_to_string(&pids).unwrap().trim().parse().unwrap(), "-KILL");
    served.wait_for_project(words);
    let _ = served.devboot(["daemon", "status"]).exits(0).says(words);
    let _ = served.run(&[]).exits(0);
    served.wait_for_project("green since run 2");
    let listed = served.devboot(["project", "list"]).exits(0).stdout;
    assert!(!listed.contains("has ended"), "{listed}");
}

#[test]
fn why_and_a_dry_run_know_the_services_that_the_service_runs() {
    let served = Served::started();
    let pipeline = "[stage.web]\nservice = { run = 'cat page; echo up; exec sleep 1000', ready = { log = 'up' } }\ninputs = ['page']\n\
                    [stage.smoke]\nrun = 'cat page'\ninputs = ['page']\nneeds = ['web']\n";
    served.world.write("ml/devboot.toml", pipeline).write("ml/page", "1\n");
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    served.wait_for_project("green since run 1");
    let ask = |args: &[&str]| served.world.devboot([args, &["-C", "ml"]].concat()).exits(0).stdout;
    for asked in [ask(&["why"]), ask(&["run", "-n"])] {
        assert!(asked.matches("holds").count() == 2 && !asked.contains("would run"), "{asked}");
    }
    served.world.write("ml/page", "2\n");
    served.wait_for_project("green since run 2");
    until("it holds again", || ask(&["why"]).matches("holds").count() == 2);
    // Nobody runs it any more.
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    let asked = ask(&["why", "web"]);
    assert!(asked.contains("would run"), "{asked}");
}

#[test]
fn a_run_beside_the_service_and_one_of_the_service_never_meet() {
    let served = Served::started();
    let pipeline = "[stage.slow]\nrun = 'echo begins >> ../seen; until [ -e ../go ]; do sleep 0.02; done; cat rows.csv; echo ends >> ../seen'\n\
                    inputs = ['rows.csv']\n";
    served.world.write("ml/devboot.toml", pipeline).write("ml/rows.csv", "1\n").write("go", "");
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    served.wait_for_project("green since run 1");
    fs::remove_file(served.world.path("go")).unwrap();
    let mut command = served.world.command(DEVBOOT);
    command.args(["run", "--no-service", "--force", "-C", "ml"]).stdin(Stdio::null());
    let mut beside = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let seen = || served.world.text("seen");
    until("it runs", || seen().lines().count() == 3);
    served.rows("2\n");
    served.wait_for_project(&format!("waits for another run of this project, process {}", beside.id()));
    served.world.write("go", "");
    assert!(beside.wait().unwrap().success());
    served.wait_for_project("green since run 3");
    assert_eq!(seen(), "begins\nends\n".repeat(3));
}

impl Served {
    #[track_caller]
    pub(super) fn wait_for_project(&self, words: &str) {
        until(words, || self.devboot(["project", "list"]).exits(0).stdout.contains(words));
    }

    #[must_use]
    fn run(&self, args: &[&str]) -> Ran {
        self.world.devboot([&["run", "-C", "ml"], args].concat())
    }

    pub(super) fn history(&self) -> Vec<Value> {
        let listed = self.devboot(["history", "-C", "ml", "--json"]).exits(0);
        serde_json::from_str::<Value>(&listed.stdout).unwrap()["runs"].as_array().unwrap().clone()
    }

    fn rows(&self, text: &str) {
        self.world.write("ml/rows.csv", text);
    }
}

/// `devboot watch`, and the lines that it has written.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(served: &Served, args: &[&str]) -> Self {
        let mut command = served.world.command(DEVBOOT);
        command.arg("watch").arg("ml").args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (sender, lines) = channel();
        let output = std::io::BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Waits for a line with these words.
    #[track_caller]
    fn says(&self, words: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no {words:?} in {seen:#?}"),
            }
        }
    }

    #[track_caller]
    fn ends(&mut self, signal: &str) -> Option<i32> {
        kill(self.child.id(), signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_save_is_run_without_anybody_looking() {
    let served = kept();
    served.rows("1\n2\n3\n");
    served.wait_for_project("red since run 2");
    served.rows("1\n");
    served.wait_for_project("green since run 3");
    let runs = served.history();
    assert_eq!(runs.len(), 3, "{runs:#?}");
    assert_eq!(runs[0]["changed"], serde_json::json!(["rows.csv"]), "{runs:#?}");
    assert_eq!(fs::read_to_string(served.world.path("ml/count.txt")).unwrap().trim(), "1");
}

#[test]
fn what_changed_while_nothing_ran_is_caught_up_with() {
    let served = kept();
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    served.rows("1\n2\n3\n");
    let _ = served.devboot(["daemon", "start"]).exits(0);
    served.wait_for_project("red since run 2");
}

#[test]
fn a_project_that_is_added_again_has_the_programs_of_the_shell_that_adds_it() {
    let served = Served::started();
    served.world.write("ml/devboot.toml", "[stage.a]\nrun = 'my-tool'\ninputs = ['rows.csv']\n");
    served.world.write("ml/rows.csv", "1\n");
    served.world.write("tools/my-tool", "#!/bin/sh\necho here\n").mode("tools/my-tool", 0o755);
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    served.wait_for_project("red since run 1");
    let mut add = served.world.command(DEVBOOT);
    let tools = served.world.path("tools").display().to_string();
    add.args(["project", "add", "ml"]).env("PATH", format!("{tools}:{}", crate::world::path_variable()));
    let _ = Ran::of(add.output().unwrap()).exits(0);
    served.rows("2\n");
    served.wait_for_project("green since run");
}

#[test]
fn a_run_that_is_asked_for_goes_through_the_service() {
    let served = kept();
    let _ = served.run(&[]).exits(0).says("nothing had to run");
    served.rows("1\n2\n3\n");
    let _ = served.run(&[]).exits(2).says("RED in few");
    served.rows("1\n2\n");
    // Only this one, and what it needs.
    let ran = served.run(&["count", "--force", "--json"]).exits(0);
    let events: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "run-started");
    assert_eq!(events[0]["stages"], serde_json::json!(["count"]));
    assert_eq!(events.last().unwrap()["event"], "run-finished");
    let _ = served.run(&["coutn"]).exits(64).says("did you mean 'count'?");
    assert!(served.history().iter().all(|run| run["verdict"].is_string()));
}

#[test]
fn a_changed_file_of_its_own_waits_for_trust() {
    let served = kept();
    served.world.write("ml/devboot.toml", PIPELINE.replace("-lt 3", "-lt 30"));
    let _ = served.run(&[]).exits(4).says("has changed since it was trusted");
    served.wait_for_project("has changed since it was trusted");
    served.rows("1\n2\n3\n");
    served.wait_for_project("red since run 2");
    let _ = served.devboot(["project", "trust", "--yes", "ml"]).exits(0).says("is trusted as it is now");
    served.wait_for_project("green since");
    served.world.write("ml/devboot.toml", PIPELINE);
    served.wait_for_project("has changed since it was trusted");
    let _ = served.devboot(["project", "add", "ml"]).exits(0).says("trusted as it is now");
    served.wait_for_project("red since");
    served.rows("1\n2\n");
    served.wait_for_project("green since");
    let _ = served.devboot(["project", "trust", "--revoke", "ml"]).exits(0);
    served.wait_for_project("blocked");
    let _ = served.run(&["--trust"]).exits(0);
    served.world.write("ml/devboot.toml", "[stage.count]\nrum = 'true'\n");
    served.wait_for_project("unknown key 'rum'");
    let listed = served.devboot(["project", "list"]).exits(0).stdout;
    assert!(!listed.contains("\\u{a}"), "{listed}");
    let _ = served.run(&[]).exits(64).says("unknown key 'rum'");
    let _ = served.devboot(["project", "add", "ml"]).exits(64).says("unknown key 'rum'");
}

#[test]
fn a_guest_is_watched_as_long_as_somebody_looks() {
    let served = Served::new();
    served.world.write("ml/devboot.toml", PIPELINE).write("ml/rows.csv", "1\n2\n");
    let mut one = Watching::start(&served, &["--trust"]);
    one.says("GREEN");
    let two = Watching::start(&served, &["--postpone"]);
    until("second one", || {
        served.devboot(["daemon", "status", "--json"]).stdout.contains("\"subscribers\": 2")
    });
    served.rows("1\n2\n3\n");
    one.says("changed: rows.csv");
    one.says("RED in few");
    two.says("RED in few");
    assert_eq!(one.ends("-INT"), Some(130));
    served.rows("1\n");
    two.says("GREEN");
    drop(two);
    until("end of the guest", || {
        served.devboot(["project", "list"]).exits(0).stderr.contains("there are no projects")
    });
    assert!(!served.state("projects.json").exists());
}

#[test]
fn who_quits_and_looks_again_before_all_has_ended_gets_the_verdict_of_what_was_saved_meanwhile() {
    let served = Served::new();
    let out = served.world.outside().join("marks");
    fs::create_dir(&out).unwrap();
    let (began, go) = (out.join("began"), out.join("go"));
    // Told to end, it takes its time.
    let run = format!(
        "trap 'until test -e {go}; do sleep 0.02; done; exit 1' TERM; touch {began}; until test -e {go}; do sleep 0.02; done; \
         test $(wc -l < rows.csv) -lt 3",
        go = go.display(),
        began = began.display()
    );
    let stage = format!("[stage.few]\nrun = \"{run}\"\ninputs = ['rows.csv']\n");
    served.world.write("ml/devboot.toml", stage).write("ml/rows.csv", "1\n");
    let mut one = Watching::start(&served, &["--trust"]);
    until("run", || began.exists());
    assert_eq!(one.ends("-INT"), Some(130));
    until("end of looking", || {
        served.devboot(["daemon", "status", "--json"]).stdout.contains("\"subscribers\": 0")
    });
    let two = Watching::start(&served, &[]);
    until("second one", || {
        served.devboot(["daemon", "status", "--json"]).stdout.contains("\"subscribers\": 1")
    });
    served.rows("1\n2\n3\n");
    fs::write(go, "").unwrap();
    two.says("RED in few");
}

#[test]
fn who_looks_and_saves_devboot_toml_trusts_it_and_a_wrong_one_changes_nothing() {
    let served = Served::new();
    served.world.write("ml/devboot.toml", PIPELINE).write("ml/rows.csv", "1\n2\n3\n");
    let one = Watching::start(&served, &["--trust"]);
    one.says("RED in few");
    served.world.write("ml/devboot.toml", "[stage.count]\nrum = 'true'\n");
    assert!(one.says("unknown key 'rum'").contains("the last good one stays"));
    served.rows("1\n");
    one.says("GREEN");
    served.world.write("ml/devboot.toml", PIPELINE.replace("-lt 3", "-gt 3"));
    one.says("the pipeline is read again");
    one.says("RED in few");
}

#[test]
fn a_service_that_dies_or_is_replaced_is_there_again_and_one_that_is_stopped_is_said() {
    let served = Served::new();
    served.world.write("ml/devboot.toml", PIPELINE).write("ml/rows.csv", "1\n2\n");
    let mut one = Watching::start(&served, &["--trust"]);
    one.says("GREEN");
    kill(served.pid(), "-KILL");
    one.says("connecting again");
    one.says("GREEN");
    served.rows("1\n2\n3\n");
    one.says("RED in few");
    let _ = served.devboot(["daemon", "restart"]).exits(0);
    one.says("the service is restarted; connecting again");
    served.rows("1\n");
    one.says("GREEN");
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    assert_eq!(one.child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_project_that_is_gone_is_said_and_taken_up_again() {
    let served = kept();
    fs::rename(served.world.path("ml"), served.world.path("elsewhere")).unwrap();
    served.wait_for_project("blocked  the directory is gone");
    // Nothing else happens in it: that it is back is noticed by itself, and what was saved elsewhere is caught up with.
    served.world.write("elsewhere/rows.csv", "1\n2\n3\n");
    fs::rename(served.world.path("elsewhere"), served.world.path("ml")).unwrap();
    served.wait_for_project("red since");
    served.rows("1\n");
    served.wait_for_project("green since");
    // Nor does it matter that it is not there when the service starts, and that it comes piece by piece, as a clone does.
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    fs::remove_dir_all(served.world.path("ml")).unwrap();
    let _ = served.devboot(["daemon", "start"]).exits(0);
    served.wait_for_project("the directory is gone");
    fs::create_dir(served.world.path("ml")).unwrap();
    until("return", || !served.devboot(["project", "list"]).exits(0).stdout.contains("is gone"));
    served.world.write("ml/rows.csv", "1\n2\n3\n").write("ml/devboot.toml", PIPELINE);
    served.wait_for_project("red since");
    let _ = served.run(&[]).exits(2).says("RED in few");
    let runs = served.history();
    assert!(runs.iter().all(|run| run["verdict"] != "interrupted"), "{runs:#?}");
}

#[test]
fn a_project_that_was_empty_for_a_moment_is_taken_up_again() {
    let served = kept();
    let watching = Watching::start(&served, &["--postpone"]);
    until("somebody who looks", || {
        served.devboot(["daemon", "status", "--json"]).stdout.contains("\"subscribers\": 1")
    });
    let root = served.world.path("ml");
    for word in ["red", "green"] {
        fs::rename(&root, served.world.path("elsewhere")).unwrap();
        fs::create_dir(&root).unwrap();
        served.wait_for_project("blocked  nothing to run");
        // An empty directory has no files that could be seen to go with it.
        fs::remove_dir(&root).unwrap();
        served.world.write("elsewhere/rows.csv", if word == "red" { "1\n2\n3\n" } else { "1\n" });
        fs::rename(served.world.path("elsewhere"), &root).unwrap();
        served.wait_for_project(&format!("{word} since"));
        watching.says(&word.to_uppercase());
    }
    // Who asks for a run before that is noticed gets it.
    fs::rename(&root, served.world.path("elsewhere")).unwrap();
    fs::create_dir(&root).unwrap();
    served.wait_for_project("blocked  nothing to run");
    fs::remove_dir(&root).unwrap();
    fs::rename(served.world.path("elsewhere"), &root).unwrap();
    let _ = served.run(&["--force"]).exits(0).says("GREEN");
}

#[test]
fn a_project_is_gone_when_a_directory_above_it_is_and_taken_up_where_another_tree_stands_there() {
    let served = Served::started();
    let stage = "[stage.few]\nrun = 'test $(wc -l < rows.csv) -lt 3'\ninputs = ['rows.csv']\n";
    served.world.write("work/ml/devboot.toml", stage).write("work/ml/rows.csv", "1\n");
    let _ = served.devboot(["project", "add", "work/ml"]).exits(0);
    served.wait_for_project("green since run 1");
    let (work, other) = (served.world.path("work"), served.world.path("other"));
    let copy = |from: &Path, to: &Path| {
        assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
    };
    copy(&work, &other);
    fs::rename(&work, served.world.path("old")).unwrap();
    fs::rename(&other, &work).unwrap();
    // What is saved in the one that stands there now counts, whenever that is.
    served.world.write("work/ml/rows.csv", "1\n2\n3\n");
    served.wait_for_project("red since");
    served.world.write("work/ml/rows.csv", "1\n");
    served.wait_for_project("green since");
    served.world.write("old/ml/rows.csv", "1\n2\n3\n");
    // Nothing is put in its place at first.
    fs::rename(&work, &other).unwrap();
    served.wait_for_project("blocked  the directory is gone");
    served.world.write("other/ml/rows.csv", "1\n2\n3\n");
    copy(&other, &work);
    served.wait_for_project("red since");
}

#[test]
fn a_link_that_takes_a_projects_place_is_followed_and_so_is_its_end() {
    let served = Served::started();
    let stage = "[stage.few]\nrun = 'test $(wc -l < rows.csv) -lt 3'\ninputs = ['rows.csv']\n";
    served.world.write("ml/devboot.toml", stage).write("ml/rows.csv", "1\n");
    served.world.write("other/devboot.toml", stage).write("other/rows.csv", "1\n2\n3\n");
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    served.wait_for_project("green since run 1");
    let (ml, old) = (served.world.path("ml"), served.world.path("old"));
    fs::rename(&ml, &old).unwrap();
    std::os::unix::fs::symlink("other", &ml).unwrap();
    served.wait_for_project("red since");
    served.world.write("other/rows.csv", "1\n");
    served.wait_for_project("green since");
    served.world.write("old/rows.csv", "1\n2\n3\n");
    fs::remove_file(&ml).unwrap();
    served.wait_for_project("blocked  the directory is gone");
    fs::rename(&old, &ml).unwrap();
    served.wait_for_project("red since");
}

#[test]
fn a_project_that_is_gone_does_not_hold_up_the_end() {
    let served = kept();
    fs::remove_dir_all(served.world.path("ml")).unwrap();
    served.wait_for_project("the directory is gone");
    let began = std::time::Instant::now();
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    assert!(began.elapsed() < std::time::Duration::from_secs(8));
}

#[test]
fn logs_are_followed_across_runs() {
    let served = kept();
    let mut command = served.world.command(DEVBOOT);
    command.args(["logs", "-f", "-C", "ml"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut other = command.arg("--json").spawn().unwrap();
    let mut events = std::io::BufReader::new(other.stdout.take().unwrap()).lines();
    until("followers", || {
        served.devboot(["daemon", "status", "--json"]).stdout.contains("\"subscribers\": 2")
    });
    for rows in ["1\n", "1\n2\n3\n4\n"] {
        served.rows(rows);
        let count = rows.lines().count().to_string();
        assert_eq!(lines.next().unwrap().unwrap().trim(), count);
        let event: serde_json::Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
        assert_eq!((&event["event"], &event["schema"]), (&"output".into(), &1.into()));
        assert_eq!(event["text"].as_str().map(str::trim), Some(&*count));
    }
    for child in [&mut child, &mut other] {
        kill(child.id(), "-INT");
        assert_eq!(child.wait().unwrap().code(), Some(130));
    }
    let _ = served.devboot(["project", "remove", "ml"]).exits(0);
    let _ = served.devboot(["logs", "-f", "-C", "ml"]).exits(1).says("does not keep");
}

#[test]
fn an_environment_is_given_to_the_stages_that_declare_it_and_stands_in_no_file() {
    let served = Served::started();
    let stage = "[stage.show]\nrun = 'echo \"[$DECLARED] [$OTHER]\"'\npass_env = ['DECLARED']\n";
    served.world.write("ml/devboot.toml", stage);
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    served.wait_for_project("green since run 1");
    let mut command = served.world.command(DEVBOOT);
    command.args(["run", "-C", "ml"]).env("DECLARED", "hunter2").env("OTHER", "hunter3");
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("[hunter2] []"), "{output:?}");
    for (name, file) in served.world.tree() {
        let shown = format!("{file:?}");
        assert!(!shown.contains("hunter3"), "{name:?}");
    }
}

/// Ten thousand edits by four writers at random places; the files that there are in the end follow from the last ones.
const WRITERS: &str = r#"
import os, random, sys, threading
def write(number):
    dice = random.Random(number)
    for edit in range(2500):
        path = f'data/{number}/{dice.randrange(20)}.txt'
        what = dice.randrange(10)
        if what == 0 and os.path.exists(path):
            os.remove(path)
        elif what < 5:
            with open(path + '.tmp', 'w') as file:
                file.write(f'{number} {edit}\n')
            os.rename(path + '.tmp', path)
        else:
            with open(path, 'w') as file:
                file.write(f'{number} {edit}\n')
for number in range(4):
    os.makedirs(f'data/{number}', exist_ok=True)
threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"#;

#[test]
fn the_last_verdict_is_about_the_last_bytes_whatever_happens_meanwhile() {
    let served = Served::started();
    let sum = "find data -name '*.txt' ! -name '*.tmp' -print0 | sort -z | xargs -0 sha256sum | sha256sum";
    let result = served.world.outside().join("sum");
    let stage = format!(
        "[stage.sum]\nrun = \"{sum} > {0}.new; mv {0}.new {0}\"\ninputs = ['data']\n",
        result.display()
    );
    served.world.write("ml/devboot.toml", stage).write("ml/data/first.txt", "1");
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    served.wait_for_project("green since run 1");
    let mut writers = served.world.command("python3");
    writers.args(["-c", WRITERS]).current_dir(served.world.path("ml"));
    assert!(writers.status().unwrap().success());
    let now =
        Command::new("sh").args(["-c", sum]).current_dir(served.world.path("ml")).output().unwrap().stdout;
    until("verdict on the last bytes", || fs::read(&result).is_ok_and(|last| last == now));
    served.wait_for_project("idle");
    let runs = served.history();
    assert!(runs.len() > 1 && runs.iter().all(|run| run["verdict"].is_string()), "{runs:#?}");
    assert_eq!(runs[0]["verdict"], "passed");
}

#[test]
fn a_switch_of_branches_is_one_change_however_many_files_it_is() {
    let served = Served::started();
    let script = "set -e; mkdir data; for d in $(seq 100); do mkdir data/$d; for f in $(seq 100); do echo $f > data/$d/$f.txt; done; done\n\
                  git init -q -b main; git config user.email a@b; git config user.name a; git add .; git commit -qm one\n\
                  git checkout -qb other; for d in $(seq 100); do for f in $(seq 100); do echo other > data/$d/$f.txt; done; done\n\
                  git commit -qam two; git checkout -q main\n";
    served.world.write(
        "ml/devboot.toml",
        "[stage.count]\nrun = 'cat data/*/*.txt | grep -c other || true'\ninputs = ['data']\n",
    );
    let sh = |script: &str| {
        let mut command = served.world.command("sh");
        assert!(
            command.args(["-c", script]).current_dir(served.world.path("ml")).status().unwrap().success()
        );
    };
    sh(script);
    let _ = served.devboot(["project", "add", "ml"]).exits(0);
    served.wait_for_project("green since run 1");
    sh("git checkout -q other");
    served.wait_for_project("green since run 2");
    let _ = served.devboot(["logs", "-C", "ml"]).exits(0).says("10000");
    let runs = served.history();
    assert_eq!((runs.len(), &runs[0]["changes"]), (2, &serde_json::json!(10_000)), "{}", runs[0]["changes"]);
}
