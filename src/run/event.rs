//! Everything that happens in a run, as one closed set. The live view, `--json`, the history and whoever subscribes at
//! the service all read it; its JSON form is documented and only grows.

use serde::{Deserialize, Serialize};

use crate::project::model::StageId;

/// The number of a run in its project, counted up from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub u64);

/// What asked for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A save, or a burst of them.
    Change,
    /// The service started, or the project was added: what changed meanwhile is caught up with.
    Start,
    /// A person asked.
    Request,
}

/// What came of a stage, or of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It ran (or is replayed from a run at the same bytes) and succeeded; a stage of tests ran at least one.
    Passed,
    /// It succeeded after a repeat.
    Flaky,
    /// A test runner succeeded without running a test. Never green.
    NoTestRan,
    /// It failed.
    Failed,
    /// It took longer than it may.
    TimedOut,
    /// It could not be started, or its inputs could not be read.
    NotStarted,
    /// It did not run because a stage that it needs did not succeed.
    Skipped,
    /// It was ended because a newer change made it stale.
    Cancelled,
    /// A person, a signal or the end of the service ended it.
    Interrupted,
}

impl Verdict {
    /// Whether what needs it may run.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Passed | Self::Flaky)
    }

    /// How bad it is; the verdict of a run is the worst of its stages'.
    pub fn gravity(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Flaky => 1,
            Self::Skipped => 2,
            Self::Cancelled => 3,
            Self::Interrupted => 4,
            Self::NoTestRan => 5,
            Self::NotStarted => 6,
            Self::TimedOut => 7,
            Self::Failed => 8,
        }
    }
}

/// How many tests there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tests {
    /// Passed, expected failures included.
    pub passed: u32,
    /// Failed, errors included.
    pub failed: u32,
    /// Left out by their authors.
    pub skipped: u32,
}

/// What a choice of tests is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Portion {
    /// Files that hold tests.
    #[default]
    File,
    /// Packages, as the language has them.
    Package,
}

impl Portion {
    /// What one is called.
    pub fn noun(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Package => "package",
        }
    }
}

/// What was asked for, when that was not all of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The stages; they run with those that they need. None means all.
    #[serde(default)]
    pub stages: Vec<StageId>,
    /// Only these of their tests, as pytest's arguments name them, at most a hundred; none means all.
    #[serde(default)]
    pub tests: Vec<String>,
    /// How many stages the project has.
    pub of: usize,
}

/// pytest's options with which it only lists or explains something.
const LISTING: [&str; 14] = [
    "--collect-only",
    "--collectonly",
    "--co",
    "--setup-plan",
    "--setupplan",
    "--fixtures",
    "--funcargs",
    "--fixtures-per-test",
    "--markers",
    "--cache-show",
    "--help",
    "-h",
    "--version",
    "-V",
];

/// The option among these that keeps pytest from running any test.
pub fn only_lists(asked: &[String]) -> Option<&str> {
    let is_listing = |arg: &&String| LISTING.contains(&arg.split('=').next().unwrap_or(arg));
    asked.iter().find(is_listing).map(String::as_str)
}

/// That not all tests of a stage ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partly {
    /// Whether no more were asked for; else the others had passed before, at the same bytes.
    pub asked: bool,
    /// How many tests there are, where it is known.
    pub of: Option<u32>,
}

/// One failure that was found in a tool's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The test or check, as its tool names it.
    pub name: String,
    /// The file, relative to the project's root where it is inside.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
    /// What went wrong, in a line or a few.
    pub message: String,
}

/// What came of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// What surrounds it failed: a fixture, or the collection of its file.
    Error,
    /// It was left out.
    Skipped,
    /// It failed, as was expected.
    Xfailed,
    /// It passed, which was not expected.
    Xpassed,
}

