//! The phases after the home: clones, starters, environments, tests, the service. Each item stands alone: one
//! failure never ends the others, and what cannot be done now is postponed and remembered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::phase::{Phase, Selection};
use super::record::{Record, RecordError};
use super::report::{Event, Item, ProjectReport, State};
use super::service::{self, ServiceError, Wish};
use super::space::Budget;
use super::work::{Wanted, needs_network};
use crate::base::error::Fault;
use crate::base::text::{printable, size};
use crate::repos::python::interpreter::Inventory;
use crate::sys::dirs::Dirs;
use crate::sys::real::RealSystem;
use crate::sys::signal;
use crate::sys::system::ReadSystem;
use crate::sys::tree;

/// How setup is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which phases.
    pub selection: Selection,
    /// Touch no network.
    pub offline: bool,
    /// How many clones, builds and tests at a time.
    pub jobs: usize,
    /// The longest time of one step of an environment's build, and of one project's tests.
    pub time: Duration,
    /// Everything that the profile asks for is here, not only what was named.
    pub whole: bool,
    /// The Python to take, such as `3.8`, instead of the one that the files ask for.
    pub python: Option<String>,
    /// Resolve again, as of an earlier day, when what was installed does not work.
    pub repair: bool,
    /// Run `make lint` besides the tests.
    pub lint: bool,
    /// The service to install; `None`: none is wanted.
    pub service: Option<Wish>,
    /// Place a link `.venv` to its environment in each repository, not only where its own words count on it.
    pub venv_link: bool,
}

impl Options {
    /// The command that tries again.
    pub(super) fn again(&self, phase: Phase, name: &str) -> String {
        match (self.whole, phase) {
            (true, phase) => format!("devboot setup --only {phase}"),
            (false, Phase::Kits | Phase::Repos) => format!("devboot repo clone {}", printable(name)),
            (false, _) => format!("devboot repo test {}", printable(name)),
        }
    }
}

/// One run of the phases after the home.
pub struct Run<'a> {
    /// Where everything is.
    pub dirs: &'a Dirs,
    /// What the profile asks for.
    pub wanted: &'a Wanted,
    /// How.
    pub options: &'a Options,
    /// What is remembered; brought up to date.
    pub record: Record,
    /// Space that may be taken.
    pub budget: Budget,
    /// What became of each project that was worked on.
    pub reports: Vec<ProjectReport>,
    /// The Pythons of this machine, once they have been looked for.
    pub inventory: OnceLock<Inventory>,
    /// Told what happens.
    pub events: &'a (dyn Fn(Event) + Sync),
}

/// Whether anything is left to do beyond the home, and what waits for the network.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// Names by phase of what would be done.
    pub todo: Vec<(Phase, String)>,
    /// Names and reasons of what would wait.
    pub waiting: Vec<(String, String)>,
}

/// Looks at the disk, changes nothing.
pub fn outlook(dirs: &Dirs, wanted: &Wanted, record: &Record, options: &Options) -> Outlook {
    let system = &RealSystem;
    let mut found = Outlook::default();
    let mut missing = Vec::new();
    for (phase, clones) in [(Phase::Kits, &wanted.kits), (Phase::Repos, &wanted.repos)] {
        for clone in clones.iter().filter(|clone| options.selection.has(phase) && !clone.is_there()) {
            missing.push(clone.spec.name.clone());
            if options.offline && !clone.is_local() {
                found.waiting.push((clone.spec.name.clone(), "no network".into()));
            } else {
                found.todo.push((phase, clone.spec.name.clone()));
            }
        }
    }
    if options.selection.has(Phase::Repos) {
        let absent =
            wanted.starters.iter().filter(|starter| !is_there(system, &starter.dir.under(&dirs.home)));
        found.todo.extend(absent.map(|starter| (Phase::Repos, starter.name.clone())));
    }
    for project in &wanted.projects {
        if !project.is_there(system) {
            // A project that is yet to come brings its environment and tests with it.
            continue;
        }
        let plan = if options.selection.has(Phase::Python) { project.plan(system) } else { None };
        let env = plan.as_ref().and_then(|plan| project.environment(system, &dirs.home, record, plan));
        if let (Some(plan), None) = (&plan, &env) {
            if options.offline && needs_network(plan) {
                found.waiting.push((project.name.clone(), "its Python environment needs the network".into()));
            } else {
                found.todo.push((Phase::Python, project.name.clone()));
            }
        }
        if options.selection.has(Phase::Tests) && project.is_tested() {
            let known = record.tests.get(&project.name).map(|test| test.of.as_str());
            let fresh = known == Some(project.tested_state(env.as_ref()).as_str());
            let ready = plan.is_none() || env.is_some() || project.starter;
            if ready && (!fresh || options.selection.names(Phase::Tests)) {
                found.todo.push((Phase::Tests, project.name.clone()));
            }
        }
    }
    if options.selection.has(Phase::Service) {
        let settled = match &options.service {
            Some(wish) => service::is_installed(system, dirs, record, wish),
            None => record.service.is_none(),
        };
        if !settled {
            found.todo.push((Phase::Service, "service".into()));
        }
    }
    found
}

