//! Services: real programs that listen, crash, refuse to go.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use super::dispatcher::Order;
use super::event::{RunEvent, Verdict};
use super::fixture::{World, end, needs, stage};
use crate::project::model::{Action, Command, HttpCheck, Ready, Service, Stage, StageId};

const SERVER: &str = r#"
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path
        code = int(path[1:]) if path[1:].isdigit() else 200
        body = open('page').read().encode() if path == '/page' else b'{"a": [{"b": "c"}]}'
        if path == '/large': body = b'x' * 3000000
        self.send_response(code); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
print('listening', flush=True)
server.serve_forever()
"#;

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn service(name: &str, script: &str, ready: Option<Ready>) -> Stage {
    let service = Service {
        command: Command::Shell(script.into()),
        ready,
        ready_timeout: Duration::from_secs(60),
        stop_grace: Duration::from_secs(60),
    };
    Stage { action: Action::Service(service), ..stage(name) }
}

fn within(mut stage: Stage, time: Duration) -> Stage {
    if let Action::Service(service) = &mut stage.action {
        service.ready_timeout = time;
    }
    stage
}

fn server(world: &World, port: u16) -> Stage {
    world.write("server.py", SERVER);
    let script = format!("echo $$ >>pids; exec python3 server.py {port}");
    Stage { inputs: vec!["page".into()], ..service("web", &script, Some(Ready::Port(port))) }
}

fn check(url: String) -> HttpCheck {
    HttpCheck {
        url,
        method: "GET".into(),
        headers: BTreeMap::new(),
        body: String::new(),
        status: 200,
        contains: None,
        json: BTreeMap::new(),
        retry_for: Duration::ZERO,
        timeout: Duration::from_secs(30),
    }
}

fn http(name: &str, check: HttpCheck) -> Stage {
    Stage { action: Action::Http(check), cache: false, ..stage(name) }
}

async fn note_of(world: &mut World, check: HttpCheck) -> (Verdict, String) {
    let record = world.run(&[http("s", check)]).await;
    let end = end(&record, "s");
    (end.verdict, end.note.clone().unwrap_or_default())
}

#[tokio::test]
async fn a_service_goes_on_and_is_started_again_when_its_inputs_change() {
    let mut world = World::new();
    let port = free_port();
    world.write("page", "hello");
    let page = check(format!("http://127.0.0.1:{port}/page"));
    let smoke = |text: &str| {
        needs(http("smoke", HttpCheck { contains: Some(text.into()), ..page.clone() }), &["web"])
    };
    let stages = |text| [server(&world, port), smoke(text)];
    let (hello, other) = (stages("hello"), stages("other"));
    for starts in [1, 1] {
        let record = world.run(&hello).await;
        assert_eq!(record.verdict, Verdict::Passed, "{record:?}");
        assert_eq!(world.read("pids").lines().count(), starts);
    }
    world.write("page", "changed");
    let record = world.run(&other).await;
    assert_eq!(world.read("pids").lines().count(), 2);
    let wrong = end(&record, "smoke");
    assert_eq!(wrong.verdict, Verdict::Failed);
    let expected = format!(
        "GET http://127.0.0.1:{port}/page: expected the text 'other' in the body; it begins: changed"
    );
    assert_eq!(wrong.note.as_deref(), Some(expected.as_str()));
    let ready = world.events().iter().filter(|event| matches!(event, RunEvent::ServiceReady { .. })).count();
    assert_eq!(ready, 2, "one that runs as it should is not started and so not ready anew");
    assert_eq!(world.tools.services.running(), [StageId("web".into())]);
    world.tools.services.stop(|_| true).await;
    assert_eq!(world.tools.services.running(), []);
    for id in world.read("pids").lines() {
        assert!(!Path::new(&format!("/proc/{id}")).exists(), "{id} is left behind");
    }
}

