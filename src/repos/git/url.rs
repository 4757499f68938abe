//! The addresses of repositories, read once and strictly: what is not one of the known forms is refused.

use std::fmt;
use std::path::PathBuf;

use crate::sys::http::Login;

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitUrl {
    /// `http://` or `https://`.
    Http {
        /// With encryption.
        https: bool,
        /// Name or address, without brackets.
        host: String,
        /// The port, the scheme's own when none is written.
        port: u16,
        /// The address without user and password.
        bare: String,
        /// User and password, when the address has them.
        login: Option<Login>,
    },
    /// `git://`.
    Git {
        /// Name or address, without brackets.
        host: String,
        /// The port, 9418 when none is written.
        port: u16,
        /// The path, with its leading slash.
        path: String,
    },
    /// `ssh://` or `user@host:path`.
    Ssh {
        /// `host` or `user@host`.
        target: String,
        /// The port, when one is written.
        port: Option<u16>,
        /// The path as the other side will see it.
        path: String,
    },
    /// `file://` or an absolute path.
    Local(PathBuf),
}

/// Why a text is not the address of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadUrl {
    /// It has blanks, control characters or a backslash.
    Characters,
    /// It is none of the known forms.
    Form,
    /// Its host is empty, starts with `-`, or has characters that no host has.
    Host,
    /// Its port is not a number between 1 and 65535.
    Port,
    /// Its path is empty or starts with `-`.
    Path,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Characters => "the address has blanks, control characters or backslashes",
            Self::Form => {
                "the address is not https://, ssh://, git://, file://, user@host:path or an absolute path"
            }
            Self::Host => "the host of the address is not one",
            Self::Port => "the port of the address is not a number from 1 to 65535",
            Self::Path => "the path of the address is empty or starts with '-'",
        })
    }
}

impl std::error::Error for BadUrl {}

impl GitUrl {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(BadUrl::Characters);
        }
        match text.split_once("://") {
            Some(("https", rest)) => http(true, rest),
            Some(("http", rest)) => http(false, rest),
            Some(("git", rest)) => {
                let (authority, path) = split_path(rest)?;
                let (host, port) = host_and_port(authority)?;
                Ok(Self::Git { host, port: port.unwrap_or(9418), path })
            }
            Some(("ssh", rest)) => {
                let (authority, path) = split_path(rest)?;
                let (user, place) = split_user(authority);
                let (host, port) = host_and_port(place)?;
                ssh(user, &host, port, path.strip_prefix('/').filter(|p| p.starts_with('~')).unwrap_or(&path))
            }
            Some(("file", rest)) if rest.starts_with('/') => Ok(Self::Local(PathBuf::from(rest))),
            Some(_) => Err(BadUrl::Form),
            None if text.starts_with('/') => Ok(Self::Local(PathBuf::from(text))),
            None => match text.split_once(':') {
                Some((place, path)) if !place.contains('/') => {
                    let (user, host) = split_user(place);
                    let (host, _) = host_and_port(host)?;
                    ssh(user, &host, None, path)
                }
                _ => Err(BadUrl::Form),
            },
        }
    }

    /// Whether two addresses lead to the same repository: the ending `.git`, the user and the password aside.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let plain = |url: &Self| {
            let shown = url.shown();
            shown.trim_end_matches('/').trim_end_matches(".git").to_owned()
        };
        plain(self) == plain(other)
    }

    /// The address without a password, as it is shown and kept in a clone's configuration.
    pub fn shown(&self) -> String {
        match self {
            Self::Http { bare, .. } => bare.clone(),
            Self::Git { host, port, path } if *port == 9418 => format!("git://{}{path}", bracketed(host)),
            Self::Git { host, port, path } => format!("git://{}:{port}{path}", bracketed(host)),
            Self::Ssh { target, port: None, path } => format!("{target}:{path}"),
            Self::Ssh { target, port: Some(port), path } if path.starts_with('/') => {
                format!("ssh://{target}:{port}{path}")
            }
            Self::Ssh { target, port: Some(port), path } => format!("ssh://{target}:{port}/{path}"),
            Self::Local(path) => format!("file://{}", path.display()),
        }
    }
}

