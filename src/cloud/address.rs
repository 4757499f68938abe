//! Addresses of token servers: where a secret may be sent. Pure.

use super::exchange::{is_loopback, is_near};

/// An address, taken apart: `http(s)://host[:port][/path]` and nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port as the `Host` header has them.
    pub host: String,
    /// What stands before the path of a request; empty or with a slash at its start and none at its end.
    pub base: String,
}

impl Address {
    /// Reads an address. `None` when it is none: with a user, a query, or signs that no host or path has.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest, port) = match url.split_once("://")? {
            ("https", rest) => ("https", rest, ":443"),
            ("http", rest) => ("http", rest, ":80"),
            _ => return None,
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host_letters = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let path_letters = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
        if host.is_empty() || !host.chars().all(host_letters) || !path.chars().all(path_letters) {
            return None;
        }
        let base = path.trim_end_matches('/');
        if base.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        let host = host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
        Some(Self { scheme, host, base: base.to_owned() })
    }

    /// An address that a secret may be sent to: with TLS, or this machine.
    pub fn guarded(url: &str) -> Option<Self> {
        Self::parse(url).filter(|address| address.scheme == "https" || is_loopback(&address.host))
    }

    /// The address of a host's own service: as [`Address::guarded`], or one that only this machine reaches.
    pub fn of_host(url: &str) -> Option<Self> {
        Self::parse(url).filter(|address| address.scheme == "https" || is_near(&address.host))
    }

    /// The whole address of a path below it.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{}{path}", self.scheme, self.host, self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_tls_or_stay_here() {
        for good in [
            "https://oauth2.googleapis.com/token",
            "http://127.0.0.1:8080/t",
            "http://[::1]:1",
            "http://localhost/",
        ] {
            assert!(Address::guarded(good).is_some(), "{good}");
        }
        for bad in [
            "http://oauth2.googleapis.com/token",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "https://u:p@h/",
            "https://h/?a",
            "https://h/../b",
            "https://h\n",
            "file:///etc/passwd",
            "",
        ] {
            assert!(Address::guarded(bad).is_none(), "{bad:?}");
        }
        assert!(Address::guarded("http://169.254.169.254/").is_none());
        assert!(Address::of_host("http://169.254.169.254/").is_some());
    }

    #[test]
    fn paths_are_added_below() {
        assert_eq!(Address::parse("HTTPS://h").map(|a| a.url("/x")), None);
        assert_eq!(Address::parse("https://H:443/a/").map(|a| a.url("/x")).as_deref(), Some("https://h/a/x"));
    }
}
