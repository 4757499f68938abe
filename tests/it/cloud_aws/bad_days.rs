//! Servers that answer wrongly, late, or not at all, and clocks that are wrong.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use devboot::base::error::Diagnose;
use devboot::base::secret::Secret;
use devboot::base::time::Timestamp;
use devboot::cloud::aws::call::{CallError, Found, Waiting};
use devboot::cloud::aws::endpoint::address;
use devboot::cloud::aws::sigv4::Keys;
use devboot::cloud::aws::sts::{Identity, Sts};

use super::moto::{ROLE, role};

/// A server that gives these answers, one a connection, and hands on the requests.
pub struct Fake {
    pub url: String,
    pub requests: Receiver<String>,
}

impl Fake {
    pub fn answering(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let _ = sender.send(request(&mut stream));
                let _ = stream.write_all(&answer);
            }
        });
        Self { url, requests }
    }

    fn sts(&self, clock: fn() -> Timestamp) -> Sts {
        let waiting = Waiting { stall: Duration::from_secs(30), total: Duration::from_secs(60) };
        Sts::new(address(&self.url, "eu-west-1").unwrap(), waiting, clock)
    }
}

/// A whole request: its head, and as much body as the head says.
pub fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return text,
            Ok(count) => bytes.extend(&buffer[..count]),
        }
    }
}

pub fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n")
            .into_bytes();
    bytes.extend(body);
    bytes
}

fn keys() -> Keys {
    Keys {
        access_key_id: "AKIDEXAMPLE".into(),
        secret_access_key: Secret::new("secret-of-the-test".into()),
        session_token: None,
    }
}

/// Half past nine on a November day, by a clock that stands still.
fn clock() -> Timestamp {
    Timestamp(1_795_512_600)
}

fn identity(answer: Vec<u8>) -> Result<Identity, CallError> {
    Fake::answering(vec![answer]).sts(clock).identity(&keys())
}

const LEASE: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>\
    <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-11-24T10:50:00Z</Expiration>\
    </Credentials></AssumeRoleResult></AssumeRoleResponse>";

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
}

#[test]
fn a_clock_twenty_minutes_off_is_noticed_and_made_good() {
    assert_eq!(clock().to_string(), "2026-11-24T09:30:00Z");
    let date = "Date: Tue, 24 Nov 2026 09:50:00 GMT\r\n";
    let expired =
        error("SignatureDoesNotMatch", "Signature expired: 20261124T093000Z is now earlier than ...");
    let fake = Fake::answering(vec![answer("403 Forbidden", date, expired), answer("200 OK", date, LEASE)]);
    let sts = fake.sts(clock);
    let lease = sts.assume_role(&keys(), &role(ROLE), None).unwrap();
    let sent: Vec<String> = fake.requests.iter().take(2).collect();
    assert!(sent[0].contains("x-amz-date: 20261124T093000Z"), "{}", sent[0]);
    assert!(sent[1].contains("x-amz-date: 20261124T095000Z"), "{}", sent[1]);
    // It ends an hour after it was got, whatever the clocks say.
    assert_eq!(lease.left(clock()), Some(3600));
    assert_eq!(sts.skew().0, 1200);
}

#[test]
fn a_wrong_secret_is_not_taken_for_a_wrong_clock() {
    let date = "Date: Tue, 24 Nov 2026 09:30:05 GMT\r\n";
    let wrong = answer("403 Forbidden", date, error("SignatureDoesNotMatch", "no"));
    let fake = Fake::answering(vec![wrong]);
    let refused = fake.sts(clock).identity(&keys()).unwrap_err();
    assert!(refused.hints()[0].contains("secret access key"), "{:?}", refused.hints());
    assert_eq!(fake.requests.iter().count(), 1, "it was sent once");
}

#[test]
fn the_right_time_is_tried_once() {
    let date = "Date: Tue, 24 Nov 2026 09:50:00 GMT\r\n";
    let wrong = || answer("403 Forbidden", date, error("SignatureDoesNotMatch", "no"));
    let fake = Fake::answering(vec![wrong(), wrong()]);
    let refused = fake.sts(clock).identity(&keys()).unwrap_err();
    assert!(refused.hints()[0].contains("secret access key"), "{:?}", refused.hints());
    assert_eq!(fake.requests.iter().count(), 2);
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let page = "  <!DOCTYPE html><title>Sign in</title>";
    let found = |status, headers, body: &str| match identity(answer(status, headers, body)) {
        Err(CallError::NotAnAnswer(_, _, found)) => found,
        other => panic!("{other:?}"),
    };
    assert_eq!(found("200 OK", "", page), Found::Page);
    assert_eq!(found("403 Forbidden", "Content-Type: text/html; charset=x\r\n", "no"), Found::Page);
    assert_eq!(found("302 Found", "Location: http://127.0.0.1:1/\r\n", ""), Found::Redirect);
    assert_eq!(found("200 OK", "", ""), Found::Nothing);
    assert_eq!(found("200 OK", "", "\u{0}\u{1}garbage"), Found::Garbage);
    assert_eq!(found("200 OK", "", "<a><b>"), Found::Garbage);
    let unfit = "<GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult>";
    assert_eq!(found("200 OK", "", unfit), Found::Garbage);
    for body in [page, "", &error("InternalFailure", "x")] {
        let fake = Fake::answering(vec![answer("500 Internal Server Error", "", body); 4]);
        let failed = fake.sts(clock).identity(&keys());
        assert!(matches!(failed, Err(CallError::Unavailable(_, 500))), "{failed:?}");
        assert_eq!(fake.requests.try_iter().count(), 3, "it was asked twice more");
    }
}

#[test]
fn a_server_s_trouble_that_passes_costs_a_moment_only() {
    let busy = |status| answer(status, "", error("Throttling", "Rate exceeded"));
    let fake = Fake::answering(vec![
        busy("503 Slow Down"),
        busy("429 Too Many Requests"),
        answer("200 OK", "", LEASE),
    ]);
    let lease = fake.sts(clock).assume_role(&keys(), &role(ROLE), None).unwrap();
    assert_eq!(lease.keys.access_key_id, "ASIA1");
    assert_eq!(fake.requests.try_iter().count(), 3);
}

#[test]
fn a_server_that_is_silent_slow_or_endless_is_left() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = address(&format!("http://{}", silent.local_addr().unwrap()), "eu-west-1").unwrap();
    let short = Waiting { stall: Duration::from_millis(300), total: Duration::from_secs(60) };
    let left = Sts::new(endpoint, short, clock).identity(&keys()).unwrap_err();
    assert!(matches!(left, CallError::Unreached(..)), "{left:?}");

    let mut cut = answer("200 OK", "", LEASE);
    cut.truncate(cut.len() - 40);
    assert!(matches!(identity(cut), Err(CallError::CutOff(..))));
    let endless = answer("200 OK", "", vec![b' '; 300 << 10]);
    assert!(matches!(identity(endless), Err(CallError::CutOff(..))));

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Sts::new(address(&format!("http://{closed}"), "x").unwrap(), Waiting::default(), clock);
    assert!(matches!(nobody.identity(&keys()), Err(CallError::Unreached(..))));
}

#[test]
fn what_a_server_says_cannot_reach_the_terminal() {
    let message = "&#x1b;]0;owned&#7;not\u{202e} allowed";
    let refused = identity(answer("403 Forbidden", "", error("AccessDenied", message))).unwrap_err();
    let said = format!("{refused} {:?} {:?}", refused.hints(), refused);
    assert!(!said.chars().any(|c| c.is_control() || c == '\u{202e}'), "{said:?}");
    assert!(!said.contains("secret-of-the-test"));
}
