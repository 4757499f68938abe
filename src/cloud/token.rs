//! Access tokens of clouds other than AWS: how long they are good, and what token servers answer. Pure, but for
//! [`ask`], which sends.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::exchange::{Answer, Found, Outgoing, Unanswered, Waiting, code_of, exchange, words_of};
use super::skew::Skew;
use super::standing::{Standing, refresh_at, standing};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;

/// The longest life that is believed of a token, in seconds: a day and an hour, as Azure gives to managed identities.
pub(super) const LONGEST: i64 = 25 * 3600;

/// An access token, from the moment it was got to its end.
#[derive(Clone, Debug)]
pub struct TokenLease {
    /// The token.
    pub token: Secret<String>,
    /// What it is for: the scopes of a token of GCP, parted by blanks; the resource of one of Azure.
    pub audience: String,
    /// When it was got.
    pub obtained: Timestamp,
    /// When it ends, by this machine's clock.
    pub expiration: Timestamp,
}

impl TokenLease {
    /// When a new one is to be got.
    pub fn refresh_at(&self) -> Timestamp {
        refresh_at(self.obtained, self.expiration)
    }

    /// How it stands now.
    pub fn standing(&self, now: Timestamp) -> Standing {
        standing(self.obtained, self.expiration, now)
    }

    /// The seconds left.
    pub fn left(&self, now: Timestamp) -> i64 {
        (self.expiration.0 - now.0).max(0)
    }
}

/// Why a token server gave no token.
#[derive(Debug)]
pub enum TokenError {
    /// It was not asked: its address cannot be used; who names it, and the address.
    Address(&'static str, String),
    /// No answer came.
    Unanswered(Unanswered),
    /// The server refused.
    Refused(Refusal),
    /// The server has trouble of its own; the host and the status.
    Unavailable(String, u16),
    /// What came is no answer of a token server; the host, the status, and what it is.
    NotAnAnswer(String, u16, Found),
}

/// What a token server says when it refuses, fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The host.
    pub host: String,
    /// The status.
    pub status: u16,
    /// The code, such as `invalid_grant`.
    pub code: String,
    /// The reason in words; may be empty.
    pub message: String,
    /// How far our clock is from the server's.
    pub skew: Skew,
}

impl Refusal {
    /// Whether the clock may be the reason.
    pub fn may_be_clock(&self) -> bool {
        self.skew.is_noticed() && matches!(self.code.as_str(), "invalid_grant" | "invalid_client")
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(who, address) => {
                write!(f, "the address '{}' of {who} cannot be used", printable(address))
            }
            Self::Unanswered(Unanswered::Unreached(host, _)) => write!(f, "cannot reach {host}"),
            Self::Unanswered(Unanswered::CutOff(host, _)) => {
                write!(f, "the answer of {host} did not come to its end")
            }
            Self::Refused(refusal) if refusal.message.is_empty() => {
                write!(f, "{} refused: {}", refusal.host, refusal.code)
            }
            Self::Refused(refusal) => {
                write!(f, "{} refused: {} ({})", refusal.host, refusal.message, refusal.code)
            }
            Self::Unavailable(host, status) => write!(f, "{host} has trouble of its own (status {status})"),
            Self::NotAnAnswer(host, status, found) => write!(f, "{host} sent {found} (status {status})"),
        }
    }
}

impl std::error::Error for TokenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unanswered(Unanswered::Unreached(_, error)) => Some(error),
            Self::Unanswered(Unanswered::CutOff(_, error)) => Some(error),
            _ => None,
        }
    }
}

impl From<Unanswered> for TokenError {
    fn from(error: Unanswered) -> Self {
        Self::Unanswered(error)
    }
}

impl Diagnose for TokenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Address(..) => ErrorKind::Refused,
            Self::Unanswered(Unanswered::Unreached(_, error)) => error.kind(),
            Self::Refused(refusal)
                if refusal.hint().is_some_and(|(kind, _)| kind == ErrorKind::NeedsUser) =>
            {
                ErrorKind::NeedsUser
            }
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Address(..) => one(
                "an address is https://, a host, and at most a port and a path; http:// only on this machine",
            ),
            Self::Unanswered(Unanswered::Unreached(_, error)) if !error.hints().is_empty() => error.hints(),
            Self::Unanswered(Unanswered::Unreached(..)) => {
                one("check the network, and HTTPS_PROXY where one is needed")
            }
            Self::Unanswered(Unanswered::CutOff(..)) | Self::Unavailable(..) => one("try again in a minute"),
            Self::Refused(refusal) => refusal.hint().map(|(_, hint)| hint).into_iter().collect(),
            Self::NotAnAnswer(_, _, Found::Page | Found::Redirect) => {
                one("a proxy or a login page may stand between; check HTTPS_PROXY")
            }
            Self::NotAnAnswer(..) => Vec::new(),
        }
    }
}

