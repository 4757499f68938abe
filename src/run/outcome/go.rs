//! `go test`: a line per package, `--- FAIL:` lines, the compiler's errors. Only `-v` and `-json` show how many tests there are.

use super::{Found, KEPT, Reader, failure, place};
use crate::run::event::{Failure, Tests};

/// What a run of go test has said so far.
#[derive(Default)]
pub struct Go {
    shown: bool,
    ran: bool,
    verbose: bool,
    red: bool,
    tests: Tests,
    failures: Vec<Failure>,
    /// Of the package whose line has not come yet.
    open: Vec<Test>,
    /// `-v` shows what a test says before its end, other modes after it.
    said: Option<Said>,
    /// How deep the line stood that was kept last; deeper ones that follow are of it.
    saying: Option<usize>,
    panic: Option<String>,
    building: Option<String>,
}

struct Test {
    name: String,
    said: Option<Said>,
}

#[derive(Clone)]
struct Said {
    file: String,
    line: u32,
    message: String,
}

impl Reader for Go {
    fn line(&mut self, line: &str) {
        if let Some(said) = said(line) {
            return self.line(said.trim_end_matches('\n'));
        }
        let words = line.trim_start();
        if let Some(rest) = line.strip_prefix("ok  \t") {
            self.package(rest, false);
        } else if let Some(rest) = line.strip_prefix("FAIL\t") {
            self.package(rest, true);
        } else if line.starts_with("?   \t") && line.contains("[no test files]")
            || line == "no packages to test"
        {
            self.shown = true;
        } else if line.starts_with("=== RUN   ") {
            self.verbose = true;
            self.said = None;
        } else if let Some(name) = ended(words, "FAIL") {
            self.saying = None;
            self.tests.failed += 1;
            self.test_failed(name);
        } else if ended(words, "PASS").is_some() {
            self.tests.passed += 1;
        } else if ended(words, "SKIP").is_some() {
            self.tests.skipped += 1;
            self.said = None;
        } else if let Some(package) = line.strip_prefix("# ") {
            self.building = Some(package.split(' ').next().unwrap_or(package).to_owned());
        } else if let Some(message) = line.strip_prefix("panic: ") {
            self.panic = Some(message.trim_end_matches(" [recovered]").to_owned());
        } else {
            self.other(line);
        }
    }

    fn finish(self: Box<Self>) -> Option<Found> {
        if !self.shown {
            return None;
        }
        // Where each test is shown it is known whether any ran; else the line of a package has to do.
        let ran = self.ran && !self.verbose || self.red || self.tests.passed + self.tests.failed > 0;
        let tests = self.verbose.then_some(self.tests);
        let failures = self.failures;
        Some(Found { tests, ran, red: self.red, failures, ..Found::default() })
    }
}

impl Go {
    fn test_failed(&mut self, name: &str) {
        // `-v` names a test before those within it, which have said it.
        let outer = self.open.last_mut().filter(|outer| name.starts_with(&format!("{}/", outer.name)));
        let inherited = outer.filter(|_| self.verbose).and_then(|outer| outer.said.take());
        if self.open.len() < KEPT {
            self.open.push(Test { name: name.to_owned(), said: self.said.take().or(inherited) });
        }
    }

