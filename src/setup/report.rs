//! What setup did, item by item.

use std::path::PathBuf;

use serde::Serialize;

use super::phase::Phase;
use crate::repos::git::RepoEvent;
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

/// A verdict as state, stable word, and words for people.
pub fn verdict(verdict: &Verdict) -> (State, &'static str, String) {
    use crate::base::text::counted;
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
        Verdict::TimedOut => (State::Red, "timed-out", "took too long".into()),
        Verdict::CouldNotStart { why } => {
            (State::Red, "could-not-start", format!("could not start: {}", last_line(why)))
        }
        Verdict::Postponed { why } => (State::Postponed, "postponed", why.clone()),
    }
}

fn last_line(text: &str) -> String {
    crate::base::text::printable(
        text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim(),
    )
}
