//! `cargo nextest`: its summary line, its `FAIL` lines, and the panics in what it shows of failed tests.

use super::cargo::Panics;
use super::{Found, KEPT, Reader, counts, sum};
use crate::run::event::Tests;

/// What a run of nextest has said so far.
#[derive(Default)]
pub struct Nextest {
    tests: Option<Tests>,
    empty: bool,
    failed: Vec<String>,
    panics: Panics,
}

impl Reader for Nextest {
    fn line(&mut self, line: &str) {
        self.panics.line(line);
        let words = line.trim_start();
        if let Some(rest) = timed(words, "Summary") {
            self.counted(rest);
        } else if let Some(name) =
            ["FAIL", "TIMEOUT", "SIGSEGV", "SIGABRT", "SIGKILL"].iter().find_map(|w| timed(words, w))
        {
            // `(1/4) ` before the name is newer than the rest.
            let name =
                name.strip_prefix('(').and_then(|rest| rest.split_once(") ")).map_or(name, |(_, name)| name);
            if self.failed.len() < KEPT && !self.failed.iter().any(|known| known == name) {
                self.failed.push(name.to_owned());
            }
        } else if line == "error: no tests to run" {
            self.empty = true;
        }
    }

    fn finish(self: Box<Self>) -> Option<Found> {
        let test = |name: &str| name.rsplit(' ').next().unwrap_or_default().to_owned();
        let failures = self.failed.iter().map(|name| self.panics.failure(name, &test(name))).collect();
        Some(Found { fails_when_empty: self.empty, ..Found::counted(self.tests?, failures) })
    }
}

impl Nextest {
    /// `2/4 tests run: 0 passed, 2 failed, 1 skipped`; a count may have others in brackets: `3 passed (1 slow)`.
    fn counted(&mut self, rest: &str) {
        let Some((_, rest)) = rest.split_once(" run: ") else { return };
        let mut tests = Tests::default();
        for (count, word) in counts(rest, ", ").unwrap_or_default() {
            match word.split(' ').next().unwrap_or_default() {
                "passed" => tests.passed += count,
                "failed" | "timed" | "exec" => tests.failed += count,
                "skipped" => tests.skipped += count,
                _ => {}
            }
        }
        self.tests = Some(self.tests.map_or(tests, |before| sum(before, tests)));
    }
}

/// What stands after `WORD [   0.325s] `.
fn timed<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.strip_prefix(word)?.strip_prefix(" [")?;
    let (time, rest) = rest.split_once("] ")?;
    time.ends_with('s').then_some(rest.trim_start())
}
