//! `devboot repo`: the catalog, clones by name and by address, what is left when they are removed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{World, assert_same};

/// A repository beside the home with these files.
pub fn origin(world: &World, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let dir = world.outside().join(name);
    fs::create_dir(&dir).unwrap();
    git(world, &dir, &["init", "-q", "-b", "main"]);
    commit(world, &dir, files, "2021-03-01T12:00:00Z");
    dir
}

/// One more commit of that day.
pub fn commit(world: &World, dir: &Path, files: &[(&str, &str)], date: &str) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    git(world, dir, &["add", "-A"]);
    let identity = ["-c", "user.name=me", "-c", "user.email=me@example.org"];
    let mut command = world.command("git");
    command.args(identity).arg("-C").arg(dir).args(["commit", "-q", "--allow-empty", "-m", date]);
    let done = command.envs([("GIT_AUTHOR_DATE", date), ("GIT_COMMITTER_DATE", date)]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

pub fn git(world: &World, dir: &Path, args: &[&str]) -> String {
    let done = world.command("git").arg("-C").arg(dir).args(args).output().unwrap();
    assert!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// A catalog of the user's own with these repositories.
pub fn catalog(world: &World, repos: &[(&str, &Path)]) {
    let text: String = repos
        .iter()
        .map(|(name, path)| format!("[repo.{name}]\nurl = \"{}\"\nteaches = \"x\"\n", path.display()))
        .collect();
    world.write(".config/devboot/catalog.toml", text);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_is_cloned_by_name_is_listed_and_removed_without_a_trace() {
    let world = World::new();
    let one = origin(&world, "one", &[("a.txt", "a\n")]);
    catalog(&world, &[("one", &one)]);
    let before = world.tree();
    world.devboot(["repo", "list"]).exits(0).says("github-actions-demo").says("one");
    assert_same(&before, &world.tree(), "list writes nothing");
    world.devboot(["repo", "clone", "one", "--dry-run"]).exits(0).says("would be cloned: ~/repos/one");
    assert_same(&before, &world.tree(), "a dry run writes nothing");
    world.devboot(["repo", "clone", "one"]).exits(0).says("done").says("devboot repo test one");
    assert_eq!(world.text("repos/one/a.txt"), "a\n");
    let tree = world.tree();
    world.devboot(["repo", "clone", "one"]).exits(0).says("unchanged");
    assert_same(&tree, &world.tree(), "a second clone changes nothing");
    let listed = json(&world.devboot(["repo", "list", "--cloned", "--json"]).exits(0).stdout);
    assert_eq!(listed["catalog"][0]["name"], "one");
    assert_eq!(listed["catalog"][0]["clone"], "repos/one");
    let shown = json(&world.devboot(["repo", "show", "one", "--json"]).exits(0).stdout);
    assert_eq!(shown["commit"].as_str().unwrap(), git(&world, &one, &["rev-parse", "HEAD"]));
    let status = json(&world.devboot(["repo", "status", "--json"]).exits(0).stdout);
    assert_eq!(status["clones"][0]["branch"], "main");
    world.devboot(["repo", "remove", "one", "--yes"]).exits(0).says("remove ~/repos/one");
    assert!(!world.path("repos/one").exists());
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(&before, &world.tree(), "uninstall");
}

#[test]
fn what_was_edited_stays_until_it_is_forced() {
    let world = World::new();
    let one = origin(&world, "one", &[("a.txt", "a\n")]);
    let address = format!("file://{}", one.display());
    world.devboot(["repo", "clone", &address, "--into", "~/work"]).exits(0);
    world.write("work/one/a.txt", "mine\n");
    world.devboot(["repo", "status"]).exits(2).says("you changed it");
    world.devboot(["repo", "remove", "one", "--yes"]).exits(3).says("stays: ~/work/one: you changed it");
    assert_eq!(world.text("work/one/a.txt"), "mine\n");
    world.devboot(["repo", "remove", "one", "--yes", "--force"]).exits(0);
    assert!(!world.path("work/one").exists());
}

#[test]
fn bad_names_are_refused_before_anything_is_written() {
    let world = World::new();
    let before = world.tree();
    world
        .devboot(["repo", "clone", "github-action-demo"])
        .exits(64)
        .says("did you mean 'github-actions-demo'?");
    world.devboot(["repo", "clone", "ext::sh -c x"]).exits(64).says("blanks");
    world.devboot(["repo", "clone", "https://u:secret@h/a/.git"]).exits(64).says("does not end in a name");
    world
        .devboot(["repo", "clone", "or", "--into", "/elsewhere"])
        .exits(64)
        .says("no directory below the home");
    world.devboot(["repo", "remove", "or", "--yes"]).exits(64).says("is not cloned in this home");
    world.devboot(["repo", "clone"]).exits(64);
    let ran = world.devboot(["repo", "clone", "https://u:secret@h/a/.git"]);
    assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
    let tree: Vec<_> = world.tree().into_keys().filter(|path| !path.starts_with(".local")).collect();
    assert_eq!(tree, before.into_keys().collect::<Vec<_>>());
    world.write(".config/devboot/catalog.toml", "[repo.x]\nurl = 'a/b'\nurls = 1\n");
    world.devboot(["repo", "list"]).exits(64).says("catalog.toml:3: unknown field `urls`");
}

#[test]
fn a_name_that_is_taken_is_kept() {
    let world = World::new();
    let one = origin(&world, "one", &[("a.txt", "a\n")]);
    catalog(&world, &[("one", &one)]);
    world.write("repos/one/mine.txt", "mine\n");
    world.devboot(["repo", "clone", "one"]).exits(3).says("stays as it is");
    assert_eq!(world.text("repos/one/mine.txt"), "mine\n");
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_eq!(world.text("repos/one/mine.txt"), "mine\n");
}

#[test]
fn a_clone_by_another_address_is_known_again() {
    let world = World::new();
    origin(&world, "one", &[("a.txt", "a\n")]);
    let other =
        format!("[url \"file://{}/\"]\n\tinsteadOf = https://far.invalid/\n", world.outside().display());
    world.write(".gitconfig", other);
    world.devboot(["repo", "clone", "https://far.invalid/one"]).exits(0).says("done");
    world.devboot(["repo", "clone", "https://far.invalid/one"]).exits(0).says("unchanged");
    assert!(world.text("repos/one/.git/config").contains("https://far.invalid/one"));
    world.devboot(["repo", "remove", "one", "--yes"]).exits(0);
}

#[test]
fn a_clone_goes_forward_if_nobody_changed_it() {
    let world = World::new();
    let one = origin(&world, "one", &[("a.txt", "a\n")]);
    let before = world.tree();
    let address = one.to_string_lossy().into_owned();
    world.devboot(["repo", "clone", &address]).exits(0);
    world.devboot(["repo", "update", "one"]).exits(0).says("unchanged");
    commit(&world, &one, &[("a.txt", "b\n")], "2021-03-02T12:00:00Z");
    world.devboot(["repo", "update", "--all"]).exits(0).says("1 commit");
    assert_eq!(world.text("repos/one/a.txt"), "b\n");
    world.devboot(["repo", "status"]).exits(0).says("as cloned");
    commit(&world, &one, &[("a.txt", "c\n")], "2021-03-03T12:00:00Z");
    world.write("repos/one/a.txt", "mine\n");
    world.devboot(["repo", "update", "one"]).exits(3).says("kept");
    assert_eq!(world.text("repos/one/a.txt"), "mine\n");
    world.write("repos/one/a.txt", "b\n");
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(&before, &world.tree(), "uninstall");
}

#[test]
fn a_pinned_commit_at_the_tip_is_on_its_branch() {
    let world = World::new();
    let one = origin(&world, "one", &[("a.txt", "a\n")]);
    let pin = git(&world, &one, &["rev-parse", "HEAD"]);
    let entry = format!("[repo.one]\nurl = \"file://{}\"\ncommit = \"{pin}\"\n", one.display());
    world.write(".config/devboot/catalog.toml", entry);
    world.devboot(["repo", "clone", "one"]).exits(0);
    assert_eq!(git(&world, &world.path("repos/one"), &["symbolic-ref", "--short", "HEAD"]), "main");
    commit(&world, &one, &[("a.txt", "b\n")], "2021-03-02T12:00:00Z");
    world.devboot(["repo", "update", "one"]).exits(0).says("1 commit");
    world.devboot(["repo", "remove", "one", "--yes"]).exits(0);
    // Behind the tip it is only itself.
    world.devboot(["repo", "clone", "one"]).exits(0);
    assert_eq!(git(&world, &world.path("repos/one"), &["rev-parse", "HEAD"]), pin);
    world.devboot(["repo", "update", "one"]).exits(3);
}
