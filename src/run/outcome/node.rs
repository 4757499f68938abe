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
    /// The suites and tests around the line, the outermost first.
    around: Vec<String>,
    /// In the form for people: each test that failed, by its own name and with those around it, in their order.
    names: Vec<(String, String)>,
    /// The test whose block is open.
    open: Option<Open>,
    /// In the form for people: past `✖ failing tests:`.
    listing: bool,
    /// What node said when a file broke that it was to run, before it says so of the file.
    crash: Option<Crash>,
    /// The same, by file.
    crashes: Vec<(String, Crash)>,
}

/// An error that nobody caught.
#[derive(Clone, Default)]
struct Crash {
    message: String,
    at: Option<(String, u32)>,
}

#[derive(Default)]
struct Open {
    name: String,
    /// Where the test stands, and where it failed.
    stands: Option<(String, u32)>,
    at: Option<(String, u32)>,
    message: String,
    /// The kind of its error, where that is not in the message.
    kind: String,
    exit: Option<String>,
    /// What was said before it, and is of it when it is a file that broke.
    crash: Option<Crash>,
    /// In TAP: how deep its keys are.
    depth: Option<usize>,
    /// The key whose value is the lines that follow.
    block: Option<Block>,
    tap: bool,
    /// Past the message.
    framed: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Block {
    Error,
    Stack,
}

impl Reader for Node {
    fn line(&mut self, line: &str) {
        let words = line.trim_start();
        let depth = line.len() - words.len();
        if let Some(name) = words.strip_prefix("# Subtest: ") {
            self.close();
            self.enter(depth / 4, name);
        } else if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            self.close();
            self.counted(rest);
            self.broke(rest);
        } else if let Some(name) = words.strip_prefix("not ok ") {
            self.close();
            let name = name.split_once(" - ").map_or(name, |(_, name)| name);
            let todo = name.contains(" # TODO") || name.contains(" # SKIP");
            let name = self.whole(depth / 4, name);
            let open = Open { name, crash: self.crash.take(), tap: true, ..Open::default() };
            self.open = (!todo).then_some(open);
        } else if line == "✖ failing tests:" {
            self.listing = true;
        } else if let Some(at) = line.strip_prefix("test at ").filter(|_| self.listing) {
            self.close();
            self.open = Some(Open { stands: owned(place(at)), ..Open::default() });
        } else if let Some(open) = &mut self.open {
            let ends = if open.tap { open.tap(line) } else { open.listed(line) };
            if ends {
                self.close();
            }
        } else if let Some(name) = words.strip_prefix("▶ ") {
            self.enter(depth / 2, name);
        } else if let Some(name) = words.strip_prefix("✖ ").filter(|_| self.names.len() < MOST) {
            let name = untimed(name).to_owned();
            let whole = self.whole(depth / 2, &name);
            if let Some(crash) = self.crash.take().filter(|_| depth == 0) {
                self.crashes.push((name.clone(), crash));
            }
            self.names.push((name, whole));
        } else {
            self.broke(line);
        }
    }

    fn finish(mut self: Box<Self>) -> Option<Found> {
        self.close();
        self.tests?;
        let tests = Tests { passed: self.passed, failed: self.failed, skipped: self.skipped };
        Some(Found::counted(tests, self.failures))
    }
}

/// So many failures of the form for people are remembered until they are listed.
const MOST: usize = 1000;

/// So deep a test stands in others at most.
const DEEPEST: usize = 20;

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

    /// A suite or test begins, so deep in others.
    fn enter(&mut self, depth: usize, name: &str) {
        self.around.truncate(depth.min(DEEPEST));
        self.around.push(untimed(name).to_owned());
    }

    /// A name with those around it.
    fn whole(&self, depth: usize, name: &str) -> String {
        let around = self.around.iter().take(depth).map(String::as_str);
        around.chain([name]).collect::<Vec<_>>().join(" > ")
    }

    /// A line that may be of an error which nobody caught: the place, the source, the error, the stack.
    fn broke(&mut self, line: &str) {
        let words = line.trim();
        if let Some(frame) = words.strip_prefix("at ") {
            if let Some(crash) = self.crash.as_mut().filter(|crash| crash.at.is_none()) {
                crash.at = framed(frame);
            }
        } else if is_error(line) {
            let at = self.crash.take().filter(|crash| crash.message.is_empty()).and_then(|crash| crash.at);
            self.crash = Some(Crash { message: plain(words), at });
        } else if line.starts_with('/') || line.starts_with("file://") {
            self.crash = Some(Crash { message: String::new(), at: owned(place(words)) });
        }
    }

    fn close(&mut self) {
        let Some(mut open) = self.open.take().filter(|open| !open.name.is_empty()) else { return };
        if let Some(at) = self.crashes.iter().position(|(name, _)| *name == open.name) {
            open.crash = Some(self.crashes.remove(at).1);
        }
        if let Some(at) = self.names.iter().position(|(name, _)| !open.tap && *name == open.name) {
            open.name = self.names.remove(at).1;
        }
        if self.failures.len() < KEPT {
            self.failures.push(open.failure());
        }
    }
}