#[tokio::test]
async fn readiness_is_a_line_of_output_or_nothing() {
    let mut world = World::new();
    let log = service("log", "sleep 0.1; echo it is up now; sleep 600", Some(Ready::Log("is up".into())));
    let at_once = service("at-once", "sleep 600", None);
    assert_eq!(world.run(&[log, at_once]).await.verdict, Verdict::Passed);
}

#[tokio::test]
async fn one_that_ends_before_it_is_ready_says_its_last_words() {
    let mut world = World::new();
    let crash = service("s", "echo first; echo address in use >&2; exit 3", Some(Ready::Log("up".into())));
    let record = world.run(&[crash, needs(stage("after"), &["s"])]).await;
    let failed = end(&record, "s");
    assert_eq!(failed.verdict, Verdict::Failed);
    assert_eq!(failed.note.as_deref(), Some("it ended before it was ready: exit code 3: address in use"));
    assert_eq!(end(&record, "after").verdict, Verdict::Skipped);
}

#[tokio::test]
async fn one_that_is_never_ready_is_ended() {
    let mut world = World::new();
    let script = "echo $$ >pid; trap '' TERM; while :; do sleep 0.1; done";
    let mut slow = within(service("s", script, Some(Ready::Log("up".into()))), Duration::from_millis(300));
    if let Action::Service(service) = &mut slow.action {
        service.stop_grace = Duration::from_millis(50);
    }
    let record = world.run(&[slow]).await;
    let end = end(&record, "s");
    assert_eq!(end.verdict, Verdict::Failed);
    assert_eq!(end.note.as_deref(), Some("it was not ready within 300 ms: it did not write 'up'"));
    assert!(!Path::new(&format!("/proc/{}", world.read("pid").trim())).exists());
}

#[tokio::test]
async fn a_crash_between_runs_is_noticed_and_the_next_run_starts_it_again() {
    let mut world = World::new();
    let script = "echo x >>starts; echo up; read line <gate; echo gone wrong; exit 4";
    let stages = [service("s", script, Some(Ready::Log("up".into())))];
    let gate = world.path("gate");
    std::process::Command::new("mkfifo").arg(&gate).status().unwrap();
    world.run(&stages).await;
    let open = tokio::task::spawn_blocking(move || fs::write(gate, "go\n"));
    let note = loop {
        match world.follower.next().await.unwrap() {
            RunEvent::ServiceEnded { note, .. } => break note,
            _ => continue,
        }
    };
    open.await.unwrap().unwrap();
    assert_eq!(note, "the service has ended: exit code 4: gone wrong");
    assert_eq!(world.tools.services.running(), []);
    assert_eq!(world.tools.services.ended(), [(StageId("s".into()), "exit code 4".into())]);
    assert_eq!(world.run(&stages).await.verdict, Verdict::Passed);
    assert_eq!(world.read("starts"), "x\nx\n");
    assert_eq!(world.tools.services.ended(), []);
}

#[tokio::test]
async fn a_port_that_another_program_holds_is_not_taken_for_ready() {
    let mut world = World::new();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port();
    world.write("page", "");
    let stages = [within(server(&world, port), Duration::from_millis(200))];
    let record = world.run(&stages).await;
    let end = end(&record, "web");
    assert_eq!(end.verdict, Verdict::NotStarted);
    assert_eq!(end.note, Some(format!("another program listens on port {port}")));
}

#[tokio::test]
async fn what_needs_a_service_ends_before_it() {
    let mut world = World::new();
    let script =
        |name: &str| format!("trap 'echo {name} >>order; exit' TERM; echo up; while :; do sleep 0.02; done");
    let up = || Some(Ready::Log("up".into()));
    let base = service("base", &script("base"), up());
    let top = needs(service("top", &script("top"), up()), &["base"]);
    world.run(&[base.clone(), top.clone()]).await;
    // Started again, it is still what the other one needs.
    world.write("x", "");
    world.run(&[Stage { inputs: vec!["x".into()], ..base }, top]).await;
    assert_eq!(world.read("order"), "base\n");
    world.tools.services.stop(|_| true).await;
    assert_eq!(world.read("order"), "base\ntop\nbase\n");
}

