//! Every message in its documented form: the files in `golden/` are what older and newer programs send.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fmt::Debug;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::*;

/// Holds a message to its file. A changed form fails here; a new message needs a new file.
fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, message: &T) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ipc/golden").join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(message).unwrap() + "\n";
    let kept =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}\n{text}", path.display()));
    assert_eq!(kept, text, "{name}");
    assert_eq!(serde_json::from_str::<T>(&kept).unwrap(), *message, "{name}");
}

fn hello() -> Hello {
    Hello { protocol: 1, version: "0.1.0".into(), build: 1_700_000_000_000_000_000, pid: 42 }
}

fn home() -> Home {
    Home {
        waiting: ["~/.vimrc".to_owned()].into(),
        drifted: ["~/.bashrc".to_owned()].into(),
        postponed: [("repo a".to_owned(), "no network".to_owned())].into(),
        failed: [("repo b".to_owned(), "no such repository".to_owned())].into(),
        problem: Some("a problem".into()),
    }
}

fn project() -> ProjectStatus {
    ProjectStatus {
        root: "/home/a/ml".into(),
        added: Timestamp(0),
        phase: ProjectPhase::Idle,
        note: Some("a note".into()),
        guest: true,
    }
}

#[test]
fn requests_keep_their_form() {
    let root = || "/home/a/ml".to_owned();
    let of = || OfProject { root: root() };
    let env = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
    let run = Run {
        root: root(),
        stages: vec!["test".into()],
        tests: Vec::new(),
        force: true,
        catch_up: true,
        env: Some(env.clone()),
    };
    let some = Run { tests: vec!["tests/test_a.py".into(), "-x".into()], ..run.clone() };
    golden("client-hello", &FromClient::Hello(hello()));
    for (name, request) in [
        ("status", Request::Status),
        ("stop", Request::Stop(Stop { replace: true, again: true })),
        ("add-project", Request::AddProject(AddProject { root: root(), env: env.clone() })),
        ("remove-project", Request::RemoveProject(of())),
        ("list-projects", Request::ListProjects),
        ("run", Request::Run(run)),
        ("run-tests", Request::Run(some)),
        ("look-at-home", Request::LookAtHome),
        ("cancel", Request::Cancel(of())),
        ("reload", Request::Reload(of())),
        ("services", Request::Services(of())),
        ("subscribe", Request::Subscribe(Subscribe { root: Some(root()) })),
        ("attach", Request::Attach(Attach { root: root(), env: env.clone() })),
    ] {
        golden(&format!("request-{name}"), &FromClient::Request(request));
    }
}

#[test]
fn what_is_said_about_credentials_keeps_its_form() {
    use crate::ipc::cloud::*;
    let hidden = Hidden::new;
    let codes = BTreeMap::from([("device".to_owned(), hidden("123456"))]);
    let wanted = Use {
        profile: "dev".into(),
        via: Some("value".into()),
        confirmed: true,
        check: true,
        codes: codes.clone(),
    };
    let of = OfLease { profile: "dev".into(), provider: "azure".into(), resource: "r".into(), codes };
    for (name, request) in [
        ("use", CloudRequest::Use(wanted)),
        ("lease", CloudRequest::Lease(of)),
        ("unlock", CloudRequest::Unlock(Unlock { identity: hidden("key"), seconds: Some(9), idle: Some(3) })),
        ("lock", CloudRequest::Lock),
        ("vault", CloudRequest::Vault),
        ("seal", CloudRequest::Seal(Seal { name: "aws/dev".into(), secret: hidden("s") })),
        ("unseal", CloudRequest::Unseal(Names { names: vec!["aws/dev".into()] })),
        ("forget", CloudRequest::Forget(Forget { profile: Some("dev".into()) })),
    ] {
        golden(&format!("request-cloud-{name}"), &FromClient::Request(Request::Cloud(request)));
    }
    let part = Part {
        provider: "aws".into(),
        account: Some("123456789012".into()),
        who: Some("arn".into()),
        verified: true,
        note: Some("a note".into()),
        caution: Some("a caution".into()),
        ends: Some(Timestamp(0)),
    };
    let switch = Switch {
        changes: vec![("AWS_REGION".into(), Some(hidden("r"))), ("AWS_PROFILE".into(), None)],
        parts: vec![part],
        guard: Some("prod".into()),
        until: Some(Timestamp(0)),
    };
    let vault = VaultStatus {
        exists: true,
        open: true,
        until: Some(Timestamp(0)),
        names: vec!["aws/dev".into()],
        unrecorded: None,
    };
    for (name, response) in [
        ("switch", CloudResponse::Switch(switch)),
        ("lease", CloudResponse::Lease(Lease { text: hidden("{}"), ends: Some(Timestamp(0)) })),
        ("code", CloudResponse::Code("device".into())),
        ("vault", CloudResponse::Vault(vault)),
    ] {
        golden(&format!("response-cloud-{name}"), &FromService::Response(Response::Cloud(response)));
    }
}

