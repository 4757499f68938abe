//! Naming a failure: which class of [`super::classes`] the words of a run belong to, by which line, and what to
//! type next. Pure.

use super::classes::TABLE;
use super::report::{Report, shown};
use crate::sys::process::Ending;

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The Python environment was built.
    Install,
    /// A module was imported.
    Import,
    /// Tests ran, collecting them included.
    Run,
    /// A lint target ran.
    Lint,
}

/// What advice is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The repository's name, as commands take it.
    pub name: String,
    /// The version of the Python that was used, such as `3.11.7`.
    pub python: Option<String>,
    /// The version that the repository asks for, such as `3.8`.
    pub asked: Option<String>,
    /// Where it asks for it, such as `.github/workflows/main.yml`.
    pub asked_by: Option<String>,
    /// The top-level modules of the repository.
    pub modules: Vec<String>,
}

/// A failure with a name.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Failure {
    /// The stable id of its class, such as `wrong-python`.
    pub class: &'static str,
    /// What the class means, in a few words.
    pub title: &'static str,
    /// The line that shows it, fit for a screen.
    pub evidence: String,
    /// What to type next, or to do.
    pub advice: String,
    /// Resolving the requirements as of an earlier date may help.
    pub repair: bool,
}

/// One kind of failure.
pub struct Class {
    /// Its stable id.
    pub id: &'static str,
    /// What it means, in a few words.
    pub title: &'static str,
    /// Where it can happen.
    pub stages: &'static [Stage],
    /// What shows it.
    pub evidence: Evidence,
    /// What to do next; the second argument is the evidence.
    pub advice: fn(&Facts, &str) -> String,
    /// Resolving the requirements as of an earlier date may help.
    pub repair: bool,
}

/// What shows a class.
pub enum Evidence {
    /// The first line that has all words of one of these groups.
    Line(&'static [&'static [&'static str]]),
    /// What this function finds.
    Found(fn(&Seen<'_>) -> Option<String>),
    /// Nothing in the output: it is known before, and named by [`known`].
    Before,
}

/// What is looked at.
pub struct Seen<'a> {
    /// How the program ended, if one ran.
    pub ending: Option<Ending>,
    /// The end of its output, and the texts of the tests that failed.
    pub text: &'a str,
    /// The report of its tests, if there is one.
    pub report: Option<&'a Report>,
    /// The repository.
    pub facts: &'a Facts,
}

/// How much of an output is looked at, from its end, in bytes.
const LOOKED_AT: usize = 256 << 10;

/// Names a failure; `None` when no class fits. `text` is the end of the output.
pub fn classify(
    stage: Stage,
    ending: Option<Ending>,
    text: &str,
    report: Option<&Report>,
    facts: &Facts,
) -> Option<Failure> {
    let from = text.len().saturating_sub(LOOKED_AT);
    let from = (from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    let mut text = text[from..].to_owned();
    for failed in report.iter().flat_map(|report| &report.failures) {
        text.push('\n');
        text.push_str(&failed.text);
    }
    let seen = Seen { ending, text: &text, report, facts };
    TABLE.iter().filter(|class| class.stages.contains(&stage)).find_map(|class| {
        let line = match class.evidence {
            Evidence::Line(groups) => line_with(&text, groups).map(str::to_owned),
            Evidence::Found(find) => find(&seen),
            Evidence::Before => None,
        }?;
        Some(named(class, &line, facts))
    })
}

/// The failure of a class that was recognised otherwise than by a program's words; `None` for an id that is in no
/// row.
pub fn known(id: &str, evidence: &str, facts: &Facts) -> Option<Failure> {
    TABLE.iter().find(|class| class.id == id).map(|class| named(class, evidence, facts))
}

fn named(class: &Class, line: &str, facts: &Facts) -> Failure {
    let line = bare(line);
    Failure {
        class: class.id,
        title: class.title,
        evidence: shown(if line.is_empty() { class.title } else { line }),
        advice: (class.advice)(facts, line),
        repair: class.repair,
    }
}

/// The first line that has all words of one of the groups.
pub fn line_with<'a>(text: &'a str, groups: &[&[&str]]) -> Option<&'a str> {
    text.lines().find(|line| groups.iter().any(|words| words.iter().all(|word| line.contains(word))))
}

/// An exception in a traceback, and where it was raised.
#[derive(Debug, PartialEq, Eq)]
pub struct Raised<'a> {
    /// Its line: type and message.
    pub line: &'a str,
    /// The file of the innermost frame.
    pub at: &'a str,
    /// The file of the frame outside of that one.
    pub by: &'a str,
}

impl Raised<'_> {
    /// The innermost frame is in an installed package.
    pub fn in_package(&self) -> bool {
        installed(self.at)
    }

    /// So is the frame that called it.
    pub fn from_package(&self) -> bool {
        installed(self.by)
    }
}

fn installed(path: &str) -> bool {
    (path.contains("site-packages/") || path.contains("dist-packages/")) && !path.contains("/_pytest/")
}

/// The exceptions of all tracebacks in a text, as Python and pytest write them.
pub fn raised(text: &str) -> Vec<Raised<'_>> {
    let mut found: Vec<Raised<'_>> = Vec::new();
    let (mut at, mut by) = ("", "");
    for line in text.lines() {
        let bare = bare(line);
        if bare.starts_with("Traceback") {
            (at, by) = ("", "");
        } else if let Some((path, what)) = frame(bare) {
            // pytest's long form names the innermost frame after its exception: `PATH:N: TypeError`.
            match found.last_mut() {
                Some(last) if !what.is_empty() && last.line.starts_with(what) => {
                    (last.at, last.by) = (path, last.at);
                }
                _ => (at, by) = (path, at),
            }
        } else if is_exception(bare) {
            found.push(Raised { line: bare, at, by });
        }
    }
    found
}

/// A line without what a frame of text around it added: blanks, pip's bar, pytest's mark of an exception.
fn bare(line: &str) -> &str {
    let line = line.trim_start_matches([' ', '\t', '\u{2502}', '>']);
    line.strip_prefix("E ").map_or(line, str::trim_start)
}

/// The path of a frame, and the exception when it ends with one: `File "PATH", line N, in NAME`, or pytest's
/// `PATH:N: in NAME` and `PATH:N: TypeError`.
fn frame(line: &str) -> Option<(&str, &str)> {
    if let Some(rest) = line.strip_prefix("File \"") {
        return Some((rest.split('"').next()?, ""));
    }
    let (path, rest) = line.split_once(':')?;
    let (number, rest) = rest.split_once(':')?;
    let place = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let what = rest.trim();
    let what = if what.starts_with("in ") { "" } else { what };
    (place && !path.contains(' ') && (what.is_empty() || is_exception(what))).then_some((path, what))
}

fn is_exception(line: &str) -> bool {
    let kind = line.split(':').next().unwrap_or_default();
    let last = kind.rsplit('.').next().unwrap_or_default();
    (last.ends_with("Error") || last == "SystemExit")
        && kind.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_'))
}

/// What stands between the first pair of quotes after `mark`.
pub fn quoted_after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    let rest = &line[line.find(mark)? + mark.len()..];
    let start = rest.find(['\'', '"', '`'])?;
    let rest = &rest[start + 1..];
    let end = rest.find(['\'', '"', '`'])?;
    (end > 0).then(|| &rest[..end])
}

/// Whether a version of Python is one that CI hosts and package indexes no longer offer or test.
pub fn retired(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(3), Some(minor)) => minor <= 7,
        (Some(major), _) => major < 3,
        _ => false,
    }
}