impl Outcome {
    /// Whether it is red.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

/// One test that has ended. One that passes and fails in its teardown is there twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// As its runner names it; a file that could not be collected, or that left out all its tests, has its own name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took, in microseconds.
    pub microseconds: u64,
    /// Whether it has had another outcome at the same bytes, in this run or in an earlier one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flaky: bool,
    /// The line of its file where it failed, or where the test stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What went wrong, or why it was left out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What its runner prints of a failure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Where the time of a stage of tests went, in microseconds, one part after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Deciding which tests are affected.
    pub select: u64,
    /// Until a process was there that runs them: forked, or started.
    pub start: u64,
    /// Importing the project and finding the tests in it.
    pub collect: u64,
    /// The tests themselves.
    pub tests: u64,
    /// From the last test to the end of the process.
    pub end: u64,
}

/// Which of its two outputs a stage wrote on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// How the note of a stage's end begins whose inputs changed while it ran; the first difference follows.
pub const MEDDLED: &str = "its inputs changed while it ran";

/// How that goes on where it is no longer taken for an input, since what runs is what changes it.
pub const ITSELF: &str = "what runs changes";

/// How the note of a stage's end begins that was cancelled when its affected tests had their verdict and the rest ran.
pub const REST: &str = "the rest of the tests was left";

/// How a part of a note begins that says how warm a run was. It is true of that run alone.
pub const TIERS: [&str; 3] = ["warm", "standby", "cold"];

/// How a part of a note begins that says why all tests ran, and not the affected ones first. It is true of that run alone.
pub const ALL_RAN: &str = "everything ran: ";

/// How a stage ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageEnd {
    /// What came of it.
    pub verdict: Verdict,
    /// Whether nothing was run: the result of an earlier run at the same bytes was replayed.
    pub replayed: bool,
    /// The exit code of its command, when it ended by itself.
    pub exit: Option<i32>,
    /// How long it took, in milliseconds; of a replay, how long the replayed run took.
    pub milliseconds: u64,
    /// The attempts that were made.
    pub attempts: u32,
    /// The tests, where a runner was recognised.
    pub tests: Option<Tests>,
    /// The failures that its output names.
    pub failures: Vec<Failure>,
    /// One sentence where the verdict alone does not say it: what was missing, who wrote into the inputs.
    pub note: Option<String>,
    /// Set where not all of its tests ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partly: Option<Partly>,
}

impl StageEnd {
    /// The same for a run in which nothing is run: what was said of how it ran goes.
    pub fn replay(mut self) -> Self {
        let is_tier = |part: &str| {
            TIERS.iter().any(|tier| {
                part.strip_prefix(tier).is_some_and(|why| why.is_empty() || why.starts_with(": "))
            })
        };
        let is_kept = |part: &&str| !is_tier(part) && !part.starts_with(ALL_RAN);
        let note = self.note.map(|note| note.split("; ").filter(is_kept).collect::<Vec<_>>().join("; "));
        self.note = note.filter(|note| !note.is_empty());
        self.replayed = true;
        self
    }

    /// What its note says of inputs that somebody changed while it ran: it is a verdict on no bytes that anybody knows.
    pub fn meddled(&self) -> Option<&str> {
        let note = self.note.as_deref().filter(|_| !self.replayed)?;
        let said = &note[note.find(MEDDLED)?..];
        (!said.contains(ITSELF)).then_some(said)
    }

