//! jest: the line `Tests:`, and a block with `●` for each failure.

use super::{Found, KEPT, Reader, counts, failure, place, sum};
use crate::run::event::{Failure, Tests};

/// What a run of jest has said so far.
#[derive(Default)]
pub struct Jest {
    tests: Option<Tests>,
    suites: bool,
    red: bool,
    empty: bool,
    file: String,
    open: Option<Open>,
    failures: Vec<Failure>,
}

struct Open {
    name: String,
    message: String,
    ended: bool,
}

impl Reader for Jest {
    fn line(&mut self, line: &str) {
        if let Some(file) = line.strip_prefix("FAIL ").or_else(|| line.strip_prefix("PASS ")) {
            self.close(None);
            let file = file.trim().split(" (").next().unwrap_or_default();
            self.file = file.strip_prefix("./").unwrap_or(file).to_owned();
        } else if let Some(name) = line.strip_prefix("  ● ") {
            self.close(None);
            // A name with its file stands for output of `console`, not for a failure.
            self.open = Some(Open { name: name.to_owned(), message: String::new(), ended: false });
        } else if line.starts_with("Test Suites: ") {
            self.close(None);
            self.suites = true;
            self.red = line.contains(" failed");
        } else if let Some(rest) = line.strip_prefix("Tests: ").filter(|_| self.suites) {
            self.counted(rest.trim());
        } else if line.starts_with("No tests found, exiting with code ") {
            self.empty = true;
            self.tests.get_or_insert_default();
        } else if let Some(at) = line.trim_start().strip_prefix("at ").filter(|_| self.open.is_some()) {
            let at = at.rsplit_once(" (").map_or(at, |(_, at)| at.trim_end_matches(')'));
            if !at.contains("node_modules/") && !at.starts_with("node:") && place(at).is_some() {
                self.close(place(at));
            }
        } else if let Some(open) = &mut self.open {
            let words = line.trim();
            open.ended |= words.starts_with("> ") || words.contains(" | ");
            if !open.ended && !words.is_empty() && open.message.len() < 1000 {
                open.message.push_str(words);
                open.message.push('\n');
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Option<Found> {
        self.close(None);
        let found = Found::counted(self.tests?, self.failures);
        Some(Found { red: self.red, fails_when_empty: self.empty, ..found })
    }
}

impl Jest {
    fn counted(&mut self, rest: &str) {
        let Some(parts) = counts(rest, ", ") else { return };
        let mut tests = Tests::default();
        for (count, word) in parts {
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
        let Some(open) = self.open.take() else { return };
        let whole = (!self.file.is_empty()).then(|| self.file.clone());
        let mut found = failure(&open.name, at, &open.message);
        found.file = found.file.or(whole);
        // Long runs repeat all failures at their end.
        if self.failures.len() < KEPT && !self.failures.contains(&found) && !open.name.starts_with("Console")
        {
            self.failures.push(found);
        }
    }
}
