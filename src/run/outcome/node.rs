//! Node's own test runner, as TAP (`# tests 5`) and in its form for people (`ℹ tests 5`).

use super::{Found, KEPT, Reader, failure, place};
use crate::run::event::{Failure, Tests};

/// What a run of node --test has said so far.
#[derive(Default)]
pub struct Node {
    tests: Option<u32>,
    passed: u32,
    failed: u32,
    skipped: u32,
    failures: Vec<Failure>,
    /// In TAP: the name, the place, the message of the test whose block is open.
    open: Option<Open>,
    /// In the form for people: past `✖ failing tests:`.
    listing: bool,
}

#[derive(Default)]
struct Open {
    name: String,
    at: Option<(String, u32)>,
    message: String,
    /// The message is a block whose lines follow, deeper than this.
    block: Option<usize>,
    tap: bool,
}

impl Reader for Node {
    fn line(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            self.close();
            self.counted(rest);
        } else if let Some(name) = line.trim_start().strip_prefix("not ok ") {
            self.close();
            let name = name.split_once(" - ").map_or(name, |(_, name)| name);
            let todo = name.contains(" # TODO") || name.contains(" # SKIP");
            self.open = (!todo).then(|| Open { name: name.to_owned(), tap: true, ..Open::default() });
        } else if line == "✖ failing tests:" {
            self.listing = true;
        } else if let Some(at) = line.strip_prefix("test at ").filter(|_| self.listing) {
            self.close();
            let at = place(at).map(|(file, line)| (file.to_owned(), line));
            self.open = Some(Open { at, ..Open::default() });
        } else if let Some(open) = &mut self.open {
            let ends = if open.tap { open.tap(line) } else { open.listed(line) };
            if ends {
                self.close();
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Option<Found> {
        self.close();
        self.tests?;
        let tests = Tests { passed: self.passed, failed: self.failed, skipped: self.skipped };
        Some(Found::counted(tests, self.failures))
    }
}

impl Node {
    fn counted(&mut self, rest: &str) {
        let Some((word, count)) = rest.split_once(' ') else { return };
        let Ok(count) = count.parse::<u32>() else { return };
        match word {
            "tests" => self.tests = Some(self.tests.unwrap_or(0).saturating_add(count)),
            "pass" if self.tests.is_some() => self.passed += count,
            "fail" | "cancelled" if self.tests.is_some() => self.failed += count,
            "skipped" | "todo" if self.tests.is_some() => self.skipped += count,
            _ => {}
        }
    }

    fn close(&mut self) {
        let Some(open) = self.open.take().filter(|open| !open.name.is_empty()) else { return };
        let at = open.at.as_ref().map(|(file, line)| (file.as_str(), *line));
        if self.failures.len() < KEPT {
            self.failures.push(failure(&open.name, at, &open.message));
        }
    }
}

impl Open {
    /// A line of the YAML block below `not ok`; whether it is the last.
    fn tap(&mut self, line: &str) -> bool {
        let words = line.trim();
        let quoted = |text: &str| text.trim_matches('\'').to_owned();
        let indent = line.len() - line.trim_start().len();
        self.block = self.block.filter(|key| words.is_empty() || indent > *key);
        if self.block.is_some() {
            if !words.is_empty() && self.message.len() < 1000 {
                self.message.push_str(words);
                self.message.push('\n');
            }
            return false;
        }
        if let Some(at) = words.strip_prefix("location: ") {
            self.at = place(&quoted(at)).map(|(file, line)| (file.to_owned(), line));
        } else if let Some(error) = words.strip_prefix("error: ") {
            self.block = error.starts_with('|').then_some(indent);
            if self.block.is_none() {
                self.message = quoted(error);
            }
        } else if words == "failureType: 'subtestsFailed'" {
            // The inner one says more.
            self.name.clear();
        }
        words == "..."
    }

    /// A line below `test at …`; whether it is the last.
    fn listed(&mut self, line: &str) -> bool {
        if let Some(name) = line.trim_start().strip_prefix("✖ ") {
            self.name = name.rsplit_once(" (").map_or(name, |(name, _)| name).to_owned();
            return false;
        }
        let words = line.trim();
        if words.starts_with("at ") {
            return true;
        }
        if !words.is_empty() && self.message.len() < 1000 {
            self.message.push_str(words);
            self.message.push('\n');
        }
        false
    }
}
