//! vitest: the lines `Tests` and `Test Files`, and a ` FAIL ` block for each failure.

use super::{Found, KEPT, Reader, counts, failure, place, sum};
use crate::run::event::{Failure, Tests};

/// What a run of vitest has said so far.
#[derive(Default)]
pub struct Vitest {
    tests: Option<Tests>,
    files: bool,
    red: bool,
    empty: bool,
    /// The name and the message of the failure whose block is open.
    open: Option<(String, String)>,
    /// Past its message, in the source that is shown.
    framed: bool,
    failures: Vec<Failure>,
}

impl Reader for Vitest {
    fn line(&mut self, line: &str) {
        let words = line.trim_start();
        if let Some(name) = line.strip_prefix(" FAIL  ") {
            self.close(None);
            (self.open, self.framed) = (Some((name.trim().to_owned(), String::new())), false);
        } else if let Some(rest) = line.strip_prefix(" Test Files  ") {
            self.close(None);
            self.files = true;
            self.red = rest.contains(" failed");
        } else if let Some(rest) = line.strip_prefix("      Tests  ").filter(|_| self.files) {
            self.counted(rest);
        } else if line.starts_with("No test files found, exiting with code ") {
            self.empty = true;
            self.tests.get_or_insert_default();
        } else if let Some(at) = words.strip_prefix("❯ ").filter(|_| self.open.is_some()) {
            self.framed = true;
            let at = at.rsplit(' ').next().unwrap_or_default();
            if !at.contains("node_modules/") && place(at).is_some() {
                self.close(place(at));
            }
        } else if let Some((_, message)) = &mut self.open
            && !self.framed
            && !words.is_empty()
            && message.len() < 1000
        {
            self.framed = words.starts_with('⎯');
            if !self.framed {
                message.push_str(words);
                message.push('\n');
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Option<Found> {
        self.close(None);
        let found = Found::counted(self.tests?, self.failures);
        Some(Found { red: self.red, fails_when_empty: self.empty, ..found })
    }
}

impl Vitest {
    /// `1 failed | 1 passed | 1 skipped (3)`, or `no tests`.
    fn counted(&mut self, rest: &str) {
        let words = rest.rsplit_once(" (").map_or(rest, |(words, _)| words);
        let mut tests = Tests::default();
        for (count, word) in counts(words, " | ").unwrap_or_default() {
            match word {
                "passed" => tests.passed += count,
                "failed" => tests.failed += count,
                "skipped" | "todo" => tests.skipped += count,
                _ => {}
            }
        }
        self.tests = Some(self.tests.map_or(tests, |before| sum(before, tests)));
    }

    fn close(&mut self, at: Option<(&str, u32)>) {
        let Some((name, message)) = self.open.take() else { return };
        let file = name.split(" > ").next().and_then(|file| file.split(" [").next()).map(str::to_owned);
        let mut found = failure(&name, at, &message);
        found.file = found.file.or(file);
        if self.failures.len() < KEPT {
            self.failures.push(found);
        }
    }
}
