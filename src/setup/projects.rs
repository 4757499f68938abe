//! Python environments and tests of projects, several at a time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::outside::Outside;
use super::phase::Phase;
use super::record::{EnvironmentRecord, TestRecord};
use super::report::{Event, Item, ProjectReport, State};
use super::run::Run;
use super::space::{self, Budget};
use super::told::{made_with, remembered, without_environment};
use super::work::{self, Project, needs_network};
use crate::base::text::printable;
use crate::profile::schema::TestSetting;
use crate::repos::bring_up::{BringUp, BroughtUp, Doing, bring_up};
use crate::repos::files::read_text;
use crate::repos::git::inspect;
use crate::repos::python::environment::PythonEnv;
use crate::repos::python::index::{self, Index};
use crate::repos::python::interpreter::{self, Interpreter, Places};
use crate::repos::python::plan::PythonPlan;
use crate::repos::python::repair::Resolve;
use crate::repos::python::version::Minor;
use crate::repos::python::{choice, evidence};
use crate::repos::testing::failure::Facts;
use crate::repos::testing::run::TestSpec;
use crate::sys::real::RealSystem;
use crate::sys::{clock, env, signal, tree, workers};

impl Run<'_> {
    /// Environments and tests of all projects that are there, several at a time.
    pub(super) fn projects(&mut self) -> Vec<Item> {
        let there: Vec<&Project> = self.wanted.projects.iter().filter(|p| p.is_there(&RealSystem)).collect();
        if there.is_empty() {
            return Vec::new();
        }
        (self.events)(Event::Phase(Phase::Python, there.len()));
        for path in [self.dirs.data.join("envs"), self.dirs.cache.join("pip")] {
            self.note_dirs(&path);
        }
        let budget = Mutex::new(self.budget);
        let this = &*self;
        let done = workers::each(&there, this.options.jobs, |project| {
            let finished = (!signal::interrupted()).then(|| this.project(project, &budget))?;
            (this.events)(Event::Over(project.name.clone()));
            Some(finished)
        });
        self.budget = budget.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (mut items, mut unused) = (Vec::new(), Vec::new());
        for finished in done.into_iter().flatten() {
            if let Some((name, environment)) = finished.environment {
                self.record.environments.insert(name, environment);
            }
            if let Some((name, test)) = finished.test {
                self.record.tests.insert(name, test);
            }
            items.extend(finished.items);
            self.reports.extend(finished.report);
            unused.extend(finished.unused);
        }
        items.sort_by_key(|item| item.phase);
        let used = |dir: &Path| self.record.environments.values().any(|known| known.dir == dir);
        for dir in unused.iter().filter(|dir| !used(dir)) {
            // It only costs space.
            let _ = tree::remove(dir);
        }
        items
    }

    fn project(&self, project: &Project, budget: &Mutex<Budget>) -> Done {
        let mut done = Done::default();
        let selection = &self.options.selection;
        let plan = project.plan(&RealSystem);
        let known = plan
            .as_ref()
            .and_then(|plan| project.environment(&RealSystem, &self.dirs.home, &self.record, plan));
        let testing = selection.has(Phase::Tests) && project.is_tested();
        let tests = testing && !self.is_tested(project, known.as_ref());
        let mut report = self.report_of(project);
        report.left_out = plan.as_ref().map(|plan| plan.left_out.clone()).unwrap_or_default();
        let wants_env = selection.has(Phase::Python) && plan.is_some();
        if wants_env && known.is_none()
            || tests && (wants_env || known.is_some() || plan.is_none() || project.starter)
        {
            match self.bring_up(project, plan.filter(|_| selection.has(Phase::Python)), known, tests, budget)
            {
                Ok(brought) => self.tell(project, brought, report, &mut done),
                Err(item) => done.items.push(*item),
            }
            if testing && done.items.iter().all(|item| item.phase != Phase::Tests) {
                done.items.push(without_environment(project, self.options));
            }
            return done;
        }
        if let (true, Some(env)) = (wants_env, &known) {
            done.items.push(Item::new(Phase::Python, &project.name, State::Unchanged, made_with(env)));
        }
        if testing {
            let item = match self.record.tests.get(&project.name) {
                Some(test) if !tests => remembered(project, test),
                _ => without_environment(project, self.options),
            };
            done.items.push(item);
        }
        done
    }

    /// Whether the tests ran on these very bytes, and nobody asks for them again.
    fn is_tested(&self, project: &Project, env: Option<&PythonEnv>) -> bool {
        let of = project.tested_state(env);
        let known = self.record.tests.get(&project.name).is_some_and(|known| known.of == of);
        known && !self.options.selection.names(Phase::Tests)
    }

    fn report_of(&self, project: &Project) -> ProjectReport {
        let commit = inspect::head(&project.dir);
        ProjectReport { name: project.name.clone(), commit, ..ProjectReport::default() }
    }

    /// The interpreter of the known environment, or the one that the files ask for.
    fn pick(
        &self,
        project: &Project,
        plan: Option<&PythonPlan>,
        known: Option<&PythonEnv>,
    ) -> Result<Picked, Box<Item>> {
        if let (Some(_), None, Some(record)) =
            (known, &self.options.python, self.record.environments.get(&project.name))
        {
            return Ok(Picked {
                python: work::interpreter(record),
                why: String::new(),
                other: None,
                asked: None,
                asked_by: None,
            });
        }
        let places = || Places::of(&self.dirs.home, env::var_os);
        let here = self
            .inventory
            .get_or_init(|| interpreter::inventory(&RealSystem, &places(), Some(&self.dirs.cache)));
        let failed = |why: String| Item::new(Phase::Python, &project.name, State::Failed, why);
        if let Some(asked) = &self.options.python {
            return match Minor::parse(asked).and_then(|minor| here.of(minor)) {
                Some(python) => Ok(Picked {
                    python: python.clone(),
                    why: "as asked".into(),
                    other: None,
                    asked: None,
                    asked_by: None,
                }),
                None => {
                    let others: Vec<String> = here.minors().iter().map(ToString::to_string).collect();
                    let why =
                        format!("there is no Python {} here, only {}", printable(asked), others.join(", "));
                    Err(Box::new(failed(why).next(format!("uv python install {}", printable(asked)))))
                }
            };
        }
        let findings = evidence::gather(&RealSystem, &project.dir);
        let read = |file: &String| read_text(&RealSystem, &project.dir.join(file));
        let texts: Vec<String> = plan.map_or_else(Vec::new, |plan| {
            plan.inputs.iter().filter_map(read).chain(plan.lines.clone()).collect()
        });
        let pins = index::pins(texts.iter().map(String::as_str));
        let index = Index::of(&self.dirs.home, env::var_os);
        let pins = index::ask(
            &pins,
            &index,
            &self.dirs.cache,
            self.options.offline || index::is_forbidden(env::var),
        );
        let Some(choice) = choice::choose(here, &findings, &pins) else {
            let item = failed("there is no Python 3 on this machine".into());
            let again = self.options.again(Phase::Python, &project.name);
            return Err(Box::new(item.next(format!("install python3, then {again}"))));
        };
        let other = choice.missing.map(|minor| minor.to_string());
        let (asked, asked_by) = match choice.asked {
            Some((minor, by)) => (Some(minor.to_string()), Some(by)),
            None => (other.clone(), None),
        };
        Ok(Picked { python: choice.python, why: choice.why, other, asked, asked_by })
    }

    fn bring_up(
        &self,
        project: &Project,
        plan: Option<PythonPlan>,
        known: Option<PythonEnv>,
        tests: bool,
        budget: &Mutex<Budget>,
    ) -> Result<Brought, Box<Item>> {
        let (phase, name) = (Phase::Python, project.name.as_str());
        let picked = self.pick(project, plan.as_ref(), known.as_ref())?;
        let waits = self.options.offline && plan.as_ref().is_some_and(needs_network);
        if known.is_none()
            && plan.is_some()
            && !waits
            && !budget.lock().unwrap_or_else(PoisonError::into_inner).take(space::ENVIRONMENT)
        {
            return Err(Box::new(self.no_space(phase, name, space::ENVIRONMENT)));
        }
        let command = match &project.test {
            Some(TestSetting::Command(command)) => Some(command.clone()),
            _ => None,
        };
        let facts = Facts {
            name: name.to_owned(),
            python: Some(picked.python.version.clone()),
            asked: picked.asked.clone(),
            asked_by: picked.asked_by.clone(),
            ..Facts::default()
        };
        let tests = tests.then(|| TestSpec {
            repo: project.dir.clone(),
            env: None,
            command,
            log: self.log("tests", name),
            time: self.options.time,
            lint: self.options.lint,
            facts: facts.clone(),
        });
        let spec = BringUp {
            name: name.to_owned(),
            repo: project.dir.clone(),
            url: project.url.clone(),
            plan,
            python: Some(picked.python.clone()),
            tests,
            without_env: project.starter,
            envs: self.dirs.data.join("envs"),
            cache: self.dirs.cache.clone(),
            log: self.log("python", name),
            time: self.options.time,
            offline: self.options.offline,
            repair: self.options.repair,
            now: clock::now(),
            facts,
        };
        let version = &picked.python.version;
        let doing = |doing| (self.events)(Event::Working(name.to_owned(), words_of(&doing, version)));
        let clones = self.wanted.projects.iter().map(|project| &project.dir);
        let around = Outside::look(&RealSystem, self.dirs, clones);
        let before = inspect::changes(&project.dir);
        let brought = bring_up(&spec, &doing);
        let after = inspect::changes(&project.dir);
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changed = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
        let left_behind = changed.cloned().collect();
        Ok(Brought { picked, brought, left_behind, outside: around.changed(&RealSystem) })
    }
}

