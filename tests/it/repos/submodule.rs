//! Submodules: at their commits, in git's own layout, within the limits of the clone, and never where they must not be.

use std::fmt::Write as _;
use std::fs;

use devboot::base::error::ErrorKind;
use devboot::repos::git::History;
use devboot::repos::git::batch::CloneOutcome;
use devboot::repos::git::inspect::is_pristine;

use super::world::World;

/// Gives `srv/NAME` one more commit with these submodules: name, path, address, commit.
fn with_submodules(world: &World, name: &str, submodules: &[(&str, &str, &str, &str)]) -> String {
    let dir = world.path("srv").join(name);
    let mut text = String::new();
    for (name, path, url, commit) in submodules {
        let _ = write!(text, "[submodule \"{name}\"]\n\tpath = {path}\n\turl = {url}\n");
        if !commit.is_empty() {
            world.git(
                &dir,
                &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},{path}")],
                b"",
            );
        }
    }
    fs::write(dir.join(".gitmodules"), text).unwrap();
    world.git(&dir, &["add", ".gitmodules"], b"");
    world.git(&dir, &["commit", "-q", "-m", "submodules"], b"");
    world.git(&dir, &["rev-parse", "HEAD"], b"")
}

#[track_caller]
fn left_out(outcome: CloneOutcome) -> Vec<String> {
    match outcome {
        CloneOutcome::Cloned { left_out, .. } => left_out,
        other => panic!("{other:?}"),
    }
}

#[test]
fn submodules_come_along_as_git_would_have_brought_them() {
    let world = World::new();
    world.repo("x", 1);
    let (lib, deep) = (world.repo("lib", 3), world.repo("deep", 2));
    let lib_tip = with_submodules(&world, "lib", &[("deep", "in/deep", "../deep", &deep[0])]);
    let http = world.http();
    let absolute = format!("http://127.0.0.1:{}/git/lib", http.port);
    with_submodules(
        &world,
        "x",
        &[("the lib", "vendor/lib", "../lib", &lib_tip), ("old", "old", &absolute, &lib[1])],
    );
    let urls = [
        ("http", format!("http://127.0.0.1:{}/git/x", http.port), History::Full),
        ("login", format!("http://me:p%40w@127.0.0.1:{}/auth/x", http.port), History::Depth(1)),
        ("file", format!("file://{}", world.path("srv/x").display()), History::Depth(1)),
    ];
    for (name, url, history) in urls {
        let mut spec = world.spec(name, url);
        spec.history = history;
        assert_eq!(left_out(world.clone(&spec)), [""; 0], "{name}");
        let dir = &spec.dest;
        let status = world.git(dir, &["submodule", "status", "--recursive"], b"");
        assert_eq!(status.lines().count(), 3, "{status}");
        assert!(status.lines().all(|line| !line.starts_with(['-', '+', 'U'])), "{status}");
        for commit in [&lib_tip, &lib[1], &deep[0]] {
            assert!(status.contains(commit.as_str()), "{status}");
        }
        assert_eq!(world.git(dir, &["status", "--porcelain"], b""), "");
        for inside in [".", "vendor/lib", "vendor/lib/in/deep"] {
            world.git(&dir.join(inside), &["fsck"], b"");
        }
        for file in ["vendor/lib/.git", "vendor/lib/in/deep/.git", "old/.git"] {
            assert!(dir.join(file).is_file(), "{name} {file}");
        }
        assert!(dir.join(".git/modules/the lib/modules/deep/HEAD").is_file());
        for config in [".git/config", ".git/modules/the lib/config"] {
            assert!(!fs::read_to_string(dir.join(config)).unwrap().contains("p%40w"), "{config}");
        }
        assert!(is_pristine(dir).unwrap());
        fs::write(dir.join("vendor/lib/in/deep/file.txt"), "mine").unwrap();
        assert!(!is_pristine(dir).unwrap(), "a change inside a submodule is a person's");
    }
    let dir = world.path("home/http");
    world.git(&dir, &["submodule", "foreach", "--recursive", "-q", "git checkout -q -f"], b"");
    world.git(&dir, &["submodule", "update", "--init", "--recursive"], b"");
    assert_eq!(world.git(&dir, &["status", "--porcelain"], b""), "");
}

#[test]
fn a_submodule_that_fails_is_left_out_and_said() {
    let world = World::new();
    world.repo("x", 1);
    let lib = world.repo("lib", 1);
    let gone = "5".repeat(40);
    with_submodules(
        &world,
        "x",
        &[
            ("gone", "gone", "../gone", &lib[0]),
            ("lib", "lib", "../lib", &lib[0]),
            ("not", "no", "../lib", &gone),
        ],
    );
    let dir = world.path("srv/x");
    world.git(&dir, &["update-index", "--add", "--cacheinfo", &format!("160000,{gone},stray")], b"");
    world.git(&dir, &["commit", "-q", "-m", "stray"], b"");
    let http = world.http();
    let mut spec = world.spec("x", format!("http://127.0.0.1:{}/git/x", http.port));
    let said = left_out(world.clone(&spec));
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("gone: ") && said[0].contains("no such repository"), "{said:?}");
    assert!(said[1].starts_with("no: ") && said[1].contains("has no '5555"), "{said:?}");
    assert!(said[2].starts_with("stray: ") && said[2].contains("where it is from"), "{said:?}");
    assert!(spec.dest.join("lib/file.txt").is_file());
    assert_eq!(fs::read_dir(spec.dest.join("gone")).unwrap().count(), 0);
    assert_eq!(world.git(&spec.dest, &["status", "--porcelain"], b""), "");
    assert!(is_pristine(&spec.dest).unwrap());
    spec.dest = world.path("home/none");
    spec.submodules = false;
    let said = left_out(world.clone(&spec));
    assert!(said.len() == 4 && said[1].contains("not asked for"), "{said:?}");
}