#[tokio::test]
async fn a_start_can_be_given_up() {
    let mut world = World::new();
    let stages = [service("s", "echo starting; sleep 600", Some(Ready::Log("never".into())))];
    let record = world.run_until_output(&stages, Order::Cancel(vec![StageId("s".into())])).await;
    assert_eq!(end(&record, "s").verdict, Verdict::Cancelled);
    assert_eq!(world.tools.services.running(), []);
}

#[tokio::test]
async fn an_answer_is_compared_with_what_is_expected() {
    let mut world = World::new();
    let port = free_port();
    world.write("page", "a \u{1b}[31mred\r\n page");
    world.run(&[server(&world, port)]).await;
    let url = |path: &str| format!("http://localhost:{port}{path}");
    let json = |path: &str, value| HttpCheck { json: [(path.to_owned(), value)].into(), ..check(url("/")) };
    let at = |path: &str, why: &str| (Verdict::Failed, format!("GET {}: {why}", url(path)));
    let cases = [
        (check(url("/")), (Verdict::Passed, String::new())),
        (HttpCheck { status: 404, ..check(url("/404")) }, (Verdict::Passed, String::new())),
        (
            check(url("/500")),
            at(
                "/500",
                "expected status 200, got 500 Internal Server Error; the body begins: {\"a\": [{\"b\": \"c\"}]}",
            ),
        ),
        (
            HttpCheck { contains: Some("blue".into()), ..check(url("/page")) },
            at("/page", "expected the text 'blue' in the body; it begins: a \\u{1b}[31mred page"),
        ),
        (
            HttpCheck { contains: Some("y".into()), ..check(url("/large")) },
            at(
                "/large",
                &format!(
                    "expected the text 'y' in the body (its first 1.0 MB); it begins: {}…",
                    "x".repeat(200)
                ),
            ),
        ),
        (json("a.0.b", "c".into()), (Verdict::Passed, String::new())),
        (json("a.0.b", 3.into()), at("/", "expected a.0.b to be 3, got \"c\"")),
        (json("a.1.b", 3.into()), at("/", "expected a.1.b to be 3; it is not in the answer")),
        (
            HttpCheck { json: [("a".into(), 1.into())].into(), ..check(url("/page")) },
            at("/page", "expected JSON; the body begins: a \\u{1b}[31mred page"),
        ),
    ];
    for (check, expected) in cases {
        assert_eq!(note_of(&mut world, check).await, expected);
    }
}

#[tokio::test]
async fn what_does_not_answer_is_asked_again_until_it_does() {
    let mut world = World::new();
    let port = free_port();
    let refused = check(format!("http://127.0.0.1:{port}/"));
    let (verdict, why) = note_of(&mut world, refused.clone()).await;
    assert_eq!(verdict, Verdict::Failed);
    assert!(why.contains("the connection failed: ") && why.contains("refused"), "{why}");
    world.write("page", "");
    let late = service("late", "true", None);
    let Stage { action: Action::Service(mut command), .. } = server(&world, port) else { panic!() };
    command.command = Command::Shell(format!("sleep 0.3; exec python3 server.py {port}"));
    command.ready = None;
    let late = Stage { action: Action::Service(command), ..late };
    let patient = HttpCheck { retry_for: Duration::from_secs(60), ..refused };
    assert_eq!(world.run(&[late, http("s", patient)]).await.verdict, Verdict::Passed);
}

#[tokio::test]
async fn addresses_that_are_none_are_said() {
    let mut world = World::new();
    for (url, why) in [("ftp://x/", "not an http address"), ("nonsense", "not an http address")] {
        let (verdict, note) = note_of(&mut world, check(url.into())).await;
        assert!(verdict == Verdict::Failed && note.contains(why), "{note}");
    }
    let (_, note) =
        note_of(&mut world, HttpCheck { method: "a b".into(), ..check("http://127.0.0.1:1/".into()) }).await;
    assert!(note.contains("no method: a b"), "{note}");
}
