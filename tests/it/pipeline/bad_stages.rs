//! Stages that do what stages should not, and a state that cannot be written or read.

use std::process::Stdio;

use super::*;
use crate::full_disk::Disk;
use crate::world::DEVBOOT;

#[test]
fn a_stage_that_ignores_the_polite_signal_is_ended_all_the_same() {
    let project = Project::new(
        "[stage.deaf]\nrun = \"trap '' TERM; echo $$ > pid; sleep 300\"\ntimeout = '1s'\ncache = false\n",
    );
    let _ = project.run(&[]).exits(2).says("timed out");
    let pid = project.text("pid").trim().parse().unwrap();
    until("end", || !lives(pid));
}

#[test]
fn what_a_stage_leaves_behind_ends_with_it() {
    let project = Project::new("[stage.fork]\nrun = 'sleep 300 & echo $! > pid; echo done'\n");
    // The child holds standard output open.
    let _ = project.run(&[]).exits(0).says("done");
    let pid = project.text("pid").trim().parse().unwrap();
    until("end", || !lives(pid));
}

#[test]
fn a_kill_in_the_middle_leaves_nothing_and_is_told_by_the_history() {
    let project = Project::new("[stage.long]\nrun = 'echo $$ > pid.new; mv pid.new pid; exec sleep 300'\n");
    let mut command = project.world.command(DEVBOOT);
    command.args(["run", "--no-service", "-C", "p"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    until("stage", || project.path("pid").exists());
    let pid = project.text("pid").trim().parse().unwrap();
    assert!(lives(pid));
    child.kill().unwrap();
    child.wait().unwrap();
    until("end", || !lives(pid));
    project.write("devboot.toml", "[stage.long]\nrun = 'true'\n");
    let _ = project.run(&["--trust"]).exits(0);
    let _ = project.devboot(&["history", "-C", "p"]).exits(0).says("interrupted");
}

#[test]
fn ctrl_c_ends_it_in_order() {
    let project = Project::new("[stage.long]\nrun = 'echo $$ > pid.new; mv pid.new pid; exec sleep 300'\n");
    let mut command = project.world.command(DEVBOOT);
    command.args(["run", "--no-service", "-C", "p"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    until("stage", || project.path("pid").exists());
    let signal = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!lives(project.text("pid").trim().parse().unwrap()));
}

#[test]
fn odd_ends_have_their_words() {
    let ends = [
        ("'kill -SEGV $$'", 2, "signal"),
        ("'exit 3'", 2, "3"),
        ("['./not-executable']", 1, "ermission denied"),
        ("['no-such-program-here']", 1, "no-such-program-here"),
        ("'cat; echo read nothing'", 0, "read nothing"),
    ];
    for (run, code, words) in ends {
        let project = Project::new(&format!("[stage.odd]\nrun = {run}\n"));
        project.write("not-executable", "#!/bin/sh\n");
        let ran = project.run(&[]).exits(code);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        assert!(text.contains(words), "{run}: {text}");
    }
}

#[test]
fn nothing_raw_reaches_the_terminal() {
    let project =
        Project::new("[stage.raw]\nrun = \"printf 'a\\\\033]0;evil\\\\007b\\\\000\\\\377c\\\\n'\"\n");
    let ran = project.run(&[]).exits(0);
    for byte in ['\u{1b}', '\u{7}', '\0'] {
        assert!(!ran.stdout.contains(byte), "{:?}", ran.stdout);
    }
}

#[test]
fn a_flood_is_bounded_on_disk_and_in_memory() {
    let project =
        Project::new("[stage.flood]\nrun = 'head -c 200000000 /dev/zero | tr \"\\\\0\" x | fold -w 79'\n");
    let script = "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n\
                  print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n";
    let mut command = project.world.command("python3");
    command.args(["-c", script, DEVBOOT, "run", "--no-service", "-q", "-C", "p"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let kilobytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(kilobytes < 100_000, "{kilobytes} kB");
    let state = project.world.path(".local/state/devboot");
    let held = std::process::Command::new("du").args(["-sk"]).arg(&state).output().unwrap();
    let held: u64 = String::from_utf8_lossy(&held.stdout).split_whitespace().next().unwrap().parse().unwrap();
    assert!(held < 40_000, "{held} kB in {}", state.display());
}

#[test]
fn a_damaged_history_is_set_aside_and_said() {
    let project = Project::new("[stage.a]\nrun = 'true'\n");
    let _ = project.run(&[]).exits(0);
    let path = project.world.path(".local/state/devboot/history.db");
    assert!(path.exists());
    for name in ["history.db-wal", "history.db-shm"] {
        let _ = fs::remove_file(path.with_file_name(name));
    }
    fs::write(&path, "not a database, and longer than a header of one would be: ".repeat(40)).unwrap();
    let _ = project.run(&[]).exits(0).says("damaged");
    let _ = project.devboot(&["history", "-C", "p"]).exits(0).says("passed");
}

#[test]
fn a_full_disk_costs_the_memory_of_a_run_and_not_its_verdict() {
    let project = Project::new("[stage.a]\nrun = 'echo fine'\n");
    let disk = Disk::new(&project.world, 512);
    let run = |args: &[&str]| {
        let mut command = project.world.command(DEVBOOT);
        command.args(["run", "--no-service", "-C", "p"]).args(args).env("XDG_STATE_HOME", disk.path());
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("fine"), "{output:?}");
    };
    run(&["--trust"]);
    disk.fill(0);
    run(&["--force"]);
    run(&[]);
    disk.fill(1 << 20);
    run(&[]);
}

#[test]
fn a_service_that_was_asked_for_and_dies_is_red() {
    let project = Project::new(
        "[stage.app]\nservice = { run = 'echo ready; sleep 0.2; exit 7', ready = { log = 'ready' } }\n",
    );
    let _ = project.run(&["app"]).exits(2).says("running; Ctrl-C ends it").says("has ended");
}
