//! Why a repository could not be talked to, and what to do about it.

use std::fmt;
use std::io;

use super::credential::Asked;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::size;
use crate::sys::http::HttpError;

/// Why a repository could not be talked to.
#[derive(Debug)]
pub enum LinkError {
    /// The HTTP request failed.
    Http(HttpError),
    /// The server's certificate was not accepted, with the reason, though git is told not to check it.
    Unverified(String),
    /// The server asks for a password, and what became of the question.
    Password(Asked),
    /// The server answered with this status.
    Status(u16),
    /// The server answered with something that is not git's protocol.
    NotGit,
    /// The server sent more than the limit in bytes.
    TooLarge(u64),
    /// The connection or the program failed, with what the program said.
    Broken(io::Error, String),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "{error}"),
            Self::Unverified(why) => write!(f, "the server's certificate is not accepted: {why}"),
            Self::Password(Asked::Given) => f.write_str("the server does not take the address's password"),
            Self::Password(Asked::Wrong) => {
                f.write_str("the server does not take the password of git's credential helper")
            }
            Self::Password(_) => {
                f.write_str("the server asks for a password: no such repository, or a private one")
            }
            Self::Status(403 | 404) => f.write_str("the server has no such repository for us"),
            Self::Status(300..=399) => f.write_str("the server's redirect leads where it must not"),
            Self::Status(code) => write!(f, "the server answered with status {code}"),
            Self::NotGit => f.write_str("the server does not speak git's smart protocol there"),
            Self::TooLarge(limit) => write!(f, "the server sent more than {}", size(*limit)),
            Self::Broken(error, said) if said.is_empty() => write!(f, "the connection broke: {error}"),
            Self::Broken(_, said) => f.write_str(said),
        }
    }
}

impl std::error::Error for LinkError {}

impl Diagnose for LinkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Http(error) => error.kind(),
            Self::TooLarge(_) | Self::Unverified(_) => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Http(error) => error.hints(),
            Self::Unverified(_) => vec![
                "http.sslVerify=false is not followed: name the server's authority in http.sslCAInfo".into(),
            ],
            Self::Password(asked) => password_hints(*asked),
            Self::Status(403 | 404) => {
                vec!["check the address; a private repository needs an ssh address".into()]
            }
            _ => Vec::new(),
        }
    }
}

fn password_hints(asked: Asked) -> Vec<String> {
    let first = match asked {
        Asked::Given => "correct the password in the address, or leave it to a credential helper of git",
        Asked::NoGit => "git is not installed here, so no credential helper can be asked",
        Asked::Unknown => "check the address; for a private repository, set up a credential helper of git",
        Asked::Slow => "git's credential helper did not answer; it must not ask anybody",
        Asked::Wrong => "give git's credential helper the right password (git credential approve)",
        Asked::Elsewhere => "the address was redirected; use the one it leads to",
    };
    vec![first.into(), "or use the repository's ssh address".into()]
}
