//! Nothing of a project's `devboot.toml` runs before a person has said so, and each change of it asks anew.

use super::{Demo, Live};
use crate::world::{Ran, assert_same};

const TOML: &str = "[stage.a]\nrun = 'echo ran >> ../ran'\ninputs = []\n";

fn run(demo: &Demo, args: &[&str]) -> Ran {
    Ran::of(demo.untrusted_run(args).output().unwrap())
}

#[test]
fn an_untrusted_file_is_refused_and_nothing_is_run() {
    let demo = Demo::new(TOML);
    let before = demo.world.tree();
    run(&demo, &[]).exits(4).says("demo/devboot.toml is not trusted yet").says("--trust");
    let watched = Live::start(demo.watch_command(&[])).ends();
    watched.exits(4).says("is not trusted yet");
    assert_same(&before, &demo.world.tree(), "refused");
    run(&demo, &["--trust"]).exits(0);
    run(&demo, &["--force"]).exits(0);
    assert_eq!(demo.times("ran"), 2);
}

#[test]
fn a_file_that_changed_is_refused_again() {
    let demo = Demo::new(TOML);
    run(&demo, &["--trust"]).exits(0);
    demo.write("devboot.toml", &TOML.replace("'echo ran", "'echo more; echo ran"));
    run(&demo, &[]).exits(4).says("demo/devboot.toml has changed since it was trusted");
    assert_eq!(demo.times("ran"), 1);
    demo.write("devboot.toml", TOML);
    run(&demo, &["--force"]).exits(0);
    assert_eq!(demo.times("ran"), 2);
}

#[test]
fn trust_is_of_one_place() {
    let demo = Demo::new(TOML);
    run(&demo, &["--trust"]).exits(0);
    demo.world.write("other/devboot.toml", TOML);
    let other = demo.world.path("other").display().to_string();
    run(&demo, &["-C", &other]).exits(4).says("other/devboot.toml is not trusted yet");
    assert_eq!(demo.times("ran"), 1);
}