impl Refusal {
    fn hint(&self) -> Option<(ErrorKind, String)> {
        if self.may_be_clock() {
            let (minutes, side) = (self.skew.0.abs() / 60, if self.skew.0 > 0 { "behind" } else { "ahead" });
            return Some((
                ErrorKind::Failed,
                format!("this machine's clock is {minutes} minutes {side}; set it right"),
            ));
        }
        let says = |text: &str| self.message.contains(text);
        let (kind, text) = match self.code.as_str() {
            "invalid_grant" | "interaction_required" | "invalid_rapt" => (
                ErrorKind::NeedsUser,
                "the sign-in or the key is over or was taken back; sign in again, or make a new key",
            ),
            "invalid_client" | "unauthorized_client" if says("AADSTS7000222") => {
                (ErrorKind::NeedsUser, "the client secret is over; make a new one and add it")
            }
            "invalid_client" => {
                (ErrorKind::NeedsUser, "the client's id or secret is wrong; check it in the profile")
            }
            "unauthorized_client" => {
                (ErrorKind::Failed, "the client is not known there; check its id and the tenant")
            }
            "invalid_scope" | "invalid_resource" | "invalid_target" => {
                (ErrorKind::Failed, "check the scope or resource that was asked for")
            }
            "PERMISSION_DENIED" => (
                ErrorKind::Failed,
                "the caller needs the role 'Service Account Token Creator' on the account it acts as",
            ),
            "UNAUTHENTICATED" => (ErrorKind::Failed, "the source credentials are not accepted; get new ones"),
            "NOT_FOUND" => (ErrorKind::Failed, "check the name of the service account"),
            _ => return None,
        };
        Some((kind, text.to_owned()))
    }
}

/// A token as a server gave it.
#[derive(Debug)]
pub(super) struct Given {
    pub token: Secret<String>,
    /// The seconds it is good for.
    pub life: i64,
}

/// Reads the answer of an OAuth 2.0 token endpoint. Google and Azure's managed identities give the seconds as a
/// number or as text.
pub(super) fn read_token(body: &[u8]) -> Option<Given> {
    #[derive(Deserialize)]
    struct Reply {
        access_token: String,
        expires_in: Value,
        token_type: Option<String>,
    }
    let reply: Reply = serde_json::from_slice(body).ok()?;
    let token = Secret::new(reply.access_token);
    let bearer = reply.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    let life = whole(&reply.expires_in)?;
    (bearer && is_token(token.expose()) && (1..=LONGEST).contains(&life)).then_some(Given { token, life })
}

/// Whether a text can stand in a header as a bearer token (RFC 6750).
pub(super) fn is_token(text: &str) -> bool {
    (1..=16 << 10).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

/// A number of seconds, given as a number or as text.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Reads a refusal: code and words. OAuth servers say `error` and `error_description`; Google's services an object
/// with `status` and `message`; App Service `statusCode` and `message`.
pub(super) fn read_refusal(body: &[u8]) -> Option<(String, String)> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    match value.get("error") {
        Some(Value::String(code)) => {
            let words = text(&value, "error_description").or_else(|| text(&value, "message"));
            // Google tells apart by a subtype what its code does not.
            let code = text(&value, "error_subtype").unwrap_or_else(|| code.clone());
            Some((code, words.unwrap_or_default()))
        }
        Some(error @ Value::Object(_)) => {
            let code = text(error, "status").or_else(|| text(error, "code"))?;
            Some((code, text(error, "message").unwrap_or_default()))
        }
        _ => {
            let code = value.get("statusCode").and_then(whole)?;
            Some((code.to_string(), text(&value, "message").unwrap_or_default()))
        }
    }
}

