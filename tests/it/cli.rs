//! The command line as people and programs use it: profiles from git addresses, odd homes, exit codes, records.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::world::{DEVBOOT, World, assert_same};

/// Everything but what a git address or the home phase is about.
const HOME_ONLY: [&str; 2] = ["--skip", "kits,repos,python,tests,service"];

fn git(world: &World, dir: &Path, args: &[&str]) {
    let mut command = world.command("git");
    command.arg("-C").arg(dir).args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(args);
    assert!(command.output().unwrap().status.success(), "{args:?}");
}

/// A repository outside the home with this file; its address.
fn repository(world: &World, name: &str, file: &str, text: &str) -> String {
    let dir = world.outside().join(name);
    fs::create_dir(&dir).unwrap();
    git(world, &dir, &["init", "-q"]);
    commit(world, name, file, text);
    format!("file://{}", dir.display())
}

fn commit(world: &World, name: &str, file: &str, text: &str) {
    let dir = world.outside().join(name);
    fs::write(dir.join(file), text).unwrap();
    git(world, &dir, &["add", "."]);
    git(world, &dir, &["commit", "-qm", "change"]);
}

fn digest(stderr: &str) -> String {
    stderr.split("--trust ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned()
}

fn left_in_temp(world: &World) -> Vec<String> {
    let names = fs::read_dir(world.outside()).unwrap().map(|e| e.unwrap().file_name());
    names.map(|n| n.to_string_lossy().into_owned()).filter(|n| n.starts_with("devboot-")).collect()
}

#[test]
fn a_profile_from_a_git_address_is_looked_at_without_a_trace_and_trusted_by_content() {
    let world = World::new();
    let profile = |command: &str| format!("extends = ['minimal']\n[aliases]\ngg = '{command}'\n");
    let url = repository(&world, "dots", "profile.toml", &profile("git status"));
    world.write("notes", "mine");
    let before = world.tree();
    world.devboot(["setup", "-n", "--profile", &url]).exits(3).says("--trust ");
    world.devboot(["diff", "--profile", &url]).exits(3);
    world.devboot(["profile", "show", &url]).exits(0).says("gg = git status");
    let setup = |more: &[&str]| {
        let args = [&["setup", "--yes", "--profile", &url], more, &HOME_ONLY].concat();
        world.devboot(args)
    };
    let asked = setup(&[]).exits(3).says("+gg = 'git status'");
    assert_same(&before, &world.tree(), "nothing was approved");
    setup(&["--trust", "0000"]).exits(3);
    assert_same(&before, &world.tree(), "something else was approved");
    let first = digest(&asked.stderr);
    world.devboot(["setup", "-n", "--profile", &url, "--trust", &first]).exits(0);
    assert_same(&before, &world.tree(), "a dry run with an approval");
    setup(&["--trust", &first]).exits(0);
    setup(&[]).exits(0).says("nothing to do");

    commit(&world, "dots", "profile.toml", &profile("git log"));
    world.devboot(["status"]).exits(0).says("everything is as devboot wrote it");
    let asked = world.devboot(["apply", "--yes"]).exits(3).says("-gg = 'git status'").says("+gg = 'git log'");
    world.devboot(["apply", "--yes", "--trust", &digest(&asked.stderr)]).exits(0);
    world.shell(&["bash", "-ic"], "alias gg").says("git log");
    world.devboot(["status"]).exits(0);
    fs::rename(world.outside().join("dots"), world.outside().join("away")).unwrap();
    world.devboot(["setup", "--yes", "--offline"]).exits(0);
    world.devboot(["uninstall", "--yes"]).exits(0);
    fs::remove_dir_all(world.path("hello-ml")).ok();
    assert_same(&before, &world.tree(), "uninstall");
    assert_eq!(left_in_temp(&world), [""; 0]);
}

#[test]
fn a_home_that_is_none_is_a_usage_error_and_dots_are_followed() {
    let world = World::new();
    world.write("file", "x").write("a b/.keep", "");
    for home in ["file", "missing", "file/below"] {
        world.devboot(["--home", home, "status"]).exits(64).says("home").says(home);
    }
    let args = [&["--home", "a b/../a b", "setup", "--yes", "--profile", "minimal"], &HOME_ONLY[..]].concat();
    world.devboot(args).exits(0);
    assert!(!world.text("a b/.config/devboot/shell.bash").contains("a b/.."));
    world.devboot(["--home", "a b", "status"]).exits(0).says("everything is as devboot wrote it");
}

#[test]
fn nothing_to_undo_is_one_object_and_a_wrong_run_is_an_error() {
    let world = World::new();
    let ran = world.devboot(["undo", "--json"]).exits(0);
    let value: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&value["schema"], &value["run"]), (&1.into(), &serde_json::Value::Null));
    world.devboot(["undo", "20200101T000000Z"]).exits(64).says("there is no run");
    assert!(world.tree().len() == 1, "looking wrote something");
}

