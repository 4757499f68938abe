//! What a test runner says of its tests, read from a stage's output as it comes: counts, failures with their places,
//! and whether any test ran at all. One file and one row per tool; several in one stage add up.
//!
//! What is read was written by others: lines are bounded, escapes are taken out, and nothing in them can become a line
//! of ours.

mod cargo;
mod go;
mod jest;
pub(super) mod lines;
mod nextest;
mod node;
mod pytest;
#[cfg(test)]
mod real_outputs;
mod unittest;
mod verdict;
mod vitest;

use super::event::{Failure, Stream, Tests};
use lines::Lines;

pub use verdict::{ending, judge};

/// How many failures are kept by name.
pub(super) const KEPT: usize = 50;

/// Reads the output of one tool.
trait Reader: Send {
    /// The next line, without escapes and without its end.
    fn line(&mut self, line: &str);
    /// What it was; `None` when the tool has not shown itself.
    fn finish(self: Box<Self>) -> Option<Found>;
}

/// A kind of runner.
struct Row {
    name: &'static str,
    begin: fn() -> Box<dyn Reader>,
}

const TABLE: &[Row] = &[
    Row { name: "pytest", begin: || Box::<pytest::Pytest>::default() },
    Row { name: "unittest", begin: || Box::<unittest::Unittest>::default() },
    Row { name: "cargo test", begin: || Box::<cargo::Cargo>::default() },
    Row { name: "cargo nextest", begin: || Box::<nextest::Nextest>::default() },
    Row { name: "go test", begin: || Box::<go::Go>::default() },
    Row { name: "jest", begin: || Box::<jest::Jest>::default() },
    Row { name: "vitest", begin: || Box::<vitest::Vitest>::default() },
    Row { name: "node --test", begin: || Box::<node::Node>::default() },
];

/// What was found of a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The tests, where the tool counts them.
    pub tests: Option<Tests>,
    /// Whether a test ran, passed or failed.
    pub ran: bool,
    /// Its last word was that something failed.
    pub red: bool,
    /// It says that there were no tests, and fails for that alone.
    pub fails_when_empty: bool,
    /// The failures, at most fifty.
    pub failures: Vec<Failure>,
    /// The tools that showed themselves.
    pub tools: Vec<&'static str>,
}

impl Found {
    /// Of a tool that counts its tests.
    fn counted(tests: Tests, failures: Vec<Failure>) -> Self {
        let ran = tests.passed + tests.failed > 0;
        Self { tests: Some(tests), ran, red: tests.failed > 0, failures, ..Self::default() }
    }

    fn add(&mut self, other: Found, tool: &'static str) {
        self.tests = match (self.tests, other.tests) {
            (Some(a), Some(b)) => Some(sum(a, b)),
            (a, b) => a.or(b),
        };
        self.ran |= other.ran;
        self.red |= other.red;
        self.fails_when_empty |= other.fails_when_empty;
        self.failures.extend(other.failures);
        self.failures.truncate(KEPT);
        self.tools.push(tool);
    }
}

fn sum(a: Tests, b: Tests) -> Tests {
    Tests {
        passed: a.passed.saturating_add(b.passed),
        failed: a.failed.saturating_add(b.failed),
        skipped: a.skipped.saturating_add(b.skipped),
    }
}

/// How much of an output is read as it comes, in bytes. A flood must not be slowed down by its reading; of what comes
/// after that, the end is read.
const AS_IT_COMES: u64 = 32 << 20;

/// Reads an output for all tools.
pub struct Readers {
    readers: Vec<Box<dyn Reader>>,
    out: Lines,
    err: Lines,
    left: u64,
    unread: u64,
}

impl Default for Readers {
    fn default() -> Self {
        let readers = TABLE.iter().map(|row| (row.begin)()).collect();
        Self { readers, out: Lines::default(), err: Lines::default(), left: AS_IT_COMES, unread: 0 }
    }
}

