//! `devboot project`: what is understood of a project, and what is wrong in its `devboot.toml`.

use serde_json::Value;

use crate::world::{World, assert_same};

const BROKEN: &str = "[stage.test]\nrun = 'x'\nneeds = ['lnt']\nneds = []\n[stage.lint]\nrun = ''\n";

#[test]
fn a_project_is_inferred_shown_kept_and_read_as_the_same() {
    let world = World::new();
    world
        .write("demo/tests/test_app.py", "def test(): pass\n")
        .write("demo/app.py", "")
        .write("demo/Makefile", "test:\n\t#python -m pytest\nlint:\n\tpython3 -m pyflakes app.py\n")
        .write("demo/.gitignore", "ignored/\n")
        .write("demo/ignored/go.mod", "")
        .write("demo/.git/HEAD", "ref: refs/heads/main\n");
    let before = world.tree();
    let shown = world.devboot(["project", "show", "demo/tests"]).exits(0);
    assert_same(&before, &world.tree(), "to show is to read");
    let expected = "\
# Inferred from the project's files; keep it as devboot.toml to change it.
# test: pytest, for tests/test_app.py
# `make test` does nothing: its recipe has no command that can fail
# lint: `make lint`, a target of Makefile

[stage.test]
pytest = {}

[stage.lint]
run = \"make lint\"
";
    assert_eq!(shown.stdout, expected);
    let stages = |of: &str| {
        let shown = world.devboot(["project", "show", of, "--json"]).exits(0);
        let value: Value = serde_json::from_str(&shown.stdout).unwrap();
        (value["inferred"].clone(), value["stages"].clone())
    };
    let (inferred, first) = stages("demo");
    world.write("demo/devboot.toml", &shown.stdout);
    let (kept, second) = stages("demo");
    assert_eq!((inferred, kept), (true.into(), false.into()));
    assert_eq!(first, second);
    world.devboot(["project", "check", "demo"]).exits(0).says("0 problems, 2 stages");
}

#[test]
fn every_problem_is_listed_and_nothing_is_shown_of_a_broken_file() {
    let world = World::new();
    world.write("demo/devboot.toml", BROKEN);
    let checked = world.devboot(["project", "check", "demo"]).exits(1);
    for line in [
        "devboot.toml:3:10: no stage is named 'lnt' (did you mean 'lint'?)",
        "devboot.toml:4:1: unknown key 'neds' (did you mean 'needs'?)",
        "devboot.toml:6:7: the command is empty",
        "3 problems",
    ] {
        assert!(format!("{}{}", checked.stdout, checked.stderr).contains(line), "{line}");
    }
    let json = world.devboot(["project", "check", "demo", "--json"]).exits(1);
    let value: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (value["errors"].as_u64(), value["problems"][0]["place"]["line"].as_u64()),
        (Some(3), Some(3))
    );
    let shown = world.devboot(["project", "show", "demo"]).exits(64).says("unknown key 'neds'");
    assert_eq!(shown.stdout, "");
}

#[test]
fn what_is_understood_beyond_the_text_stands_in_comments() {
    let world = World::new();
    let text = "[stage.train]\nrun = 'train {lr}'\noutputs = ['m-{lr}.pkl']\nmatrix.lr = [0.1, 1e-2]\n\
                [stage.best]\nrun = 'best'\ninputs = ['m-*.pkl']\n";
    world.write("demo/devboot.toml", text);
    world
        .devboot(["project", "show", "demo"])
        .exits(0)
        .says("# 2 cells: train@0.1, train@1e-2")
        .says("# needs, by what they make: train@0.1, train@1e-2");
}

#[test]
fn a_place_that_nobody_knows_is_a_problem() {
    let world = World::new();
    world.write(
        "demo/devboot.toml",
        "[stage.a]\nrun = 'x'\non = 'mars'\n[stage.b]\nrun = 'y'\non = 'local'\n",
    );
    let said = "devboot.toml:3:6: no place is called 'mars'; known: local";
    let _ = world.devboot(["project", "check", "demo"]).exits(1).says(said).says("1 problem");
}

#[test]
fn odd_places_are_said() {
    let world = World::new();
    world.devboot(["project", "show", "nowhere"]).exits(64).says("cannot use");
    world.write("file", "").devboot(["project", "show", "file"]).exits(64).says("is not a directory");
    world
        .write("empty/x", "")
        .devboot(["project", "show", "empty"])
        .exits(0)
        .says("# nothing was recognised");
    world
        .write("bad/devboot.toml", [0xff, 0xfe])
        .devboot(["project", "check", "bad"])
        .exits(64)
        .says("not UTF-8");
    world.write("dir/devboot.toml/x", "").devboot(["project", "show", "dir"]).exits(1).says("cannot read");
    let schema = world.devboot(["project", "schema"]).exits(0).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert!(schema["properties"]["stage"]["description"].is_string());
}