#[test]
fn responses_and_events_keep_their_form() {
    golden("service-hello", &FromService::Hello(hello()));
    let failure = Failure {
        kind: "refused".into(),
        message: "what".into(),
        causes: vec!["why".into()],
        hints: vec!["next".into()],
    };
    let status = Status {
        pid: 42,
        version: "0.1.0".into(),
        started: Timestamp(0),
        uptime: 5,
        socket: "/run/user/0/devboot/x.sock".into(),
        log: "/home/a/.local/state/devboot/logs/daemon.log".into(),
        memory: Some(5_000_000),
        projects: vec![project()],
        home: Some(home()),
        clients: 2,
        subscribers: 1,
    };
    let service =
        ServiceStatus { stage: "serve".into(), fingerprint: "00ff".into(), start: Some("11ee".into()) };
    for (name, response) in [
        ("done", Response::Done),
        ("failed", Response::Failed(failure)),
        ("status", Response::Status(Box::new(status))),
        ("projects", Response::Projects(vec![project()])),
        ("services", Response::Services(vec![service])),
    ] {
        golden(&format!("response-{name}"), &FromService::Response(response));
    }
    let news = RunNews { root: "/home/a/ml".into(), event: json!({ "event": "run-finished", "run": 7 }) };
    for (name, event) in [
        ("run", Event::Run(news)),
        ("project", Event::Project(project())),
        ("said", Event::Said(Said { root: "/home/a/ml".into(), text: "a line".into() })),
        ("removed", Event::Removed(OfProject { root: "/home/a/ml".into() })),
        ("stopping", Event::Stopping(Stop { replace: false, again: true })),
    ] {
        golden(&format!("event-{name}"), &FromService::Event(event));
    }
}

#[test]
fn unknown_fields_are_ignored_and_missing_ones_have_their_defaults() {
    let read = |text: &str| serde_json::from_str::<FromClient>(text);
    let stop = read(r#"{"request":{"stop":{"later":1}}}"#).unwrap();
    assert_eq!(stop, FromClient::Request(Request::Stop(Stop::default())));
    assert!(read(r#"{"request":{"no-such":{}}}"#).is_err());
}

#[test]
fn values_of_the_environment_are_not_shown() {
    let env = BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]);
    let root = || "/p".to_owned();
    let run = Run {
        root: root(),
        stages: Vec::new(),
        tests: Vec::new(),
        force: false,
        catch_up: false,
        env: Some(env.clone()),
    };
    for request in [
        Request::AddProject(AddProject { root: root(), env: env.clone() }),
        Request::Attach(Attach { root: root(), env }),
        Request::Run(run),
    ] {
        assert!(!format!("{:?}", FromClient::Request(request)).contains("hunter2"));
    }
}

#[test]
fn of_two_programs_at_most_one_is_newer() {
    let of = |version: &str, build| Hello { version: version.into(), build, ..hello() };
    assert!(of("0.10.0", 1).is_newer_than(&of("0.9.9", 2)));
    assert!(of("0.1.0", 2).is_newer_than(&of("0.1.0", 1)));
    assert!(!of("0.1.0", 1).is_newer_than(&of("0.1.0", 1)));
    assert!(!of("0.1.0", 9).is_newer_than(&of("0.2.0", 1)));
}

#[test]
fn failures_are_faults_and_back() {
    for (kind, _) in KINDS {
        let fault = Fault::new(kind, "what").cause("why").hint("next");
        assert_eq!(Fault::from(Failure::from(fault.clone())), fault);
    }
}
