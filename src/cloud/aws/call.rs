//! What a call to AWS can come to: an answer, or one of the ways in which there is none.

use std::fmt;
use std::io;

use super::endpoint::EndpointError;
use super::sts::LimitError;
use crate::base::error::{Diagnose, ErrorKind};
pub(super) use crate::cloud::exchange::{Answer, Outgoing, exchange};
pub use crate::cloud::exchange::{Found, Waiting};
use crate::cloud::exchange::{Unanswered, code_of, words_of};
use crate::cloud::skew::Skew;
use crate::sys::http::HttpError;

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
        Self { action, code: code_of(code), message: words_of(message), skew }
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
            Self::NotAnAnswer(host, status, found) => write!(f, "{host} sent {found} (status {status})"),
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

impl From<Unanswered> for CallError {
    fn from(error: Unanswered) -> Self {
        match error {
            Unanswered::Unreached(host, error) => Self::Unreached(host, error),
            Unanswered::CutOff(host, error) => Self::CutOff(host, error),
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
            Self::NotAnAnswer(_, _, Found::Page | Found::Redirect) => one(
                "a proxy or a login page may stand between; check HTTPS_PROXY and the profile's endpoint_url",
            ),
            Self::NotAnAnswer(..) => {
                one("check that the profile's endpoint_url, where it has one, names such a server")
            }
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

/// The error of an answer that could not be read.
pub(super) fn unreadable(answer: &Answer) -> CallError {
    let host = answer.host.clone();
    match answer.found() {
        None => CallError::Unavailable(host, answer.status),
        Some(found) => CallError::NotAnAnswer(host, answer.status, found),
    }
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
