//! Token servers that answer wrongly, late, or not at all, and clocks that are wrong.

use std::net::TcpListener;
use std::time::Duration;

use devboot::base::error::Diagnose;
use devboot::base::time::Timestamp;
use devboot::cloud::exchange::{Found, Unanswered, Waiting};
use devboot::cloud::gcp::credential::parse;
use devboot::cloud::gcp::obtain::{GcpError, Means, Source, obtain};
use devboot::cloud::gcp::token::{SCOPES, Servers};
use devboot::cloud::text::decode64;
use devboot::cloud::token::{TokenError, TokenLease};

use super::gcp::service_account;
use crate::cloud_aws::bad_days::{Fake, answer};

/// Half past nine on a November day, by a clock that stands still.
fn clock() -> Timestamp {
    Timestamp(1_795_512_600)
}

const GOOD: &str = r#"{"access_token":"ya29.good","expires_in":3599,"token_type":"Bearer"}"#;

fn ask(url: &str, stall: Duration) -> Result<TokenLease, TokenError> {
    let source = Source::Credential(parse(service_account(url).as_bytes()).unwrap());
    let waiting = Waiting { stall, total: Duration::from_secs(60) };
    let means = Means { servers: &Servers::default(), var: &|_| None, waiting, clock };
    obtain(&source, SCOPES, &means).map_err(|error| match error {
        GcpError::Token(error) => error,
        other => panic!("{other:?}"),
    })
}

fn get(bytes: Vec<u8>) -> Result<TokenLease, TokenError> {
    ask(&Fake::answering(vec![bytes]).url, Duration::from_secs(30))
}

#[test]
fn a_clock_twenty_minutes_off_is_made_good_once() {
    let date = "Date: Tue, 24 Nov 2026 09:50:00 GMT\r\n";
    let early =
        r#"{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token"}"#;
    let wrong = || answer("400 Bad Request", date, early);
    let fake = Fake::answering(vec![wrong(), answer("200 OK", date, GOOD)]);
    let lease = ask(&fake.url, Duration::from_secs(30)).unwrap();
    assert_eq!(lease.left(clock()), 3599);
    let issued: Vec<i64> = fake.requests.iter().take(2).map(|request| issued_at(&request)).collect();
    assert_eq!(issued, [clock().0, clock().0 + 1200]);

    let fake = Fake::answering(vec![wrong(), wrong()]);
    let refused = ask(&fake.url, Duration::from_secs(30)).unwrap_err();
    assert_eq!(fake.requests.iter().count(), 2);
    assert!(refused.hints()[0].contains("20 minutes behind"), "{:?}", refused.hints());
}

/// When the statement in a request was made, by itself.
fn issued_at(request: &str) -> i64 {
    let (_, statement) = request.split_once("assertion=").unwrap();
    let claims = decode64(statement.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["iat"].as_i64().unwrap()
}

#[test]
fn what_is_no_answer_is_told_apart() {
    let found = |status, headers, body: &str| match get(answer(status, headers, body)) {
        Err(TokenError::NotAnAnswer(_, _, found)) => found,
        other => panic!("{other:?}"),
    };
    let page = "  <!DOCTYPE html><title>Sign in</title>";
    assert_eq!(found("200 OK", "", page), Found::Page);
    assert_eq!(found("403 Forbidden", "Content-Type: text/html; charset=x\r\n", "no"), Found::Page);
    assert_eq!(found("302 Found", "Location: http://127.0.0.1:1/\r\n", ""), Found::Redirect);
    assert_eq!(found("200 OK", "", ""), Found::Nothing);
    assert_eq!(found("400 Bad Request", "", "\u{0}\u{1}garbage"), Found::Garbage);
    assert_eq!(found("200 OK", "", r#"{"access_token":7,"expires_in":"soon"}"#), Found::Garbage);
    assert_eq!(found("200 OK", "", r#"{"error":"invalid_grant"}"#), Found::Garbage);
    assert_eq!(found("200 OK", "", &GOOD.replace("3599", "-1")), Found::Garbage);
    for body in [page, "", GOOD] {
        let fake = Fake::answering(vec![answer("503 Unavailable", "", body); 3]);
        let failed = ask(&fake.url, Duration::from_secs(30));
        assert!(matches!(failed, Err(TokenError::Unavailable(_, 503))), "{failed:?}");
    }
}

#[test]
fn a_server_s_words_are_made_harmless() {
    let said = format!(
        r#"{{"error":"invalid\u001b_scope","error_description":"a\u001b[2J\u0007{}\nb client_secret=hunter2"}}"#,
        "x".repeat(1000)
    );
    let refused = get(answer("400 Bad Request", "", said)).unwrap_err();
    let shown = refused.to_string();
    assert!(!shown.contains(|c: char| c.is_control()) && shown.len() < 500, "{shown}");
    assert!(shown.ends_with("(invalid_scope)") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_server_that_is_silent_cut_off_or_endless_is_left() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let left = ask(&url, Duration::from_millis(300)).unwrap_err();
    assert!(matches!(left, TokenError::Unanswered(Unanswered::Unreached(..))), "{left:?}");
    let mut cut = answer("200 OK", "", GOOD);
    cut.truncate(cut.len() - 10);
    let endless = answer("200 OK", "", vec![b' '; 300 << 10]);
    for bytes in [cut, endless] {
        let left = get(bytes).unwrap_err();
        assert!(matches!(left, TokenError::Unanswered(Unanswered::CutOff(..))), "{left:?}");
    }
}
