//! Setup with clones: killed at any time nothing is left that nobody knows of, and uninstall takes clones away
//! that are as devboot made them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use crate::world::{DEVBOOT, World, assert_same};

const SETUP: [&str; 8] = ["setup", "--yes", "--jobs", "1", "--only", "home,kits,repos", "--profile", "p"];

/// A repository with a file and a `.gitignore`, beside the home.
fn origin(world: &World, name: &str) -> PathBuf {
    let dir = world.outside().join(name);
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("file.txt"), "x\n").unwrap();
    fs::write(dir.join(".gitignore"), "cache/\n").unwrap();
    let identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"];
    for args in [&["init", "-q"][..], &["add", "-A"], &["commit", "-q", "-m", "one"]] {
        let done = world.command("git").args(identity).arg("-C").arg(&dir).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    dir
}

fn profile(world: &World, text: &str) -> [String; 8] {
    let path = world.outside().join("p.toml");
    fs::write(&path, text).unwrap();
    let mut args = SETUP.map(str::to_owned);
    args[7] = path.to_string_lossy().into_owned();
    args
}

#[test]
fn a_setup_killed_between_two_clones_leaves_none_of_unknown_origin() {
    for again in [false, true] {
        let world = World::new();
        let before = world.tree();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = format!(
            "extends = [\"minimal\"]\n[repo.a]\nurl = \"file://{}\"\n[repo.b]\nurl = \"http://127.0.0.1:{}/b\"\n",
            origin(&world, "a").display(),
            silent.local_addr().unwrap().port()
        );
        let args = profile(&world, &text);
        let mut command = world.command(DEVBOOT);
        let mut setup = command.args(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The first connection only asks whether somebody is there; at the second, b is being cloned.
        let connections: Vec<_> = (0..2).map(|_| silent.accept().unwrap()).collect();
        setup.kill().unwrap();
        setup.wait().unwrap();
        drop((connections, silent));
        assert!(world.path("repos/a/file.txt").exists() && !world.path("repos/b").exists());
        assert!(world.path("repos/.b.devboot-partial").exists());
        if again {
            world.devboot(&args).exits(0).says("1 unchanged, 1 postponed");
        }
        world.devboot(["uninstall", "--yes"]).exits(0).says("remove ~/repos/a");
        assert_same(&before, &world.tree(), "uninstall");
    }
}

#[test]
fn uninstall_takes_kits_that_only_their_programs_wrote_into_and_keeps_what_was_edited() {
    let world = World::new();
    let before = world.tree();
    let text = format!(
        "extends = [\"minimal\"]\n[kit.k]\nurl = \"file://{}\"\ndir = \"~/.kit\"\n[repo.r]\nurl = \"file://{}\"\n",
        origin(&world, "k").display(),
        origin(&world, "r").display()
    );
    let args = profile(&world, &text);
    world.devboot(&args).exits(0).says("2 done");
    world.write(".kit/cache/x", "dropped").write(".zsh_history", "ls\n");
    world.write("repos/r/file.txt", "edited\n");
    let ran = world.devboot(["uninstall", "--yes"]).exits(0);
    let ran = ran.says("stays: ~/repos/r: you changed it").says("~/.zsh_history: written by zsh or vim");
    drop(ran);
    assert!(!world.path(".kit").exists());
    assert_eq!(world.text("repos/r/file.txt"), "edited\n");
    fs::remove_dir_all(world.path("repos")).unwrap();
    fs::remove_file(world.path(".zsh_history")).unwrap();
    assert_same(&before, &world.tree(), "uninstall, but for what was edited");
}

#[test]
fn a_killed_setup_takes_its_children_along() {
    let world = World::new();
    let fifo = world.outside().join("fifo");
    assert!(world.command("mkfifo").arg(&fifo).status().unwrap().success());
    let text = format!(
        "extends = [\"minimal\"]\n[repo.r]\nurl = \"file://{}\"\ntest = \"exec >{1}; echo here; exec sleep 600\"\n",
        origin(&world, "r").display(),
        fifo.display()
    );
    let mut args = profile(&world, &text);
    args[5] = "home,repos,tests".into();
    let mut command = world.command(DEVBOOT);
    let mut setup = command.args(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut child = BufReader::new(fs::File::open(&fifo).unwrap());
    let mut line = String::new();
    child.read_line(&mut line).unwrap();
    assert_eq!(line, "here\n");
    setup.kill().unwrap();
    setup.wait().unwrap();
    // Comes to its end only when nobody writes any more.
    let mut rest = String::new();
    child.read_to_string(&mut rest).unwrap();
}
