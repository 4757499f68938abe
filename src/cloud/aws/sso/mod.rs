//! IAM Identity Center: signing in by device code or in a browser, the token that is shared with AWS's own tools, and
//! the accounts and roles that it opens.
//!
//! [`oidc`] and [`portal`] make requests and read replies; [`device`] and [`pkce`] are the two ways to sign in, as pure
//! steps; [`cache`] is the token's file; [`client`] sends; [`callback`] waits for the browser.

pub mod cache;
pub mod callback;
pub mod client;
pub mod device;
pub mod oidc;
pub mod pkce;
pub mod portal;

use std::fmt;

use super::call::CallError;
use crate::base::error::{Diagnose, ErrorKind};

/// Why nobody is signed in.
#[derive(Debug)]
pub enum SignInError {
    /// A call failed.
    Call(CallError),
    /// The code was not confirmed in time.
    CodeExpired,
    /// The person, or a rule, said no.
    Denied,
    /// The browser came back with an error: its code.
    Browser(String),
    /// What the server wants shown is no web address.
    OddAddress,
    /// The callback cannot be waited for, with the reason.
    Callback(std::io::Error),
}

impl fmt::Display for SignInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::CodeExpired => f.write_str("the sign-in was not confirmed in time"),
            Self::Denied => f.write_str("the sign-in was denied"),
            Self::Browser(code) => write!(f, "the sign-in page sent the browser back with '{code}'"),
            Self::OddAddress => f.write_str("the server's sign-in address is no web address"),
            Self::Callback(_) => f.write_str("the browser did not come back from the sign-in"),
        }
    }
}

impl std::error::Error for SignInError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Callback(error) => Some(error),
            _ => None,
        }
    }
}

impl From<CallError> for SignInError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl Diagnose for SignInError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Call(error) => error.kind(),
            Self::CodeExpired | Self::Denied | Self::Callback(_) => ErrorKind::NeedsUser,
            Self::Browser(_) => ErrorKind::Failed,
            Self::OddAddress => ErrorKind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Call(error) => error.hints(),
            Self::OddAddress => vec!["check sso_region and AWS_ENDPOINT_URL_SSO_OIDC".into()],
            Self::Callback(_) => {
                vec!["where the browser is on another machine, sign in by device code".into()]
            }
            _ => vec!["sign in again".into()],
        }
    }
}
