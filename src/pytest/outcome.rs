//! What comes of runs of pytest, from what they tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::event::{Collected, Told};
use super::job::{Ended, Tier};
use crate::run::event::{self, Failure, REST, Spent, TestResult, Tests, Verdict};
use crate::run::recorder::Recorder;
use crate::run::unit::Attempt;
use crate::sys::process::Ending;

/// So many failures are kept by name.
const KEPT: usize = 50;

/// So much text of failures is kept, in bytes.
const TEXTS: usize = 4 << 20;

/// What came of one run of pytest, or of several that ran side by side.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) ended: Option<Ended>,
    pub(super) tests: Tests,
    /// By file: tests that failed.
    pub(super) failed: BTreeMap<String, Vec<String>>,
    failures: Vec<Failure>,
    /// Every test that ended.
    pub(super) results: Vec<TestResult>,
    /// What left its tests out before any was found: of these a result is none of a test.
    left: BTreeSet<String>,
    pub(super) milliseconds: BTreeMap<String, f64>,
    pub(super) collected: Option<Collected>,
    pub(super) reads: BTreeMap<String, Vec<String>>,
    pub(super) writes: Vec<String>,
    /// Of that, what no process had read before it wrote it.
    pub(super) made: BTreeSet<String>,
    /// Of that, what has another size now.
    pub(super) altered: Vec<String>,
    /// Whether all that was read was seen.
    pub(super) has_seen_all: bool,
    /// How much text the results have, in bytes.
    bytes: usize,
    pub(super) spawned: Vec<String>,
    pub(super) modules: Option<(Vec<String>, bool)>,
    /// The variables that the project sets while it is imported.
    pub(super) sets: BTreeSet<String>,
    /// The code that it ended with, by its own word.
    pub(super) code: Option<i32>,
    /// When it began, and when its tests had ended, in microseconds of the clock that no one sets.
    begun: u64,
    over: u64,
    /// Where its time went.
    pub(super) spent: Spent,
    /// Why its process must not run it.
    pub(super) unfit: Option<String>,
    /// Whether its failures are not told as they come.
    is_quiet: bool,
    /// In how many processes at a time.
    pub(super) lanes: usize,
    /// Whether pytest was told which files to run.
    pub(super) is_named: bool,
    /// Whether a test passed that failed at the same bytes when pytest found all by itself.
    pub(super) is_unlike: bool,
}

impl Outcome {
    /// Nothing yet; a quiet one tells nobody of its failures as they come.
    pub(super) fn new(is_quiet: bool) -> Self {
        Self { is_quiet, ..Self::default() }
    }

    pub(super) fn told(&mut self, told: Told, recorder: &mut Recorder) {
        match told {
            Told::Begun { at } => self.begun = at,
            Told::Collected(collected) => self.collected = Some(collected),
            Told::Broken(broken) => {
                self.failed.entry(broken.file.clone()).or_default().push(broken.id.clone());
                self.tests.failed += 1;
                let result = result(&broken.id, &broken.file, (event::Outcome::Error, 0.0));
                let line = broken.line.filter(|_| is_at(broken.path.as_deref(), &broken.file));
                self.result(TestResult { line, ..result }, &broken.message, &broken.text);
                self.failure(&broken.id, broken.path, broken.line, broken.message, recorder);
            }
            Told::Skipped { id, file, message } => {
                self.tests.skipped += 1;
                self.result(result(&id, &file, (event::Outcome::Skipped, 0.0)), &message, "");
                self.left.insert(id);
            }
            Told::Test { id, file, outcome, ms, path, line, message, text, when, stands, counts } => {
                *self.milliseconds.entry(file.clone()).or_default() += ms;
                self.add(counts.unwrap_or_else(|| one(outcome)));
                let said = match when.as_str() {
                    "" => message.clone(),
                    when => format!("failed on {when} with \"{message}\""),
                };
                let at = line.filter(|_| is_at(path.as_deref(), &file)).or(stands);
                self.result(TestResult { line: at, ..result(&id, &file, (outcome, ms)) }, &said, &text);
                if outcome.is_failure() {
                    self.failed.entry(file).or_default().push(id.clone());
                    self.failure(&id, path, line, message, recorder);
                }
            }
            Told::Reads { reads, whole, writes, made, altered, spawned } => {
                (self.reads, self.writes) = (reads, writes);
                (self.made, self.altered) = (made, altered);
                (self.spawned, self.has_seen_all) = (spawned, whole);
            }
            Told::Modules { names, strict, sets } => {
                self.modules = Some((names, strict));
                self.sets = sets;
            }
            Told::Gone { .. } => {}
            Told::Unfit { why } => self.unfit = Some(why),
            Told::End { code, at } => (self.code, self.over) = (Some(code), at),
        }
    }

