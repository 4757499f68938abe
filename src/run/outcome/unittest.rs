//! Python's unittest: `Ran 3 tests in 0.001s`, then `OK` or `FAILED (failures=1)`; the tracebacks before.

use super::{Found, Reader, failure, sum};
use crate::run::event::{Failure, Tests};

/// What a run of unittest has said so far.
#[derive(Default)]
pub struct Unittest {
    tests: Option<Tests>,
    /// How many ran, between its two last lines.
    ran: Option<u32>,
    red: bool,
    empty: bool,
    failures: Vec<Failure>,
    open: Option<(String, Option<(String, u32)>)>,
    ruled: bool,
}

impl Reader for Unittest {
    fn line(&mut self, line: &str) {
        let ruled =
            std::mem::replace(&mut self.ruled, line.len() == 70 && line.bytes().all(|byte| byte == b'='));
        if let Some(count) = ran(line) {
            self.ran = Some(count);
        } else if let Some(count) = self.ran.filter(|_| !line.is_empty()) {
            self.ran = None;
            self.ended(line, count);
        } else if ruled
            && let Some(name) = line.strip_prefix("ERROR: ").or_else(|| line.strip_prefix("FAIL: "))
        {
            self.open = Some((name.to_owned(), None));
        } else if let Some((name, at)) = &mut self.open {
            if let Some(rest) = line.strip_prefix("  File \"") {
                if let Some((path, rest)) = rest.split_once("\", line ")
                    && !path.contains("/lib/python")
                    && let Ok(number) = rest.split(',').next().unwrap_or_default().parse()
                {
                    *at = Some((path.to_owned(), number));
                }
            } else if !line.starts_with([' ', '-']) && !line.starts_with("Traceback (") && !line.is_empty() {
                let at = at.as_ref().map(|(path, number)| (path.as_str(), *number));
                if self.failures.len() < super::KEPT {
                    self.failures.push(failure(name, at, line));
                }
                self.open = None;
            }
        }
    }

    fn finish(self: Box<Self>) -> Option<Found> {
        let found = Found::counted(self.tests?, self.failures);
        Some(Found { red: self.red, fails_when_empty: self.empty, ..found })
    }
}

impl Unittest {
    fn ended(&mut self, line: &str, ran: u32) {
        let (word, rest) = line.split_once(" (").unwrap_or((line, ""));
        if !matches!(word, "OK" | "FAILED" | "NO TESTS RAN") {
            return;
        }
        let mut tests = Tests::default();
        for part in rest.trim_end_matches(')').split(", ") {
            let Some((name, count)) = part.split_once('=') else { continue };
            let count = count.parse().unwrap_or(0);
            match name {
                "failures" | "errors" | "unexpected successes" => tests.failed += count,
                "skipped" => tests.skipped += count,
                _ => {}
            }
        }
        tests.passed = ran.saturating_sub(tests.failed).saturating_sub(tests.skipped);
        self.red = word == "FAILED";
        self.empty = word == "NO TESTS RAN";
        self.tests = Some(self.tests.map_or(tests, |before| sum(before, tests)));
    }
}

fn ran(line: &str) -> Option<u32> {
    let (count, rest) = line.strip_prefix("Ran ")?.split_once(' ')?;
    (rest.starts_with("tests in ") || rest.starts_with("test in ")).then(|| count.parse().ok()).flatten()
}
