//! The catalog: repositories worth having, with what is known of each. The embedded one is
//! `profiles/catalog.toml`; a user's own has the same form and wins, entry by entry. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::git::reference::is_full_commit;
use super::git::tree_check::bad_name;
use super::git::url::GitUrl;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::shorthand::expanded;
use crate::base::text::printable;

/// What is known of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogRepo {
    /// The git address, or `owner/name` for GitHub.
    pub url: String,
    /// The commit that is cloned, 40 digits; without it the tip of the branch.
    #[serde(default)]
    pub commit: Option<String>,
    /// The default branch.
    #[serde(default)]
    pub branch: Option<String>,
    /// The licence by its SPDX name, or `none`.
    #[serde(default)]
    pub license: Option<String>,
    /// What a clone of depth 1 receives and writes, in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// What it teaches, in a sentence.
    #[serde(default)]
    pub teaches: String,
    /// The chapter of the book that points to it.
    #[serde(default)]
    pub chapter: Option<u32>,
    /// The Python it was made for, such as `3.8`; `any` when it pins nothing.
    #[serde(default)]
    pub python: Option<String>,
    /// How its tests are run.
    #[serde(default)]
    pub tests: Option<String>,
    /// What is known to go wrong.
    #[serde(default)]
    pub fails: Vec<String>,
}

/// Repositories by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The entries.
    pub repos: BTreeMap<String, CatalogRepo>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    repo: BTreeMap<String, CatalogRepo>,
}

/// A catalog that cannot be used: its file, the line where that is known, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogError {
    /// The file as a person knows it.
    pub file: String,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = printable(&self.file);
        match self.line {
            Some(line) => write!(f, "{file}:{line}: {}", self.why),
            None => write!(f, "{file}: {}", self.why),
        }
    }
}

impl std::error::Error for CatalogError {}

impl Diagnose for CatalogError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["entries have the form of `devboot repo show github-actions-demo --toml`".into()]
    }
}

/// The largest catalog that is read, in bytes.
pub const LARGEST: u64 = 1 << 20;

const EMBEDDED: &str = include_str!("../../profiles/catalog.toml");

impl Catalog {
    /// The one that is part of the program.
    ///
    /// # Errors
    /// None in a released program: a test reads it.
    pub fn embedded() -> Result<Self, CatalogError> {
        Self::parse(EMBEDDED, "profiles/catalog.toml")
    }

    /// Reads a catalog; `file` is what it is called in errors.
    ///
    /// # Errors
    /// Not TOML, an unknown key, or an entry whose name, address or commit is none.
    pub fn parse(text: &str, file: &str) -> Result<Self, CatalogError> {
        let line = |at: usize| text.get(..at).map(|before| before.matches('\n').count() + 1);
        let error = |line, why| CatalogError { file: file.to_owned(), line, why };
        let read: File = toml::from_str(text).map_err(|wrong| {
            error(wrong.span().and_then(|span| line(span.start)), printable(wrong.message()))
        })?;
        for (name, repo) in &read.repo {
            let at = || text.find(&format!("[repo.{name}]")).and_then(line);
            check(name, repo).map_err(|why| error(at(), format!("repo.{}: {why}", printable(name))))?;
        }
        Ok(Self { repos: read.repo })
    }

    /// The same with another one's entries laid over it.
    pub fn with(mut self, own: Self) -> Self {
        self.repos.extend(own.repos);
        self
    }
}

fn check(name: &str, repo: &CatalogRepo) -> Result<(), String> {
    if bad_name(name.as_bytes()).is_some() || name.starts_with(['-', '.']) {
        return Err("the name is not one for a folder".into());
    }
    GitUrl::parse(&expanded(&repo.url)).map_err(|error| error.to_string())?;
    match &repo.commit {
        Some(commit) if !is_full_commit(commit) => Err("the commit has not all of its 40 digits".into()),
        _ => Ok(()),
    }
}

/// The name that a repository gets by its address: the last part, without `.git`.
pub fn name_of(url: &str) -> Option<&str> {
    let last = url.trim_end_matches('/').rsplit(['/', ':']).next()?;
    let name = last.strip_suffix(".git").unwrap_or(last);
    let usable = bad_name(name.as_bytes()).is_none() && !name.starts_with(['-', '.']);
    usable.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_one_is_sound_and_pinned() {
        let catalog = Catalog::embedded().unwrap();
        assert!(catalog.repos.len() >= 10);
        for (name, repo) in &catalog.repos {
            assert!(repo.commit.is_some() && repo.branch.is_some() && repo.license.is_some(), "{name}");
            assert!(repo.size.is_some() && !repo.teaches.is_empty() && repo.tests.is_some(), "{name}");
            assert_eq!(name_of(&repo.url), Some(name.as_str()));
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let error = |text| Catalog::parse(text, "mine.toml").unwrap_err().to_string();
        assert!(error("[repo.x]\nurl = 'a/b'\nurls = 'c'\n").starts_with("mine.toml:3: unknown field"));
        assert_eq!(
            error("\n[repo.x]\nurl = 'a b'\n"),
            "mine.toml:2: repo.x: the address has blanks, control characters or backslashes"
        );
        assert!(error("[repo.x]\nurl = 'a/b'\ncommit = 'abc'\n").contains("40 digits"));
        assert!(error("[repo.'../x']\nurl = 'a/b'\n").contains("not one for a folder"));
        assert!(error("[repo.x]\n").contains("missing field `url`"));
    }

    #[test]
    fn the_users_entries_win() {
        let own = Catalog::parse("[repo.or]\nurl = '/srv/or'\n", "mine.toml").unwrap();
        let both = Catalog::embedded().unwrap().with(own);
        assert_eq!(both.repos["or"].url, "/srv/or");
        assert!(both.repos.contains_key("gcp-hello-ml"));
    }

    #[test]
    fn a_name_is_the_last_part_of_an_address() {
        assert_eq!(name_of("https://h/a/b.git/"), Some("b"));
        assert_eq!(name_of("git@h:b"), Some("b"));
        assert_eq!(name_of("https://h/a/.."), None);
        assert_eq!(name_of("https://h/a/.git"), None);
    }
}
