//! The completion files ask devboot itself, so that they fit the devboot that is installed.

use std::os::unix::fs::symlink;

use crate::world::{DEVBOOT, World};

fn set_up() -> World {
    let world = World::new();
    world.write(".zshrc", "autoload -Uz compinit; compinit -u -D\n");
    let _ = world.devboot(["apply", "--yes", "--profile", "minimal"]).exits(0);
    world
}

/// The profile has `~/.local/bin` on its search path.
fn install(world: &World) {
    std::fs::create_dir_all(world.path(".local/bin")).unwrap();
    symlink(DEVBOOT, world.path(".local/bin/devboot")).unwrap();
}

#[test]
fn the_first_tab_brings_every_command() {
    let world = set_up();
    install(&world);
    let bash = "_devboot_complete; COMP_WORDS=(devboot un); COMP_CWORD=1; _devboot devboot un devboot; echo ${COMPREPLY[@]}";
    assert_eq!(world.shell(&["bash", "-ic"], bash).stdout, "undo uninstall\n");
    // Outside of a completion `_arguments` refuses to work, but by then the functions are there.
    let zsh = "_devboot >/dev/null 2>&1; echo $+functions[_devboot_commands]";
    assert_eq!(world.shell(&["zsh", "-ic"], zsh).stdout, "1\n");
    let fish = world.shell(&["fish", "-ic"], "complete -C 'devboot un'").stdout;
    assert!(fish.contains("undo\t") && fish.contains("uninstall\t"), "{fish}");
}

#[test]
fn without_devboot_a_tab_says_nothing() {
    let world = set_up();
    let bash = world.shell(&["bash", "-ic"], "_devboot_complete; echo done");
    assert!(bash.stdout == "done\n" && !bash.stderr.contains("devboot"), "{}", bash.stderr);
    let zsh = world.shell(&["zsh", "-ic"], "_devboot; echo $+functions[_devboot_commands]");
    assert_eq!((zsh.stdout.as_str(), zsh.stderr.as_str()), ("0\n", ""));
    let fish = world.shell(&["fish", "-ic"], "complete -C 'devboot un'");
    assert_eq!(fish.stderr, "");
}