/// What came of bringing a project up.
pub(super) struct Brought {
    pub(super) picked: Picked,
    pub(super) brought: BroughtUp,
    /// Files of the clone that are not what they were before.
    pub(super) left_behind: Vec<String>,
    /// What is not what it was in the home, outside of the clone.
    pub(super) outside: Vec<String>,
}

/// The interpreter of a project.
pub(super) struct Picked {
    pub(super) python: Interpreter,
    /// Why that one, in a sentence.
    pub(super) why: String,
    /// The version that is asked for and is not here.
    pub(super) other: Option<String>,
    /// The version that is asked for, and where.
    asked: Option<String>,
    asked_by: Option<String>,
}

/// What became of a project, before it is written down.
#[derive(Default)]
pub(super) struct Done {
    pub(super) items: Vec<Item>,
    pub(super) environment: Option<(String, EnvironmentRecord)>,
    pub(super) test: Option<(String, TestRecord)>,
    pub(super) report: Option<ProjectReport>,
    pub(super) unused: Vec<PathBuf>,
}

fn words_of(doing: &Doing, version: &str) -> String {
    match doing {
        Doing::Environment(Resolve::Today) => format!("environment, Python {version}"),
        Doing::Environment(Resolve::AsOf(cutoff)) => format!("environment, Python {version}, {cutoff}"),
        Doing::History => "its history, for the days when it worked".into(),
        Doing::Tests => "tests".into(),
    }
}
