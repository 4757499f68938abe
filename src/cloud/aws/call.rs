//! One exchange with a server of AWS: bounded in time and size, with every bad answer told apart.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::endpoint::EndpointError;
use super::skew::Skew;
use super::sts::LimitError;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::redact;
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::sys::http::{self, Header, HttpError, Request};
use crate::sys::route::Route;
use crate::sys::stream::Patience;

/// The largest answer that is read, in bytes.
const LIMIT: u64 = 256 << 10;

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

/// Why a call did not bring what it was for.
#[derive(Debug)]
pub enum CallError {
    /// It was not sent: a value is outside AWS's limits.
    Limit(LimitError),
    /// It was not sent: its server cannot be named.
    Endpoint(EndpointError),
    /// No answer came; the host, and why.
    Unreached(String, HttpError),
    /// The answer did not come to its end; the host, and why.
    CutOff(String, io::Error),
    /// The server refused.
    Refused(Refusal),
    /// The server has trouble of its own; the host and the status.
    Unavailable(String, u16),
    /// What came is no answer of AWS; the host, the status, and what it is.
    NotAnAnswer(String, u16, Found),
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

/// What a server says when it refuses, fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The call, such as `AssumeRole`.
    pub action: &'static str,
    /// The code, such as `AccessDenied`.
    pub code: String,
    /// The reason in words; may be empty.
    pub message: String,
    /// How far our clock is from the server's.
    pub skew: Skew,
}

impl Refusal {
    /// Takes the server's words in: without control characters, secrets and more than a few lines' length.
    pub(super) fn new(action: &'static str, code: &str, message: &str, skew: Skew) -> Self {
        let code =
            code.chars().take(80).filter(|c| c.is_ascii_alphanumeric() || ".:-_".contains(*c)).collect();
        let line = message.trim().lines().next().unwrap_or_default();
        let line: String = line.chars().take(WORDS).collect();
        Self { action, code, message: printable(&redact::line(&line)), skew }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(error) => error.fmt(f),
            Self::Endpoint(error) => error.fmt(f),
            Self::Unreached(host, _) => write!(f, "cannot reach {host}"),
            Self::CutOff(host, _) => write!(f, "the answer of {host} did not come to its end"),
            Self::Refused(refusal) if refusal.message.is_empty() => {
                write!(f, "AWS refused {}: {}", refusal.action, refusal.code)
            }
            Self::Refused(refusal) => {
                write!(f, "AWS refused {}: {} ({})", refusal.action, refusal.message, refusal.code)
            }
            Self::Unavailable(host, status) => write!(f, "{host} has trouble of its own (status {status})"),
            Self::NotAnAnswer(host, status, found) => {
                let found = match found {
                    Found::Page => "a web page",
                    Found::Redirect => "a redirect",
                    Found::Nothing => "an empty answer",
                    Found::Garbage => "something that is no answer of AWS",
                };
                write!(f, "{host} sent {found} (status {status})")
            }
        }
    }
}

impl CallError {
    /// Whether the server was reached and said no.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreached(_, error) => Some(error),
            Self::CutOff(_, error) => Some(error),
            _ => None,
        }
    }
}

impl From<LimitError> for CallError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl From<EndpointError> for CallError {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(error)
    }
}

impl Diagnose for CallError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Limit(error) => error.kind(),
            Self::Endpoint(error) => error.kind(),
            Self::Unreached(_, error) => error.kind(),
            Self::Refused(refusal) if refusal.is_wrong_code() => ErrorKind::NeedsUser,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Limit(error) => error.hints(),
            Self::Endpoint(error) => error.hints(),
            Self::Unreached(_, error) if !error.hints().is_empty() => error.hints(),
            Self::Unreached(..) => one("check the network, and HTTPS_PROXY where one is needed"),
            Self::CutOff(..) | Self::Unavailable(..) => one("try again in a minute"),
            Self::Refused(refusal) => refusal.hint().into_iter().collect(),
            Self::NotAnAnswer(_, _, Found::Page | Found::Redirect) => {
                one("a proxy or a login page may stand between; check HTTPS_PROXY and AWS_ENDPOINT_URL")
            }
            Self::NotAnAnswer(..) => one("check that AWS_ENDPOINT_URL, where it is set, names such a server"),
        }
    }
}

impl Refusal {
    /// Whether what is wrong is the code that a person typed.
    pub fn is_wrong_code(&self) -> bool {
        self.code == "AccessDenied" && self.message.contains("MultiFactorAuthentication failed")
    }