fn http(https: bool, rest: &str) -> Result<GitUrl, BadUrl> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if path.contains(['?', '#']) || path.trim_matches('/').is_empty() {
        return Err(BadUrl::Path);
    }
    let (user, place) = split_user(authority);
    let (host, port) = host_and_port(place)?;
    let login = user.map(|user| {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        Login { user: decoded(user), password: decoded(password) }
    });
    let scheme = if https { "https" } else { "http" };
    let bare = format!("{scheme}://{place}{}", path.trim_end_matches('/'));
    Ok(GitUrl::Http { https, host, port: port.unwrap_or(if https { 443 } else { 80 }), bare, login })
}

fn ssh(user: Option<&str>, host: &str, port: Option<u16>, path: &str) -> Result<GitUrl, BadUrl> {
    if path.is_empty() || path.starts_with(['-', ':']) {
        return Err(BadUrl::Path);
    }
    // A password in an ssh address has no use; ssh asks its agent and its keys.
    let user = user.map(|user| user.split(':').next().unwrap_or(user));
    let target = match user {
        Some(user) if !is_word(user) => return Err(BadUrl::Host),
        Some(user) => format!("{user}@{host}"),
        None => host.to_owned(),
    };
    Ok(GitUrl::Ssh { target, port, path: path.to_owned() })
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn split_user(authority: &str) -> (Option<&str>, &str) {
    match authority.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, authority),
    }
}

fn split_path(rest: &str) -> Result<(&str, String), BadUrl> {
    let at = rest.find('/').ok_or(BadUrl::Path)?;
    let (authority, path) = rest.split_at(at);
    if path == "/" { Err(BadUrl::Path) } else { Ok((authority, path.to_owned())) }
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), BadUrl> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(BadUrl::Host)?;
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(BadUrl::Host);
            }
            (host, after.strip_prefix(':'))
        }
        None => {
            let (host, port) = match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            };
            if !is_word(host) {
                return Err(BadUrl::Host);
            }
            (host, port)
        }
    };
    let port = match port {
        None | Some("") => None,
        Some(text) => Some(text.parse().ok().filter(|port| *port > 0).ok_or(BadUrl::Port)?),
    };
    Ok((host.to_owned(), port))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Percent-encoding undone; a broken sequence stays as it is.
fn decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match hex.filter(|_| byte == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(value) => {
                out.push(value);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_forms_are_read() {
        let url = GitUrl::parse("https://me:p%40w@example.org:8443/a/b.git/").unwrap();
        assert_eq!(url.shown(), "https://example.org:8443/a/b.git");
        let GitUrl::Http { login: Some(login), port: 8443, .. } = url else { panic!("{url:?}") };
        assert_eq!(login.password, "p@w");
        assert_eq!(
            GitUrl::parse("git@example.org:me/x.git").unwrap(),
            GitUrl::Ssh { target: "git@example.org".into(), port: None, path: "me/x.git".into() }
        );
        assert_eq!(
            GitUrl::parse("ssh://h:22/~me/x").unwrap(),
            GitUrl::Ssh { target: "h".into(), port: Some(22), path: "~me/x".into() }
        );
        assert_eq!(GitUrl::parse("git://[::1]/x").unwrap().shown(), "git://[::1]/x");
        assert_eq!(GitUrl::parse("/srv/x").unwrap(), GitUrl::parse("file:///srv/x").unwrap());
    }

    #[test]
    fn what_could_become_an_option_or_a_program_is_refused() {
        assert_eq!(GitUrl::parse("ssh://-oProxyCommand=x/y"), Err(BadUrl::Host));
        assert_eq!(GitUrl::parse("-oProxyCommand=x:y"), Err(BadUrl::Host));
        assert_eq!(GitUrl::parse("-x@host:y"), Err(BadUrl::Host));
        assert_eq!(GitUrl::parse("host:-x"), Err(BadUrl::Path));
        assert_eq!(GitUrl::parse("ext::sh -c x"), Err(BadUrl::Characters));
        assert_eq!(GitUrl::parse("ext::x"), Err(BadUrl::Path));
        assert_eq!(GitUrl::parse("git://h\0/x"), Err(BadUrl::Characters));
        assert_eq!(GitUrl::parse("../x"), Err(BadUrl::Form));
        assert_eq!(GitUrl::parse("ftp://h/x"), Err(BadUrl::Form));
        assert_eq!(GitUrl::parse("https://h:99999/x"), Err(BadUrl::Port));
    }
}