    fn result(&mut self, result: TestResult, message: &str, text: &str) {
        // Where there are thousands of failures the first ones tell enough.
        let is_told = self.bytes < TEXTS;
        let text = if is_told && result.outcome.is_failure() { text } else { "" };
        let message = if is_told { message } else { message.lines().next().unwrap_or_default() };
        self.bytes += text.len() + message.len();
        self.results.push(TestResult { text: text.to_owned(), message: message.to_owned(), ..result });
    }

    fn failure(
        &mut self,
        name: &str,
        file: Option<String>,
        line: Option<u32>,
        message: String,
        recorder: &mut Recorder,
    ) {
        let message = message.lines().next().unwrap_or_default().to_owned();
        let failure = Failure { name: name.to_owned(), file, line, message };
        if !self.is_quiet {
            recorder.failed(&failure);
        }
        if self.failures.len() < KEPT {
            self.failures.push(failure);
        }
    }

    /// Whether it says itself how it ended, and nothing else says otherwise.
    pub(super) fn is_whole(&self) -> bool {
        matches!((self.ended, self.code), (Some(Ended::Itself(Ending::Exited(code))), Some(told)) if code == told)
    }

    /// Whether it ended by itself, in error, before it had looked for tests.
    pub(super) fn is_refused(&self) -> bool {
        let is_error = matches!(self.ended, Some(Ended::Itself(Ending::Exited(code))) if code != 0);
        is_error && self.collected.is_none()
    }

    /// How many tests had ended, and of how many, when it ended as if all were well and without saying so: a test has ended
    /// the process.
    fn unfinished(&self) -> Option<(usize, usize)> {
        let is_fine = matches!(self.ended, Some(Ended::Itself(Ending::Exited(0))));
        let all = self.collected.as_ref()?.files.values().map(|count| *count as usize).sum();
        let ended: BTreeSet<&str> = self.of_tests().map(|result| result.name.as_str()).collect();
        (is_fine && self.code.is_none() && ended.len() < all).then_some((ended.len(), all))
    }

    /// What came of tests, without that of files and classes in which none was found.
    pub(super) fn of_tests(&self) -> impl Iterator<Item = &TestResult> {
        self.results.iter().filter(|result| result.name != result.file && !self.left.contains(&result.name))
    }

    /// How many tests failed.
    pub(super) fn failed_count(&self) -> usize {
        self.failed.values().map(Vec::len).sum()
    }

    /// Where its time went, when it was asked for at `asked` and had ended at `ended`.
    pub(super) fn spent_since(&self, asked: u64, ended: u64) -> Spent {
        let collected = self.collected.as_ref().map_or(self.begun, |collected| collected.at);
        Spent {
            select: 0,
            start: self.begun.saturating_sub(asked),
            collect: collected.saturating_sub(self.begun),
            tests: self.over.saturating_sub(collected),
            end: ended.saturating_sub(self.over.max(asked)),
        }
    }

