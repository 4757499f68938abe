//! Cloning: every kind of address, pinned commits, killed clones, servers and repositories that mean harm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::time::Duration;

use devboot::base::error::{ErrorKind, Fault};
use devboot::repos::git::History;
use devboot::repos::git::batch::{BatchOptions, CloneOutcome, RepoEvent, clone_all};
use devboot::repos::git::inspect::{head, is_pristine, is_pristine_kit};

use super::world::{ONLINE, World, git_daemon};

#[track_caller]
fn cloned(outcome: CloneOutcome) -> String {
    match outcome {
        CloneOutcome::Cloned { commit, .. } => commit,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn failed(outcome: CloneOutcome) -> Fault {
    match outcome {
        CloneOutcome::Failed(fault) => fault,
        other => panic!("{other:?}"),
    }
}

fn commits(world: &World, name: &str) -> String {
    world.git(&world.path("home").join(name), &["rev-list", "--count", "HEAD"], b"")
}

#[test]
fn every_kind_of_address_gives_the_same_clone() {
    let world = World::new();
    let made = world.repo("x", 3);
    let (http, daemon) = (world.http(), git_daemon(&world));
    let local = world.path("srv/x");
    let urls = [
        ("http", format!("http://127.0.0.1:{}/git/x", http.port)),
        ("moved", format!("http://127.0.0.1:{}/moved/x", http.port)),
        ("login", format!("http://me:p%40w@127.0.0.1:{}/auth/x", http.port)),
        ("git", format!("git://127.0.0.1:{}/x", daemon.port)),
        ("file", format!("file://{}", local.display())),
    ];
    for (name, url) in urls {
        for (depth, count) in [(0, "3"), (1, "1")] {
            let mut spec = world.spec(&format!("{name}{depth}"), url.clone());
            spec.history = History::of_depth(depth);
            assert_eq!(cloned(world.clone(&spec)), made[2], "{name} {depth:?}");
            assert_eq!(commits(&world, &spec.name), count, "{name}");
            let dir = &spec.dest;
            assert_eq!(world.git(dir, &["status", "--porcelain"], b""), "", "{name}");
            assert_eq!(world.git(dir, &["symbolic-ref", "--short", "HEAD"], b""), "main");
            assert_eq!(world.git(dir, &["rev-parse", "--abbrev-ref", "@{u}"], b""), "origin/main");
            world.git(dir, &["fsck"], b"");
            assert!(!fs::read_to_string(dir.join(".git/config")).unwrap().contains("p%40w"));
            let hooks = fs::read_dir(dir.join(".git/hooks")).unwrap();
            for hook in hooks {
                assert_eq!(hook.unwrap().file_name(), "README.sample");
            }
            assert!(is_pristine(dir).unwrap(), "{name}");
        }
    }
}

#[test]
fn a_second_clone_asks_nobody() {
    let world = World::new();
    let made = world.repo("x", 2);
    let http = world.http();
    let mut spec = world.spec("x", format!("http://127.0.0.1:{}/git/x", http.port));
    spec.reference = Some(made[1].clone());
    cloned(world.clone(&spec));
    let asked = fs::read(&http.log).unwrap();
    assert_eq!(world.clone(&spec), CloneOutcome::Present { commit: made[1].clone() });
    assert_eq!(fs::read(&http.log).unwrap(), asked);
    spec.reference = Some(made[0].clone());
    assert!(matches!(world.clone(&spec), CloneOutcome::Kept { .. }));
    assert_eq!(head(&spec.dest).as_ref(), Some(&made[1]));
}

#[test]
fn a_pinned_commit_is_fetched_alone_where_the_server_allows_it() {
    let world = World::new();
    let made = world.repo("x", 5);
    let http = world.http();
    let url = format!("http://127.0.0.1:{}/git/x", http.port);
    let pinned = |name: &str, commit: &str| {
        let mut spec = world.spec(name, url.clone());
        (spec.reference, spec.history) = (Some(commit.to_owned()), History::Depth(1));
        spec
    };
    let spec = pinned("refused", &made[2]);
    assert_eq!(cloned(world.clone(&spec)), made[2]);
    assert_eq!(fs::read_to_string(spec.dest.join("sub/other.txt")).unwrap(), "2\n");
    world.git(&world.path("srv/x"), &["config", "uploadpack.allowReachableSHA1InWant", "true"], b"");
    assert_eq!(cloned(world.clone(&pinned("allowed", &made[2]))), made[2]);
    assert_eq!(commits(&world, "allowed"), "1");
    assert_eq!(cloned(world.clone(&pinned("tip", &made[4]))), made[4]);
    assert_eq!(commits(&world, "tip"), "1");
    let fault = failed(world.clone(&pinned("gone", &"5".repeat(40))));
    assert!(fault.one_line().contains("has no '5555"), "{fault:?}");
    assert_eq!(world.at_home(), ["allowed", "refused", "tip"]);
}

#[test]
fn tags_and_branches_are_found_and_others_are_not() {
    let world = World::new();
    let made = world.repo("x", 2);
    let origin = world.path("srv/x");
    world.git(&origin, &["tag", "-a", "v1", "-m", "one", &made[0]], b"");
    world.git(&origin, &["branch", "side/way", &made[0]], b"");
    let url = format!("file://{}", origin.display());
    for (name, reference) in [("tag", "v1"), ("branch", "side/way")] {
        let mut spec = world.spec(name, url.clone());
        (spec.reference, spec.history) = (Some(reference.into()), History::Depth(1));
        assert_eq!(cloned(world.clone(&spec)), made[0], "{name}");
    }
    assert_eq!(world.git(&world.path("home/branch"), &["symbolic-ref", "--short", "HEAD"], b""), "side/way");
    for reference in ["nope", "a b", "--upload-pack=x", "../../x", &made[0][..10]] {
        let mut spec = world.spec("no", url.clone());
        spec.reference = Some(reference.into());
        let fault = failed(world.clone(&spec));
        assert!(fault.one_line().contains("has no"), "{fault:?}");
    }
    assert_eq!(world.at_home(), ["branch", "tag"]);
}

#[test]
fn a_killed_clone_is_done_again() {
    let world = World::new();
    let made = world.repo("x", 1);
    let spec = world.spec("x", format!("file://{}", world.path("srv/x").display()));
    let partial = world.path("home/.x.devboot-partial");
    fs::create_dir_all(partial.join(".git/objects/pack")).unwrap();
    fs::write(partial.join(".git/objects/pack/tmp"), "half").unwrap();
    fs::set_permissions(partial.join(".git"), fs::Permissions::from_mode(0o500)).unwrap();
    assert_eq!(cloned(world.clone(&spec)), made[0]);
    assert_eq!(world.at_home(), ["x"]);
}

#[test]
fn what_is_there_stays() {
    let world = World::new();
    world.repo("x", 1);
    let url = format!("file://{}", world.path("srv/x").display());
    fs::create_dir(world.path("home/mine")).unwrap();
    fs::write(world.path("home/mine/file"), "mine").unwrap();
    fs::write(world.path("home/text"), "mine").unwrap();
    world.repo("y", 1);
    cloned(world.clone(&world.spec("y", format!("file://{}", world.path("srv/y").display()))));
    for name in ["mine", "text", "y"] {
        assert!(matches!(world.clone(&world.spec(name, url.clone())), CloneOutcome::Kept { .. }), "{name}");
    }
    assert_eq!(fs::read(world.path("home/mine/file")).unwrap(), b"mine");
    assert_eq!(world.at_home(), ["mine", "text", "y"]);
    fs::create_dir(world.path("home/empty")).unwrap();
    cloned(world.clone(&world.spec("empty", url)));
}

#[test]
fn servers_that_misbehave_fail_with_a_reason_and_leave_nothing() {
    let world = World::new();
    world.repo("x", 3);
    let http = world.http();
    let cases = [
        ("hang", "nothing came for"),
        ("cut", "connection broke"),
        ("file", "redirect"),
        ("loop", "redirect"),
        ("page", "smart protocol"),
        ("missing", "no such repository"),
        ("auth", "asks for a password"),
        ("endless", "sent more than"),
    ];
    for (mode, reason) in cases {
        let mut spec = world.spec(mode, format!("http://127.0.0.1:{}/{mode}/x", http.port));
        if mode == "hang" {
            spec.limits.stall = Duration::from_millis(300);
        }
        spec.limits.bytes = 3_000_000;
        let fault = failed(world.clone(&spec));
        assert!(fault.one_line().contains(reason), "{mode}: {fault:?}");
    }
    assert!(world.at_home().is_empty(), "{:?}", world.at_home());
    let spec = world.spec("gone", format!("file://{}", world.path("srv/gone").display()));
    assert!(failed(world.clone(&spec)).one_line().contains("not appear to be a git repository"));
}

#[test]
fn hostile_trees_are_refused_before_a_file_is_written() {
    let world = World::new();
    let cases: [(&str, &[u8], &str); 9] = [
        ("git-case", b"x", "100644 blob BLOB\t.GIT\0"),
        ("git-short", b"x", "100644 blob BLOB\tgit~1\0"),
        ("git-unseen", b"x", "100644 blob BLOB\t.g\u{200c}it\0"),
        ("escape", b"x", "100644 blob BLOB\ta\u{1b}[2Jb\0"),
        ("backslash", b"x", "100644 blob BLOB\ta\\..\\b\0"),
        ("parent", b"x", "100644 blob BLOB\t..\0"),
        ("link-out", b"../../.bashrc", "120000 blob BLOB\tlink\0"),
        ("link-root", b"/etc/passwd", "120000 blob BLOB\tlink\0"),
        ("link-git", b".git/config", "120000 blob BLOB\tlink\0"),
    ];
    for (name, blob, tree) in cases {
        world.hostile(name, blob, tree);
        let spec = world.spec(name, format!("file://{}", world.path("srv").join(name).display()));
        let fault = failed(world.clone(&spec));
        assert!(fault.one_line().contains("the repository"), "{name}: {fault:?}");
        assert!(!fault.one_line().contains('\u{1b}'));
    }
    assert!(world.at_home().is_empty());
}

#[test]
fn size_and_number_of_files_are_bounded() {
    let world = World::new();
    world.hostile("many", b"x", &(0..50).map(|i| format!("100644 blob BLOB\tf{i:02}\0")).collect::<String>());
    world.hostile("large", &[b'x'; 2_000_000], "100644 blob BLOB\tf\0");
    for name in ["many", "large"] {
        let mut spec = world.spec(name, format!("file://{}", world.path("srv").join(name).display()));
        (spec.limits.files, spec.limits.bytes) = (20, 1_000_000);
        let fault = failed(world.clone(&spec));
        assert_eq!(fault.kind, ErrorKind::Refused, "{fault:?}");
    }
    assert!(world.at_home().is_empty());
}

#[test]
fn one_failure_stops_no_other_and_a_dead_host_costs_nobody_a_wait() {
    let world = World::new();
    let made = world.repo("x", 2);
    let http = world.http();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut specs = vec![
        world.spec("missing", format!("http://127.0.0.1:{}/missing/x", http.port)),
        world.spec("dead", format!("http://127.0.0.1:{closed}/x")),
        world.spec("bad", "ext::sh -c touch%20x".into()),
    ];
    specs.extend(
        (0..6).map(|i| world.spec(&format!("good{i}"), format!("http://127.0.0.1:{}/git/x", http.port))),
    );
    specs.push(specs[3].clone());
    let events = Mutex::new(Vec::new());
    let outcomes = clone_all(&specs, ONLINE, &|event| events.lock().unwrap().push(event));
    assert_eq!(failed(outcomes[0].clone()).kind, ErrorKind::Failed);
    assert!(matches!(outcomes[1], CloneOutcome::Postponed { .. }), "{:?}", outcomes[1]);
    assert_eq!(failed(outcomes[2].clone()).kind, ErrorKind::Usage);
    for outcome in &outcomes[3..9] {
        assert_eq!(cloned(outcome.clone()), made[1]);
    }
    assert_eq!(failed(outcomes[9].clone()).kind, ErrorKind::Usage);
    let events = events.into_inner().unwrap();
    let finished = events.iter().filter(|event| matches!(event, RepoEvent::Finished { .. })).count();
    assert_eq!(finished, specs.len());
    assert!(events.iter().any(|event| matches!(event, RepoEvent::Progress { received: 1.., .. })));
}

#[test]
fn offline_clones_only_what_is_here() {
    let world = World::new();
    let made = world.repo("x", 1);
    let specs = [
        world.spec("far", "https://example.invalid/x".into()),
        world.spec("near", format!("file://{}", world.path("srv/x").display())),
    ];
    let outcomes = clone_all(&specs, BatchOptions { jobs: 2, offline: true }, &|_| {});
    assert_eq!(outcomes[0], CloneOutcome::Postponed { why: "offline".into() });
    assert_eq!(cloned(outcomes[1].clone()), made[0]);
}

#[test]
fn pristine_means_nothing_of_the_user_is_inside() {
    let world = World::new();
    world.repo("x", 1);
    fs::write(world.path("srv/x/.gitignore"), ".env\n*.pyc\n").unwrap();
    world.git(&world.path("srv/x"), &["add", "-A"], b"");
    world.git(&world.path("srv/x"), &["commit", "-q", "-m", "ignore"], b"");
    let spec = world.spec("x", format!("file://{}", world.path("srv/x").display()));
    cloned(world.clone(&spec));
    let dir = &spec.dest;
    fs::create_dir(dir.join("__pycache__")).unwrap();
    fs::write(dir.join("__pycache__/a.pyc"), "x").unwrap();
    assert!(is_pristine(dir).unwrap());
    for name in [".env", "notes.txt"] {
        fs::write(dir.join(name), "mine").unwrap();
        assert!(!is_pristine(dir).unwrap(), "{name}");
        fs::remove_file(dir.join(name)).unwrap();
    }
    world.git(dir, &["branch", "mine"], b"");
    assert!(is_pristine(dir).unwrap(), "a branch at a known commit holds nothing");
    let tree = world.git(dir, &["rev-parse", "HEAD^{tree}"], b"");
    let own = world.git(dir, &["commit-tree", &tree, "-m", "mine"], b"");
    world.git(dir, &["update-ref", "refs/heads/mine", &own], b"");
    assert!(!is_pristine(dir).unwrap(), "a commit of one's own");
    world.git(dir, &["branch", "-D", "-q", "mine"], b"");
    fs::write(dir.join("file.txt"), "changed").unwrap();
    assert!(!is_pristine(dir).unwrap());
}

#[test]
fn what_a_kit_writes_into_its_clone_is_not_the_users() {
    let world = World::new();
    world.repo("kit", 1);
    fs::write(world.path("srv/kit/.gitignore"), "cache/\ntags\ncustom/\n").unwrap();
    world.git(&world.path("srv/kit"), &["add", "-A"], b"");
    world.git(&world.path("srv/kit"), &["commit", "-q", "-m", "ignore"], b"");
    let spec = world.spec("kit", format!("file://{}", world.path("srv/kit").display()));
    cloned(world.clone(&spec));
    let dir = &spec.dest;
    for name in ["cache/completions/_x", "plugin/doc/tags", "temp_dirs/undodir/%x", "theme.zsh.zwc"] {
        fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        fs::write(dir.join(name), "dropped").unwrap();
    }
    assert!(is_pristine_kit(dir).unwrap());
    assert!(!is_pristine(dir).unwrap(), "a project's own cache may be wanted");
    for name in ["custom/mine.zsh", "my_configs.vim"] {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        assert!(!is_pristine_kit(dir).unwrap(), "{name}");
        fs::remove_file(path).unwrap();
    }
    fs::write(dir.join("file.txt"), "changed").unwrap();
    assert!(!is_pristine_kit(dir).unwrap());
}
