//! Updates: forward only, over nobody's changes, and finished by the next one when they are killed.

use std::fs;
use std::path::{Path, PathBuf};

use devboot::base::error::ErrorKind;
use devboot::repos::git::batch::CloneOutcome;
use devboot::repos::git::inspect::{head, is_pristine};
use devboot::repos::git::update::{UpdateOutcome, update};
use devboot::repos::git::{CloneSpec, History};

use super::apart::killed_at;
use super::world::{World, git_daemon};

fn have(world: &World, name: &str, url: String, history: History) -> CloneSpec {
    let mut spec = world.spec(name, url);
    spec.history = history;
    assert!(matches!(world.clone(&spec), CloneOutcome::Cloned { .. }), "{name}");
    spec
}

/// One more commit in `srv/x`: each file gets this text, and without one it goes.
fn commit(world: &World, files: &[(&str, Option<&str>)]) -> String {
    let dir = world.path("srv/x");
    for (name, text) in files {
        match text {
            Some(text) => {
                fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
                fs::write(dir.join(name), text).unwrap();
            }
            None => fs::remove_file(dir.join(name)).unwrap(),
        }
    }
    world.git(&dir, &["add", "-A"], b"");
    world.git(&dir, &["commit", "-q", "-m", "more"], b"");
    world.git(&dir, &["rev-parse", "HEAD"], b"")
}

fn local(world: &World) -> String {
    format!("file://{}", world.path("srv/x").display())
}