    /// With another one that ran beside it: each ran other files.
    pub(super) fn beside(mut self, other: Self) -> Self {
        let has_read = |of: &Self, path: &String| {
            !of.made.contains(path) && of.reads.values().any(|paths| paths.contains(path))
        };
        let made = self.made.iter().chain(&other.made);
        let made = made.filter(|path| !has_read(&self, path) && !has_read(&other, path)).cloned().collect();
        self.made = made;
        let (ending, stopped) =
            (other.ending(), [self.ended, other.ended].into_iter().flatten().find(is_stopped));
        self.add(other.tests);
        self.failed.extend(other.failed);
        self.failures.extend(other.failures);
        self.failures.truncate(KEPT);
        self.results.extend(other.results);
        self.left.extend(other.left);
        self.milliseconds.extend(other.milliseconds);
        match (&mut self.collected, other.collected) {
            (Some(ours), Some(theirs)) => ours.files.extend(theirs.files),
            (ours, theirs) => *ours = theirs.or(ours.take()),
        }
        self.writes.extend(other.writes);
        self.altered.extend(other.altered);
        for (owner, paths) in other.reads {
            self.reads.entry(owner).or_default().extend(paths);
        }
        self.has_seen_all &= other.has_seen_all;
        self.spawned.extend(other.spawned);
        if let (Some((ours, strict)), Some((theirs, also))) = (&mut self.modules, other.modules) {
            let known: BTreeSet<String> = ours.iter().cloned().collect();
            ours.extend(theirs.into_iter().filter(|name| !known.contains(name)));
            *strict |= also;
        }
        self.sets.extend(other.sets);
        if other.over > self.over {
            (self.begun, self.over) = (other.begun, other.over);
        }
        if stopped.is_some() {
            self.ended = stopped;
            return self;
        }
        let ending = worse(self.ending(), ending);
        self.ended = ending.map(Ended::Itself);
        self.code = ending.and_then(|ending| match ending {
            Ending::Exited(code) => Some(code),
            _ => None,
        });
        self
    }

    fn ending(&self) -> Option<Ending> {
        match self.ended {
            Some(Ended::Itself(ending)) => Some(ending),
            _ => None,
        }
    }

    fn add(&mut self, tests: Tests) {
        self.tests = sum(self.tests, tests);
    }
}

fn is_stopped(ended: &Ended) -> bool {
    matches!(ended, Ended::Stopped(_))
}

/// What came of a test, without a word.
fn result(name: &str, file: &str, (outcome, ms): (event::Outcome, f64)) -> TestResult {
    let microseconds = (ms * 1000.0).clamp(0.0, 1e15) as u64;
    let (name, file) = (name.to_owned(), file.to_owned());
    let (line, message, text) = (None, String::new(), String::new());
    TestResult { name, file, outcome, microseconds, flaky: false, line, message, text }
}

/// Whether a place, as pytest has it, is in a test's file.
fn is_at(path: Option<&str>, file: &str) -> bool {
    path.is_some_and(|path| Path::new(path).ends_with(file))
}

/// One test, as pytest's last line counts it.
fn one(outcome: event::Outcome) -> Tests {
    use event::Outcome as O;
    match outcome {
        O::Passed | O::Xfailed | O::Xpassed => Tests { passed: 1, ..Tests::default() },
        O::Skipped => Tests { skipped: 1, ..Tests::default() },
        O::Failed | O::Error => Tests { failed: 1, ..Tests::default() },
    }
}

fn sum(a: Tests, b: Tests) -> Tests {
    Tests { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }
}

/// How two runs ended, as one. A run in which nothing is left to run (5) is no failure beside one that ran.
fn worse(a: Option<Ending>, b: Option<Ending>) -> Option<Ending> {
    let is_nothing = |ending: Ending| matches!(ending, Ending::Exited(0 | 5));
    match (a, b) {
        (Some(a), _) if !is_nothing(a) => Some(a),
        (Some(Ending::Exited(0)), Some(b)) if is_nothing(b) => Some(Ending::Exited(0)),
        (a, b) => b.or(a),
    }
}

