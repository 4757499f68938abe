//! One exchange with a cloud's server: bounded in time and size, with every bad answer told apart.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::skew::Skew;
use crate::base::redact;
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::sys::http::{self, Header, HttpError, Method, Request, Response};
use crate::sys::route::Route;
use crate::sys::stream::Patience;

/// The largest answer that is read, in bytes.
const LIMIT: u64 = 256 << 10;

/// How long a server with trouble is left alone before it is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(800)];

/// How much of a server's words is shown, in characters.
const WORDS: usize = 300;

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    /// The longest silence.
    pub stall: Duration,
    /// The whole exchange.
    pub total: Duration,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { stall: Duration::from_secs(10), total: Duration::from_secs(20) }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Unanswered {
    /// None came; the host, and why.
    Unreached(String, HttpError),
    /// It did not come to its end; the host, and why.
    CutOff(String, io::Error),
}

/// What came in place of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A web page, as a proxy or a login portal sends.
    Page,
    /// A redirect.
    Redirect,
    /// Nothing.
    Nothing,
    /// Something else.
    Garbage,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Page => "a web page",
            Self::Redirect => "a redirect",
            Self::Nothing => "an empty answer",
            Self::Garbage => "something that is no answer to this call",
        })
    }
}

/// An answer as it came.
pub(super) struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Secret<Vec<u8>>,
    /// How far our clock is from the server's, where that could be measured.
    pub skew: Option<Skew>,
    /// The host, as it is named to a person.
    pub host: String,
    is_page: bool,
}

impl Answer {
    /// What it is, when it could not be read; `None` when the server has trouble of its own.
    pub fn found(&self) -> Option<Found> {
        match self.status {
            500.. | 429 => None,
            300..400 => Some(Found::Redirect),
            _ if self.body.expose().is_empty() => Some(Found::Nothing),
            _ if self.is_page => Some(Found::Page),
            _ => Some(Found::Garbage),
        }
    }
}

/// What is sent.
pub(super) struct Outgoing {
    /// The host, as it is named to a person.
    pub host: String,
    /// The whole address.
    pub url: String,
    /// What is asked.
    pub method: Method,
    /// What the answer should be.
    pub accept: &'static str,
    /// Headers; their values are never shown.
    pub headers: Vec<(&'static str, String)>,
}

/// Sends and waits for the whole answer, whatever its status.
pub(super) fn exchange(
    outgoing: Outgoing,
    waiting: Waiting,
    clock: fn() -> Timestamp,
) -> Result<Answer, Unanswered> {
    let Outgoing { host, url, method, accept, headers } = outgoing;
    let agent =
        Header { name: "user-agent".into(), value: concat!("devboot/", env!("CARGO_PKG_VERSION")).into() };
    let named = headers.into_iter().map(|(name, value)| Header { name: name.to_owned(), value });
    // No proxy stands before what only this machine reaches.
    let route = Route { proxy: is_near(&host).then(String::new), ..Route::default() };
    let headers = std::iter::once(agent).chain(named).collect();
    let request = Request { url, accept, method, login: None, headers, route };
    let patience = Patience { stall: waiting.stall, deadline: Some(Instant::now() + waiting.total) };
    let (sent, response) = sent(&request, patience, waiting, clock)
        .map_err(|error| Unanswered::Unreached(host.clone(), error))?;
    let skew = Skew::measured(response.date.as_deref().and_then(Timestamp::parse_http), sent, clock());
    let (status, is_html) = (response.status, response.content_type.contains("html"));
    let body = response.bytes(LIMIT).map_err(|error| Unanswered::CutOff(host.clone(), error))?;
    let start = body.trim_ascii_start();
    let starts = |with: &[u8]| start.get(..with.len()).is_some_and(|s| s.eq_ignore_ascii_case(with));
    let is_page = is_html || starts(b"<!doctype html") || starts(b"<html");
    Ok(Answer { status, body: Secret::new(body), skew, host, is_page })
}

/// Sends it, and again when the server says that it has trouble or too much to do: that passes. What was not reached is
/// not tried again, for that costs whoever is offline. When it was sent last, and what came.
fn sent(
    request: &Request,
    patience: Patience,
    waiting: Waiting,
    clock: fn() -> Timestamp,
) -> Result<(Timestamp, Response), HttpError> {
    let begun = Instant::now();
    for pause in PAUSES {
        let at = clock();
        let response = http::send(request.clone(), patience)?;
        let is_passing = matches!(response.status, 429 | 500 | 502..=504);
        if !is_passing || begun.elapsed() + pause > waiting.total / 2 {
            return Ok((at, response));
        }
        thread::sleep(pause);
    }
    let at = clock();
    Ok((at, http::send(request.clone(), patience)?))
}

/// A server's word for an error, without what is no part of a name.
pub(super) fn code_of(code: &str) -> String {
    code.chars().take(80).filter(|c| c.is_ascii_alphanumeric() || ".:-_".contains(*c)).collect()
}

/// A server's sentence: one line, without control characters and secrets, of a bounded length.
pub(super) fn words_of(message: &str) -> String {
    let line = message.trim().lines().next().unwrap_or_default();
    let line: String = line.chars().take(WORDS).collect();
    printable(&redact::line(&line))
}

/// Whether a host is this machine or one that only it reaches, by its address or by Google's name for it.
pub(super) fn is_near(host: &str) -> bool {
    let name = name_of(host);
    let link_local = match name.parse() {
        Ok(IpAddr::V4(address)) => address.is_link_local(),
        // AWS's own addresses inside an instance.
        Ok(IpAddr::V6(address)) => address.segments()[..2] == [0xfd00, 0x0ec2],
        Err(_) => false,
    };
    is_loopback(host) || link_local || name.eq_ignore_ascii_case("metadata.google.internal")
}

/// Whether a host, with or without a port, is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_hosts_are_known_by_their_whole_name() {
        for near in
            ["127.0.0.1:80", "localhost", "[::1]:443", "127.9.9.9", "169.254.169.254", "[fd00:ec2::254]"]
        {
            assert!(is_near(near), "{near}");
        }
        for far in
            ["127.0.0.1.example", "localhost.example:80", "metadata.google.internal.example", "10.0.0.1"]
        {
            assert!(!is_near(far), "{far}");
        }
        assert!(!is_loopback("169.254.169.254"));
    }

    #[test]
    fn words_are_one_bounded_line() {
        assert_eq!(words_of(" a\u{1b}[2J\nb"), "a\\u{1b}[2J");
        assert_eq!(words_of(&"x".repeat(1000)).len(), WORDS);
        assert_eq!(code_of("invalid_grant\u{7} <b>"), "invalid_grantb");
    }
}
