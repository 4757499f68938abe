//! What setup did, item by item.

use std::path::PathBuf;

use serde::Serialize;

use super::phase::Phase;
use crate::base::time::Timestamp;
use crate::repos::bring_up::Attempt;
use crate::repos::git::RepoEvent;
use crate::repos::python::repair::Resolve;
use crate::repos::testing::failure::Failure;
use crate::repos::testing::notices::Notice;
use crate::repos::testing::run::Tested;
use crate::repos::testing::runner::Runner;
use crate::repos::testing::verdict::Verdict;

/// How one item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was done now.
    Done,
    /// It was there already.
    Unchanged,
    /// Something of the user's is in its place and stays.
    Kept,
    /// It waits: for the network, for space, for something before it.
    Postponed,
    /// The tests ended well, and nothing shows that one ran.
    NoTestRan,
    /// What is tested needs something that is not here: the network, a Docker engine.
    Unmet,
    /// Tests failed.
    Red,
    /// It failed.
    Failed,
}

/// One kit, repository, environment, or run of tests.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    /// Which phase it belongs to.
    pub phase: Phase,
    /// Its name in the profile.
    pub name: String,
    /// How it ended.
    pub state: State,
    /// In words.
    pub detail: String,
    /// What to do about it.
    pub next: Option<String>,
    /// The full log.
    pub log: Option<PathBuf>,
}

/// What became of one project: its Python, its environment, its tests.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProjectReport {
    /// Its name.
    pub name: String,
    /// The commit that it stands at.
    pub commit: Option<String>,
    /// The version of its Python.
    pub python: Option<String>,
    /// Why that one.
    pub python_why: String,
    /// The environment's folder.
    pub environment: Option<PathBuf>,
    /// `uv` or `pip`.
    pub tool: Option<String>,
    /// Nothing that was uploaded later was installed; `null` when everything was allowed.
    pub as_of: Option<Timestamp>,
    /// Whether the environment was there already.
    pub reused: bool,
    /// Every try, in order.
    pub attempts: Vec<Tried>,
    /// What its files ask for and is not installed, in words.
    pub left_out: Vec<String>,
    /// The tests.
    pub tests: Option<TestReport>,
    /// Why it is not green.
    pub failure: Option<Failure>,
    /// What could not be done, in words, when there is no environment.
    pub trouble: Option<String>,
    /// The environment only waits for the network.
    pub waits: bool,
    /// Files of the clone that its build and its tests changed or left, in order; nothing is done about them.
    pub left_behind: Vec<String>,
    /// What changed in the home outside of the clone while these ran, as paths below it; nothing is done about it.
    pub outside: Vec<String>,
    /// The full log of the last step.
    pub log: Option<PathBuf>,
}

/// One try to make an environment that works.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// Which versions: `today`, or `as of 2021-03-17, the last change of its dependencies`.
    pub versions: String,
    /// How long the installation took, in seconds.
    pub seconds: f64,
    /// Why it did not work; `null` when it did.
    pub failure: Option<Failure>,
}

/// How tests ended.
#[derive(Clone, Debug, Serialize)]
pub struct TestReport {
    /// What was run.
    pub runner: Option<&'static str>,
    /// A stable word.
    pub verdict: &'static str,
    /// In words.
    pub summary: String,
    /// How long they took, in seconds.
    pub seconds: f64,
    /// What there would be to test where the repository's own target is worth nothing.
    pub besides: Option<String>,
    /// What `make lint` says, when it was asked for: `clean`, or why not.
    pub lint: Option<String>,
    /// What is worth saying, a sentence each.
    pub notes: Vec<String>,
    /// What is worth knowing of its CI files.
    pub notices: Vec<Notice>,
}

impl From<&Attempt> for Tried {
    fn from(attempt: &Attempt) -> Self {
        let versions = match &attempt.resolve {
            Resolve::Today => "today".to_owned(),
            Resolve::AsOf(cutoff) => cutoff.to_string(),
        };
        Self { versions, seconds: attempt.install.as_secs_f64(), failure: attempt.failure.clone() }
    }
}

impl From<&Tested> for TestReport {
    fn from(tested: &Tested) -> Self {
        let (_, word, summary) = outcome(tested);
        let lint = tested.lint.as_ref().map(|linted| match &linted.failure {
            _ if linted.clean => "clean".to_owned(),
            Some(failure) => failure.title.to_owned(),
            None => "has complaints".to_owned(),
        });
        Self {
            runner: tested.runner.map(Runner::name),
            verdict: word,
            summary,
            seconds: tested.elapsed.as_secs_f64(),
            besides: tested.besides.as_ref().map(Verdict::words),
            lint,
            notes: tested.notes.clone(),
            notices: Vec::new(),
        }
    }
}

/// What happens while setup works; told from several threads.
#[derive(Clone, Debug)]
pub enum Event {
    /// A phase has begun, with so many items.
    Phase(Phase, usize),
    /// Cloning.
    Clone(RepoEvent),
    /// Something else is being worked on: name, words.
    Working(String, String),
    /// It is over: name.
    Over(String),
}

impl Item {
    /// An item with nothing to add.
    pub fn new(phase: Phase, name: &str, state: State, detail: impl Into<String>) -> Self {
        Self { phase, name: name.to_owned(), state, detail: detail.into(), next: None, log: None }
    }

    /// The same with a next step.
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The same with a log.
    pub fn log(mut self, log: PathBuf) -> Self {
        self.log = Some(log);
        self
    }
}

/// A verdict as state, stable word, and words for people. Where a run broke off, its failure's name says more than the
/// last words of its output.
pub fn outcome(tested: &Tested) -> (State, &'static str, String) {
    let verdict = &tested.verdict;
    let words = match (verdict, &tested.failure) {
        (Verdict::CouldNotStart { .. } | Verdict::Failed { failed: 0, .. }, Some(failure)) => {
            format!("could not run: {}", failure.title)
        }
        _ => verdict.words(),
    };
    (state(verdict), verdict.word(), words)
}

fn state(verdict: &Verdict) -> State {
    match verdict {
        Verdict::Passed { .. } => State::Done,
        Verdict::Postponed { .. } | Verdict::Interrupted => State::Postponed,
        Verdict::NeedsNetwork { .. } | Verdict::NeedsDocker { .. } => State::Unmet,
        Verdict::CouldNotInstall { .. } => State::Failed,
        red if red.red() => State::Red,
        _ => State::NoTestRan,
    }
}
