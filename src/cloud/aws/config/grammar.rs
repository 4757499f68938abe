//! The lines of a configuration file: sections, properties, continuations, comments.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{BLANK, ConfigError, Origin, Property};
use crate::base::secret::Secret;
use crate::base::text::printable;

/// A line of a file, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A section that is not closed.
    NoBracket,
    /// Something stands before the first section.
    OutsideSection,
    /// A continuation without a property to continue.
    NothingToContinue,
    /// A line that is no `name = value`; true: one below a nested property.
    NoEquals(bool),
    /// `= value`; true: one below a nested property.
    NoName(bool),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", printable(&self.file.to_string_lossy()), self.line)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBracket => "profile definition must end with ']'",
            Self::OutsideSection => "expected a profile definition",
            Self::NothingToContinue => "expected a property definition, found continuation",
            Self::NoEquals(false) => "expected an '=' sign defining a property",
            Self::NoEquals(true) => "expected an '=' sign defining a sub-property",
            Self::NoName(false) => "property did not have a name",
            Self::NoName(true) => "sub-property did not have a name",
        })
    }
}

/// A section as it stands in one file.
pub(super) struct Raw {
    /// What stands between the brackets, without blanks around it.
    pub title: String,
    /// Where it begins.
    pub place: Place,
    /// In which file.
    pub origin: Origin,
    /// Its properties; of several with one name, the last.
    pub properties: BTreeMap<String, Property>,
}

/// The sections of a text in their order.
pub(super) fn sections(file: &Path, origin: Origin, text: &str) -> Result<Vec<Raw>, ConfigError> {
    let mut found: Vec<Raw> = Vec::new();
    // The property that an indented line continues, and whether it is one that nests others.
    let mut open: Option<(String, bool)> = None;
    for (at, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let place = Place { file: file.to_owned(), line: at + 1 };
        let wrong = |problem| Err(ConfigError::Syntax(place.clone(), problem));
        if line.trim_matches(BLANK).is_empty() || line.starts_with(COMMENT) {
            continue;
        }
        if line.starts_with('[') {
            let Some(title) = title(line) else { return wrong(Problem::NoBracket) };
            found.push(Raw { title: title.to_owned(), place, origin, properties: BTreeMap::new() });
            open = None;
            continue;
        }
        let Some(section) = found.last_mut() else { return wrong(Problem::OutsideSection) };
        if line.starts_with(BLANK) {
            let Some((name, nests)) = &open else { return wrong(Problem::NothingToContinue) };
            if *nests && let Err(problem) = pair(line, true) {
                return wrong(problem);
            }
            if let Some(property) = section.properties.get_mut(name) {
                let longer = format!("{}\n{}", property.value.expose(), line.trim_matches(BLANK));
                property.value = Secret::new(longer);
            }
            continue;
        }
        let (name, value) = match pair(before_comment(line), false) {
            Ok(pair) => pair,
            Err(problem) => return wrong(problem),
        };
        let name = name.to_ascii_lowercase();
        open = Some((name.clone(), value.is_empty()));
        section.properties.insert(name, Property { value: Secret::new(value.to_owned()), origin, place });
    }
    Ok(found)
}

/// The signs that begin a comment.
pub(super) const COMMENT: [char; 2] = ['#', ';'];

/// What stands between the brackets of a line that begins a section; `None` when they are not closed.
pub(super) fn title(line: &str) -> Option<&str> {
    let line = line.split(COMMENT).next().unwrap_or_default().trim_matches(BLANK);
    Some(line.strip_prefix('[')?.strip_suffix(']')?.trim_matches(BLANK))
}

/// The line up to a comment; a comment's sign follows a blank, else it is part of the value.
pub(super) fn before_comment(line: &str) -> &str {
    let mut signs = line.match_indices(COMMENT).map(|(at, _)| at);
    let end = signs.find(|at| line[..*at].ends_with(BLANK)).unwrap_or(line.len());
    &line[..end]
}

fn pair(line: &str, nested: bool) -> Result<(&str, &str), Problem> {
    let (name, value) = line.split_once('=').ok_or(Problem::NoEquals(nested))?;
    match name.trim_matches(BLANK) {
        "" => Err(Problem::NoName(nested)),
        name => Ok((name, value.trim_matches(BLANK))),
    }
}
