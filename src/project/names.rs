//! What a name, a path or an address in a pipeline must look like. Each test returns what is wrong, for a person.

use super::model::PLACES;
use crate::document::problem::did_you_mean;

/// What is wrong with a text.
pub type Wrong = String;

/// The name of a stage as it is written in a file.
pub fn stage(text: &str) -> Result<(), Wrong> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-');
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match starts && text.len() <= 64 && text.chars().all(inside) {
        true => Ok(()),
        false => Err(format!(
            "'{text}' cannot be the name of a stage: lower-case letters, digits, '_', '.' and '-', at most 64"
        )),
    }
}

/// The name of a variable of the environment, or of an axis.
pub fn variable(text: &str) -> Result<(), Wrong> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match starts && text.len() <= 256 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        true => Ok(()),
        false => Err(format!("'{text}' cannot be a name here: letters, digits and '_'")),
    }
}

/// The name of a credential profile, or of a place.
pub fn plain(text: &str) -> Result<(), Wrong> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    match starts && text.len() <= 64 && text.chars().all(inside) {
        true => Ok(()),
        false => Err(format!("'{text}' cannot be a name: letters, digits, '_', '.' and '-', at most 64")),
    }
}

/// Where a stage can run.
pub fn place(text: &str) -> Result<(), Wrong> {
    plain(text)?;
    match PLACES.contains(&text) {
        true => Ok(()),
        false => {
            let near = did_you_mean(text, PLACES);
            Err(format!("no place is called '{text}'{near}; known: {}", PLACES.join(", ")))
        }
    }
}

/// A text that is shown on one line or handed to a program as one word.
pub fn one_line(text: &str) -> Result<(), Wrong> {
    match text.chars().any(|c| c.is_control() && c != '\t') {
        true => Err("the text has a line break or another control character".into()),
        false => Ok(()),
    }
}

/// A text of several lines.
pub fn lines(text: &str) -> Result<(), Wrong> {
    match text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n')) {
        true => Err("the text has a control character".into()),
        false => Ok(()),
    }
}

/// A path below the project's root, in its plainest form: no `.`, no doubled or final `/`. The root itself is empty.
pub fn path(text: &str) -> Result<String, Wrong> {
    one_line(text)?;
    if text.starts_with(['/', '~']) {
        return Err(format!("'{text}' is not below the project: write it relative to devboot.toml"));
    }
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            ".." => return Err(format!("'{text}' leads out of the project")),
            "" | "." => {}
            part => parts.push(part),
        }
    }
    match text.is_empty() {
        true => Err("the path is empty".into()),
        false => Ok(parts.join("/")),
    }
}

/// An address for web requests: `http` or `https`, with a host and without spaces or a password.
pub fn url(text: &str) -> Result<(), Wrong> {
    one_line(text)?;
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest else {
        return Err(format!("'{text}' is no address for a request: it begins with http:// or https://"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(
            "the address has a user or password in it: send them in a header from the environment".into()
        );
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if port.is_some_and(|port| !matches!(port.parse::<u16>(), Ok(1..))) {
        return Err(format!("'{text}' has no usable port"));
    }
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':' | '%');
    if host.is_empty() || !host.chars().all(inside) || text.contains(char::is_whitespace) {
        return Err(format!("'{text}' is no address for a request"));
    }
    Ok(())
}

/// The method of a web request.
pub fn method(text: &str) -> Result<(), Wrong> {
    match !text.is_empty() && text.len() <= 20 && text.chars().all(|c| c.is_ascii_uppercase()) {
        true => Ok(()),
        false => Err(format!("'{text}' is no method of a request, such as GET or POST")),
    }
}

/// The name of a header field.
pub fn header(text: &str) -> Result<(), Wrong> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match !text.is_empty() && text.len() <= 200 && text.chars().all(inside) {
        true => Ok(()),
        false => Err(format!("'{text}' cannot be the name of a header field")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages() {
        for good in ["test", "a.b-c_1", "_x", "0"] {
            assert_eq!(stage(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", ".a", "A", "a@b", "a b", "ä", &"a".repeat(65), "a\n"] {
            assert!(stage(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_stay_in_the_project() {
        assert_eq!(path("./a//b/"), Ok("a/b".into()));
        assert_eq!(path("."), Ok(String::new()));
        assert_eq!(path("a..b/...").as_deref(), Ok("a..b/..."));
        for bad in ["", "/etc/passwd", "~/x", "..", "a/../../b", "a\nb", "a\u{7f}"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        for good in
            ["http://127.0.0.1:8080/", "https://example.com", "http://[::1]:80/x?y=1#z", "http://a/{b}"]
        {
            assert_eq!(url(good), Ok(()), "{good}");
        }
        for bad in [
            "ftp://x",
            "file:///etc/passwd",
            "http://",
            "http:///x",
            "http://x:0/",
            "http://x:99999/",
            "http://x:y",
            "http://me:pw@x/",
            "http://a b/",
            "http://x/a b",
            "http://x/\r\nHost: y",
            "127.0.0.1",
        ] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
