//! A clone in a process of its own, for what is read from the environment.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use devboot::repos::git::batch::{CloneOutcome, clone_all};
use devboot::repos::git::update::update;

use super::world::{ONLINE, World, spec};

/// Clones `url` to `home/x` of the world, in a process with these variables and no others of git's, and returns what
/// became of it in words, hints and all.
pub fn clone_apart(world: &World, url: &str, env: &[(&str, &str)]) -> String {
    let done = apart(world, &[], "clone", url).envs(env.iter().copied()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The same, or an update, in a process that is killed outright as it begins one of these calls of the system for this
/// file.
pub fn killed_at(world: &World, calls: &str, path: &Path, act: &str, url: &str) {
    let path = path.to_str().unwrap();
    let kill = format!("inject={calls}:signal=KILL");
    let tracer = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", path, "-e", &kill];
    let done = apart(world, &tracer, act, url).output().unwrap();
    assert!(!done.status.success(), "{path} was never named: {}", String::from_utf8_lossy(&done.stdout));
}

/// Begins the same in a process and does not wait for it.
pub fn begin(world: &World, act: &str, url: &str) -> Child {
    apart(world, &[], act, url).stdout(Stdio::piped()).spawn().unwrap()
}

/// What a process says until it ends.
pub fn said_by(child: &mut Child) -> String {
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{said}");
    said
}

fn apart(world: &World, before: &[&str], act: &str, url: &str) -> Command {
    let us = std::env::current_exe().unwrap();
    let mut command = match before {
        [] => Command::new(us),
        [program, args @ ..] => {
            let mut command = Command::new(program);
            command.args(args).arg(us);
            command
        }
    };
    command.args(["--exact", "repos::apart::a_clone_apart", "--ignored", "--nocapture"]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("HOME", world.path("home"))
        .env("GIT_CONFIG_GLOBAL", world.path("gitconfig"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("DEVBOOT_TEST_ACT", act)
        .env("DEVBOOT_TEST_URL", url);
    command
}

#[test]
#[ignore = "a part of other tests, in a process of its own"]
#[allow(clippy::print_stdout, reason = "its output is the answer to the process that started it")]
fn a_clone_apart() {
    let var = |name| std::env::var(name).unwrap();
    let spec = spec("x", var("DEVBOOT_TEST_URL"), Path::new(&var("HOME")));
    if var("DEVBOOT_TEST_ACT") == "update" {
        println!("{:?}", update(&spec, &|_| {}));
        return;
    }
    match clone_all(&[spec], ONLINE, &|_| {}).remove(0) {
        CloneOutcome::Failed(fault) => println!("{}; {:?}", fault.one_line(), fault.hints),
        outcome => println!("{outcome:?}"),
    }
}
