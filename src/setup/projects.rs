//! Python environments and tests of projects, several at a time.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::phase::Phase;
use super::record::{EnvironmentRecord, TestRecord};
use super::report::{Event, Item, State, verdict};
use super::run::{Run, words};
use super::space::{self, Budget};
use super::work::{Project, needs_network};
use crate::base::error::Fault;
use crate::base::text::printable;
use crate::profile::schema::TestSetting;
use crate::repos::files::read_text;
use crate::repos::python::environment::{self as python_env, EnvOutcome, EnvSpec, PythonEnv};
use crate::repos::python::interpreter;
use crate::repos::python::repair::Resolve;
use crate::repos::testing::run::{self as testing, TestSpec};
use crate::repos::testing::verdict::Verdict;
use crate::sys::env;
use crate::sys::real::RealSystem;
use crate::sys::signal;
use crate::sys::system::{ReadSystem, WriteSystem};
use crate::sys::tree;

impl Run<'_> {
    /// Environments and tests of all projects that are there, several at a time.
    pub(super) fn projects(&mut self) -> Vec<Item> {
        let there: Vec<&Project> = self.wanted.projects.iter().filter(|p| p.is_there(&RealSystem)).collect();
        if there.is_empty() {
            return Vec::new();
        }
        (self.events)(Event::Phase(Phase::Python));
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, Done)>> = Mutex::default();
        let budget = Mutex::new(self.budget);
        let this = &*self;
        std::thread::scope(|scope| {
            for _ in 0..this.options.jobs.clamp(1, there.len()) {
                scope.spawn(|| {
                    while let Some((index, project)) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| there.get(i).map(|p| (i, *p)))
                    {
                        if signal::interrupted() {
                            return;
                        }
                        let finished = this.project(project, &budget);
                        (this.events)(Event::Over(project.name.clone()));
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((index, finished));
                    }
                });
            }
        });
        self.budget = budget.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(index, _)| *index);
        let mut items = Vec::new();
        for (_, finished) in done {
            if let Some((name, environment)) = finished.environment {
                self.record.environments.insert(name, environment);
            }
            if let Some((name, test)) = finished.test {
                self.record.tests.insert(name, test);
            }
            items.extend(finished.items);
        }
        items.sort_by_key(|item| item.phase);
        items
    }

    fn project(&self, project: &Project, budget: &Mutex<Budget>) -> Done {
        let mut done = Done::default();
        let selection = &self.options.selection;
        let plan = project.plan(&RealSystem);
        let mut env = plan
            .as_ref()
            .and_then(|plan| project.environment(&RealSystem, &self.dirs.home, &self.record, plan));
        let mut ready = plan.is_none() || env.is_some();
        if selection.has(Phase::Python)
            && let Some(plan) = plan
        {
            let item = match &env {
                Some(env) => Item::new(Phase::Python, &project.name, State::Unchanged, made_with(env)),
                None => self.environment(project, plan, budget, &mut env, &mut done),
            };
            ready = env.is_some();
            done.items.push(item);
        }
        if selection.has(Phase::Tests) && project.is_tested() && !signal::interrupted() {
            let item = if ready || project.starter {
                self.tests(project, env, &mut done)
            } else {
                let why = "its Python environment is not there";
                Item::new(Phase::Tests, &project.name, State::Postponed, why).next("devboot setup")
            };
            done.items.push(item);
        }
        done
    }

    fn environment(
        &self,
        project: &Project,
        plan: crate::repos::python::plan::PythonPlan,
        budget: &Mutex<Budget>,
        env: &mut Option<PythonEnv>,
        done: &mut Done,
    ) -> Item {
        let (phase, name) = (Phase::Python, project.name.as_str());
        let asked = asked(&project.dir);
        let places = interpreter::Places::of(&self.dirs.home, env::var_os);
        let Some(python) = interpreter::choose(&RealSystem, &places, asked.as_deref()) else {
            return Item::new(phase, name, State::Failed, "there is no Python 3 on this machine")
                .next("install python3, then devboot setup");
        };
        let other = asked.filter(|asked| !python.satisfies(asked));
        let offline_anyway = self.options.offline && needs_network(&plan);
        if !offline_anyway && !budget.lock().unwrap_or_else(PoisonError::into_inner).take(space::ENVIRONMENT)
        {
            return self.no_space(phase, name, space::ENVIRONMENT);
        }
        (self.events)(Event::Working(name.to_owned(), format!("environment, Python {}", python.version)));
        let log = self.log("python", name);
        let spec = EnvSpec {
            repo: project.dir.clone(),
            plan,
            python: python.clone(),
            envs: self.dirs.data.join("envs"),
            cache: self.dirs.cache.clone(),
            log: log.clone(),
            time: self.options.time,
            offline: self.options.offline,
            resolve: Resolve::Today,
        };
        let made = match python_env::ensure(&spec) {
            EnvOutcome::Built(made) | EnvOutcome::Present(made) => made,
            EnvOutcome::Postponed { why } => {
                return Item::new(phase, name, State::Postponed, why)
                    .next("devboot setup, once the network is there");
            }
            EnvOutcome::Failed(fault) => return not_installed(name, &python, other, &fault).log(log),
        };
        if let Err(error) = link(&self.dirs.home, project, &made.dir) {
            let why = format!("cannot make the link to its environment: {error}");
            return Item::new(phase, name, State::Failed, why).next("devboot setup --only python");
        }
        let record = EnvironmentRecord {
            dir: made.dir.clone(),
            program: python.program,
            version: python.version,
            platform: python.platform,
            link: project.link.clone(),
        };
        done.environment = Some((project.name.clone(), record));
        let item = Item::new(phase, name, State::Done, made_with(&made));
        *env = Some(made);
        item
    }

    fn tests(&self, project: &Project, env: Option<PythonEnv>, done: &mut Done) -> Item {
        let (phase, name) = (Phase::Tests, project.name.as_str());
        let of = project.tested_state(env.as_ref());
        let known = self.record.tests.get(name).filter(|known| known.of == of);
        if let Some(known) = known
            && !self.options.selection.names(Phase::Tests)
        {
            let state = match known.verdict.as_str() {
                "passed" => State::Unchanged,
                "no-test-ran" | "no-test-target" => State::NoTestRan,
                "postponed" => State::Postponed,
                _ => State::Red,
            };
            return Item::new(phase, name, state, known.summary.clone()).log(known.log.clone());
        }
        (self.events)(Event::Working(name.to_owned(), "tests".into()));
        let log = self.log("tests", name);
        let without_env = env.is_none() && project.starter;
        let command = match &project.test {
            Some(TestSetting::Command(command)) => Some(command.clone()),
            _ => None,
        };
        let spec =
            TestSpec { repo: project.dir.clone(), env, command, log: log.clone(), time: self.options.time };
        let mut ended = testing::test(&spec);
        if signal::interrupted() {
            return Item::new(phase, name, State::Postponed, "interrupted").next("devboot setup");
        }
        if let (true, Verdict::CouldNotStart { .. } | Verdict::Failed { passed: 0, .. }) =
            (without_env, &ended)
        {
            let why = "pytest is not there, and its Python environment needs the network";
            ended = Verdict::Postponed { why: why.into() };
        }
        let (state, word, summary) = verdict(&ended);
        let test = TestRecord { of, verdict: word.into(), summary: summary.clone(), log: log.clone() };
        done.test = Some((project.name.clone(), test));
        let item = Item::new(phase, name, state, summary).log(log.clone());
        match state {
            State::Done => item,
            _ => item.next(format!("less {}", printable(&log.to_string_lossy()))),
        }
    }
}

