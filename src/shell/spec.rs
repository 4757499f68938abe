//! What a shell should become: values only, checked before a byte of shell text is made of them.
//!
//! # The order in every interactive shell
//!
//! 1. environment, 2. PATH, 3. early snippets (kits such as oh-my-zsh), 4. functions, 5. aliases, 6. completion
//!    of `devboot`, 7. late snippets, 8. the prompt hook.
//!
//! Environment and PATH come at the top of the rc file, so the user's own later lines win; PATH entries that
//! such a line drops are added again at the bottom. The rest stands at the bottom: after the user's own
//! `starship init`, `zoxide init`, `direnv hook` and `mise activate` lines. bash's hook is appended to
//! `PROMPT_COMMAND`, so theirs see `$?` first; a tool that must come last (zoxide says so of itself) is a late
//! snippet, which runs before the hook is added and may replace `PROMPT_COMMAND`.
//!
//! # Open shells
//!
//! When the generation changes, an open shell reads environment (if that changed), PATH, functions and aliases
//! again at its next prompt. An alias that is gone is removed; one that the user changed or removed in that
//! shell is left alone. Variables and functions that are gone stay until the shell ends, and snippets run once
//! a shell: a kit is not made to be loaded twice.

use std::collections::BTreeSet;
use std::fmt;

use super::dialect::{PerShell, Shell};
use super::names;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;

/// Everything that the generated shell files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellSpec {
    /// The home directory, absolute; paths below it are written relative to `$HOME`.
    pub home: String,
    /// The directory of the generated files, absolute.
    pub config_dir: String,
    /// One word that changes whenever the generated files do; also the content of `<config_dir>/generation`,
    /// which is written last. [`super::generate::generation`] computes one.
    pub generation: String,
    /// Variables and their values, in order; values are taken literally.
    pub environment: Vec<(String, String)>,
    /// Absolute folders for the front of PATH, the first one foremost. One already on PATH stays where it is.
    pub path_prepend: Vec<String>,
    /// Absolute folders for the end of PATH, in order.
    pub path_append: Vec<String>,
    /// Aliases.
    pub aliases: Vec<Alias>,
    /// Functions.
    pub functions: Vec<Function>,
    /// Pieces of shell code, in order within their slot.
    pub snippets: Vec<Snippet>,
    /// The completion script of `devboot` for each shell, read on the first TAB.
    pub completions: PerShell<Option<String>>,
}

/// One alias.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alias {
    /// What is typed.
    pub name: String,
    /// POSIX shell code; for fish only the plain case is carried over ([`super::alias`]).
    pub body: String,
    /// Other code for one shell, in its own language. For fish `$argv` is appended to a one-line body that
    /// does not name it.
    pub instead: PerShell<Option<String>>,
}

/// One function; a shell without a body does not get it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// What is typed.
    pub name: String,
    /// The body in each shell's own language.
    pub body: PerShell<Option<String>>,
}

/// When a snippet runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// Before functions and aliases, so that the user's own win over a kit's.
    Early,
    /// After aliases and completion, before the hook.
    Late,
}

/// Shell code of a kit or of the user, run once in each interactive shell. It is kept in a file of its own:
/// a `return` or a mistake in it ends that file and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// Whose language it is in.
    pub shell: Shell,
    /// When it runs.
    pub slot: Slot,
    /// What it is, for the comment above it.
    pub name: String,
    /// The code.
    pub text: String,
}

/// Why a spec was refused; nothing was generated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpecError {
    /// A name or a path that cannot be written safely: what it is, the text, the reason.
    Bad(&'static str, String, &'static str),
    /// An alias or a function name that occurs twice.
    Twice(String),
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpecError::Bad(what, text, why) => {
                write!(f, "the {what} '{}' cannot be used: {why}", printable(text).replace('\t', "\\t"))
            }
            SpecError::Twice(name) => {
                write!(f, "'{}' is defined twice as alias or function", printable(name))
            }
        }
    }
}

impl std::error::Error for SpecError {}

impl Diagnose for SpecError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["change it in the profile, then run `devboot profile check`".into()]
    }
}

