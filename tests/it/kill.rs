//! Killed at every system call that can change the disk: each rc file is old or new, the shells start, the next
//! run completes, undo and uninstall restore.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::world::{DEVBOOT, Node, Tree, World, assert_same, stock};

/// System calls that can change a file system.
const CALLS: &str = "openat,creat,write,pwrite64,writev,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,\
                     symlink,symlinkat,link,linkat,fchmod,fchmodat,chmod,fsync,fdatasync,ftruncate,fallocate,\
                     utimensat,fsetxattr,flock";

const APPLY: [&str; 4] = ["apply", "--yes", "--profile", "minimal"];

fn world() -> World {
    let world = World::new();
    stock::aws(&world);
    stock_zsh(&world);
    world
}

fn stock_zsh(world: &World) {
    world.write(".zshrc", "setopt autocd");
}

/// The calls of one apply, in order, by name and by how many of that name came before: `(rename, 3)`.
fn points() -> Vec<(String, usize)> {
    let world = world();
    let log = world.outside().join("strace.log");
    let status = trace(&world).arg("-o").arg(&log).arg(DEVBOOT).args(APPLY).output().unwrap().status;
    assert!(status.success());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for line in fs::read_to_string(&log).unwrap().lines() {
        let Some(name) = line.split_once('(').map(|(name, _)| name) else {
            continue;
        };
        let count = seen.entry(name.to_owned()).or_default();
        *count += 1;
        let reading = name == "openat" && !line.contains("O_CREAT");
        if !reading && !line.contains("resumed") {
            points.push((name.to_owned(), *count));
        }
    }
    points
}

fn trace(world: &World) -> Command {
    // The main thread only: it does all writing, and the children are `bash -n` and its like. Following them
    // would also mix up the counts.
    let mut command = world.command("strace");
    command.args(["-qq", "--trace", CALLS]);
    command
}

fn visible(tree: &Tree) -> Tree {
    tree.iter().filter(|(path, _)| !path.starts_with(".local")).map(|(p, n)| (p.clone(), n.clone())).collect()
}

#[test]
fn killed_at_every_write() {
    let before = world().tree();
    let done = {
        let world = world();
        world.devboot(APPLY).exits(0);
        visible(&world.tree())
    };
    let points = points();
    assert!(points.len() > 60, "only {} points: the trace missed the writes", points.len());
    let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((call, number)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let cut_short = killed_at(call, *number, &before, &done);
                    killed.fetch_add(usize::from(cut_short), Ordering::Relaxed);
                }
            });
        }
    });
    let killed = killed.into_inner();
    println!("{} points, {killed} kills", points.len());
    assert!(killed * 10 >= points.len() * 9, "only {killed} of {} runs were cut short", points.len());
}

/// One kill, and everything that must hold after it. Says whether the run was cut short.
fn killed_at(call: &str, number: usize, before: &Tree, done: &Tree) -> bool {
    let world = world();
    let inject = format!("--inject={call}:signal=KILL:when={number}");
    let status =
        trace(&world).arg(inject).args(["-o", "/dev/null", DEVBOOT]).args(APPLY).output().unwrap().status;
    let when = format!("killed at {call} {number}");
    for (path, node) in visible(&world.tree()) {
        let whole = before.get(&path) == Some(&node) || done.get(&path) == Some(&node);
        let temporary = path.iter().any(|part| part.to_string_lossy().starts_with(".devboot-"));
        assert!(
            whole || temporary || matches!(node, Node::Dir(_)),
            "{when}: {} is half: {node:?}",
            path.display()
        );
    }
    // Two starts a point instead of four keep the whole within a minute or two.
    for how in [["bash", "-ic"], ["zsh", "-ic"]] {
        let ran = world.shell(&how, "echo started").exits(0);
        assert_eq!(ran.stdout.trim(), "started", "{when}");
    }
    world.devboot(APPLY).exits(0);
    assert_same(done, &visible(&world.tree()), &format!("{when}, run again"));
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(before, &world.tree(), &format!("{when}, run again, uninstalled"));
    !status.success()
}

#[test]
fn undo_after_a_kill_gives_the_home_back() {
    let before = visible(&world().tree());
    for number in 1..=12 {
        let world = world();
        let inject = format!("--inject=rename:signal=KILL:when={number}");
        let _ = trace(&world).arg(inject).args(["-o", "/dev/null", DEVBOOT]).args(APPLY).output().unwrap();
        world.devboot(["undo", "--yes"]).exits(0);
        assert_same(&before, &visible(&world.tree()), &format!("killed at rename {number}, undone"));
    }
}
