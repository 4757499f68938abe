//! The phases after the home: clones, starters, environments, tests, the service. Each item stands alone: one
//! failure never ends the others, and what cannot be done now is postponed and remembered.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::phase::{Phase, Selection};
use super::record::{CloneRecord, EnvironmentRecord, Record, RecordError, StarterRecord, TestRecord};
use super::report::{Event, Item, State, verdict};
use super::space::Budget;
use super::work::{Project, Wanted, WantedClone, WantedStarter, file_digest, needs_network};
use crate::base::error::Fault;
use crate::base::redact;
use crate::base::text::{printable, size};
use crate::base::time::span;
use crate::profile::schema::TestSetting;
use crate::repos::files::read_text;
use crate::repos::git::{BatchOptions, CloneOutcome, clone, clone_all};
use crate::repos::python::environment::{self as python_env, EnvOutcome, EnvSpec, PythonEnv};
use crate::repos::python::interpreter;
use crate::repos::testing::run::{self as testing, TestSpec};
use crate::repos::testing::verdict::Verdict;
use crate::sys::dirs::Dirs;
use crate::sys::env;
use crate::sys::real::RealSystem;
use crate::sys::signal;
use crate::sys::system::{Attributes, ReadSystem, WriteSystem};
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
    if options.selection.has(Phase::Service) && !record.service_wanted {
        found.todo.push((Phase::Service, "service".into()));
    }
    found
}

