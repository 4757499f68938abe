//! Watching without the service: any command, and a pipeline.

use std::io::BufRead;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::world::DEVBOOT;

/// `devboot watch`, and the lines that it and its command have written.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(world: &World, args: &[&str]) -> Self {
        let mut command = world.command(DEVBOOT);
        command.arg("watch").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let outputs: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let sender = sender.clone();
            let lines = std::io::BufReader::new(output).lines().map_while(Result::ok);
            std::thread::spawn(move || lines.into_iter().try_for_each(|line| sender.send(line)));
        }
        Self { child, lines }
    }

    /// Waits for a line with these words; returns what came before it.
    #[track_caller]
    fn says(&self, words: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) if line.contains(words) => return seen,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no {words:?} in {seen:#?}"),
            }
        }
    }

    #[track_caller]
    fn interrupted(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn world() -> World {
    let world = World::new();
    world.write("p/a.py", "1\n").write("p/b.txt", "1\n").write("p/.gitignore", "made\n");
    world
}

#[test]
fn a_command_runs_at_the_start_and_after_each_save_that_changes_something() {
    let world = world();
    let one = Watching::start(&world, &["p", "--", "cat", "p/a.py"]);
    one.says("1");
    world.write("p/a.py", "2\n");
    one.says("2");
    // The same bytes and ignored files run nothing: the next thing that is seen is the next change.
    world.write("p/a.py", "2\n").write("p/made", "x");
    world.write("p/a.py", "3\n");
    let before = one.says("3");
    assert!(!before.iter().any(|line| line == "2"), "{before:?}");
    assert!(before.iter().all(|line| !line.contains('\u{1b}')), "{before:?}");
    assert_eq!(one.interrupted(), Some(130));
}

#[test]
fn extensions_and_patterns_narrow_it() {
    let world = world();
    let one = Watching::start(
        &world,
        &["p", "--postpone", "-e", "py,toml", "-i", "skip.py", "--", "sh", "-c", "cat p/*"],
    );
    // It says nothing when it begins to watch; so it is saved until it has seen it.
    let mut number = 0;
    until("first run", || {
        number += 1;
        world.write("p/c.toml", format!("first {number}\n"));
        one.lines.recv_timeout(Duration::from_millis(50)).is_ok_and(|line| line.contains("changed: c.toml"))
    });
    world.write("p/b.txt", "no\n").write("p/skip.py", "skipped\n");
    world.write("p/c.toml", "second\n");
    let before = one.says("changed: c.toml");
    assert!(
        !before.iter().any(|line| line.contains("changed: b.txt") || line.contains("skip.py")),
        "{before:?}"
    );
    // Two pipes have no order between them.
    if !before.iter().any(|line| line == "second") {
        one.says("second");
    }
}

#[test]
fn once_waits_for_one_change_and_ends_with_its_command() {
    let world = world();
    let mut one = Watching::start(&world, &["p", "--once", "--", "sh", "-c", "echo ran; exit 7"]);
    // It says nothing when it begins to watch; so it is saved until it has seen it.
    let mut number = 0;
    until("end", || {
        number += 1;
        world.write("p/a.py", format!("{number}\n"));
        one.child.try_wait().unwrap().is_some()
    });
    assert_eq!(one.child.wait().unwrap().code(), Some(1));
    one.says("ran");
}

#[test]
fn restart_ends_the_command_and_a_save_during_a_run_is_run_again() {
    let world = world();
    let script = "echo $$ >> pids; echo start; cat p/a.py; sleep 300";
    let one = Watching::start(&world, &["p", "--restart", "--", "sh", "-c", script]);
    one.says("1");
    world.write("p/a.py", "two\n");
    one.says("two");
    let pids: Vec<u32> = world.text("pids").lines().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 2);
    until("end of the first", || !lives(pids[0]));
    assert_eq!(one.interrupted(), Some(130));
    until("end of the second", || !lives(pids[1]));
    let two =
        Watching::start(&world, &["p", "--", "sh", "-c", "cat p/a.py; until [ -e go ]; do sleep 0.01; done"]);
    two.says("two");
    world.write("p/a.py", "three\n").write("go", "");
    two.says("three");
}

#[test]
fn a_pipeline_is_watched_and_a_wrong_file_changes_nothing() {
    let project =
        Project::new("[stage.few]\nrun = 'test $(wc -l < rows.csv) -lt 3'\ninputs = ['rows.csv']\n");
    project.write("rows.csv", "1\n");
    let one = Watching::start(&project.world, &["--no-service", "p"]);
    one.says("GREEN");
    project.write("rows.csv", "1\n2\n3\n");
    one.says("changed: rows.csv");
    one.says("RED in few");
    project.write("devboot.toml", "[stage.few]\nrum = 'x'\n");
    one.says("the last good one stays");
    project.write("rows.csv", "1\n");
    one.says("GREEN");
    project.write(
        "devboot.toml",
        "[stage.few]\nrun = 'test $(wc -l < rows.csv) -gt 3'\ninputs = ['rows.csv']\n",
    );
    one.says("the pipeline is read again");
    one.says("RED in few");
    assert_eq!(one.interrupted(), Some(130));
}

#[test]
fn a_stage_that_changes_its_own_input_is_named_and_slowed_down_and_loses_no_save() {
    let project =
        Project::new("[stage.own]\nrun = 'echo x >> rows.csv; cat rows.csv'\ninputs = ['rows.csv']\n");
    for poll in [&[][..], &["--poll"]] {
        project.write("rows.csv", "");
        let one = Watching::start(&project.world, &[&["--no-service", "p", "-v"], poll].concat());
        one.says("may be asking for");
        project.write("rows.csv", "saved meanwhile\n");
        one.says("saved meanwhile");
        drop(one);
        let lines = project.text("rows.csv").lines().count();
        assert!(lines < 20, "it ran {lines} times by itself");
    }
}

#[test]
fn two_stages_that_ask_for_each_other_are_slowed_down_and_the_file_is_named() {
    let project = Project::new(
        "[stage.one]\nrun = 'cat q.txt; date +%N >> p.txt'\ninputs = ['q.txt']\n\
         [stage.two]\nrun = 'cat p.txt; date +%N >> q.txt'\ninputs = ['p.txt']\n",
    );
    project.write("p.txt", "").write("q.txt", "");
    let one = Watching::start(&project.world, &["--no-service", "p", "-v"]);
    one.says("may be asking for");
    let lines = || project.text("p.txt").lines().count();
    assert!(lines() < 20, "it ran {} times by itself", lines());
    project.write("q.txt", "saved meanwhile\n");
    one.says("saved meanwhile");
}
