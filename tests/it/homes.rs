//! Setup, a second setup and uninstall in an empty home and in those of the three cloud shells.

use std::fs;

use crate::world::{World, assert_same, stock};

/// Setup without network, in whatever home it is.
pub const SETUP: [&str; 3] = ["setup", "--yes", "--offline"];

fn round_trip(world: &World, host: &str) {
    let before = world.tree();
    let mut command = world.command(crate::world::DEVBOOT);
    let ended = command.args(SETUP).env("DEVBOOT_HOST", host).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    // The first login is told what an unattended setup left open; every later one starts without a word.
    world.shell(&["bash", "-ic"], "true").exits(0).says("devboot: setup: ");
    world.shells_start_cleanly("after setup");
    world.shell(&["bash", "-ic"], "alias ll").exits(0).says("ls");

    let after = world.tree();
    let mut command = world.command(crate::world::DEVBOOT);
    let again = command.args(SETUP).env("DEVBOOT_HOST", host).output().unwrap();
    assert!(again.status.success());
    let text = String::from_utf8_lossy(&again.stderr);
    assert!(text.contains("nothing to do"), "{text}");
    assert_same(&after, &world.tree(), "a second setup");

    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(&before, &world.tree(), "uninstall");
    world.shells_start_cleanly("after uninstall");
}

#[test]
fn an_empty_home() {
    round_trip(&World::new(), "vm");
}

#[test]
fn aws_cloudshell() {
    let world = World::new();
    stock::aws(&world);
    round_trip(&world, "aws-cloudshell");
}

#[test]
fn google_cloud_shell() {
    let world = World::new();
    stock::google(&world);
    round_trip(&world, "google-cloud-shell");
}

#[test]
fn azure_cloud_shell() {
    let world = World::new();
    stock::azure(&world);
    round_trip(&world, "azure-cloud-shell");
}

#[test]
fn a_home_with_spaces_quotes_and_a_dollar() {
    round_trip(&World::at("my \"own\" home's $HOME `x`"), "vm");
}

#[test]
fn times_of_change_come_back_too() {
    let world = World::new();
    stock::aws(&world);
    let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_000);
    fs::File::options().write(true).open(world.path(".bashrc")).unwrap().set_modified(then).unwrap();
    world.devboot(["setup", "--yes", "--offline", "--only", "home"]).exits(0);
    assert_ne!(fs::metadata(world.path(".bashrc")).unwrap().modified().unwrap(), then);
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_eq!(fs::metadata(world.path(".bashrc")).unwrap().modified().unwrap(), then);
}

#[test]
fn undo_gives_the_home_back_and_a_second_undo_has_nothing_to_do() {
    let world = World::new();
    stock::google(&world);
    let before = world.tree();
    world.devboot(["apply", "--yes", "--profile", "minimal"]).exits(0);
    world.devboot(["undo", "--yes"]).exits(0);
    let mut after = world.tree();
    after.retain(|path, _| !path.starts_with(".local"));
    assert_same(&before, &after, "undo");
    world.devboot(["undo", "--yes"]).exits(0).says("nothing to undo");
}

#[test]
fn what_the_user_wrote_meanwhile_survives_uninstall() {
    let world = World::new();
    stock::aws(&world);
    world.devboot(SETUP).exits(0);
    let mut bashrc = world.read(".bashrc");
    bashrc.extend(b"export MINE=1\n");
    world.write(".bashrc", bashrc);
    world.write("hello-ml/hello.py", "mine = True\n");
    world.devboot(["uninstall", "--yes"]).exits(0).says("hello-ml");
    assert_eq!(world.text(".bashrc"), format!("{}export MINE=1\n", stock::AWS_BASHRC));
    assert_eq!(world.text("hello-ml/hello.py"), "mine = True\n");
}

#[test]
fn an_unattended_setup_leaves_one_line_for_the_next_login() {
    let world = World::new();
    world.devboot(["setup", "--yes", "--offline", "--skip", "tests"]).exits(0);
    for how in [["bash", "-ic"], ["zsh", "-ic"]] {
        let line = "setup: 1 done, 5 postponed; see devboot status";
        world.write(".config/devboot/notice", format!("{line}\n"));
        let first = world.shell(&how, "true");
        assert_eq!(first.stderr.matches(line).count(), 1, "{how:?}: {}", first.stderr);
        assert!(!world.shell(&how, "true").stderr.contains("devboot"), "said twice");
    }
    assert!(world.text(".local/state/devboot/logs/setup.log").contains("postponed"));
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_eq!(world.tree().len(), 1, "{:?}", world.tree());
}