#[track_caller]
fn stays(spec: &CloneSpec, why: &str) {
    let before = head(&spec.dest);
    match update(spec, &|_| {}) {
        UpdateOutcome::Left { why: said } => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(head(&spec.dest), before);
}

#[test]
fn a_clean_clone_goes_forward_and_a_shallow_one_stays_shallow() {
    let world = World::new();
    let made = world.repo("x", 5);
    let (http, daemon) = (world.http(), git_daemon(&world));
    let urls = [
        ("http", format!("http://127.0.0.1:{}/git/x", http.port)),
        ("git", format!("git://127.0.0.1:{}/x", daemon.port)),
        ("file", local(&world)),
    ];
    let specs: Vec<CloneSpec> = urls
        .into_iter()
        .flat_map(|(name, url)| {
            [
                have(&world, &format!("{name}-full"), url.clone(), History::Full),
                have(&world, &format!("{name}-one"), url, History::Depth(1)),
            ]
        })
        .collect();
    for spec in &specs {
        assert_eq!(update(spec, &|_| {}), UpdateOutcome::UpToDate { commit: made[4].clone() });
    }
    commit(&world, &[("new/file", Some("new")), ("sub/other.txt", None)]);
    let to = commit(&world, &[("file.txt", Some("changed"))]);
    for spec in &specs {
        fs::write(spec.dest.join("notes"), "mine").unwrap();
        let outcome = update(spec, &|_| {});
        let from = made[4].clone();
        let updated = UpdateOutcome::Updated { from, to: to.clone(), commits: 2, left_out: Vec::new() };
        assert_eq!(outcome, updated, "{}", spec.name);
        let dir = &spec.dest;
        assert_eq!(world.git(dir, &["status", "--porcelain"], b""), "?? notes", "{}", spec.name);
        assert_eq!(world.git(dir, &["rev-parse", "HEAD", "@{u}"], b""), format!("{to}\n{to}"));
        assert!(!dir.join("sub").exists() && dir.join("new/file").exists());
        world.git(dir, &["fsck"], b"");
        let shallow = world.git(dir, &["rev-parse", "--is-shallow-repository"], b"");
        assert_eq!(shallow, if spec.history == History::Full { "false" } else { "true" }, "{}", spec.name);
        fs::remove_file(dir.join("notes")).unwrap();
        assert!(is_pristine(dir).unwrap());
    }
}

#[test]
fn what_is_not_ours_alone_stays_and_is_said() {
    let world = World::new();
    let made = world.repo("x", 3);
    fs::write(world.path("srv/x/.gitignore"), ".env\n").unwrap();
    commit(&world, &[]);
    let spec = have(&world, "x", local(&world), History::Full);
    let dir = spec.dest.clone();
    commit(&world, &[("new\u{1b}[2J", None::<&str>.or(Some("x")))]);
    let hostile = match update(&spec, &|_| {}) {
        UpdateOutcome::Failed(fault) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(hostile.kind, ErrorKind::Refused, "{hostile:?}");
    assert!(!hostile.one_line().contains('\u{1b}'));
    commit(&world, &[("new\u{1b}[2J", None), (".env", Some("theirs")), ("new", Some("theirs"))]);
    world.git(&world.path("srv/x"), &["add", "-f", ".env"], b"");
    commit(&world, &[]);

    fs::write(dir.join("file.txt"), "mine").unwrap();
    stays(&spec, "files were changed in it: file.txt");
    world.git(&dir, &["checkout", "-q", "--", "file.txt"], b"");
    for name in ["new", ".env"] {
        fs::write(dir.join(name), "mine").unwrap();
        stays(&spec, &format!("files of yours are where new ones belong: {name}"));
        assert_eq!(fs::read(dir.join(name)).unwrap(), b"mine");
        assert!(!dir.join(".git/devboot-update").exists());
        fs::remove_file(dir.join(name)).unwrap();
    }
    world.git(&dir, &["checkout", "-q", "--detach"], b"");
    stays(&spec, "on no branch");
    world.git(&dir, &["checkout", "-q", "-b", "mine"], b"");
    stays(&spec, "follows none");
    world.git(&dir, &["checkout", "-q", "main"], b"");
    let mut other = spec.clone();
    other.reference = Some("side".into());
    stays(&other, "on the branch main, not on side");
    other.reference = None;
    other.url = "https://example.invalid/y".into();
    stays(&other, "is a clone of");
    fs::write(dir.join("mine"), "mine").unwrap();
    world.git(&dir, &["add", "mine"], b"");
    stays(&spec, "files were changed in it: mine");
    world.git(&dir, &["commit", "-q", "-m", "mine"], b"");
    stays(&spec, "different ways");
    world.git(&dir, &["reset", "-q", "--hard", "HEAD~1"], b"");
    fs::write(dir.join(".git/MERGE_HEAD"), &made[0]).unwrap();
    stays(&spec, "under way");
    fs::remove_file(dir.join(".git/MERGE_HEAD")).unwrap();
    fs::write(dir.join(".git/index.lock"), "").unwrap();
    stays(&spec, "lock");
    fs::remove_file(dir.join(".git/index.lock")).unwrap();
    assert!(matches!(update(&spec, &|_| {}), UpdateOutcome::Updated { .. }));
    stays(&world.spec("nothing", local(&world)), "no clone");
}

#[test]
fn a_server_that_is_away_is_waited_for_and_a_pinned_clone_needs_none() {
    let world = World::new();
    let made = world.repo("x", 1);
    let http = world.http();
    let spec = have(&world, "x", format!("http://127.0.0.1:{}/git/x", http.port), History::Full);
    let mut pinned = have(&world, "pinned", spec.url.clone(), History::Full);
    pinned.reference = Some(made[0].clone());
    drop(http);
    assert!(matches!(update(&spec, &|_| {}), UpdateOutcome::Postponed { .. }));
    assert_eq!(update(&pinned, &|_| {}), UpdateOutcome::UpToDate { commit: made[0].clone() });
}

#[test]
fn hooks_and_helpers_of_a_clone_are_not_run() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.repo("x", 1);
    let spec = have(&world, "x", local(&world), History::Full);
    let to = commit(&world, &[("a", Some("a")), (".gitattributes", Some("* filter=evil\n"))]);
    let touched = world.path("touched");
    let hook = format!("#!/bin/sh\ntouch {}\n", touched.display());
    for name in ["post-checkout", "post-merge", "reference-transaction", "pre-auto-gc"] {
        let file = spec.dest.join(".git/hooks").join(name);
        fs::write(&file, &hook).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let touch = format!("touch {}", touched.display());
    for key in ["filter.evil.smudge", "filter.evil.process", "core.fsmonitor", "core.sshCommand"] {
        world.git(&spec.dest, &["config", key, &touch], b"");
    }
    world.git(&spec.dest, &["config", "remote.origin.uploadpack", &touch], b"");
    let outcome = update(&spec, &|_| {});
    assert!(matches!(&outcome, UpdateOutcome::Updated { to: now, .. } if *now == to), "{outcome:?}");
    assert!(!touched.exists());
}

/// A clone `home/x` whose update was killed at this file of it; what the update had to do, and where it leads.
#[test]
fn submodules_that_nobody_changed_go_along_and_the_others_are_named() {
    let world = World::new();
    world.repo("x", 1);
    let lib = world.repo("lib", 4);
    let deep = world.repo("deep", 2);
    let pin = |repo: &str, path: &str, commit: &str| {
        let dir = world.path("srv").join(repo);
        let info = format!("160000,{commit},{path}");
        world.git(&dir, &["update-index", "--add", "--cacheinfo", &info], b"");
        world.git(&dir, &["commit", "-q", "-m", "pin"], b"");
        world.git(&dir, &["rev-parse", "HEAD"], b"")
    };
    let declare = |repo: &str, text: &str| {
        fs::write(world.path("srv").join(repo).join(".gitmodules"), text).unwrap();
        world.git(&world.path("srv").join(repo), &["add", ".gitmodules"], b"");
    };
    declare("lib", "[submodule \"deep\"]\n\tpath = deep\n\turl = ../deep\n");
    let lib_old = pin("lib", "deep", &deep[0]);
    let both =
        "[submodule \"a\"]\n\tpath = in/a\n\turl = ../lib\n[submodule \"b\"]\n\tpath = b\n\turl = ../lib\n";
    declare("x", both);
    pin("x", "in/a", &lib_old);
    let from = pin("x", "b", &lib[0]);
    let http = world.http();
    let url = format!("http://127.0.0.1:{}/git/x", http.port);
    let specs = [("full", History::Full), ("one", History::Depth(1))];
    let specs = specs.map(|(name, history)| have(&world, name, url.clone(), history));
    let lib_new = pin("lib", "deep", &deep[1]);
    pin("x", "in/a", &lib_new);
    let to = pin("x", "b", &lib[3]);
    for spec in &specs {
        fs::write(spec.dest.join("b/file.txt"), "mine").unwrap();
        let UpdateOutcome::Updated { from: was, to: is, left_out, .. } = update(spec, &|_| {}) else {
            panic!("{}", spec.name)
        };
        assert_eq!((was, is), (from.clone(), to.clone()));
        assert_eq!(left_out, ["b: files were changed in it: file.txt"], "{}", spec.name);
        assert_eq!(head(&spec.dest.join("in/a")).as_deref(), Some(lib_new.as_str()));
        assert_eq!(head(&spec.dest.join("in/a/deep")).as_deref(), Some(deep[1].as_str()));
        assert_eq!(head(&spec.dest.join("b")).as_deref(), Some(lib[0].as_str()));
        assert_eq!(fs::read_to_string(spec.dest.join("b/file.txt")).unwrap(), "mine");
        let status = world.git(&spec.dest, &["submodule", "status", "--recursive"], b"");
        assert!(
            status.lines().filter(|line| line.starts_with('+')).all(|line| line.contains(" b ")),
            "{status}"
        );
        for inside in ["in/a", "in/a/deep"] {
            assert_eq!(world.git(&spec.dest.join(inside), &["status", "--porcelain"], b""), "");
            world.git(&spec.dest.join(inside), &["fsck"], b"");
        }
    }
}

fn killed(world: &World, calls: &str, at: &str) -> (CloneSpec, String, String) {
    let made = world.repo("x", 1);
    commit(world, &[("a", Some("old")), ("gone", Some("old")), ("z", Some("old"))]);
    let from = world.git(&world.path("srv/x"), &["rev-parse", "HEAD"], b"");
    let spec = have(world, "x", local(world), History::Full);
    assert_ne!(made[0], from);
    let (b, c) = ("b".repeat(100_000), "c".repeat(100_000));
    let files = [
        ("a", Some("new")),
        ("b", Some(b.as_str())),
        ("gone", None),
        ("m/c", Some(c.as_str())),
        ("z", Some("new")),
    ];
    let to = commit(world, &files);
    let place: PathBuf = fs::canonicalize(&spec.dest).unwrap().join(at);
    killed_at(world, calls, &place, "update", &spec.url);
    assert!(spec.dest.join(".git/devboot-update").exists(), "{at}: it was under way");
    (spec, from, to)
}

#[test]
fn a_killed_update_is_finished_by_the_next_one() {
    const OPEN: &str = "open,openat";
    const REMOVE: &str = "unlink,unlinkat";
    let places = [
        (REMOVE, "gone", true),
        (OPEN, "b", true),
        (OPEN, "m/c", true),
        (OPEN, ".git/index.lock", true),
        (OPEN, ".git/refs/heads/main.lock", true),
        (REMOVE, ".git/devboot-update", false),
    ];
    for (calls, at, before) in places {
        let world = World::new();
        let (spec, from, to) = killed(&world, calls, at);
        assert_eq!(head(&spec.dest).as_ref() == Some(&from), before, "{at}: the branch moves last");
        let locks: Vec<_> =
            walk(&spec.dest.join(".git")).into_iter().filter(|path| path.ends_with(".lock")).collect();
        assert!(locks.is_empty(), "{at}: {locks:?}");
        match update(&spec, &|_| {}) {
            UpdateOutcome::Updated { from: was, to: now, .. } => assert_eq!((was, now), (from, to), "{at}"),
            UpdateOutcome::UpToDate { commit } if !before => assert_eq!(commit, to),
            other => panic!("{at}: {other:?}"),
        }
        assert_eq!(world.git(&spec.dest, &["status", "--porcelain"], b""), "", "{at}");
        assert!(!spec.dest.join(".git/devboot-update").exists() && is_pristine(&spec.dest).unwrap(), "{at}");
    }
}

#[test]
fn what_was_edited_after_a_killed_update_stays() {
    let world = World::new();
    let (spec, _, to) = killed(&world, "open,openat", "m/c");
    // Killed while it was being written: the beginning of it is there.
    fs::create_dir_all(spec.dest.join("m")).unwrap();
    fs::write(spec.dest.join("m/c"), "c".repeat(500)).unwrap();
    fs::write(spec.dest.join("z"), "mine").unwrap();
    stays(&spec, "cut short, and files were changed since: z");
    assert_eq!(fs::read(spec.dest.join("z")).unwrap(), b"mine");
    fs::write(spec.dest.join("z"), "old").unwrap();
    assert!(matches!(update(&spec, &|_| {}), UpdateOutcome::Updated { to: now, .. } if now == to));
    assert_eq!(world.git(&spec.dest, &["status", "--porcelain"], b""), "");
}

fn walk(dir: &Path) -> Vec<String> {
    fs::read_dir(dir)
        .unwrap()
        .flat_map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path) } else { vec![path.to_str().unwrap().to_owned()] }
        })
        .collect()
}
