//! A repository brought up: its Python environment, its tests, and the repair when what was installed today does
//! not fit together any more. The clone itself is never changed.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::git::fetch::History;
use super::git::history::{self, Dates};
use super::git::{BatchOptions, CloneLimits, CloneOutcome, CloneSpec, clone_all};
use super::python::environment::{self, EnvOutcome, EnvSpec, PythonEnv};
use super::python::interpreter::Interpreter;
use super::python::plan::PythonPlan;
use super::python::repair::{self, Cutoff, Resolve};
use super::testing::failure::{Facts, Failure, Stage, classify, known};
use super::testing::run::{self, TestSpec, Tested};
use crate::base::error::Fault;
use crate::base::time::Timestamp;
use crate::sys::{signal, tree};

/// What is to be brought up, and how far.
#[derive(Clone, Debug)]
pub struct BringUp {
    /// The repository's name, for events.
    pub name: String,
    /// Its folder.
    pub repo: PathBuf,
    /// Where it was cloned from; its history is fetched from there when the clone has only a part of it.
    pub url: Option<String>,
    /// What its environment is made of; `None` when it gets none.
    pub plan: Option<PythonPlan>,
    /// With which Python.
    pub python: Option<Interpreter>,
    /// How its tests are run; `None` leaves them out.
    pub tests: Option<TestSpec>,
    /// Its tests may run without an environment, with the machine's own Python.
    pub without_env: bool,
    /// The folder of all environments.
    pub envs: PathBuf,
    /// The folder for what can be had again.
    pub cache: PathBuf,
    /// Where the output of the build goes.
    pub log: PathBuf,
    /// The longest time for one step.
    pub time: Duration,
    /// Do not touch the network.
    pub offline: bool,
    /// Resolve again, as of an earlier day, when what was installed does not work.
    pub repair: bool,
    /// The time now.
    pub now: Timestamp,
    /// What is known for advice.
    pub facts: Facts,
}

/// What is being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// An environment is made, with these versions.
    Environment(Resolve),
    /// The history is looked at for the days to try.
    History,
    /// The tests are run.
    Tests,
}

/// One try.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which versions were taken.
    pub resolve: Resolve,
    /// How long the installation took.
    pub install: Duration,
    /// Why it did not work; `None` when it did.
    pub failure: Option<Failure>,
}

/// The environment in the end.
#[derive(Clone, Debug)]
pub enum Environment {
    /// It gets none.
    NotNeeded,
    /// It was there.
    Present(PythonEnv),
    /// It was made.
    Built(PythonEnv),
    /// It waits.
    Postponed {
        /// For what.
        why: String,
        /// The class of that.
        failure: Option<Failure>,
    },
    /// It could not be made.
    Failed(Fault, Option<Failure>),
}

impl Environment {
    /// The environment, when there is one.
    pub fn env(&self) -> Option<&PythonEnv> {
        match self {
            Self::Present(env) | Self::Built(env) => Some(env),
            _ => None,
        }
    }
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct BroughtUp {
    /// The environment.
    pub environment: Environment,
    /// Every try, in order.
    pub attempts: Vec<Attempt>,
    /// What the tests said; `None` when they were not run.
    pub tested: Option<Tested>,
    /// Environments that were made on the way and that nothing of this repository uses.
    pub unused: Vec<PathBuf>,
}

impl BroughtUp {
    /// Why it did not work; `None` when it did.
    pub fn failure(&self) -> Option<&Failure> {
        match (&self.tested, &self.environment) {
            (Some(tested), _) => tested.failure.as_ref(),
            (None, Environment::Failed(_, failure) | Environment::Postponed { failure, .. }) => {
                failure.as_ref()
            }
            _ => None,
        }
    }
}

/// One try in full.
struct Try {
    attempt: Attempt,
    environment: Environment,
    tested: Option<Tested>,
}

impl Try {
    /// The further it came, the better; of two equals the first counts.
    fn rank(&self) -> u8 {
        match (&self.environment, &self.attempt.failure) {
            (Environment::Postponed { .. } | Environment::Failed(..), _) => 0,
            (_, None) => 3,
            (_, Some(failure)) if !failure.repair => 2,
            (_, Some(_)) => 1,
        }
    }