impl Open {
    /// A line of the YAML block below `not ok`; whether it is the last.
    fn tap(&mut self, line: &str) -> bool {
        let words = line.trim();
        let indent = line.len() - line.trim_start().len();
        if words == "---" && self.depth.is_none() {
            self.depth = Some(indent);
            return false;
        }
        // What is deeper belongs to the key above it.
        if words.is_empty() || self.depth.is_some_and(|depth| indent > depth) {
            match self.block {
                Some(Block::Error) => self.say(words),
                Some(Block::Stack) => self.frame(words),
                None => {}
            }
            return false;
        }
        self.block = None;
        let (key, value) = words.split_once(": ").unwrap_or((words, ""));
        let is_block = value.starts_with('|');
        match key {
            "location" => self.stands = owned(place(unquoted(value))),
            "error" if is_block => self.block = Some(Block::Error),
            "error" => self.message = unquoted(value).to_owned(),
            "stack" if is_block => self.block = Some(Block::Stack),
            "name" => self.kind = unquoted(value).to_owned(),
            "exitCode" => self.exit = Some(value.to_owned()).filter(|code| code != "~"),
            // The inner one says more.
            "failureType" if unquoted(value) == "subtestsFailed" => self.name.clear(),
            _ => {}
        }
        words == "..."
    }

    /// A line below `test at …`; whether it is the last.
    fn listed(&mut self, line: &str) -> bool {
        let words = line.trim();
        if self.name.is_empty() {
            if let Some(name) = words.strip_prefix("✖ ") {
                self.name = untimed(name).to_owned();
            }
        } else if let Some(frame) = words.strip_prefix("at ") {
            self.frame(frame);
            self.framed = true;
        } else if !self.framed {
            self.say(if self.message.is_empty() { unquoted(words) } else { words });
        }
        self.at.is_some()
    }

    fn frame(&mut self, frame: &str) {
        if self.at.is_none() {
            self.at = framed(frame);
        }
    }

    /// One more line of the message. Of two values that are not equal only the difference is worth the room.
    fn say(&mut self, words: &str) {
        let compared = self.message.contains(LEGEND);
        let is_told = !compared || words.starts_with(['+', '-']);
        if !words.is_empty() && is_told && self.message.len() < 1000 {
            // `Expected values to be strictly equal:` says nothing without what follows.
            let joins = self.message.ends_with(":\n") && !self.message.trim_end().contains('\n');
            if joins && words != LEGEND {
                self.message.pop();
                self.message.push(' ');
            }
            self.message.push_str(words);
            self.message.push('\n');
        }
    }

    fn failure(&self) -> Failure {
        let said = plain(&self.message);
        let is_file = said.trim() == "test failed";
        let crash = self.crash.as_ref().filter(|crash| is_file && !crash.message.is_empty());
        let at = crash.and_then(|crash| crash.at.as_ref()).or(self.at.as_ref()).or(self.stands.as_ref());
        let message = match (crash, self.exit.as_ref().filter(|_| is_file), self.kind.as_str()) {
            (Some(crash), ..) => crash.message.clone(),
            (None, Some(code), _) => format!("it ended with exit code {code}"),
            (None, None, "") => said,
            (None, None, kind) => format!("{kind}: {said}"),
        };
        failure(&self.name, at.map(|(file, line)| (file.as_str(), *line)), &message)
    }
}

/// What stands above a comparison of two values.
const LEGEND: &str = "+ actual - expected";

/// A name without the time that stands after it.
fn untimed(name: &str) -> &str {
    name.rsplit_once(" (").filter(|(_, time)| time.ends_with("ms)")).map_or(name, |(name, _)| name)
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text)
}

/// Whether a line begins with the name of an error: `TypeError: x`, `AssertionError [ERR_ASSERTION]: x`.
fn is_error(line: &str) -> bool {
    let Some((name, _)) = line.split_once(": ") else { return false };
    let name = name.split(" [").next().unwrap_or(name);
    name.ends_with("Error") && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$'))
}

/// An error without the code that node puts behind its name.
fn plain(message: &str) -> String {
    match message.split_once(" [").and_then(|(name, rest)| Some((name, rest.split_once("]: ")?.1))) {
        Some((name, rest)) if is_error(&format!("{name}: ")) => format!("{name}: {rest}"),
        _ => message.to_owned(),
    }
}

/// The place of a frame that is the project's: `fn (/p/a.js:4:10)`, `async file:///p/a.mjs:4:10`.
fn framed(frame: &str) -> Option<(String, u32)> {
    let frame = frame.trim_end_matches(" {");
    let at = frame
        .rsplit_once('(')
        .map_or_else(|| frame.strip_prefix("async ").unwrap_or(frame), |(_, at)| at.trim_end_matches(')'));
    let at = at.strip_prefix("file://").unwrap_or(at);
    let is_ours = !at.starts_with("node:") && !at.contains("node_modules/") && at.contains('/');
    owned(place(at).filter(|_| is_ours))
}

fn owned(place: Option<(&str, u32)>) -> Option<(String, u32)> {
    place.map(|(file, line)| (file.strip_prefix("file://").unwrap_or(file).to_owned(), line))
}
