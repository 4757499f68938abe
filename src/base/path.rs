//! Paths as profiles and people write them, checked once.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A path inside the home directory, relative to it: never empty, never absolute, no `..`, no control
/// characters. Names from outside become paths only through this type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HomePath(String);

/// Why a text is not a [`HomePath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadHomePath {
    /// Nothing is left after `~/`.
    Empty,
    /// It starts at the root of the file system.
    Absolute,
    /// It has a `..` and so could leave the home directory.
    Parent,
    /// It has a control character, such as a line break.
    Control,
}

impl HomePath {
    /// Reads `~/x`, `x` or `./x`.
    pub fn parse(text: &str) -> Result<Self, BadHomePath> {
        if text.chars().any(char::is_control) {
            return Err(BadHomePath::Control);
        }
        let rest = text.strip_prefix("~/").unwrap_or(text);
        if text == "~" {
            return Err(BadHomePath::Empty);
        }
        let mut parts = Vec::new();
        for component in Path::new(rest).components() {
            match component {
                Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
                Component::CurDir => {}
                Component::ParentDir => return Err(BadHomePath::Parent),
                Component::RootDir | Component::Prefix(_) => return Err(BadHomePath::Absolute),
            }
        }
        if parts.is_empty() {
            return Err(BadHomePath::Empty);
        }
        Ok(Self(parts.join("/")))
    }

    /// The path without `~/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The absolute path under `home`.
    pub fn under(&self, home: &Path) -> PathBuf {
        home.join(&self.0)
    }
}

impl TryFrom<String> for HomePath {
    type Error = BadHomePath;

    fn try_from(text: String) -> Result<Self, BadHomePath> {
        Self::parse(&text)
    }
}

impl From<HomePath> for String {
    fn from(path: HomePath) -> String {
        path.0
    }
}

impl fmt::Display for HomePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~/{}", self.0)
    }
}

impl fmt::Display for BadHomePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadHomePath::Empty => "the path is empty",
            BadHomePath::Absolute => {
                "the path is absolute; write it relative to the home directory, as ~/..."
            }
            BadHomePath::Parent => "the path has a '..' and could leave the home directory",
            BadHomePath::Control => "the path has a control character",
        })
    }
}

impl std::error::Error for BadHomePath {}

/// How a path is shown to a person: `~/x` inside `home`, control characters and invalid bytes escaped.
pub fn display(path: &Path, home: &Path) -> String {
    let text = match path.strip_prefix(home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", rest.to_string_lossy()),
        Err(_) => path.to_string_lossy().into_owned(),
    };
    super::text::printable(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_inside_home_parse() {
        assert_eq!(HomePath::parse("~/.vimrc").unwrap().as_str(), ".vimrc");
        assert_eq!(HomePath::parse("./a//b/").unwrap().as_str(), "a/b");
        assert_eq!(HomePath::parse("/etc/passwd"), Err(BadHomePath::Absolute));
        assert_eq!(HomePath::parse("~/../x"), Err(BadHomePath::Parent));
        assert_eq!(HomePath::parse("~/"), Err(BadHomePath::Empty));
        assert_eq!(HomePath::parse("~"), Err(BadHomePath::Empty));
        assert_eq!(HomePath::parse("a\nb"), Err(BadHomePath::Control));
    }

    #[test]
    fn shown_paths_have_no_control_characters() {
        assert_eq!(display(Path::new("/h/a\u{1b}[2J"), Path::new("/h")), "~/a\\u{1b}[2J");
    }
}
