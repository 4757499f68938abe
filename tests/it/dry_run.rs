//! What writes nothing: dry runs and reading commands, proved by the system calls.

use std::fs;

use crate::world::{DEVBOOT, World, assert_same, stock};

/// Runs under strace and returns the calls that could have changed the disk.
fn writes(world: &World, args: &[&str]) -> Vec<String> {
    let log = world.outside().join("strace.log");
    let calls = "openat,creat,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,symlink,symlinkat,link,\
                 linkat,fchmod,fchmodat,chmod,ftruncate,truncate,utimensat,chown,fchown";
    let ended = world
        .command("strace")
        .args(["-qq", "-f", "--trace", calls, "-o"])
        .arg(&log)
        .arg(DEVBOOT)
        .args(args)
        .output()
        .unwrap();
    let code = ended.status.code();
    assert!(matches!(code, Some(0 | 2)), "{args:?}: {code:?} {}", String::from_utf8_lossy(&ended.stderr));
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.lines().count() > 5, "the trace is empty");
    text.lines()
        .filter(|line| {
            !line.contains("openat(")
                || ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|f| line.contains(f))
        })
        // What a shell or a C library opens for itself.
        .filter(|line| !line.contains("\"/dev/null\"") && !line.contains("\"/dev/tty\""))
        // A call that another thread's line cuts in two has its flags in the first part.
        .filter(|line| !line.contains("resumed>") && !line.contains("--- SIG"))
        // A process that was still there when strace had ended.
        .filter(|line| !line.contains("???("))
        .map(str::to_owned)
        .collect()
}

#[test]
fn dry_runs_and_reading_commands_write_nothing() {
    let world = World::new();
    stock::google(&world);
    let before = world.tree();
    for args in [
        &["setup", "--dry-run", "--offline"][..],
        &["apply", "--dry-run"],
        &["diff"],
        &["status"],
        &["host", "--json"],
        &["profile", "list"],
        &["profile", "show", "default"],
    ] {
        let found = writes(&world, args);
        assert!(found.is_empty(), "{args:?} wrote:\n{}", found.join("\n"));
    }
    assert_same(&before, &world.tree(), "dry runs");
}

#[test]
fn a_second_run_writes_nothing() {
    let world = World::new();
    stock::google(&world);
    for args in [&["apply", "--yes", "--profile", "minimal"][..], &["setup", "--yes", "--offline"]] {
        world.devboot(args).exits(0);
        let found = writes(&world, args);
        assert!(found.is_empty(), "{args:?} wrote:\n{}", found.join("\n"));
    }
    assert!(writes(&world, &["uninstall", "--dry-run"]).is_empty());
}
