//! Why a token server gave no token, and what to do then.

use std::fmt;

use serde_json::Value;

use super::whole;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;
use crate::cloud::exchange::{Found, Unanswered};
use crate::cloud::skew::Skew;

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

#[cfg(test)]
mod tests {
    use super::*;

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