impl ShellSpec {
    /// Refuses everything that could not be written into shell code safely.
    pub fn check(&self) -> Result<(), SpecError> {
        self.check_places()?;
        for (name, value) in &self.environment {
            names::valid_env_name(name).map_err(bad("variable name", name))?;
            no_nul("value of", name, value)?;
        }
        for entry in self.path_prepend.iter().chain(&self.path_append) {
            names::valid_path_entry(entry).map_err(bad("PATH entry", entry))?;
        }
        let mut seen = BTreeSet::new();
        for alias in &self.aliases {
            names::valid_alias_name(&alias.name).map_err(bad("alias name", &alias.name))?;
            no_nul("alias", &alias.name, &alias.body)?;
            check_bodies("alias", &alias.name, &alias.instead)?;
            seen.insert(&alias.name).then_some(()).ok_or_else(|| SpecError::Twice(alias.name.clone()))?;
        }
        for function in &self.functions {
            names::valid_function_name(&function.name).map_err(bad("function name", &function.name))?;
            check_bodies("function", &function.name, &function.body)?;
            seen.insert(&function.name)
                .then_some(())
                .ok_or_else(|| SpecError::Twice(function.name.clone()))?;
        }
        for snippet in &self.snippets {
            no_nul("snippet", &snippet.name, &snippet.text)?;
        }
        check_bodies("completion", "devboot", &self.completions)
    }

    fn check_places(&self) -> Result<(), SpecError> {
        for (what, path) in [("home directory", &self.home), ("config directory", &self.config_dir)] {
            if !path.starts_with('/') {
                return Err(SpecError::Bad(what, path.clone(), "it must be absolute"));
            }
            if path.contains(char::is_control) {
                return Err(SpecError::Bad(what, path.clone(), "it cannot contain control characters"));
            }
        }
        let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        match !self.generation.is_empty() && self.generation.chars().all(word) {
            true => Ok(()),
            false => {
                Err(SpecError::Bad("generation", self.generation.clone(), "use letters, digits and . _ -"))
            }
        }
    }

    /// The aliases that fish does not get, because their body is more than the plain case and the profile has
    /// none for fish.
    pub fn not_in_fish(&self) -> Vec<&str> {
        let missing = |alias: &&Alias| alias.in_shell(Shell::Fish).is_none();
        self.aliases.iter().filter(missing).map(|alias| alias.name.as_str()).collect()
    }
}

impl Alias {
    /// The body in one shell's language; `None` when there is none for fish.
    pub fn in_shell(&self, shell: Shell) -> Option<String> {
        match (self.instead.get(shell), shell) {
            (Some(body), _) => Some(body.clone()),
            (None, Shell::Fish) => super::alias::to_fish(&self.name, &self.body),
            (None, _) => Some(self.body.clone()),
        }
    }
}

fn bad(what: &'static str, text: &str) -> impl FnOnce(&'static str) -> SpecError {
    move |why| SpecError::Bad(what, text.to_owned(), why)
}

fn no_nul(what: &'static str, name: &str, text: &str) -> Result<(), SpecError> {
    match text.contains('\0') {
        true => {
            Err(SpecError::Bad(what, name.to_owned(), "it contains a NUL character, which no shell can hold"))
        }
        false => Ok(()),
    }
}

fn check_bodies(what: &'static str, name: &str, bodies: &PerShell<Option<String>>) -> Result<(), SpecError> {
    bodies.iter().filter_map(|(_, body)| body.as_ref()).try_for_each(|body| no_nul(what, name, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ShellSpec {
        ShellSpec {
            home: "/h".into(),
            config_dir: "/h/c".into(),
            generation: "1".into(),
            ..Default::default()
        }
    }

    #[test]
    fn hostile_specs_are_refused() {
        assert_eq!(spec().check(), Ok(()));
        let alias = |name: &str| Alias { name: name.into(), body: "x".into(), ..Default::default() };
        assert!(ShellSpec { aliases: vec![alias("a'; rm -rf ~ #")], ..spec() }.check().is_err());
        let twice = ShellSpec { aliases: vec![alias("a"), alias("a")], ..spec() };
        assert_eq!(twice.check(), Err(SpecError::Twice("a".into())));
        assert!(ShellSpec { environment: vec![("A".into(), "\0".into())], ..spec() }.check().is_err());
        assert!(ShellSpec { generation: "1\n2".into(), ..spec() }.check().is_err());
        assert!(ShellSpec { config_dir: "c".into(), ..spec() }.check().is_err());
        assert!(ShellSpec { path_append: vec!["/a:/b".into()], ..spec() }.check().is_err());
    }
}
