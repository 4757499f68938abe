//! What became of a project in words: items, a report, and what is remembered.

use std::path::Path;

use super::phase::Phase;
use super::projects::{Brought, Done, Picked};
use super::record::{EnvironmentRecord, TestRecord};
use super::report::{Item, ProjectReport, State, TestReport, Tried, outcome};
use super::run::{Options, Run, words};
use super::work::Project;
use crate::base::error::Fault;
use crate::base::text::printable;
use crate::repos::bring_up::{BroughtUp, Environment};
use crate::repos::python::environment::PythonEnv;
use crate::repos::python::venv_link;
use crate::repos::testing::failure::Failure;
use crate::repos::testing::notices;
use crate::repos::testing::run::Tested;
use crate::sys::real::RealSystem;
use crate::sys::system::WriteSystem;
use crate::sys::{signal, tree};

impl Run<'_> {
    /// What was brought up, as items, a report, and what is remembered.
    pub(super) fn tell(&self, project: &Project, brought: Brought, report: ProjectReport, done: &mut Done) {
        let Brought { picked, brought, left_behind, outside } = brought;
        let name = project.name.as_str();
        let mut report = ProjectReport {
            python: Some(picked.python.version.clone()),
            python_why: picked.why.clone(),
            attempts: brought.attempts.iter().map(Tried::from).collect(),
            failure: brought.failure().cloned(),
            left_behind,
            outside,
            ..report
        };
        match &brought.environment {
            Environment::NotNeeded => {}
            Environment::Present(env) | Environment::Built(env) => {
                report.environment = Some(env.dir.clone());
                report.tool = Some(env.record.tool.clone());
                report.as_of = env.record.as_of;
                report.reused = matches!(brought.environment, Environment::Present(_));
                let state = if report.reused { State::Unchanged } else { State::Done };
                let item = match self.remember_environment(project, &picked, env, done) {
                    Ok(()) => Item::new(Phase::Python, name, state, made_with(env)),
                    Err(error) => {
                        let why = format!("cannot make the link to its environment: {error}");
                        Item::new(Phase::Python, name, State::Failed, why)
                            .next(self.options.again(Phase::Python, name))
                    }
                };
                done.items.push(item);
            }
            Environment::Postponed { why, .. } => {
                (report.trouble, report.waits) = (Some(why.clone()), true);
                let next = format!("{}, once the network is there", self.options.again(Phase::Python, name));
                done.items.push(Item::new(Phase::Python, name, State::Postponed, why).next(next));
            }
            Environment::Failed(fault, failure) => {
                let log = self.log_path("python", name);
                report.log = Some(log.clone());
                let item = not_installed(name, &picked, failure.as_ref(), fault, self.options);
                report.trouble = Some(item.detail.clone());
                done.items.push(item.log(log));
            }
        }
        if let Some(tested) = &brought.tested {
            report.log = Some(self.log_path("tests", name));
            let notices = notices::of(&RealSystem, &project.dir);
            report.tests = Some(TestReport { notices, ..TestReport::from(tested) });
            let item = self.tested(project, &brought, tested, done);
            done.items.push(item);
        }
        if let (Some(item), Some(changed)) = (done.items.last_mut(), some_of(&report.outside)) {
            item.detail.push_str(&format!("; outside of its folder changed meanwhile: {changed}"));
        }
        done.unused.extend(brought.unused);
        done.report = Some(report);
    }

    fn remember_environment(
        &self,
        project: &Project,
        picked: &Picked,
        env: &PythonEnv,
        done: &mut Done,
    ) -> std::io::Result<()> {
        link(&self.dirs.home, project, &env.dir)?;
        if !project.starter && (self.options.venv_link || venv_link::is_habit(&RealSystem, &project.dir)) {
            venv_link::place(&project.dir, &env.dir, &self.dirs.data.join("envs"))?;
        }
        let record = EnvironmentRecord {
            dir: env.dir.clone(),
            program: picked.python.program.clone(),
            version: picked.python.version.clone(),
            platform: picked.python.platform.clone(),
            link: project.link.clone(),
        };
        done.environment = Some((project.name.clone(), record));
        Ok(())
    }

    fn tested(&self, project: &Project, brought: &BroughtUp, tested: &Tested, done: &mut Done) -> Item {
        let (phase, name) = (Phase::Tests, project.name.as_str());
        if signal::interrupted() {
            let again = self.options.again(phase, name);
            return Item::new(phase, name, State::Postponed, "interrupted").next(again);
        }
        let (mut state, mut word, mut summary) = outcome(tested);
        let has_no_env = brought.environment.env().is_none() && project.starter;
        if has_no_env && state == State::Red {
            let why = "pytest is not there, and its Python environment needs the network";
            (state, word, summary) = (State::Postponed, "postponed", why.to_owned());
        }
        let log = self.log_path("tests", name);
        let of = project.tested_state(brought.environment.env());
        let record = TestRecord { of, verdict: word.into(), summary: summary.clone(), log: log.clone() };
        done.test = Some((project.name.clone(), record));
        let item = Item::new(phase, name, state, summary).log(log.clone());
        match (&tested.failure, state) {
            (_, State::Done) => item,
            (Some(failure), _) => item.next(failure.advice.clone()),
            (None, _) => item.next(format!("less {}", printable(&log.to_string_lossy()))),
        }
    }
}

pub(super) fn remembered(project: &Project, test: &TestRecord) -> Item {
    let state = match test.verdict.as_str() {
        "passed" => State::Unchanged,
        "no-test-ran" | "no-test-target" | "smoke" => State::NoTestRan,
        "needs-network" | "needs-docker" => State::Unmet,
        "postponed" => State::Postponed,
        _ => State::Red,
    };
    Item::new(Phase::Tests, &project.name, state, test.summary.clone()).log(test.log.clone())
}

pub(super) fn without_environment(project: &Project, options: &Options) -> Item {
    let why = "its Python environment is not there";
    Item::new(Phase::Tests, &project.name, State::Postponed, why)
        .next(options.again(Phase::Tests, &project.name))
}

pub(super) fn made_with(env: &PythonEnv) -> String {
    let as_of = env.record.as_of.map_or_else(String::new, |date| format!(", versions of {}", date.day()));
    format!("Python {}, {}{as_of}", env.record.python, env.record.tool)
}

/// An environment that could not be made; a Python of another version than the project's is the likeliest reason.
pub(super) fn not_installed(
    name: &str,
    picked: &Picked,
    failure: Option<&Failure>,
    fault: &Fault,
    options: &Options,
) -> Item {
    let item = |why| Item::new(Phase::Python, name, State::Failed, why);
    let what =
        failure.map_or_else(|| words(fault), |failure| format!("{}: {}", failure.title, failure.evidence));
    match (&picked.other, failure) {
        (Some(asked), _) => {
            let why = format!(
                "it asks for Python {asked}, which is not here, and cannot be installed with {}: {what}",
                picked.python.version
            );
            let again = options.again(Phase::Python, name);
            item(why).next(format!("install Python {asked} (uv python install {asked}), then {again}"))
        }
        (None, Some(failure)) => item(format!("could not be installed: {what}")).next(failure.advice.clone()),
        (None, None) => {
            item(format!("could not be installed: {what}")).next(options.again(Phase::Python, name))
        }
    }
}

/// Paths below the home in a few words; `None` for none.
pub fn some_of(paths: &[String]) -> Option<String> {
    let (first, more) = paths.split_first()?;
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    Some(format!("~/{}{more}", printable(first)))
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
