//! Which addresses git may be given.

use crate::base::redact;
use crate::base::shorthand::is_shorthand;

use super::rules::{refuse, secret};
use crate::document::problem::Problem;

/// An address that git may be given: no remote helpers, no options, no passwords.
pub(super) fn git_address(text: &str) -> Result<(), Problem> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refuse("the address is empty, or has a space or control character");
    }
    if text.starts_with('-') || text.contains("::") {
        return refuse(format!("'{}' is not an address git may be given", redact::url(text)));
    }
    if redact::url(text) != text {
        return Err(secret("the address has a user name or password in it"));
    }
    if is_shorthand(text) {
        return Ok(());
    }
    let (host, path) = match text.split_once("://") {
        Some(("https" | "http" | "git" | "ssh", rest)) => rest.split_once('/').unwrap_or((rest, "")),
        Some(("file", rest)) if rest.starts_with('/') => ("localhost", rest),
        Some((scheme, _)) => {
            return Err(Problem::new(format!("'{scheme}://' is not a kind of address git may be given"))
                .hint("use https, http, ssh, git or file"));
        }
        None => match text.split_once(':') {
            Some((host, path)) if !host.contains('/') => (host, path),
            _ => return refuse(format!("'{text}' is not a git address")),
        },
    };
    let name = host.rsplit('@').next().unwrap_or(host);
    if name.is_empty() || path.is_empty() || [host, name, path].iter().any(|part| part.starts_with('-')) {
        return refuse(format!("'{text}' is not a git address"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_run_programs_or_hold_passwords_are_refused() {
        for good in [
            "https://github.com/a/b.git",
            "git@github.com:a/b.git",
            "ssh://git@host/x",
            "file:///tmp/x",
            "a/b",
            "git://h/x",
        ] {
            assert!(git_address(good).is_ok(), "{good}");
        }
        for bad in [
            "ext::sh -c id",
            "ext::x",
            "-u",
            "--upload-pack=x",
            "ssh://-oProxyCommand=x/y",
            "-x@h:y",
            "h:-x",
            "a b",
            "https://me:tok@h/x",
            "ftp://h/x",
            "/etc",
            "https://h/\n",
            "user@-h:x",
            "",
            "fd::17",
            "./x/y/z",
        ] {
            assert!(git_address(bad).is_err(), "{bad}");
        }
    }
}