pub(super) fn is_there(system: &dyn ReadSystem, path: &Path) -> bool {
    !matches!(system.meta(path), Ok(None))
}

impl Run<'_> {
    /// Runs the phases. The items come back in order; the record has what was learnt.
    ///
    /// # Errors
    /// What is about to be made could not be remembered; nothing more is made then.
    pub fn go(&mut self) -> Result<Vec<Item>, RecordError> {
        let mut items = Vec::new();
        let selection = &self.options.selection;
        if selection.has(Phase::Kits) {
            items.extend(self.clones(Phase::Kits, &self.wanted.kits)?);
        }
        if selection.has(Phase::Repos) && !signal::interrupted() {
            for starter in &self.wanted.starters {
                let item = self.starter(starter)?;
                items.push(item);
            }
            items.extend(self.clones(Phase::Repos, &self.wanted.repos)?);
        }
        if (selection.has(Phase::Python) || selection.has(Phase::Tests)) && !signal::interrupted() {
            items.extend(self.projects());
        }
        if selection.has(Phase::Service) && !signal::interrupted() {
            items.extend(self.service());
        }
        self.forget_settled(&items);
        for item in items.iter().filter(|item| item.phase != Phase::Service) {
            match item.state {
                State::Postponed => {
                    self.record.postponed.insert(label(item), item.detail.clone());
                }
                State::Failed => {
                    self.record.failed.insert(label(item), item.detail.clone());
                }
                _ => {}
            }
        }
        Ok(items)
    }

    /// Installs the service, or takes it away when it is wanted no longer.
    fn service(&mut self) -> Option<Item> {
        let item = |state, detail: String| Item::new(Phase::Service, "service", state, detail);
        let failed = |error: ServiceError| {
            let state = if matches!(error, ServiceError::Foreign(_)) { State::Kept } else { State::Failed };
            item(state, words(&Fault::from(error)))
        };
        let Some(wish) = &self.options.service else {
            self.record.service.as_ref()?;
            service::deactivate(&self.record, self.dirs);
            return Some(match service::uninstall(&RealSystem, self.dirs, &mut self.record) {
                Ok(_) => item(State::Done, "the profile does not want it any more".into()),
                Err(error) => failed(error),
            });
        };
        if service::is_installed(&RealSystem, self.dirs, &self.record, wish) {
            return Some(item(State::Unchanged, "installed".into()));
        }
        Some(match service::put_in_place(&RealSystem, self.dirs, &mut self.record, wish) {
            Ok(said) => item(State::Done, said),
            Err(error) => failed(error),
        })
    }

    /// What waited or failed before stays on record only for phases that this run left out, and for what it was
    /// not about.
    fn forget_settled(&mut self, items: &[Item]) {
        if !self.options.whole {
            for item in items {
                self.record.postponed.remove(&label(item));
                self.record.failed.remove(&label(item));
            }
            return;
        }
        let mut open: BTreeSet<String> = BTreeSet::new();
        let mut left_out = |phase: Phase, name: &str| {
            if !self.options.selection.has(phase) || signal::interrupted() {
                open.insert(label(&Item::new(phase, name, State::Postponed, "")));
            }
        };
        self.wanted.kits.iter().for_each(|kit| left_out(Phase::Kits, &kit.spec.name));
        for project in &self.wanted.projects {
            for phase in [Phase::Repos, Phase::Python, Phase::Tests] {
                left_out(phase, &project.name);
            }
        }
        for item in items {
            open.remove(&label(item));
        }
        self.record.postponed.retain(|label, _| open.contains(label));
        self.record.failed.retain(|label, _| open.contains(label));
    }

    /// Writes down what is known so far.
    pub(super) fn remember(&self) -> Result<(), RecordError> {
        let state = &self.dirs.state;
        self.record.save(&RealSystem, state, &Record::load(&RealSystem, state)?)
    }

    /// Writes down which directories above `path` are about to be made, so that uninstall knows them.
    pub(super) fn note_dirs(&mut self, path: &Path) {
        self.record.note_dirs(&RealSystem, &self.dirs.home, path);
    }

    pub(super) fn no_space(&self, phase: Phase, name: &str, need: u64) -> Item {
        let detail =
            format!("needs about {}, and {} above the reserve is left", size(need), size(self.budget.left));
        Item::new(phase, name, State::Postponed, detail)
            .next(format!("free some space, then {}", self.options.again(phase, name)))
    }

    /// Where the log of an item lies.
    pub(super) fn log_path(&self, kind: &str, name: &str) -> PathBuf {
        self.dirs.state.join("logs").join(format!("{kind}-{name}.log"))
    }

    /// A log of its own for each item, begun afresh.
    pub(super) fn log(&self, kind: &str, name: &str) -> PathBuf {
        let path = self.log_path(kind, name);
        // The old one only goes; that it is still there would be no reason to stop.
        let _ = tree::remove(&path);
        path
    }
}

fn label(item: &Item) -> String {
    match item.phase {
        Phase::Kits | Phase::Repos => item.name.clone(),
        phase => format!("{phase} of {}", item.name),
    }
}

pub(super) fn words(fault: &Fault) -> String {
    printable(&fault.one_line().replace('\n', " | "))
}
