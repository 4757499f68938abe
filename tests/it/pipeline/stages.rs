//! Stages run when what they depend on is another, and not otherwise; every reason is said.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::*;
use crate::world::assert_same;

const COUNT: &str = "[stage.count]\nrun = 'echo counting; wc -l < rows.csv > count.txt'\ninputs = ['rows.csv']\n\
                     outputs = ['count.txt']\nparams = { 'params.json' = ['limit'] }\nenv = { MODE = 'fast' }\n\n\
                     [stage.show]\nrun = 'echo shown: $(cat count.txt)'\ninputs = ['count.txt']\nneeds = ['count']\n";

fn counted() -> Project {
    let project = Project::new(COUNT);
    project.write("rows.csv", "1\n2\n").write("params.json", "{\"limit\": 3, \"other\": 1}");
    let _ = project.run(&[]).exits(0).says("counting").says("shown: 2");
    project
}

#[test]
fn an_unchanged_stage_replays_what_it_wrote() {
    let project = counted();
    let ran = project.run(&[]).exits(0).says("counting").says("shown: 2").says("nothing had to run");
    assert_eq!(ran.stdout.matches("counting").count(), 1);
    // A touch, a chmod for reading and the same bytes change nothing.
    let rows = project.path("rows.csv");
    fs::write(&rows, "1\n2\n").unwrap();
    fs::set_permissions(&rows, fs::Permissions::from_mode(0o600)).unwrap();
    project.write("params.json", "{\"other\": 2, \"limit\": 3}");
    let _ = project.run(&[]).exits(0).says("nothing had to run");
    let _ = project.run(&["--force"]).exits(0).says("asked for with --force");
}

#[test]
fn the_first_thing_that_differs_is_named() {
    let project = counted();
    project.write("rows.csv", "1\n2\n3\n");
    let _ = project.why().exits(0).says("rows.csv changed");
    let _ = project.run(&["-n"]).exits(0).says("would run").says("rows.csv changed");
    let _ = project.run(&[]).exits(0).says("rows.csv changed").says("shown: 3");
    project.write("params.json", "{\"limit\": 4}");
    let _ = project.run(&[]).exits(0).says("limit").says("3 → 4");
    let changed = |from: &str, to: &str, says: &str| {
        project.write("devboot.toml", &COUNT.replace(from, to));
        let _ = project.run(&[]).exits(4).says("has changed since it was trusted");
        let _ = project.run(&["--trust"]).exits(0).says(says);
    };
    changed("'fast'", "'slow'", "MODE");
    changed("echo counting;", "echo anew;", "command");
}

#[test]
fn another_node_or_other_packages_for_it_are_another_result() {
    let project = Project::new("[stage.test]\nrun = 'node test.js'\n");
    project.write(".gitignore", "node_modules\n").write("test.js", "console.log('says ' + require('dep'))");
    project
        .write("node_modules/dep/index.js", "module.exports = 1")
        .write("node_modules/.package-lock.json", "1");
    let _ = project.run(&[]).exits(0).says("says 1");
    let _ = project.run(&[]).exits(0).says("nothing had to run");
    // As `npm install` leaves it.
    project
        .write("node_modules/dep/index.js", "module.exports = 2")
        .write("node_modules/.package-lock.json", "2");
    let _ = project.run(&["-n"]).exits(0).says("would run").says("node_modules/.package-lock.json changed");
    let _ = project.run(&[]).exits(0).says("says 2");
    fs::remove_dir_all(project.path("node_modules/dep")).unwrap();
    let _ = project.run(&[]).exits(2).says("what is installed in node_modules changed");
    project
        .write("node_modules/dep/index.js", "module.exports = 3")
        .write("node_modules/.package-lock.json", "3");
    let _ = project.run(&[]).exits(0).says("says 3");
    // Another program of the name comes first on PATH.
    project
        .write("bin/node", "#!/bin/sh\necho another node\n")
        .write("devboot.toml", "[stage.test]\nrun = 'node test.js'\ninputs = ['test.js']\n");
    fs::set_permissions(project.path("bin/node"), fs::Permissions::from_mode(0o755)).unwrap();
    let _ = project.run(&["--trust"]).exits(0).says("says 3");
    let path = format!("{}:{}", project.path("bin").display(), crate::world::path_variable());
    let mut command = project.world.command(crate::world::DEVBOOT);
    let output = command.args(["run"]).current_dir(project.path("")).env("PATH", path).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("the program node changed") && said.contains("another node"), "{said}");
}

