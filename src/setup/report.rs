//! What setup did, item by item.

use std::path::PathBuf;

use serde::Serialize;

use super::phase::Phase;
use crate::base::text::{counted, printable};
use crate::base::time::Timestamp;
use crate::repos::bring_up::Attempt;
use crate::repos::git::RepoEvent;
use crate::repos::python::repair::Resolve;
use crate::repos::testing::failure::Failure;
use crate::repos::testing::notices::Notice;
use crate::repos::testing::run::Tested;
use crate::repos::testing::runner::Runner;
use crate::repos::testing::smoke::Smoke;
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
    pub runner: Runner,
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
        let lint = tested.lint.as_ref().map(|lint| match lint {
            Ok(()) => "clean".to_owned(),
            Err(Some(failure)) => failure.class.title.to_owned(),
            Err(None) => "has complaints".to_owned(),
        });
        Self {
            runner: tested.runner,
            verdict: word,
            summary,
            seconds: tested.elapsed.as_secs_f64(),
            besides: tested.besides.as_ref().map(|besides| verdict(besides).2),
            lint,
            notices: tested.notices.clone(),
        }
    }
}

/// What happens while setup works; told from several threads.
#[derive(Clone, Debug)]
pub enum Event {
    /// A phase has begun.
    Phase(Phase),
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

/// The same for a run, where a failure's name says more than the last words of the output.
pub fn outcome(tested: &Tested) -> (State, &'static str, String) {
    let (state, word, summary) = verdict(&tested.verdict);
    match (&tested.verdict, &tested.failure) {
        (Verdict::CouldNotStart { .. } | Verdict::Failed { failed: 0, .. }, Some(failure)) => {
            (state, word, format!("could not run: {}", failure.class.title))
        }
        _ => (state, word, summary),
    }
}

/// A verdict as state, stable word, and words for people.
pub fn verdict(verdict: &Verdict) -> (State, &'static str, String) {
    let tests = |count: &u64| counted(usize::try_from(*count).unwrap_or(usize::MAX), "test");
    match verdict {
        Verdict::Passed { tests: count } => (State::Done, "passed", format!("{} passed", tests(count))),
        Verdict::Failed { failed: 0, why, .. } => {
            (State::Red, "failed", format!("the test command failed: {}", last_line(why)))
        }
        Verdict::Failed { failed, passed, .. } => {
            (State::Red, "failed", format!("{} failed, {passed} passed", tests(failed)))
        }
        Verdict::NoTestRan { why } => (State::NoTestRan, "no-test-ran", format!("no test ran: {why}")),
        Verdict::NoTestTarget => (State::NoTestRan, "no-test-target", "no test target".into()),
        Verdict::Smoke(smoke) if smoke.is_well() => (State::NoTestRan, "imports", imports(smoke)),
        Verdict::Smoke(smoke) => (State::Red, "does-not-import", imports(smoke)),
        Verdict::NeedsNetwork { failed, passed } => (
            State::Unmet,
            "needs-network",
            format!("needs the network: {} failed, {passed} passed", tests(failed)),
        ),
        Verdict::NeedsDocker { .. } => (State::Unmet, "needs-docker", "needs Docker".into()),
        Verdict::TimedOut => (State::Red, "timed-out", "took too long".into()),
        Verdict::CouldNotStart { why } => {
            (State::Red, "could-not-start", format!("could not start: {}", last_line(why)))
        }
        Verdict::Postponed { why } => (State::Postponed, "postponed", why.clone()),
    }
}

/// `no tests; 2 modules import, GET / of main.app answers 200`.
fn imports(smoke: &Smoke) -> String {
    let mut parts = Vec::new();
    if !smoke.imported.is_empty() {
        let some = counted(smoke.imported.len(), "module");
        parts.push(format!("{some} {}", if smoke.imported.len() == 1 { "imports" } else { "import" }));
    }
    if let Some((name, _)) = smoke.failed.first() {
        let more = smoke.failed.len() - 1;
        let more = if more == 0 { String::new() } else { format!(", nor do {more} more") };
        parts.push(format!("{name} does not work{more}"));
    }
    if let (Some(status), Some(app)) = (smoke.answered, &smoke.app) {
        parts.push(format!("GET / of {app} answers {status}"));
    }
    printable(&format!("no tests; {}", parts.join(", ")))
}

fn last_line(text: &str) -> String {
    printable(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim())
}