    /// The line of a package: `example.com/m  0.004s`, perhaps with a remark in brackets.
    fn package(&mut self, rest: &str, failed: bool) {
        let package = rest.split('\t').next().unwrap_or_default().split(' ').next().unwrap_or_default();
        self.shown = true;
        self.red |= failed;
        self.ran |= failed || !rest.contains("[no tests to run]");
        let open = std::mem::take(&mut self.open);
        // A test fails because one within it has failed, too; the inner one says more.
        let inner = |test: &Test| {
            let start = format!("{}/", test.name);
            test.said.is_none() && open.iter().any(|other| other.name.starts_with(&start))
        };
        let panic = self.panic.take();
        for test in open.iter().filter(|test| !inner(test)) {
            let name = format!("{package}.{}", test.name);
            let found = match &test.said {
                // The file is named without its directory, which the package shows.
                Some(said) if !said.file.contains('/') => {
                    failure(&name, Some((&format!("{package}/{}", said.file), said.line)), &said.message)
                }
                Some(said) => failure(&name, Some((&said.file, said.line)), &said.message),
                None => failure(&name, None, panic.as_deref().unwrap_or("it failed")),
            };
            self.keep(found);
        }
        if failed && open.is_empty() && rest.contains("[setup failed]") {
            self.keep(failure(package, None, "its tests could not be set up"));
        }
        self.said = None;
        self.building = None;
    }

    fn other(&mut self, line: &str) {
        let words = line.trim_start();
        if let Some(message) = &self.panic {
            // The frames of a panic: `\t/path/p_test.go:3 +0x2e`; the first that is not Go's own.
            let at = line.strip_prefix('\t').and_then(|rest| rest.split(" +0x").next()).and_then(place);
            if let Some((file, number)) = at.filter(|(file, _)| {
                file.ends_with(".go") && !file.contains("/src/runtime/") && !file.contains("/src/testing/")
            }) && let Some(test) = self.open.last_mut().filter(|test| test.said.is_none())
            {
                test.said =
                    Some(Said { file: file.to_owned(), line: number, message: format!("panic: {message}") });
            }
            return;
        }
        let depth = line.len() - words.len();
        let at = words.split_once(": ").and_then(|(at, message)| Some((place(at)?, message)));
        let Some(((file, number), message)) = at.filter(|((file, _), _)| file.ends_with(".go")) else {
            if self.saying.is_some_and(|saying| depth > saying) {
                self.goes_on(words);
            }
            return;
        };
        self.saying = None;
        if let Some(package) = self.building.clone().filter(|_| !line.starts_with(' ')) {
            self.keep(failure(&format!("build of {package}"), Some((file, number)), message));
        } else if line.starts_with(' ') {
            let said = Said { file: file.to_owned(), line: number, message: message.to_owned() };
            let kept = match self.open.last_mut() {
                Some(test) if !self.verbose => &mut test.said,
                _ => {
                    self.said = None;
                    &mut self.said
                }
            };
            if kept.is_none() {
                (*kept, self.saying) = (Some(said), Some(depth));
            }
        }
    }

    /// One more line of what a test says. testify says all in a table, whose place and name are known.
    fn goes_on(&mut self, words: &str) {
        let said = match self.open.last_mut() {
            Some(test) if !self.verbose => test.said.as_mut(),
            _ => self.said.as_mut(),
        };
        let is_known = words.starts_with("Error Trace:\t") || words.starts_with("Test:  ");
        let words = words.strip_prefix("Error:  ").unwrap_or(words).trim();
        if let Some(said) = said.filter(|said| !is_known && !words.is_empty() && said.message.len() < 1000) {
            if !said.message.is_empty() {
                said.message.push('\n');
            }
            said.message.push_str(words);
        }
    }

    fn keep(&mut self, found: Failure) {
        if self.failures.len() < KEPT {
            self.failures.push(found);
        }
    }
}

/// What `go test -json` says in a line: that of `-v`, in an object of its own.
fn said(line: &str) -> Option<String> {
    let event: Event = Some(line).filter(|line| line.starts_with("{\"")).map(serde_json::from_str)?.ok()?;
    // Within it nothing is read as JSON again.
    event.output.filter(|said| event.action.ends_with("output") && !said.starts_with('{'))
}

/// One of test2json's events.
#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    output: Option<String>,
}

/// The name in `--- FAIL: TestX (0.00s)`.
fn ended<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("--- ")?.strip_prefix(word)?.strip_prefix(": ")?;
    rest.rsplit_once(" (").filter(|(_, time)| time.ends_with("s)")).map(|(name, _)| name)
}