#[test]
fn outputs_come_back_from_the_cache() {
    let project = counted();
    fs::remove_file(project.path("count.txt")).unwrap();
    let _ = project.run(&[]).exits(0).says("unchanged");
    assert_eq!(project.text("count.txt").trim(), "2");
    project.write("count.txt", "9\n");
    let _ = project.run(&[]).exits(0);
    assert_eq!(project.text("count.txt").trim(), "2", "what was edited by hand is what it should be again");
    // There and back: both states are known.
    project.write("rows.csv", "1\n");
    let _ = project.run(&[]).exits(0).says("shown: 1");
    project.write("rows.csv", "1\n2\n");
    let _ = project.run(&[]).exits(0).says("shown: 2").says("nothing had to run");
}

#[test]
fn an_output_that_comes_out_the_same_stops_there() {
    let project = counted();
    project.write("rows.csv", "a\nb\n");
    let ran = project.run(&["--json"]).exits(0);
    let events: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().all(|event| event["schema"] == 1 && event["run"].is_u64()), "{events:#?}");
    let replayed = |stage: &str| {
        let of = |event: &&Value| event["event"] == "stage-finished" && event["stage"] == stage;
        events.iter().find(of).unwrap()["end"]["replayed"].as_bool().unwrap()
    };
    assert!(!replayed("count") && replayed("show"), "{events:#?}");
}

#[test]
fn a_failure_skips_what_needs_it_and_is_red() {
    let project = Project::new(
        "[stage.lint]\nrun = 'echo bad; exit 7'\n\n[stage.train]\nrun = 'echo trained'\nneeds = ['lint']\n",
    );
    let ran = project.run(&[]).exits(2).says("bad").says("skipped").says("RED in lint");
    assert!(!ran.stdout.contains("trained"));
    let _ = project.devboot(&["logs", "-C", "p"]).exits(0).says("bad");
    let _ = project.devboot(&["logs", "-C", "p", "lnit"]).exits(64).says("did you mean 'lint'?");
    let _ = project.devboot(&["history", "-C", "p"]).exits(0).says("failed");
    let _ = project.run(&["trian"]).exits(64).says("did you mean 'train'?");
}

#[test]
fn a_dry_run_writes_nothing() {
    let project = counted();
    project.write("rows.csv", "1\n2\n3\n");
    let before = project.world.tree();
    let _ = project.run(&["-n"]).exits(0).says("would run");
    let _ = project.why().exits(0);
    let _ = project.devboot(&["history", "-C", "p"]).exits(0);
    assert_same(&before, &project.world.tree(), "after a dry run");
    let fresh = World::new();
    fresh.write("p/devboot.toml", COUNT).write("p/rows.csv", "1\n").write("p/params.json", "{\"limit\": 1}");
    let before = fresh.tree();
    let _ = fresh.devboot(["run", "-n", "-C", "p"]).exits(0).says("has not run here before");
    assert_same(&before, &fresh.tree(), "after the first dry run");
}

#[test]
fn a_dry_run_says_what_a_run_would_do() {
    let project = Project::new(
        "[stage.prep]\nrun = 'cat i > o'\ninputs = ['i']\noutputs = ['o']\n\
         [stage.train]\nneeds = ['prep']\nrun = 'cat o'\ninputs = ['o']\n\
         [stage.always]\nrun = 'true'\ncache = false\n",
    );
    project.write("i", "1");
    let _ = project.run(&[]).exits(0);
    let words = |args: &[&str]| {
        let out = project.run(args).exits(0).stdout;
        let line = |line: &str| line.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
        out.lines().map(line).collect::<Vec<_>>()
    };
    assert_eq!(words(&["-n"]), ["prep holds passed", "train holds passed", "always would run"]);
    project.write("i", "2");
    assert_eq!(words(&["-n", "train"]), ["prep would run", "train may run"]);
    assert_eq!(project.text("o"), "1");
}