    /// Whether it says something of the stage, and not only of the tests that were asked for.
    pub fn is_of_all(&self) -> bool {
        !self.partly.is_some_and(|partly| partly.asked)
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum RunEvent {
    /// A run begins.
    RunStarted {
        /// Which.
        run: RunId,
        /// What asked for it.
        trigger: Trigger,
        /// The generation of the project's files that it is about.
        generation: u64,
        /// How long it was waited for them to be at rest after the first was touched, in microseconds.
        #[serde(default)]
        settle: u64,
        /// The paths whose change asked for it, at most a hundred; relative to the root.
        changed: Vec<String>,
        /// How many paths changed in all.
        changes: u64,
        /// The stages that were selected, in their order.
        stages: Vec<StageId>,
        /// What was asked for, when that was not all of the project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        part: Option<Part>,
    },
    /// A stage begins, or is answered from the cache.
    StageStarted {
        /// Of which run.
        run: RunId,
        /// Which.
        stage: StageId,
        /// The attempt, from 1.
        attempt: u32,
        /// Why it runs or need not: one sentence with the first thing that differs.
        why: String,
    },
    /// A stage wrote something; invalid UTF-8 is replaced, control characters are as they came.
    Output {
        /// Of which run.
        run: RunId,
        /// Which stage.
        stage: StageId,
        /// Where it wrote.
        stream: Stream,
        /// What it wrote.
        text: String,
    },
    /// A test has failed, while the others go on. The failures of a stage's end are those that count.
    TestFailed {
        /// Of which run.
        run: RunId,
        /// Which stage.
        stage: StageId,
        /// What failed.
        failure: Failure,
    },
    /// The tests that a change affects have run; the rest follows, in the same stage.
    Affected {
        /// Of which run.
        run: RunId,
        /// Which stage.
        stage: StageId,
        /// What came of them.
        verdict: Verdict,
        /// How many there were; none where their tool does not count them.
        tests: Tests,
        /// In how many files, or packages.
        files: usize,
        /// How many of them follow.
        rest: usize,
        /// Which of the two is counted.
        #[serde(default)]
        of: Portion,
        /// Why they were chosen: a sentence for each of the first.
        because: Vec<String>,
    },
    /// Tests have ended, some at once.
    TestsFinished {
        /// Of which run.
        run: RunId,
        /// Which stage.
        stage: StageId,
        /// What came of each.
        tests: Vec<TestResult>,
    },
    /// Tests have run, and this is where the time went.
    Spent {
        /// Of which run.
        run: RunId,
        /// Which stage.
        stage: StageId,
        /// In how many files.
        files: usize,
        /// The parts.
        spent: Spent,
    },
    /// A service is ready.
    ServiceReady {
        /// Of which run.
        run: RunId,
        /// Which stage.
        stage: StageId,
        /// How long it took, in milliseconds.
        milliseconds: u64,
    },
    /// A service that had been ready has ended by itself. It may come between runs.
    ServiceEnded {
        /// The run that started it.
        run: RunId,
        /// Which stage.
        stage: StageId,
        /// How, with its last words: one sentence.
        note: String,
    },
    /// A stage has ended; a service's, when it is ready.
    StageFinished {
        /// Of which run.
        run: RunId,
        /// Which stage.
        stage: StageId,
        /// How.
        end: StageEnd,
    },
    /// A run has ended.
    RunFinished {
        /// Which.
        run: RunId,
        /// The worst of its stages' verdicts.
        verdict: Verdict,
        /// How long it took, in milliseconds.
        milliseconds: u64,
        /// One sentence where not all of it could be remembered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
}

impl RunEvent {
    /// The run that it belongs to.
    pub fn run(&self) -> RunId {
        match self {
            Self::RunStarted { run, .. }
            | Self::StageStarted { run, .. }
            | Self::Output { run, .. }
            | Self::TestFailed { run, .. }
            | Self::Affected { run, .. }
            | Self::TestsFinished { run, .. }
            | Self::Spent { run, .. }
            | Self::ServiceReady { run, .. }
            | Self::ServiceEnded { run, .. }
            | Self::StageFinished { run, .. }
            | Self::RunFinished { run, .. } => *run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::flow::ended;
    use super::*;

    #[test]
    fn a_replay_does_not_say_how_warm_the_run_was_that_it_is_of() {
        for (note, kept) in [
            ("warm", None),
            ("cold: its imports, packages or environment changed", None),
            ("cold: without the service; exit code 3", Some("exit code 3")),
            ("everything ran: a.txt changed, which belongs to no package", None),
            ("coldly: it is not what it was", Some("coldly: it is not what it was")),
        ] {
            let end = ended(Verdict::Passed, Some(note.into())).replay();
            assert_eq!((end.note.as_deref(), end.replayed), (kept, true), "{note}");
        }
    }
}
