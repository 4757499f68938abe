//! `devboot try`: a shell in a throwaway home, and nothing left behind.

use std::fs;

use crate::world::{World, assert_same};

#[test]
fn a_command_sees_the_profile_and_nothing_is_left() {
    let world = World::new();
    world.write(".bashrc", "export MINE=1\n");
    let before = world.tree();
    let ran = world.devboot([
        "try",
        "--offline",
        "--skip",
        "tests",
        "--",
        "bash",
        "-ic",
        "alias gs; echo home=$HOME mine=$MINE",
    ]);
    let ran = ran.exits(0).says("alias gs='git status").says("mine=\n");
    let home = ran.stdout.split("home=").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    assert!(home.contains("devboot-try-") && !std::path::Path::new(&home).exists(), "{home}");
    assert_same(&before, &world.tree(), "try");
    assert_eq!(left(&world), 0);
}

#[test]
fn a_failing_command_and_a_bad_profile_leave_nothing_either() {
    let world = World::new();
    world.devboot(["try", "--offline", "--skip", "tests", "--", "sh", "-c", "exit 7"]).exits(1);
    world.devboot(["try", "--profile", "nope", "--", "true"]).exits(64);
    world.devboot(["try"]).exits(3).says("no terminal");
    assert_eq!(left(&world), 0);
}

/// Throwaway homes that are still there; the world's own directory is where temporary files go.
fn left(world: &World) -> usize {
    let entries = fs::read_dir(world.outside()).unwrap();
    entries
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("devboot-try-"))
        .count()
}
