//! `cargo test`: one `test result:` for each binary, panics with their places, and errors of the compiler.

use super::{Found, KEPT, Reader, failure, place, sum};
use crate::run::event::{Failure, Tests};

/// What a run of cargo has said so far.
#[derive(Default)]
pub struct Cargo {
    tests: Option<Tests>,
    failed: Vec<String>,
    panics: Panics,
    error: Option<String>,
    errors: Vec<Failure>,
}

impl Reader for Cargo {
    fn line(&mut self, line: &str) {
        self.panics.line(line);
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.counted(rest);
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            if self.failed.len() < KEPT {
                self.failed.push(name.to_owned());
            }
        } else if line.starts_with("error[E") || line.starts_with("error: ") {
            self.error = Some(line.to_owned());
        } else if let Some(at) = line.trim_start().strip_prefix("--> ")
            && let Some(error) = self.error.take()
        {
            let (name, message) = error.split_once(": ").unwrap_or((&error, ""));
            let found = failure(name, place(at), message);
            // A library is compiled twice: as it is, and for its tests.
            if self.errors.len() < KEPT && !self.errors.contains(&found) {
                self.errors.push(found);
            }
        }
    }

    fn finish(self: Box<Self>) -> Option<Found> {
        let Self { tests, failed, panics, errors: mut failures, .. } = *self;
        failures.extend(failed.iter().map(|name| panics.failure(name, name)));
        match tests {
            Some(tests) => Some(Found::counted(tests, failures)),
            // It was not compiled: whether there are tests is not known, and no verdict may come of it.
            None if failures.is_empty() => None,
            None => Some(Found { ran: true, failures, ..Found::default() }),
        }
    }
}

impl Cargo {
    fn counted(&mut self, rest: &str) {
        let Some((_, rest)) = rest.split_once(". ") else { return };
        let mut tests = Tests::default();
        for part in rest.split("; ") {
            let Some((count, word)) = part.split_once(' ') else { continue };
            let count = count.parse().unwrap_or(0);
            match word {
                "passed" => tests.passed = count,
                "failed" => tests.failed = count,
                "ignored" => tests.skipped = count,
                _ => {}
            }
        }
        self.tests = Some(self.tests.map_or(tests, |before| sum(before, tests)));
    }
}

/// Panics: the thread, which has the test's name, the place and the message.
#[derive(Default)]
pub struct Panics {
    found: Vec<Panic>,
    open: bool,
}

struct Panic {
    thread: String,
    at: String,
    message: String,
}

impl Panics {
    /// The next line; it may be indented.
    pub fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some((thread, at)) = panicked(line) {
            self.open = self.found.len() < KEPT;
            if self.open {
                self.found.push(Panic {
                    thread: thread.to_owned(),
                    at: at.to_owned(),
                    message: String::new(),
                });
            }
        } else if self.open {
            let ends = line.is_empty() || line == "stack backtrace:" || line.starts_with("note: ");
            match self.found.last_mut().filter(|_| !ends) {
                Some(panic) if panic.message.len() < 1000 => {
                    panic.message.push_str(line);
                    panic.message.push('\n');
                }
                _ => self.open = false,
            }
        }
    }

    /// A failed test, with the first panic of its thread.
    pub fn failure(&self, name: &str, thread: &str) -> Failure {
        match self.found.iter().find(|panic| panic.thread == thread) {
            Some(panic) => failure(name, place(&panic.at), &panic.message),
            None => failure(name, None, "it failed"),
        }
    }
}

/// `thread 'NAME' (123) panicked at src/lib.rs:8:24:`; the number is newer than the rest.
fn panicked(line: &str) -> Option<(&str, &str)> {
    let (thread, rest) = line.strip_prefix("thread '")?.split_once('\'')?;
    let (_, at) = rest.split_once(" panicked at ").or_else(|| rest.split_once("panicked at "))?;
    Some((thread, at.strip_suffix(':')?))
}
