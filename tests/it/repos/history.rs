//! How much of a repository's history comes along.

use std::fmt::Write as _;

use devboot::base::time::Timestamp;
use devboot::repos::git::History;
use devboot::repos::git::batch::CloneOutcome;

use super::world::{World, git_daemon};

const DAY: i64 = 86_400;

/// A repository `srv/NAME` with so many commits, one a day, the last on day 0 counted backwards from `end`.
fn daily(world: &World, name: &str, days: i64, end: i64) {
    let dir = world.path("srv").join(name);
    std::fs::create_dir(&dir).unwrap();
    world.git(&dir, &["init", "-q"], b"");
    let mut stream = String::new();
    for day in (0..days).rev() {
        let text = format!("{day}\n");
        let _ = write!(
            stream,
            "commit refs/heads/main\ncommitter me <me@example.org> {} +0000\ndata 1\nx\nM 100644 inline day\ndata {}\n{text}",
            end - day * DAY,
            text.len()
        );
    }
    world.git(&dir, &["fast-import", "--quiet"], stream.as_bytes());
}

#[test]
fn history_reaches_back_to_a_date_and_not_much_further() {
    let world = World::new();
    let end = 1_700_000_000;
    daily(&world, "x", 700, end);
    let (http, daemon) = (world.http(), git_daemon(&world));
    let urls = [
        ("http", format!("http://127.0.0.1:{}/git/x", http.port)),
        ("git", format!("git://127.0.0.1:{}/x", daemon.port)),
        ("file", format!("file://{}", world.path("srv/x").display())),
    ];
    for (name, url) in urls {
        for (days, count) in [(10, "64"), (100, "256"), (400, "700")] {
            let mut spec = world.spec(&format!("{name}{days}"), url.clone());
            spec.history = History::Since(Timestamp(end - days * DAY));
            let outcome = world.clone(&spec);
            assert!(matches!(outcome, CloneOutcome::Cloned { .. }), "{name} {days}: {outcome:?}");
            let made = world.git(&spec.dest, &["rev-list", "--count", "HEAD"], b"");
            assert_eq!(made, count, "{name} {days}");
            world.git(&spec.dest, &["fsck", "--strict"], b"");
            let shallow = world.git(&spec.dest, &["rev-parse", "--is-shallow-repository"], b"");
            assert_eq!(shallow, if days == 400 { "false" } else { "true" }, "{name} {days}");
            assert_eq!(world.git(&spec.dest, &["status", "--porcelain"], b""), "");
        }
    }
}