    fn hint(&self) -> Option<String> {
        if self.skew.explains(&self.code) {
            let (minutes, side) = (self.skew.0.abs() / 60, if self.skew.0 > 0 { "behind" } else { "ahead" });
            return Some(format!("this machine's clock is {minutes} minutes {side}; set it right"));
        }
        let text = match self.code.as_str() {
            _ if self.is_wrong_code() => "wait for the device's next code; each code is good for one use",
            "AccessDenied" if self.action.starts_with("AssumeRole") => {
                "the role's trust policy must name the caller, and its MFA or external id where it asks for one"
            }
            "AccessDenied" => "the credentials are good but may not do this",
            "ExpiredToken" | "ExpiredTokenException" => "the source credentials are over; get new ones",
            "InvalidClientTokenId" | "UnrecognizedClientException" => {
                "the access key is unknown or switched off; check it in the profile"
            }
            "SignatureDoesNotMatch" | "InvalidSignatureException" => {
                "the secret access key does not belong to the key id; check it in the profile"
            }
            "RegionDisabledException" => {
                "switch the region on in the account, or name another in the profile"
            }
            "ValidationError" => "check role_arn, duration_seconds and the other values of the profile",
            "Throttling" | "ThrottlingException" | "TooManyRequestsException" => "try again in a minute",
            "UnauthorizedException" | "InvalidGrantException" => "the sign-in is over; sign in again",
            _ => return None,
        };
        Some(text.to_owned())
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
    host: String,
    is_page: bool,
}

impl Answer {
    /// The error of an answer that could not be read.
    pub fn unreadable(&self) -> CallError {
        let host = self.host.clone();
        let found = match self.status {
            500.. | 429 => return CallError::Unavailable(host, self.status),
            300..400 => Found::Redirect,
            _ if self.body.expose().is_empty() => Found::Nothing,
            _ if self.is_page => Found::Page,
            _ => Found::Garbage,
        };
        CallError::NotAnAnswer(host, self.status, found)
    }
}

/// What is sent.
pub(super) struct Outgoing {
    /// The host, as it is named to a person.
    pub host: String,
    /// The whole address.
    pub url: String,
    /// Type and bytes of a POST; `None` is a GET.
    pub post: Option<(&'static str, Vec<u8>)>,
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
) -> Result<Answer, CallError> {
    let Outgoing { host, url, post, accept, headers } = outgoing;
    let agent =
        Header { name: "user-agent".into(), value: concat!("devboot/", env!("CARGO_PKG_VERSION")).into() };
    let named = headers.into_iter().map(|(name, value)| Header { name: name.to_owned(), value });
    let request = Request {
        url,
        accept,
        post,
        login: None,
        headers: std::iter::once(agent).chain(named).collect(),
        route: Route::default(),
    };
    let patience = Patience { stall: waiting.stall, deadline: Some(Instant::now() + waiting.total) };
    let sent = clock();
    let response =
        http::send(request, patience).map_err(|error| CallError::Unreached(host.clone(), error))?;
    let skew = Skew::measured(response.date.as_deref().and_then(Timestamp::parse_http), sent, clock());
    let (status, is_html) = (response.status, response.content_type.contains("html"));
    let body = response.bytes(LIMIT).map_err(|error| CallError::CutOff(host.clone(), error))?;
    let start = body.trim_ascii_start();
    let starts = |with: &[u8]| start.get(..with.len()).is_some_and(|s| s.eq_ignore_ascii_case(with));
    let is_page = is_html || starts(b"<!doctype html") || starts(b"<html");
    Ok(Answer { status, body: Secret::new(body), skew, host, is_page })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_made_harmless() {
        let message = "no \u{1b}[2J\u{7}x-amz-security-token:FwoGZX\nand the canonical request";
        let refusal = Refusal::new("AssumeRole", "Access\u{1b}Denied", message, Skew(0));
        let said = CallError::Refused(refusal).to_string();
        assert!(!said.contains(['\u{1b}', '\u{7}', '\n']) && !said.contains("FwoGZX"), "{said}");
        assert!(said.contains("(AccessDenied)"), "{said}");
    }

    #[test]
    fn hints_tell_what_to_do() {
        let hint = |code: &str, message: &str, skew| {
            let error = CallError::Refused(Refusal::new("AssumeRole", code, message, Skew(skew)));
            (error.kind(), error.hints().join(" "))
        };
        let wrong =
            hint("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.", 0);
        assert_eq!(wrong.0, ErrorKind::NeedsUser);
        assert!(
            hint("AccessDenied", "not authorized to perform: sts:AssumeRole", 0).1.contains("trust policy")
        );
        assert!(hint("SignatureDoesNotMatch", "Signature expired", 1200).1.contains("20 minutes behind"));
        assert!(hint("SignatureDoesNotMatch", "", 0).1.contains("secret access key"));
    }
}