#[test]
fn nothing_runs_untrusted() {
    let world = World::new();
    world.write("p/devboot.toml", "[stage.a]\nrun = 'touch ran'\n");
    let _ = world.devboot(["run", "-C", "p"]).exits(4).says("is not trusted yet");
    let _ = world.devboot(["watch", "--no-service", "p"]).exits(4).says("is not trusted yet");
    assert!(!world.path("p/ran").exists());
    let _ = world.devboot(["run", "--trust", "-C", "p"]).exits(0);
    assert!(world.path("p/ran").exists());
}

#[test]
fn what_is_wrong_with_a_pipeline_is_said_at_once() {
    let world = World::new();
    world.write(
        "p/devboot.toml",
        "[stage.a]\nrun = 'a'\nneeds = ['b']\n\n[stage.b]\nrun = 'b'\nneeds = ['a']\n",
    );
    let _ = world.devboot(["run", "--trust", "-C", "p"]).exits(64).says("stages need each other");
    let _ = world.devboot(["run", "-C", "nowhere"]).exits(64).says("nowhere");
    world.write("q/readme.txt", "");
    let _ = world.devboot(["run", "-C", "q"]).exits(64).says("nothing to run");
}

/// A service that prints what is in a file when it starts, and two stages that need it.
fn served(port: u16) -> Project {
    let project = Project::new(&format!(
        "[stage.app]\ninputs = ['app.py']\nservice = {{ run = 'exec python3 app.py', ready = {{ port = {port} }} }}\n\
         [stage.smoke]\nneeds = ['app']\nhttp = {{ url = 'http://127.0.0.1:{port}/', contains = 'hello' }}\n\
         [stage.itest]\nneeds = ['app']\ninputs = ['itest.sh']\nrun = 'sh itest.sh'\n"
    ));
    let app = |word: &str| {
        format!(
            "import http.server as s\nclass H(s.BaseHTTPRequestHandler):\n    def do_GET(self):\n        \
             self.send_response(200); self.end_headers(); self.wfile.write(b'{word}')\n        \
             open('asked', 'a').write(self.path)\n    \
             def log_message(self, *a): pass\ns.HTTPServer(('127.0.0.1', {port}), H).serve_forever()\n"
        )
    };
    project.write("app.py", &app("hello")).write("bye.py", &app("bye"));
    let ask = format!(
        "python3 -c \"import urllib.request as u; assert u.urlopen('http://127.0.0.1:{port}/test').read() == b'hello'\""
    );
    project.write("itest.sh", &ask).write(".gitignore", "asked\n");
    project
}

#[test]
fn what_needs_a_service_is_asked_again_when_the_service_is_another() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let project = served(port);
    let _ = project.run(&[]).exits(0).says("GREEN");
    // Who asks gets an answer of now; a stage with inputs holds as long as they and the service are the same.
    let _ = project.run(&[]).exits(0).says("GREEN");
    assert_eq!(project.text("asked"), "//test/");
    std::fs::copy(project.path("bye.py"), project.path("app.py")).unwrap();
    let _ = project.run(&[]).exits(2).says("RED in smoke, itest").says("it begins: bye");
    let _ = project.why().says("what it gets from app changed");
}

#[test]
fn no_test_ran_is_never_green() {
    let project = Project::new("[stage.test]\nrun = 'pytest -q'\n");
    project.write("test_none.py", "x = 1\n").write("pytest.ini", "[pytest]\n");
    let _ = project.run(&[]).exits(2).says("no test ran");
    // Nor are tests that are found and not run, tests that are all skipped, a recipe of comments.
    project.write("test_none.py", "import pytest\n@pytest.mark.skip\ndef test_a(): pass\n");
    project.write("Makefile", "test:\n\t#pytest\n");
    for action in ["run = 'pytest -q --co'", "run = 'make test'"] {
        project.write("devboot.toml", &format!("[stage.test]\n{action}\n"));
        let _ = project.run(&["--trust"]).exits(2).says("NO TEST RAN");
        let _ = project.run(&[]).exits(2).says("NO TEST RAN");
    }
}

#[test]
fn the_bytes_that_are_there_are_run_however_soon_they_follow() {
    let project = Project::new("[stage.show]\nrun = 'python3 -c \"import app; print(app.x)\"'\n");
    // Of one size and, but for one or two, of one second: Python's compiled code cannot tell them apart.
    for number in 1..=9 {
        project.write("app.py", &format!("x = 'value {number}'\n"));
        let _ = project.run(&[]).exits(0).says(&format!("value {number}"));
    }
}