    fn calls_for_repair(&self) -> bool {
        self.attempt.failure.as_ref().is_some_and(|failure| failure.repair)
    }
}

/// Brings it up: as its files say with the versions of today or of the lock; then, if that fails in a way that
/// older versions may mend, as of the days that its history names.
pub fn bring_up(spec: &BringUp, doing: &dyn Fn(Doing)) -> BroughtUp {
    let first = attempt(spec, Resolve::Today, doing);
    let mut tries = vec![first];
    if spec.repair && tries[0].calls_for_repair() && !spec.offline && !signal::interrupted() {
        for cutoff in cutoffs(spec, doing) {
            if signal::interrupted() {
                break;
            }
            tries.push(attempt(spec, Resolve::AsOf(cutoff), doing));
            let last = &tries[tries.len() - 1];
            if matches!(last.environment, Environment::Postponed { .. }) {
                break;
            }
            if !last.calls_for_repair() && last.rank() > 0 {
                keep(spec, last);
                break;
            }
        }
    }
    finished(tries)
}

fn finished(tries: Vec<Try>) -> BroughtUp {
    // Of equals the first: what was tried later did not help.
    let best = (0..tries.len()).rev().max_by_key(|index| tries[*index].rank()).unwrap_or(0);
    let used = tries.get(best).and_then(|one| one.environment.env()).map(|env| env.dir.clone());
    let mut unused = Vec::new();
    let mut attempts = Vec::new();
    let mut chosen = (Environment::NotNeeded, None);
    for (index, one) in tries.into_iter().enumerate() {
        if let Environment::Built(env) = &one.environment
            && Some(&env.dir) != used.as_ref()
        {
            unused.push(env.dir.clone());
        }
        attempts.push(one.attempt);
        if index == best {
            chosen = (one.environment, one.tested);
        }
    }
    BroughtUp { environment: chosen.0, attempts, tested: chosen.1, unused }
}

fn attempt(spec: &BringUp, resolve: Resolve, doing: &dyn Fn(Doing)) -> Try {
    let started = Instant::now();
    let environment = environment(spec, &resolve, doing);
    let install = started.elapsed();
    let failure = match &environment {
        Environment::Failed(_, failure) | Environment::Postponed { failure, .. } => failure.clone(),
        _ => None,
    };
    let mut one = Try { attempt: Attempt { resolve, install, failure }, environment, tested: None };
    let Some(tests) = &spec.tests else { return one };
    let is_missing = matches!(one.environment, Environment::Postponed { .. } | Environment::Failed(..));
    if is_missing && !spec.without_env || signal::interrupted() {
        return one;
    }
    doing(Doing::Tests);
    let tests = TestSpec { env: one.environment.env().cloned(), ..tests.clone() };
    let tested = run::test(&tests);
    one.attempt.failure = tested.failure.clone();
    one.tested = Some(tested);
    one
}

fn environment(spec: &BringUp, resolve: &Resolve, doing: &dyn Fn(Doing)) -> Environment {
    let Some(env) = env_spec(spec, resolve) else { return Environment::NotNeeded };
    doing(Doing::Environment(resolve.clone()));
    match environment::ensure(&env) {
        EnvOutcome::Built(made) => Environment::Built(made),
        EnvOutcome::Present(found) => Environment::Present(found),
        EnvOutcome::Postponed { why } => {
            let failure = known("index-unreachable", &why, &spec.facts);
            Environment::Postponed { why, failure }
        }
        EnvOutcome::Failed(broken) => {
            let (ending, text) = broken.said();
            let failure = classify(Stage::Install, Some(ending), text, None, &spec.facts);
            Environment::Failed(broken.into(), failure)
        }
    }
}

fn env_spec(spec: &BringUp, resolve: &Resolve) -> Option<EnvSpec> {
    Some(EnvSpec {
        repo: spec.repo.clone(),
        plan: spec.plan.clone()?,
        python: spec.python.clone()?,
        envs: spec.envs.clone(),
        cache: spec.cache.clone(),
        log: spec.log.clone(),
        time: spec.time,
        offline: spec.offline,
        resolve: resolve.clone(),
    })
}

/// What worked is kept; that it could not be kept only costs the next one time.
fn keep(spec: &BringUp, worked: &Try) {
    if let (Some(env), Some(made)) = (env_spec(spec, &worked.attempt.resolve), worked.environment.env()) {
        let _ = environment::keep(&env, made);
    }
}

/// The days to try. A shallow clone knows none, so the history is fetched to a place of its own and forgotten.
fn cutoffs(spec: &BringUp, doing: &dyn Fn(Doing)) -> Vec<Cutoff> {
    let Some(plan) = &spec.plan else { return Vec::new() };
    doing(Doing::History);
    let Ok(here) = history::dates(&spec.repo, None, &plan.inputs) else { return Vec::new() };
    let dates = if here.shallow { whole_history(spec, plan).unwrap_or(here) } else { here };
    repair::cutoffs(&dates, spec.now)
}

/// A history is worth this much and no more.
const HISTORY_BYTES: u64 = 200_000_000;
const HISTORY_TIME: Duration = Duration::from_secs(120);

fn whole_history(spec: &BringUp, plan: &PythonPlan) -> Option<Dates> {
    let commit = super::git::inspect::head(&spec.repo)?;
    let dest = spec.cache.join("history").join(&spec.name);
    let limits = CloneLimits { bytes: HISTORY_BYTES, time: HISTORY_TIME, ..CloneLimits::default() };
    let clone = CloneSpec {
        name: spec.name.clone(),
        url: spec.url.clone()?,
        reference: None,
        history: History::Full,
        submodules: false,
        dest: dest.clone(),
        limits,
    };
    tree::remove(&dest).ok()?;
    let cloned = clone_all(&[clone], BatchOptions { jobs: 1, offline: false }, &|_| ()).pop();
    let dates = match cloned {
        Some(CloneOutcome::Cloned { .. }) => dates_in(&dest, &commit, plan),
        _ => None,
    };
    // It stays at worst until the cache is cleared.
    let _ = tree::remove(&dest);
    dates
}

fn dates_in(repo: &Path, commit: &str, plan: &PythonPlan) -> Option<Dates> {
    history::dates(repo, Some(commit), &plan.inputs).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repos::testing::failure::known;

    #[test]
    fn a_repair_that_could_not_be_tried_is_not_better_than_what_was_there() {
        let one = |environment, failure| Try {
            attempt: Attempt { resolve: Resolve::Today, install: Duration::ZERO, failure },
            environment,
            tested: None,
        };
        let red = || {
            one(
                Environment::NotNeeded,
                known("import-fails-after-install", "cannot import name", &Facts::default()),
            )
        };
        let waits = || one(Environment::Postponed { why: "offline".into(), failure: None }, None);
        let done = finished(vec![red(), waits()]);
        assert!(matches!(done.environment, Environment::NotNeeded));
        let green = one(Environment::NotNeeded, None);
        let done = finished(vec![waits(), red(), green]);
        assert!(matches!(done.environment, Environment::NotNeeded) && done.attempts.len() == 3);
    }
}