#[derive(Default)]
struct Done {
    items: Vec<Item>,
    environment: Option<(String, EnvironmentRecord)>,
    test: Option<(String, TestRecord)>,
}

fn made_with(env: &PythonEnv) -> String {
    format!("Python {}, {}", env.record.python, env.record.tool)
}

/// An environment that could not be made; a Python of another version than the project's is the likeliest reason.
fn not_installed(
    name: &str,
    python: &interpreter::Interpreter,
    other: Option<String>,
    fault: &Fault,
) -> Item {
    let item = |why| Item::new(Phase::Python, name, State::Failed, why);
    match other {
        None => item(format!("could not be installed: {}", words(fault))).next("devboot setup"),
        Some(asked) => {
            let why = format!(
                "it asks for Python {asked}, which is not here, and cannot be installed with {}: {}",
                python.version,
                words(fault)
            );
            item(why).next(format!("install Python {asked} (pyenv install {asked}), then devboot setup"))
        }
    }
}

/// The version of Python that a project asks for.
fn asked(dir: &Path) -> Option<String> {
    let pinned = read_text(&RealSystem, &dir.join(".python-version"));
    let workflows = dir.join(".github/workflows");
    let texts: Vec<String> = RealSystem
        .list(&workflows)
        .unwrap_or_default()
        .iter()
        .filter_map(|name| read_text(&RealSystem, &workflows.join(name)))
        .collect();
    interpreter::asked(pinned.as_deref(), &texts)
}

/// Points the link that a project's alias uses to its environment, by one rename.
fn link(home: &Path, project: &Project, env: &Path) -> std::io::Result<()> {
    let Some(link) = &project.link else { return Ok(()) };
    let path = link.under(home);
    tree::create(path.parent().unwrap_or(home))?;
    let temporary = path.with_file_name(format!(".{}.devboot-link", project.name));
    tree::remove(&temporary)?;
    RealSystem.symlink(env, &temporary)?;
    RealSystem.rename(&temporary, &path)
}
