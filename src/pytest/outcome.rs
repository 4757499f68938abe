//! What comes of runs of pytest, from what they tell.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{self, Told};
use super::job::{Ended, Tier};
use crate::run::event::{Failure, REST, Tests, Verdict};
use crate::run::recorder::Recorder;
use crate::run::unit::Attempt;
use crate::sys::process::Ending;

/// So many failures are kept by name.
const KEPT: usize = 50;

/// What came of one run of pytest.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) ended: Option<Ended>,
    pub(super) tests: Tests,
    /// By file: tests that failed.
    pub(super) failed: BTreeMap<String, Vec<String>>,
    failures: Vec<Failure>,
    pub(super) milliseconds: BTreeMap<String, f64>,
    pub(super) collected: Option<Collected>,
    pub(super) reads: BTreeMap<String, Vec<String>>,
    pub(super) spawned: Vec<String>,
    pub(super) modules: Option<(Vec<String>, bool)>,
    /// The variables that the project sets while it is imported.
    pub(super) sets: BTreeSet<String>,
    /// The code that it ended with, by its own word.
    pub(super) code: Option<i32>,
}

pub(super) struct Collected {
    pub(super) files: BTreeMap<String, u32>,
    pub(super) rootdir: String,
    pub(super) ini: Option<String>,
}

impl Outcome {
    pub(super) fn told(&mut self, told: Told, recorder: &mut Recorder) {
        match told {
            Told::Collected { files, rootdir, ini } => {
                self.collected = Some(Collected { files, rootdir, ini })
            }
            Told::Broken(broken) => {
                self.failed.entry(broken.file.clone()).or_default().push(broken.id.clone());
                self.tests.failed += 1;
                self.failure(&broken.id, broken.path, broken.line, broken.message, recorder);
            }
            Told::Test { id, file, outcome, ms, path, line, message, .. } => {
                use event::Outcome as O;
                *self.milliseconds.entry(file.clone()).or_default() += ms;
                match outcome {
                    O::Passed | O::Xfailed | O::Xpassed => self.tests.passed += 1,
                    O::Skipped => self.tests.skipped += 1,
                    O::Failed | O::Error => self.tests.failed += 1,
                }
                if outcome.is_failure() {
                    self.failed.entry(file).or_default().push(id.clone());
                    self.failure(&id, path, line, message, recorder);
                }
            }
            Told::Reads { reads, whole: _, spawned } => (self.reads, self.spawned) = (reads, spawned),
            Told::Modules { names, strict, sets } => {
                self.modules = Some((names, strict));
                self.sets = sets;
            }
            Told::End { code } => self.code = Some(code),
        }
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
        recorder.failed(&failure);
        if self.failures.len() < KEPT {
            self.failures.push(failure);
        }
    }

    /// Whether it says itself how it ended, and nothing else says otherwise.
    pub(super) fn is_whole(&self) -> bool {
        matches!((self.ended, self.code), (Some(Ended::Itself(Ending::Exited(code))), Some(told)) if code == told)
    }
}

/// The runs of an attempt together.
#[derive(Default)]
pub(super) struct Sum {
    pub(super) tests: Tests,
    failures: Vec<Failure>,
    pub(super) stopped: Option<Verdict>,
    ending: Option<Ending>,
    notes: Vec<String>,
}

impl Sum {
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    pub(super) fn add(&mut self, outcome: &Outcome) {
        self.tests.passed += outcome.tests.passed;
        self.tests.failed += outcome.tests.failed;
        self.tests.skipped += outcome.tests.skipped;
        self.failures.extend(outcome.failures.iter().cloned());
        self.failures.truncate(KEPT);
        match outcome.ended {
            Some(Ended::Stopped(verdict)) => self.stopped = Some(verdict),
            Some(Ended::Itself(ending)) => {
                // A file in which nothing is left to run is no failure beside others that ran.
                let is_nothing = |ending: Ending| matches!(ending, Ending::Exited(0 | 5));
                self.ending = match self.ending {
                    Some(before) if !is_nothing(before) => Some(before),
                    Some(Ending::Exited(0)) if is_nothing(ending) => Some(Ending::Exited(0)),
                    _ => Some(ending),
                };
            }
            Some(Ended::Hung) | None => self.ending = Some(Ending::Signalled(9)),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self.ending {
            Some(Ending::Exited(0)) if self.tests.failed == 0 => Verdict::Passed,
            Some(Ending::Exited(5)) => Verdict::NoTestRan,
            _ => Verdict::Failed,
        }
    }

    pub(super) fn attempt(self, tier: Tier, why: &str) -> Attempt {
        let mut notes = self.notes;
        notes.insert(
            0,
            match why {
                "" => tier.to_string(),
                why => format!("{tier}: {why}"),
            },
        );
        let note = Some(notes.join("; "));
        if let Some(verdict) = self.stopped {
            let rest = self
                .ending
                .map(|_| format!("{REST}; {} passed and {} failed", self.tests.passed, self.tests.failed));
            return Attempt { verdict: Some(verdict), note: rest.or(note), ..Attempt::default() };
        }
        Attempt { verdict: None, ending: self.ending, failures: self.failures, note, tests: None }
    }
}