impl Readers {
    /// Takes what comes next.
    pub fn push(&mut self, stream: Stream, bytes: &[u8]) {
        if self.left == 0 {
            self.unread += bytes.len() as u64;
            return;
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.read(stream, bytes);
    }

    fn read(&mut self, stream: Stream, bytes: &[u8]) {
        let lines = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        lines.push(bytes, |line| self.readers.iter_mut().for_each(|reader| reader.line(line)));
    }

    /// What all of it says. `last` gives the end of the output, at most as long as is asked.
    pub fn finish(mut self, last: impl FnOnce(u64) -> Vec<u8>) -> Found {
        let last = if self.unread > 0 { last(self.unread) } else { Vec::new() };
        let gap = self.unread > last.len() as u64;
        if gap {
            (self.out, self.err) = (Lines::default(), Lines::default());
        }
        let whole_lines =
            if gap { last.iter().position(|byte| *byte == b'\n').unwrap_or(last.len()) } else { 0 };
        self.read(Stream::Out, &last[whole_lines..]);
        for lines in [&mut self.out, &mut self.err] {
            lines.push(b"\n", |line| self.readers.iter_mut().for_each(|reader| reader.line(line)));
        }
        let mut found = Found::default();
        for (row, reader) in TABLE.iter().zip(self.readers) {
            if let Some(one) = reader.finish() {
                found.add(one, row.name);
            }
        }
        // Tests may have run where nobody read.
        found.ran |= gap;
        found
    }
}

/// A failure, its texts bounded and fit to be shown.
fn failure(name: &str, place: Option<(&str, u32)>, message: &str) -> Failure {
    Failure {
        name: lines::shown(name, 300),
        file: place.map(|(file, _)| lines::shown(file, 1000)),
        line: place.map(|(_, line)| line),
        message: message
            .trim_end()
            .lines()
            .take(5)
            .map(|line| lines::shown(line, 300))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// `path:12` or `path:12:5` → the path and the line.
fn place(text: &str) -> Option<(&str, u32)> {
    let mut parts = text.rsplitn(3, ':');
    let (last, middle, first) = (parts.next()?, parts.next()?, parts.next());
    if let (Some(first), Ok(_), Ok(line)) = (first, last.parse::<u32>(), middle.parse::<u32>()) {
        return Some((first, line)).filter(|(path, _)| !path.is_empty());
    }
    let line = last.parse().ok()?;
    let path = &text[..text.len() - last.len() - 1];
    (!path.is_empty()).then_some((path, line))
}

/// The counts in words such as `1 failed, 2 passed`; `None` when a part is not a number and a word.
fn counts<'a>(text: &'a str, separator: &str) -> Option<Vec<(u32, &'a str)>> {
    let part = |part: &'a str| {
        let (number, word) = part.trim().split_once(' ')?;
        Some((number.parse().ok()?, word.trim()))
    };
    text.split(separator).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_the_beginning_and_the_end_are_read() {
        let passed = "=== 1 passed in 0.01s ===\n";
        let none = "=== no tests ran in 0.01s ===\n";
        for (end, ran, passed_in_all) in [(passed, true, 2), (none, true, 1)] {
            let mut readers = Readers { left: 100, ..Readers::default() };
            readers.push(Stream::Out, passed.as_bytes());
            readers.push(Stream::Err, &[b'x'; 200]);
            readers.push(Stream::Out, "=== 1 passed in 0.01s".repeat(50).as_bytes());
            readers.push(Stream::Out, end.as_bytes());
            let found = readers.finish(|unread| {
                assert_eq!(unread, 50 * 21 + end.len() as u64);
                format!("cut off\n{end}").into_bytes()
            });
            assert_eq!((found.ran, found.tests.unwrap().passed), (ran, passed_in_all));
        }
        let mut readers = Readers { left: 1, ..Readers::default() };
        readers.push(Stream::Out, b"=== no tests ran");
        readers.push(Stream::Out, b" in 0.01s ===\n");
        let found = readers.finish(|_| b" in 0.01s ===\n".to_vec());
        assert_eq!((found.ran, found.tools), (false, vec!["pytest"]), "nothing is missing between the two");
    }

    #[test]
    fn places_are_read() {
        assert_eq!(place("a.py:12"), Some(("a.py", 12)));
        assert_eq!(place("/x/a.rs:12:5"), Some(("/x/a.rs", 12)));
        assert_eq!(place("file:///x/a.js:3:1"), Some(("file:///x/a.js", 3)));
        assert_eq!(place("a.py"), None);
        assert_eq!(place(":3"), None);
        assert_eq!(place("a:b"), None);
    }
}
