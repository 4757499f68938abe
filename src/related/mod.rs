//! Tests of other languages by what a change affects: each language's own tool says which, those run first, the others after
//! them at low priority.
//!
//! A tool is one file here and one row in `TABLE`: which commands are plainly its own, what it is asked, what its answer means,
//! and how it runs a part of the tests. All of that is pure; `executor` asks and runs.
//!
//! What changed is held against the last run in which all tests were green, never against the last save, so what a run that
//! was cancelled has left undone is part of the next. A choice is only ever an order: whatever was not affected runs as well before
//! a stage is green, so a tool that says too little costs time and hides nothing.

mod ask;
mod cargo;
pub mod executor;
mod go;
mod jest;
mod memory;
mod packages;
mod plan;
mod scripts;
mod vitest;

use std::path::Path;

use crate::run::event::Portion;

/// A tool that runs tests and can say what a change affects.
trait Tool: Sync {
    /// As it is called in what is said.
    fn name(&self) -> &'static str;

    /// What its parts are.
    fn portion(&self) -> Portion;

    /// Whether a command, word by word, runs all tests and leaves it to us in which order.
    fn is_plain(&self, words: &[&str]) -> bool;

    /// Whether these files can leave a choice; asked before anything else is done.
    fn has_choice(&self, files: &mut dyn Iterator<Item = &str>) -> bool;

    /// The commands whose output answers; the error says why only all tests will do.
    fn questions(&self, asked: &Asked<'_>) -> Result<Vec<Vec<String>>, String>;

    /// What the answers mean, one for each question.
    fn answer(&self, asked: &Asked<'_>, answers: &[Vec<u8>]) -> Result<Parts, String>;

    /// The command for a part of the tests.
    fn command(&self, words: &[&str], part: &[String]) -> Vec<String>;

    /// How a part is built.
    fn build(&self) -> Build {
        Build::Alike
    }
}

/// How a part of the tests is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    /// As it is with the others.
    Alike,
    /// Perhaps in another way than with the others: that it cannot be built alone proves nothing.
    Apart,
    /// Together with the others: what cannot be built keeps all of them from running.
    Together,
}

const TABLE: [&dyn Tool; 5] = [&cargo::Cargo, &cargo::Nextest, &go::Go, &vitest::Vitest, &jest::Jest];

/// What a tool is asked about.
struct Asked<'a> {
    /// The project's root, without symbolic links.
    root: &'a Path,
    /// Where the command runs, likewise.
    cwd: &'a Path,
    /// The command, word by word.
    words: &'a [&'a str],
    /// What changed since the last whole run that was green.
    changed: &'a [Changed],
    /// The files that the stage depends on, relative to the root.
    files: &'a [&'a str],
    /// The text of a file, when it is there, not too large and text.
    read: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// A file that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Changed {
    /// Relative to the root.
    path: String,
    /// Whether it is there now.
    is_there: bool,
}

/// The tests as a tool divides them for a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Parts {
    /// Those that it affects.
    affected: Vec<String>,
    /// All others.
    rest: Vec<String>,
    /// Why, a sentence for each of the first.
    because: Vec<String>,
}

/// The last name of a path.
fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
