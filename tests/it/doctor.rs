//! `doctor` as a user runs it: in a terminal, where an interactive shell would like to take the terminal over.

use super::world::{DEVBOOT, World};

/// Runs a command with a terminal of its own; prints what it says and exits as it does.
const IN_A_TERMINAL: &str =
    "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";

#[test]
fn healthy_shells_are_healthy_in_a_terminal() {
    let world = World::new();
    world.devboot(super::homes::SETUP).exits(0);
    let output = world
        .command("python3")
        .args(["-c", IN_A_TERMINAL, DEVBOOT, "doctor", "--runs", "1"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("start of bash") && said.contains("ms without devboot"), "{said}");
    assert!(!said.contains("does not start"), "{said}");
}

#[test]
fn looking_at_a_home_that_is_not_set_up_leaves_it_as_it_is() {
    let world = World::new();
    let before = world.tree();
    let _ = world.devboot(["doctor", "--runs", "1"]);
    super::world::assert_same(&before, &world.tree(), "doctor");
}