/// Sends, and reads the answer with `read`.
///
/// # Errors
/// No answer, a refusal, or something that `read` does not know.
pub(super) fn ask<T>(
    outgoing: Outgoing,
    waiting: Waiting,
    clock: fn() -> Timestamp,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, TokenError> {
    let answer = exchange(outgoing, waiting, clock)?;
    judge(&answer, read)
}

/// As [`ask`], for an answer that names a point in time: `read` is given the moment by the server's clock.
pub(super) fn ask_dated<T>(
    outgoing: Outgoing,
    waiting: Waiting,
    clock: fn() -> Timestamp,
    read: impl FnOnce(&[u8], Timestamp) -> Option<T>,
) -> Result<T, TokenError> {
    let answer = exchange(outgoing, waiting, clock)?;
    let theirs = answer.skew.unwrap_or_default().theirs(clock());
    judge(&answer, |body| read(body, theirs))
}

fn judge<T>(answer: &Answer, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, TokenError> {
    let body = answer.body.expose();
    let host = || answer.host.clone();
    let refusal = || {
        let (code, message) = read_refusal(body).filter(|_| (400..500).contains(&answer.status))?;
        let skew = answer.skew.unwrap_or_default();
        Some(Refusal {
            host: host(),
            status: answer.status,
            code: code_of(&code),
            message: words_of(&message),
            skew,
        })
    };
    if answer.status == 200
        && let Some(found) = read(body)
    {
        return Ok(found);
    }
    Err(match (answer.found(), refusal()) {
        (None, _) => TokenError::Unavailable(host(), answer.status),
        (_, Some(refusal)) => TokenError::Refused(refusal),
        (Some(found), None) => TokenError::NotAnAnswer(host(), answer.status, found),
    })
}

#[cfg(test)]
pub(in crate::cloud) mod tests {
    use super::*;

    /// A lease of so many seconds, got at second 0.
    pub fn lease(life: i64) -> TokenLease {
        TokenLease {
            token: Secret::new("ya29.secret".into()),
            audience: "https://www.googleapis.com/auth/cloud-platform".into(),
            obtained: Timestamp(0),
            expiration: Timestamp(life),
        }
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        let hour = lease(3600);
        let at = |second| hour.standing(Timestamp(second));
        assert_eq!([at(0), at(2400), at(2700)], [Standing::Fresh, Standing::Due, Standing::Short]);
        assert_eq!((at(3600), hour.left(Timestamp(4000))), (Standing::Expired, 0));
        assert!(!format!("{hour:?}").contains("ya29"));
    }

    #[test]
    fn tokens_are_read_and_oddities_are_not() {
        let read = |text: &str| read_token(text.as_bytes()).map(|given| given.life);
        assert_eq!(read(r#"{"access_token":"a","expires_in":3599,"token_type":"Bearer"}"#), Some(3599));
        assert_eq!(read(r#"{"access_token":"a","expires_in":"86399"}"#), Some(86_399));
        for odd in [
            r#"{"access_token":"","expires_in":1}"#,
            r#"{"access_token":"a b","expires_in":1}"#,
            r#"{"access_token":"a\nb","expires_in":1}"#,
            r#"{"access_token":7,"expires_in":1}"#,
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","expires_in":0}"#,
            r#"{"access_token":"a","expires_in":-5}"#,
            r#"{"access_token":"a","expires_in":1e99}"#,
            r#"{"access_token":"a","expires_in":true}"#,
            r#"{"access_token":"a","expires_in":1,"token_type":"mac"}"#,
            "[]",
            "",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn every_way_of_refusing_is_read() {
        let read = |text: &str| read_refusal(text.as_bytes());
        let both = |code: &str, words: &str| Some((code.to_owned(), words.to_owned()));
        assert_eq!(
            read(r#"{"error":"invalid_grant","error_description":"no"}"#),
            both("invalid_grant", "no")
        );
        assert_eq!(
            read(r#"{"error":"invalid_grant","error_subtype":"invalid_rapt"}"#),
            both("invalid_rapt", "")
        );
        assert_eq!(
            read(r#"{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}"#),
            both("PERMISSION_DENIED", "no")
        );
        assert_eq!(read(r#"{"statusCode":400,"message":"no"}"#), both("400", "no"));
        assert_eq!((read("{}"), read("<html>"), read(r#"{"error":7}"#)), (None, None, None));
    }
}
