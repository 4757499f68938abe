//! Bad days: servers that hang, lie and trickle, packs that explode, clones that are killed, two at once.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use devboot::base::error::{ErrorKind, Fault};
use devboot::repos::git::CloneSpec;
use devboot::repos::git::batch::CloneOutcome;

use super::apart::{begin, killed_at, said_by};
use super::world::World;

#[track_caller]
fn failed(world: &World, spec: &CloneSpec) -> Fault {
    match world.clone(spec) {
        CloneOutcome::Failed(fault) => {
            assert!(!format!("{fault:?} {}", fault.one_line()).contains(['\u{1b}', '\u{7}']), "{fault:?}");
            fault
        }
        other => panic!("{}: {other:?}", spec.name),
    }
}

#[test]
fn servers_that_hang_lie_or_trickle_are_given_up_with_a_reason() {
    let world = World::new();
    world.repo("x", 3);
    let http = world.http();
    let cases = [
        ("stall", "nothing came for"),
        ("short", ""),
        ("drip", "the time for the whole transfer is up"),
        ("refuse", "status 503"),
        ("reset", "connection failed"),
        ("escape", "all is well"),
    ];
    for (mode, reason) in cases {
        let mut spec = world.spec(mode, format!("http://127.0.0.1:{}/{mode}/x", http.port));
        match mode {
            "stall" => spec.limits.stall = Duration::from_millis(300),
            "drip" => spec.limits.time = Duration::from_millis(700),
            _ => {}
        }
        let fault = failed(&world, &spec);
        assert!(fault.one_line().contains(reason), "{mode}: {fault:?}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut spec = world.spec("silent", format!("git://{}/x", silent.local_addr().unwrap()));
    spec.limits.stall = Duration::from_millis(300);
    assert!(failed(&world, &spec).one_line().contains("nothing came for"));
    assert!(world.at_home().is_empty(), "{:?}", world.at_home());
}

#[test]
fn a_small_pack_with_a_huge_file_is_refused_and_not_unpacked() {
    let world = World::new();
    let http = world.http();
    for mode in ["bomb", "bomb-band", "bomb-band-name"] {
        let fault = failed(&world, &world.spec(mode, format!("http://127.0.0.1:{}/{mode}/x", http.port)));
        assert!(
            fault.kind == ErrorKind::Refused && fault.one_line().contains("an object larger than"),
            "{mode}: {fault:?}"
        );
    }
    // Below that size, what counts is the size of the files.
    world.repo("x", 1);
    let dir = world.path("srv/x");
    for text in ["a", "b"] {
        fs::write(dir.join("large"), format!("{}{text}", "0".repeat(40_000_000))).unwrap();
        world.git(&dir, &["add", "-A"], b"");
        world.git(&dir, &["commit", "-q", "-m", text], b"");
    }
    world.git(&dir, &["gc", "-q"], b"");
    let mut spec = world.spec("x", format!("http://127.0.0.1:{}/git/x", http.port));
    spec.limits.bytes = 20_000_000;
    let fault = failed(&world, &spec);
    assert!(fault.kind == ErrorKind::Refused && fault.one_line().contains("larger than 20 MB"), "{fault:?}");
    assert!(world.at_home().is_empty(), "{:?}", world.at_home());
}

#[test]
fn a_hundred_thousand_files_are_the_most() {
    let world = World::new();
    let tree: String = (0..100_001).map(|number| format!("100644 blob BLOB\tf{number:06}\0")).collect();
    world.hostile("x", b"x", &tree);
    let spec = world.spec("x", format!("file://{}", world.path("srv/x").display()));
    let fault = failed(&world, &spec);
    assert!(
        fault.kind == ErrorKind::Refused && fault.one_line().contains("more than 100000 files"),
        "{fault:?}"
    );
    assert!(world.at_home().is_empty(), "{:?}", world.at_home());
}

#[test]
fn a_clone_that_is_killed_anywhere_is_done_by_the_next_run() {
    let places = [
        ("open,openat", ".x.devboot-partial/.git/config"),
        // The folder is open, and its first file is about to be.
        ("openat:when=2", ".x.devboot-partial"),
        ("open,openat", ".x.devboot-partial/.git/index.lock"),
        ("rename,renameat,renameat2", ".x.devboot-partial"),
    ];
    for (calls, at) in places {
        let world = World::new();
        let made = world.repo("x", 2);
        let url = format!("file://{}", world.path("srv/x").display());
        let place = fs::canonicalize(world.path("home")).unwrap().join(at);
        killed_at(&world, calls, &place, "clone", &url);
        assert_eq!(world.at_home(), [".x.devboot-partial"], "{at}");
        match world.clone(&world.spec("x", url)) {
            CloneOutcome::Cloned { commit, .. } => assert_eq!(commit, made[1], "{at}"),
            other => panic!("{at}: {other:?}"),
        }
        assert_eq!(world.at_home(), ["x"], "{at}");
        world.git(&world.path("home/x"), &["fsck"], b"");
        assert_eq!(world.git(&world.path("home/x"), &["status", "--porcelain"], b""), "");
    }
}

#[test]
fn two_processes_at_once_leave_one_whole_clone() {
    let world = World::new();
    let made = world.repo("x", 2);
    let http = world.http();
    // The first one waits for a server that never goes on, until it is ended.
    let mut first = begin(&world, "clone", &format!("http://127.0.0.1:{}/stall/x", http.port));
    while !fs::read_to_string(&http.log).unwrap().contains("POST") {
        std::thread::yield_now();
    }
    let spec = world.spec("x", format!("http://127.0.0.1:{}/git/x", http.port));
    let fault = failed(&world, &spec);
    assert!(fault.one_line().contains("another process is cloning it"), "{fault:?}");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(matches!(world.clone(&spec), CloneOutcome::Cloned { commit, .. } if commit == made[1]));
    assert_eq!(world.at_home(), ["x"]);

    // Side by side, whoever is first wins, and the other one says so.
    for _ in 0..5 {
        fs::remove_dir_all(world.path("home/x")).unwrap();
        let mut both: Vec<_> = (0..2).map(|_| begin(&world, "clone", &spec.url)).collect();
        let said: Vec<String> = both.iter_mut().map(said_by).collect();
        assert!(said.iter().any(|said| said.contains("Cloned")), "{said:?}");
        let known = ["Cloned", "Present", "another process is cloning it"];
        assert!(said.iter().all(|said| known.iter().any(|word| said.contains(word))), "{said:?}");
        assert_eq!(world.at_home(), ["x"], "{said:?}");
        assert_eq!(world.git(&spec.dest, &["status", "--porcelain"], b""), "");
        world.git(&spec.dest, &["fsck"], b"");
    }
}