#[test]
fn a_terminated_try_ends_its_program_and_leaves_nothing() {
    let world = World::new();
    let ready = world.outside().join("ready");
    assert!(world.command("mkfifo").arg(&ready).status().unwrap().success());
    let mut command = world.command(DEVBOOT);
    command.args(["try", "--offline", "--profile", "minimal"]).args(HOME_ONLY);
    // A program that Ctrl-C would not end, as a shell at its prompt.
    command.args(["--", "sh", "-c", "trap : INT; echo up > \"$0\"; while :; do sleep 1; done"]).arg(&ready);
    let mut child = command.process_group(0).stderr(std::process::Stdio::null()).spawn().unwrap();
    assert_eq!(fs::read_to_string(&ready).unwrap(), "up\n");
    let id = child.id().to_string();
    for signal in ["-INT", "-INT", "-TERM"] {
        assert!(world.command("kill").args([signal, &id]).status().unwrap().success());
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(left_in_temp(&world), [""; 0]);
}

const PROFILE: &str = "extends = ['minimal']\n[repo.far]\nurl = 'https://192.0.2.1/x/far.git'\n";

#[test]
fn what_waits_is_remembered_by_a_setup_of_other_phases() {
    let world = World::new();
    world.write("p.toml", PROFILE);
    let setup = ["setup", "--yes", "--offline", "--profile", "./p.toml", "--skip", "python,tests,service"];
    world.devboot(setup).exits(0);
    world.devboot(["status"]).exits(0).says("postponed");
    world.devboot(["apply", "--yes"]).exits(0);
    world.write("p.toml", format!("{PROFILE}[aliases]\nx = 'y'\n"));
    world.devboot(["setup", "--yes", "--offline", "--only", "home"]).exits(0);
    world.devboot(["status"]).exits(0).says("postponed").says("far");
}

#[test]
fn a_clone_of_a_setup_that_was_killed_is_still_known_as_ours() {
    let world = World::new();
    let url = repository(&world, "near", "README", "hello\n");
    world.write("p.toml", format!("extends = ['minimal']\n[repo.near]\nurl = '{url}'\n"));
    let before = world.tree();
    let setup = ["setup", "--yes", "--profile", "./p.toml", "--skip", "python,tests,service"];
    world.devboot(setup).exits(0);
    // What a kill after the clone and before the last record leaves.
    let file = ".local/state/devboot/setup.json";
    let mut record: serde_json::Value = serde_json::from_slice(&world.read(file)).unwrap();
    let dirs: Vec<_> = record["clones"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(dirs.len(), 1);
    record["clones"][&dirs[0]]["commit"] = serde_json::Value::Null;
    world.write(file, record.to_string());
    let half = Path::new(&dirs[0]).with_file_name(".near.devboot-partial");
    world.write(half.join("half").to_str().unwrap(), "x");
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(&before, &world.tree(), "uninstall after a kill");
}

#[test]
fn a_hard_linked_file_that_a_kill_left_half_written_becomes_whole() {
    let world = World::new();
    world.write(".bashrc", "export ONE=1\nexport TWO=2\n");
    fs::hard_link(world.path(".bashrc"), world.path("other-name")).unwrap();
    let before = world.tree();
    world.devboot([&["setup", "--yes", "--profile", "minimal"], &HOME_ONLY[..]].concat()).exits(0);
    let with = world.read(".bashrc");
    world.devboot(["undo", "--yes"]).exits(0);
    // As if undo had been killed between the bytes and the new length.
    let runs = world.path(".local/state/devboot/runs");
    let last = fs::read_dir(&runs)
        .unwrap()
        .map(|e| e.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap())
        .unwrap();
    fs::rename(&last, last.with_extension("pending")).unwrap();
    let mut torn = world.read(".bashrc");
    torn.extend(&with[torn.len()..]);
    fs::write(world.path(".bashrc"), &torn).unwrap();
    world.devboot(["apply", "--yes", "--profile", "minimal"]).exits(0).says("cut short");
    assert_eq!(world.read(".bashrc"), with);
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(&before, &world.tree(), "uninstall");
}

#[test]
fn a_profile_of_ones_own_that_is_gone_again_leaves_no_directory() {
    let world = World::new();
    world.write(".config/x", "");
    let before = world.tree();
    world.devboot(["profile", "new", "mine"]).exits(0);
    fs::remove_file(world.path(".config/devboot/profiles/mine.toml")).unwrap();
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(&before, &world.tree(), "uninstall");
}

#[test]
fn of_several_first_setups_at_once_one_works_and_the_others_say_why_not() {
    for _ in 0..5 {
        let world = World::new();
        let before = world.tree();
        let start = || {
            let mut command = world.command(DEVBOOT);
            command.args(["setup", "--yes", "--profile", "minimal"]).args(HOME_ONLY);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        };
        let running: Vec<_> = (0..6).map(|_| start()).collect();
        let mut done = 0;
        for child in running {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            match output.status.code() {
                Some(0) => done += 1,
                code => assert!(code == Some(1) && said.contains("another devboot"), "{said}"),
            }
        }
        assert!(done > 0);
        world.devboot(["status"]).exits(0);
        world.devboot(["uninstall", "--yes"]).exits(0);
        assert_same(&before, &world.tree(), "uninstall");
    }
}