fn is_there(system: &dyn ReadSystem, path: &Path) -> bool {
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
            self.record.service_wanted = true;
            let detail = "wanted; it is installed once this devboot has one";
            items.push(Item::new(Phase::Service, "service", State::Postponed, detail));
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

    /// What waited or failed before stays on record only for phases that this run left out.
    fn forget_settled(&mut self, items: &[Item]) {
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
    fn remember(&self) -> Result<(), RecordError> {
        let state = &self.dirs.state;
        self.record.save(&RealSystem, state, &Record::load(&RealSystem, state)?)
    }

    fn clones(&mut self, phase: Phase, wanted: &[WantedClone]) -> Result<Vec<Item>, RecordError> {
        if !wanted.is_empty() {
            (self.events)(Event::Phase(phase));
        }
        let mut items = Vec::new();
        let mut specs = Vec::new();
        for clone in wanted {
            if clone.is_there() || self.budget.take(super::space::CLONE) {
                let mut spec = clone.spec.clone();
                spec.limits.bytes = spec.limits.bytes.min(self.budget.left.max(super::space::CLONE));
                specs.push(spec);
                if !clone.is_there() {
                    self.record.clones.insert(clone.dir.clone(), clone_record(clone, None));
                }
            } else {
                items.push(self.no_space(phase, &clone.spec.name, super::space::CLONE));
            }
        }
        self.remember()?;
        let options = BatchOptions { jobs: self.options.jobs, offline: self.options.offline };
        let outcomes = clone_all(&specs, options, &|event| (self.events)(Event::Clone(event)));
        for (spec, outcome) in specs.iter().zip(outcomes) {
            let Some(clone) = wanted.iter().find(|clone| clone.spec.dest == spec.dest) else { continue };
            items.push(self.clone_item(phase, clone, outcome));
        }
        self.remember()?;
        Ok(items)
    }

    fn clone_item(&mut self, phase: Phase, clone: &WantedClone, outcome: CloneOutcome) -> Item {
        let name = &clone.spec.name;
        let retry = format!("devboot setup --only {phase}");
        // Begun now, or by a setup that was killed: then what is there is its work.
        let begun = self.record.clones.get(&clone.dir).is_some_and(|known| known.commit.is_none());
        match &outcome {
            CloneOutcome::Cloned { commit, .. } => {
                self.record.clones.insert(clone.dir.clone(), clone_record(clone, Some(commit)));
            }
            CloneOutcome::Present { commit } if begun => {
                self.record.clones.insert(clone.dir.clone(), clone_record(clone, Some(commit)));
            }
            _ if begun => {
                // What a killed setup left beside its place; while that stays, it must stay known.
                let half = clone::partial_path(&clone.spec.dest);
                if half.is_none_or(|half| tree::remove(&half).is_ok()) {
                    self.record.clones.remove(&clone.dir);
                }
            }
            _ => {}
        }
        match outcome {
            CloneOutcome::Cloned { commit, bytes, extent, elapsed } => {
                let short = commit.get(..12).unwrap_or(&commit);
                let left_out = match extent.submodules {
                    0 => String::new(),
                    count => format!("; {count} submodules left out"),
                };
                let detail = format!("{short}, {} in {}{left_out}", size(bytes), span(elapsed));
                Item::new(phase, name, State::Done, detail)
            }
            CloneOutcome::Present { commit } => {
                let short = commit.get(..12).unwrap_or(&commit).to_owned();
                Item::new(phase, name, State::Unchanged, short)
            }
            CloneOutcome::Kept { why } => {
                Item::new(phase, name, State::Kept, format!("{} stays as it is: {why}", clone.dir))
            }
            CloneOutcome::Postponed { why } => {
                Item::new(phase, name, State::Postponed, why).next("devboot setup, once the network is there")
            }
            CloneOutcome::Failed(fault) => Item::new(phase, name, State::Failed, words(&fault)).next(retry),
        }
    }

    fn no_space(&self, phase: Phase, name: &str, need: u64) -> Item {
        let detail =
            format!("needs about {}, and {} above the reserve is left", size(need), size(self.budget.left));
        Item::new(phase, name, State::Postponed, detail).next("free some space, then devboot setup")
    }

    fn starter(&mut self, wanted: &WantedStarter) -> Result<Item, RecordError> {
        let dest = wanted.dir.under(&self.dirs.home);
        if is_there(&RealSystem, &dest) {
            return Ok(Item::new(Phase::Repos, &wanted.name, State::Unchanged, wanted.dir.to_string()));
        }
        // Written down before it is made; whether it is as it was made is told by its files.
        let files = wanted.files.iter().map(|file| (file.path.to_owned(), file_digest(file))).collect();
        let record = StarterRecord { name: wanted.name.clone(), files };
        self.record.starters.insert(wanted.dir.clone(), record);
        self.remember()?;
        Ok(match lay_out(wanted, &dest) {
            Ok(()) => {
                Item::new(Phase::Repos, &wanted.name, State::Done, format!("laid out in {}", wanted.dir))
            }
            Err(error) => {
                self.record.starters.remove(&wanted.dir);
                Item::new(Phase::Repos, &wanted.name, State::Failed, format!("cannot lay out: {error}"))
                    .next("devboot setup --only repos")
            }
        })
    }

    /// Environments and tests of all projects that are there, several at a time.
    fn projects(&mut self) -> Vec<Item> {
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
        if !offline_anyway
            && !budget.lock().unwrap_or_else(PoisonError::into_inner).take(super::space::ENVIRONMENT)
        {
            return self.no_space(phase, name, super::space::ENVIRONMENT);
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
            let why = format!("cannot make {}: {error}", project.link);
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

    /// A log of its own for each item, begun afresh.
    fn log(&self, kind: &str, name: &str) -> PathBuf {
        let path = self.dirs.state.join("logs").join(format!("{kind}-{name}.log"));
        // The old one only goes; that it is still there would be no reason to stop.
        let _ = tree::remove(&path);
        path
    }
}

fn clone_record(clone: &WantedClone, commit: Option<&String>) -> CloneRecord {
    CloneRecord {
        name: clone.spec.name.clone(),
        url: redact::url(&clone.spec.url),
        commit: commit.cloned(),
        kit: clone.kit,
    }
}

#[derive(Default)]
struct Done {
    items: Vec<Item>,
    environment: Option<(String, EnvironmentRecord)>,
    test: Option<(String, TestRecord)>,
}

fn label(item: &Item) -> String {
    match item.phase {
        Phase::Kits | Phase::Repos => item.name.clone(),
        phase => format!("{phase} of {}", item.name),
    }
}

fn words(fault: &Fault) -> String {
    printable(&fault.one_line().replace('\n', " | "))
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

/// Lays a starter out beside its place and renames it, so that half of one is never taken for the whole.
fn lay_out(wanted: &WantedStarter, dest: &Path) -> std::io::Result<()> {
    let beside = clone::partial_path(dest).unwrap_or_else(|| dest.with_extension("devboot-partial"));
    tree::remove(&beside)?;
    tree::create(&beside)?;
    for file in wanted.files {
        let path = beside.join(file.path);
        tree::create(path.parent().unwrap_or(&beside))?;
        let attributes = Attributes { mode: file.mode, ..Attributes::default() };
        let done = RealSystem.write_new(&path, file.text.as_bytes(), &attributes);
        if done.is_err() {
            let _ = tree::remove(&beside);
        }
        done?;
    }
    RealSystem.rename(&beside, dest)
}

/// Points the link that a project's alias uses to its environment, by one rename.
fn link(home: &Path, project: &Project, env: &Path) -> std::io::Result<()> {
    let path = project.link.under(home);
    tree::create(path.parent().unwrap_or(home))?;
    let temporary = path.with_file_name(format!(".{}.devboot-link", project.name));
    tree::remove(&temporary)?;
    RealSystem.symlink(env, &temporary)?;
    RealSystem.rename(&temporary, &path)
}
