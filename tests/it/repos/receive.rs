//! Packs that devboot receives itself: what comes of them is git's own, and servers that speak git's protocol and
//! mean harm get nowhere.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use devboot::repos::git::History;
use devboot::repos::git::batch::CloneOutcome;

use super::world::{World, git_daemon};

/// The names in the clone's folder of packs, by their endings.
fn packs(clone: &Path, ending: &str) -> Vec<String> {
    let names = fs::read_dir(clone.join(".git/objects/pack")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(ending)).collect()
}

#[test]
fn what_is_received_is_what_git_would_have_received() {
    let world = World::new();
    let made = world.repo("x", 60);
    let origin = world.path("srv/x");
    world.git(&origin, &["tag", "-a", "v1", "-m", "one", &made[40]], b"");
    world.git(&origin, &["gc", "-q"], b"");
    let daemon = git_daemon(&world);
    let url = format!("git://127.0.0.1:{}/x", daemon.port);
    for (name, depth, reference) in [("full", 0, None), ("shallow", 3, None), ("tag", 0, Some("v1"))] {
        let theirs = world.path("home").join(format!("git-{name}"));
        let mut args = vec!["clone", "-q", "--single-branch", "--no-tags", &url, theirs.to_str().unwrap()];
        args.extend(reference.map(|_| "--branch=v1"));
        args.extend((depth > 0).then_some("--depth=3"));
        world.git(&world.path("home"), &args, b"");
        let mut spec = world.spec(name, url.clone());
        (spec.history, spec.reference) = (History::of_depth(depth), reference.map(str::to_owned));
        let outcome = world.clone(&spec);
        let CloneOutcome::Cloned { .. } = outcome else { panic!("{name}: {outcome:?}") };
        let ours = &spec.dest;
        for args in [
            &["rev-list", "--objects", "HEAD"][..],
            &["rev-list", "--count", "HEAD"],
            &["ls-files", "-s"],
            &["status", "--porcelain"],
        ] {
            assert_eq!(world.git(ours, args, b""), world.git(&theirs, args, b""), "{name}: {args:?}");
        }
        world.git(ours, &["fsck", "--strict"], b"");
        let indexes = packs(ours, ".idx");
        assert_eq!((indexes.len(), packs(ours, ".pack").len(), packs(ours, "").len()), (1, 1, 2), "{name}");
        let index = ours.join(".git/objects/pack").join(&indexes[0]);
        world.git(ours, &["verify-pack", index.to_str().unwrap()], b"");
        // The same index as git makes of the same pack.
        let again = world.path("again.idx");
        let pack = index.with_extension("pack");
        let done = Command::new("git").args(["index-pack", "-o"]).arg(&again).arg(&pack).output().unwrap();
        assert!(done.status.success());
        assert!(fs::read(&again).unwrap() == fs::read(&index).unwrap(), "{name}");
        fs::remove_file(&again).unwrap();
    }
}

/// A server that says the same to everybody: what it offers, and once it is asked, its answer.
fn liar(offer: Vec<u8>, answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // What is left unread when a connection is closed breaks it on the other side.
            read_to(&mut stream, b"host=127.0.0.1\0");
            if stream.write_all(&offer).is_ok() && !answer.is_empty() {
                read_to(&mut stream, b"done\n");
            }
            let _ = stream.write_all(&answer);
        }
    });
    port
}

fn read_to(stream: &mut TcpStream, end: &[u8]) {
    let mut heard = Vec::new();
    let mut byte = [0];
    while !heard.ends_with(end) && matches!(stream.read(&mut byte), Ok(1)) {
        heard.push(byte[0]);
    }
}

fn line(text: &[u8]) -> Vec<u8> {
    [format!("{:04x}", text.len() + 4).as_bytes(), text].concat()
}

#[test]
fn servers_that_speak_git_and_lie_are_refused() {
    let world = World::new();
    let oid = "5".repeat(40);
    let head = format!("{oid} HEAD\0side-band-64k ofs-delta shallow symref=HEAD:refs/heads/main\n");
    let main = format!("{oid} refs/heads/main\n");
    let offer = [line(head.as_bytes()), line(main.as_bytes()), b"0000".to_vec()].concat();
    let nak = line(b"NAK\n");
    let answer = |pack: &[u8]| [&nak[..], &line(&[b"\x01", pack].concat()), b"0000"].concat();
    let gives_up = [nak.clone(), line(b"\x02counting\x1b[2J\n"), line(b"\x03out of\x07 memory\n")].concat();
    let cases: [(&str, Vec<u8>, Vec<u8>, &str); 10] = [
        ("complains", line(b"ERR no\x1b[2J entry\n"), vec![], "entry"),
        ("html", b"<html>".to_vec(), vec![], "four hex bytes"),
        ("nothing", vec![], vec![], "in the middle"),
        ("words", [line(b"hello there\n"), b"0000".to_vec()].concat(), vec![], "offers no references"),
        ("no-answer", offer.clone(), line(b"what?\n"), "does not answer"),
        ("gives-up", offer.clone(), gives_up, "the server says: out of"),
        ("no-pack", offer.clone(), answer(b"JUNKJUNKJUNK"), "not recognized"),
        ("half", offer.clone(), answer(b"PACK\0\0\0\x02\0\0\0\x05\x31"), "cannot be used"),
        ("closes", offer.clone(), [&nak[..], b"00ff\x01PACK\0\0\0\x02\0"].concat(), "in the middle"),
        ("no-kind", offer, answer(b"PACK\0\0\0\x02\0\0\0\x01\x00\x78\x9c\x03\0\0\0\0\x01"), "type 0"),
    ];
    for (name, offer, said, reason) in cases {
        let spec = world.spec(name, format!("git://127.0.0.1:{}/x", liar(offer, said)));
        let CloneOutcome::Failed(fault) = world.clone(&spec) else { panic!("{name}: cloned") };
        let text = format!("{fault:?} {}", fault.one_line());
        assert!(text.contains(reason) && !text.contains(['\x1b', '\x07']), "{name}: {text}");
    }
    assert!(world.at_home().is_empty());
}
