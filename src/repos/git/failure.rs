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
    /// ssh found no way to the host, in its words.
    Unreachable(String),
    /// ssh does not know the host's key: how one would call the host.
    HostUnknown(String),
    /// ssh knows another key of the host: how one would call the host.
    HostChanged(String),
    /// The host takes none of the keys that ssh has: how one would call the host, and the host's words.
    KeyRefused(String, String),
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
            Self::Unreachable(said) => f.write_str(said),
            Self::HostUnknown(_) => f.write_str("ssh does not know the key of the host"),
            Self::HostChanged(_) => f.write_str("the host has another key than the one that ssh knows"),
            Self::KeyRefused(_, said) => write!(f, "the host takes none of your ssh keys: {said}"),
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
            Self::TooLarge(_) | Self::Unverified(_) | Self::HostChanged(_) => ErrorKind::Refused,
            Self::HostUnknown(_) => ErrorKind::NeedsUser,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Http(error) => error.hints(),
            Self::Unverified(_) => vec![
                "http.sslVerify=false is not followed: name the server's authority in http.sslCAInfo".into(),
            ],
            Self::HostUnknown(call) => {
                vec![format!(
                    "type '{call}' once, compare the fingerprint with the one its owner tells, and accept"
                )]
            }
            Self::HostChanged(call) => vec![
                "ask the host's owner: either its key was renewed, or someone stands between you and it"
                    .into(),
                format!("if it was renewed, remove the old key as '{call}' says"),
            ],
            Self::KeyRefused(call, _) => vec![
                "'ssh-add -l' lists the keys of your agent; one of them must be registered with the host"
                    .into(),
                format!("'{call}' shows what the host answers"),
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

impl LinkError {
    /// What ssh's complaints mean, before anything came from the other side; `None` when they are none of the known.
    /// `call` is how one would call the host.
    pub(super) fn of_ssh(call: &str, said: &str) -> Option<Self> {
        const NO_WAY: [&str; 6] = [
            "Could not resolve hostname",
            "Connection timed out",
            "Connection refused",
            "Network is unreachable",
            "No route to host",
            "Operation timed out",
        ];
        let line = |words: &str| said.split(", ").find(|line| line.contains(words)).map(str::to_owned);
        if said.contains("HOST IDENTIFICATION HAS CHANGED") {
            Some(Self::HostChanged(call.to_owned()))
        } else if said.contains("Host key verification failed") {
            Some(Self::HostUnknown(call.to_owned()))
        } else if let Some(line) = line("Permission denied (") {
            Some(Self::KeyRefused(call.to_owned(), line))
        } else {
            NO_WAY.into_iter().find_map(line).map(Self::Unreachable)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sshs_words_are_understood() {
        let of = |said: &str| LinkError::of_ssh("ssh h", said).map(|error| error.to_string());
        let known = [
            ("ssh: Could not resolve hostname h: Name or service not known", "Could not resolve hostname h"),
            ("ssh: connect to host h port 22: Connection timed out", "port 22: Connection timed out"),
            ("No ED25519 host key is known for h, Host key verification failed.", "does not know the key"),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @, Host key verification failed.",
                "another key than",
            ),
            ("Warning: x, me@h: Permission denied (publickey).", "ssh keys: me@h: Permission denied"),
        ];
        for (said, meant) in known {
            assert!(of(said).unwrap().contains(meant), "{said}");
        }
        assert_eq!(of("fatal: '/x' does not appear to be a git repository"), None);
    }
}