/// The runs of an attempt together.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) tests: Tests,
    failures: Vec<Failure>,
    pub(super) stopped: Option<Verdict>,
    ending: Option<Ending>,
    /// Whether each run told itself what came of it.
    is_whole: bool,
    /// How many tests had ended, and of how many, when a run ended without a word.
    unfinished: Option<(usize, usize)>,
    notes: Vec<String>,
}

impl Sum {
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.is_whole = outcome.is_whole() && (self.is_whole || self.ending.is_none());
        self.unfinished = self.unfinished.or_else(|| outcome.unfinished());
        self.tests = sum(self.tests, outcome.tests);
        self.failures.extend(outcome.failures.iter().cloned());
        self.failures.truncate(KEPT);
        match outcome.ended {
            Some(Ended::Stopped(verdict)) => self.stopped = Some(verdict),
            Some(Ended::Itself(ending)) => self.ending = worse(self.ending, Some(ending)),
            Some(Ended::Hung | Ended::Spun | Ended::Outdated) | None => {
                self.ending = Some(Ending::Signalled(9))
            }
        }
    }

    /// Only this run counts.
    pub(super) fn replace(&mut self, outcome: &Outcome) {
        let notes = std::mem::take(&mut self.notes);
        *self = Self { notes, ..Self::default() };
        self.add(outcome);
    }

    /// Whether a module was there for who asked its package for it, as far as the failures say.
    pub(super) fn has_had(&self, module: &str) -> bool {
        let missed = format!("has no attribute '{}'", module.rsplit('.').next().unwrap_or(module));
        let is_known = self.stopped.is_none() && self.is_whole && self.failures.len() < KEPT;
        is_known && !self.failures.iter().any(|failure| failure.message.contains(&missed))
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self.ending {
            Some(Ending::Exited(0)) if self.tests.failed == 0 => Verdict::Passed,
            Some(Ending::Exited(5)) => Verdict::NoTestRan,
            _ => Verdict::Failed,
        }
    }

    /// As it is told of; whether tests that did not run now have passed at these bytes, and whether nobody has had the last word on what
    /// is red.
    pub(super) fn attempt(self, (tier, why): (Tier, &str), others_passed: bool, is_left: bool) -> Attempt {
        let is_fine = self.tests.failed == 0 && matches!(self.ending, Some(Ending::Exited(0 | 5)));
        let is_green = self.is_whole && is_fine && (self.tests.passed > 0 || others_passed);
        let is_red = self.is_whole && self.tests.failed > 0;
        let mut notes = self.notes;
        notes.insert(
            0,
            match why {
                "" => tier.to_string(),
                why => format!("{tier}: {why}"),
            },
        );
        if let (Some((ended, all)), None) = (self.unfinished, self.stopped) {
            notes.push(format!("pytest ended when {ended} of {all} tests had run, and said nothing"));
        }
        if !self.is_whole && is_fine && self.unfinished.is_none() && self.stopped.is_none() {
            notes.push("pytest ended without a word of its tests".into());
        }
        let note = Some(notes.join("; "));
        if let Some(verdict) = self.stopped {
            let left = if is_left { ", and what failed was not looked at again" } else { "" };
            let rest = self.ending.map(|_| {
                format!("{REST}{left}; {} passed and {} failed", self.tests.passed, self.tests.failed)
            });
            return Attempt { verdict: Some(verdict), note: rest.or(note), ..Attempt::default() };
        }
        // What ran beside others, or twice, is in the output as often; what was told is in order.
        let tests = Some(self.tests).filter(|_| self.is_whole);
        let verdict = if is_red || self.unfinished.is_some() {
            Some(Verdict::Failed)
        } else if !self.is_whole && is_fine {
            // Whoever ends the process before there is a result has tested nothing.
            Some(Verdict::NoTestRan)
        } else {
            is_green.then_some(Verdict::Passed)
        };
        Attempt { verdict, ending: self.ending, failures: self.failures, note, tests, partly: None }
    }
}