#[test]
fn what_means_harm_is_refused_with_the_whole() {
    let world = World::new();
    let lib = world.repo("lib", 1);
    let http = world.http();
    let local = format!("file://{}", world.path("srv/lib").display());
    let touched = world.path("touched");
    let command = format!("ext::sh -c touch% {}", touched.display());
    let cases: [(&str, &str, &str); 7] = [
        ("../../hooks", "mod", "../lib"),
        ("mod", "mod", &local),
        ("mod", "mod", "../../../../lib"),
        ("mod", "mod", &command),
        ("mod", "mod", "-uX"),
        ("mod", "mod", "ssh://-oProxyCommand=x/y"),
        ("mod", "mod", "\"../lib\\b\""),
    ];
    for (number, (name, path, url)) in cases.into_iter().enumerate() {
        let repo = format!("x{number}");
        world.repo(&repo, 1);
        with_submodules(&world, &repo, &[(name, path, url, &lib[0])]);
        let spec = world.spec(&repo, format!("http://127.0.0.1:{}/git/{repo}", http.port));
        let CloneOutcome::Failed(fault) = world.clone(&spec) else { panic!("{name} {url}") };
        assert_eq!(fault.kind, ErrorKind::Refused, "{name} {url}: {fault:?}");
        assert!(fault.one_line().contains("submodule"), "{fault:?}");
        assert!(!format!("{fault:?}").contains('\u{8}'));
    }
    // A path that leaves cannot be in a tree, but it can be in the file.
    world.repo("path", 1);
    with_submodules(&world, "path", &[("a", "../../evil", "../lib", "")]);
    let spec = world.spec("path", format!("http://127.0.0.1:{}/git/path", http.port));
    assert!(matches!(world.clone(&spec), CloneOutcome::Failed(_)));
    assert!(!touched.exists() && world.at_home().is_empty(), "{:?}", world.at_home());
}

#[test]
fn depth_number_and_size_have_an_end() {
    let world = World::new();
    world.repo("x", 1);
    let mut commit = world.git(&world.path("srv/x"), &["rev-parse", "HEAD"], b"");
    for _ in 0..6 {
        commit = with_submodules(&world, "x", &[("x", "x", "../x", &commit)]);
    }
    let spec = world.spec("deep", format!("file://{}", world.path("srv/x").display()));
    let said = left_out(world.clone(&spec));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("x/x/x/x/x: ") && said[0].contains("too deeply"), "{said:?}");

    world.repo("many", 1);
    let names: Vec<String> = (0..70).map(|number| format!("s{number:02}")).collect();
    let many: Vec<_> =
        names.iter().map(|name| (name.as_str(), name.as_str(), "../nothing", commit.as_str())).collect();
    with_submodules(&world, "many", &many);
    let spec = world.spec("many", format!("file://{}", world.path("srv/many").display()));
    let said = left_out(world.clone(&spec));
    assert_eq!(said.len(), 70);
    assert_eq!(said.iter().filter(|said| said.contains("too many")).count(), 6);

    let big = world.repo("big", 1);
    world.repo("two", 1);
    with_submodules(&world, "two", &[("a", "a", "../big", &big[0]), ("b", "b", "../big", &big[0])]);
    let mut spec = world.spec("two", format!("file://{}", world.path("srv/two").display()));
    // Three of its own with .gitmodules, two for the first, none for the second.
    spec.limits.files = 5;
    let said = left_out(world.clone(&spec));
    assert!(
        said.len() == 1 && said[0].starts_with("b: ") && said[0].contains("more than 0 files"),
        "{said:?}"
    );
}

#[test]
fn nothing_of_a_submodule_is_run() {
    let world = World::new();
    let lib = world.repo("lib", 1);
    world.repo("x", 1);
    let touched = world.path("touched");
    let address = format!("../lib\n\tupdate = \"!touch {}\"", touched.display());
    with_submodules(&world, "x", &[("lib", "lib", &address, &lib[0])]);
    let spec = world.spec("x", format!("file://{}", world.path("srv/x").display()));
    let CloneOutcome::Failed(fault) = world.clone(&spec) else { panic!() };
    assert_eq!(fault.kind, ErrorKind::Refused, "{fault:?}");
    assert!(fault.one_line().contains("wants to run a command"), "{fault:?}");
    assert!(!touched.exists() && world.at_home().is_empty());
}
