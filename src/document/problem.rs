//! What can be wrong with a document, with its place, so that all of it is shown at once.

use std::fmt;

use serde::Serialize;

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::{nearest, printable};

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document cannot be used.
    Error,
    /// The document can be used; its author should know.
    Warning,
}

/// A place in a file; lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file as shown to a person.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where; `None` when no line of a file can be blamed.
    pub place: Option<Place>,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, in lower case and without a final stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Problem {
    /// An error that no line can be blamed for.
    pub fn new(message: impl Into<String>) -> Self {
        Self { place: None, severity: Severity::Error, message: message.into(), hint: None }
    }

    /// The same problem at a place.
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same problem with what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same problem as a warning.
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", printable(&self.file), self.line, self.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&printable(&self.message))
    }
}

/// Why documents cannot be used: every problem found, warnings included, in the order of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// Who has to act: the world (a file or server could not be read) or the document's author.
    pub kind: ErrorKind,
    /// All problems, at least one of them an error.
    pub problems: Vec<Problem>,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DocumentError {}

impl Diagnose for DocumentError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }

    fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        for hint in self.problems.iter().filter_map(|problem| problem.hint.clone()) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints
    }
}

/// ` (did you mean 'x'?)` when a known word is near, else nothing.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, known).map_or_else(String::new, |near| format!(" (did you mean '{near}'?)"))
}

/// Sorted by place, each problem once.
pub fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort();
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_compilers_write_it_and_cannot_forge_lines() {
        let place = Place { file: "profiles/x.toml".into(), line: 12, column: 3 };
        let message =
            format!("unknown key 'alises\u{1b}[2J\n'{}", did_you_mean("alises", ["aliases", "path"]));
        assert_eq!(
            Problem::new(message).at(place).to_string(),
            "profiles/x.toml:12:3: unknown key 'alises\\u{1b}[2J\\u{a}' (did you mean 'aliases'?)"
        );
    }
}
