//! The session itself: a pipeline, its files, its tools, and one run after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::decide::{Asked, Decision};
use super::desk::{Desk, State, lock, python};
use super::places::Places;
use super::turn;
use crate::base::digest::Digest;
use crate::history::{HistoryError, Keep, Last, Store};
use crate::project::contents::{Content, Contents};
use crate::project::inputs::{Listing, Selector};
use crate::project::model::{PLACES, Pipeline, Stage, StageId};
use crate::pytest::executor::{Pytest, PytestExecutor};
use crate::pytest::explain::Explained;
use crate::related::executor::RelatedExecutor;
use crate::run::cache::Cache;
use crate::run::dispatcher::{Job, Order, RunRecord, execute};
use crate::run::event::{Part, RunEvent, RunId, Verdict};
use crate::run::feed::{Feed, Follower, feed};
use crate::run::flow::Tools;
use crate::run::logs::Logs;
use crate::run::service::Services;
use crate::run::unit::{Prepared, Unit};
use crate::sys::dirs::Dirs;
use crate::sys::lock::{Lock, LockError};
use crate::sys::real::RealSystem;
use crate::sys::{clock, heap, signal, tree, workers};

/// The most events that become one change of the history.
const TOGETHER: usize = 256;

/// So many of the tests that were asked for are named.
const NAMED: usize = 100;

/// Old runs are forgotten with every so many new ones.
const PRUNE: u64 = 16;

/// How often it is looked whether another process is through with its run.
const LOOK: Duration = Duration::from_millis(100);

/// One project at work.
pub struct Session {
    places: Places,
    desk: Arc<Desk>,
    tools: Arc<Tools>,
    numbers: Mutex<u64>,
    /// Why the present run is not remembered as a whole.
    lost: Mutex<Option<String>>,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Say what it would do; nothing is written.
    Read,
    /// Run.
    Write,
    /// Run again and again: what is warm after a run is kept for the next.
    Keep,
}

/// Why a stage would run now, or that what came of it still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The stage.
    pub stage: StageId,
    /// The decision; the error is why it could not start.
    pub decision: Result<Decision, String>,
    /// A stage that it needs and that would run: when it makes something else, this one runs as well.
    pub after: Option<StageId>,
}

/// A service that runs and is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The stage.
    pub stage: StageId,
    /// The fingerprint of what it was started as.
    pub fingerprint: Digest,
    /// Which start of it this is.
    pub start: Option<Digest>,
}

impl Session {
    /// Begins. `files` are the project's files that are not ignored; `caller` is the environment of whoever asked. The
    /// sentences say what is not as it should be and does not keep anyone from running.
    ///
    /// # Errors
    /// A pattern of the pipeline is none, as a sentence.
    pub fn open(
        dirs: &Dirs,
        root: &Path,
        pipeline: Pipeline,
        files: Listing,
        caller: BTreeMap<String, String>,
        access: Access,
    ) -> Result<(Self, Vec<String>), String> {
        let places = Places::of(dirs, root);
        let mut said = Vec::new();
        let history = match access {
            Access::Read => Store::look(&RealSystem, &Store::path(&dirs.state)),
            Access::Write | Access::Keep => {
                if let Err(error) = tree::create_private(&places.own) {
                    said.push(format!("nothing can be remembered: {}: {error}", places.own.display()));
                }
                Store::open(&RealSystem, &Store::path(&dirs.state)).map(|(store, damage)| {
                    said.extend(damage);
                    Some(store)
                })
            }
        };
        let history = history.unwrap_or_else(|error| {
            said.push(error.to_string());
            None
        });
        let contents = Arc::new(Mutex::new(Contents::load(&RealSystem, &places.contents, root)));
        let desk = Arc::new(Desk {
            root: root.to_owned(),
            own: places.own.clone(),
            inputs: Selector::new(&pipeline).map_err(|bad| bad.0)?,
            pipeline: Arc::new(pipeline),
            contents: Arc::clone(&contents),
            history: Arc::new(Mutex::new(history)),
            state: Mutex::new(State { caller, files: Arc::new(files), ..State::default() }),
        });
        let logs = Logs::new(&places.logs);
        let tools = Arc::new(Tools {
            root: root.to_owned(),
            site: Arc::clone(&desk) as _,
            executors: vec![(PLACES[0], Arc::new(RelatedExecutor::new(Arc::clone(&desk) as _, &places.own)))],
            pytest: Some(Arc::new(PytestExecutor(Arc::new(Pytest::new(
                Arc::clone(&desk) as _,
                &places.own,
                access == Access::Keep,
            ))))),
            cache: Some(Cache::new(&places.cache)),
            contents,
            services: Services::new(logs.clone()),
            logs,
        });
        Ok((Self { places, desk, tools, numbers: Mutex::default(), lost: Mutex::default() }, said))
    }

    /// The project's root.
    pub fn root(&self) -> &Path {
        &self.desk.root
    }

    /// The pipeline.
    pub fn pipeline(&self) -> &Pipeline {
        &self.desk.pipeline
    }

    /// What the project's files hold, as its runs know it; no run goes on while somebody holds it.
    pub fn contents(&self) -> MutexGuard<'_, Contents> {
        lock(&self.desk.contents)
    }

    /// The patterns of its stages that name what a rule may ignore.
    pub fn places(&self) -> Vec<(String, bool)> {
        self.desk.inputs.places().into_iter().map(|(place, whole)| (place.to_owned(), whole)).collect()
    }

    /// The project's files are these now.
    pub fn set_files(&self, files: Listing) {
        lock(&self.desk.state).files = Arc::new(files);
    }

    /// Runs are asked for in this environment from now on.
    pub fn set_caller(&self, caller: BTreeMap<String, String>) {
        lock(&self.desk.state).caller = caller;
    }

    /// Those of these paths that somebody else has changed. What a stage wrote and nobody has changed since concerns
    /// nobody: whoever needs it has seen it in the same run.
    pub fn foreign(&self, paths: BTreeSet<String>) -> BTreeSet<String> {
        let written: BTreeMap<String, _> = {
            let state = lock(&self.desk.state);
            paths.iter().filter_map(|path| Some((path.clone(), *state.written.get(path)?))).collect()
        };
        let mut contents = lock(&self.desk.contents);
        let mut is_ours = |path: &String| match written.get(path) {
            Some(ours) => matches!(contents.of(path), Content::File { digest, .. } if digest == *ours),
            None => false,
        };
        paths.into_iter().filter(|path| !is_ours(path)).collect()
    }

    /// The stages that depend on these paths.
    pub fn affected(&self, paths: &BTreeSet<String>) -> BTreeSet<StageId> {
        let listing = Arc::clone(&lock(&self.desk.state).files);
        let is_ignored = |path: &String| listing.ignored.contains(path);
        // Most of what changes is a file of the project, and no list of others need be read.
        let is_listed = |path: &String| listing.files.contains(path) || is_ignored(path);
        let beside = if paths.iter().all(is_listed) { BTreeMap::new() } else { self.desk.beside() };
        let beside = beside
            .iter()
            .filter(|(path, _)| paths.contains(path.as_str()))
            .flat_map(|(_, stages)| stages.clone());
        let listed = paths.iter().flat_map(|path| self.desk.inputs.affected(path, is_ignored(path))).cloned();
        listed.chain(beside).collect()
    }

    /// What stages depend on that is not among the project's files: what tests were seen to read elsewhere, and where packages are
    /// installed.
    pub fn beside(&self) -> Vec<String> {
        self.desk.beside().into_keys().collect()
    }

    /// Whether a stage makes this file.
    pub fn is_output(&self, path: &str) -> bool {
        let is_under = |made: &String| {
            path.strip_prefix(made.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.pipeline().stages.iter().any(|stage| stage.outputs.iter().chain(&stage.metrics).any(is_under))
    }

    /// Carries out an order, once no other process runs stages of the project: until then `waits` is told who does, where
    /// that is known. What happens goes to `out` and into the history.
    pub async fn run(
        &self,
        order: turn::Order,
        orders: &mut UnboundedReceiver<Order>,
        out: &Feed,
        waits: impl Fn(Option<u32>),
    ) -> RunRecord {
        // Held until the run is over; services that it leaves are nobody's turn.
        let (_turn, mut ended);
        let orders = match self.turn(orders, waits).await {
            Ok(turn) => {
                _turn = turn;
                orders
            }
            Err(verdict) => {
                let (sender, receiver) = unbounded_channel();
                let _ = sender.send(Order::CancelAll(verdict));
                ended = receiver;
                &mut ended
            }
        };
        let stages = with_needs(self.pipeline(), &order.stages);
        let of = self.pipeline().stages.len();
        let part = (stages.len() < of || !order.tests.is_empty()).then(|| Part {
            stages: order.stages.iter().cloned().collect(),
            tests: order.tests.iter().take(NAMED).cloned().collect(),
            of,
        });
        let caller = {
            let mut state = lock(&self.desk.state);
            state.asked = Some(Asked { trigger: order.trigger, force: order.force });
            state.named = order.stages;
            state.tests = order.tests;
            state.prepared.clear();
            state.caller.clone()
        };
        // Packages may have been installed since the last run.
        let found = python(self.root(), &caller);
        lock(&self.desk.state).python = found;
        let job = Job {
            run: self.next_run(),
            trigger: order.trigger,
            generation: order.generation,
            waited: order.waited,
            changes: order.changed.len() as u64,
            changed: order.changed.into_iter().take(100).collect(),
            slots: self.pipeline().slots.unwrap_or_else(workers::cores),
            part,
            stages,
            force: order.force,
        };
        let run = job.run;
        self.tools.logs.begin(run);
        let (inner, mut follower) = feed();
        let record = {
            let running = execute(job, &self.tools, orders, &inner);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    record = &mut running => break record,
                    Some(event) = follower.next() => self.pass_on(run, event, &mut follower, out),
                }
            }
        };
        drop(inner);
        while let Some(event) = follower.try_next() {
            self.pass_on(run, event, &mut follower, out);
        }
        self.keep(run);
        // Services go on: what they say and how they end comes between runs, too.
        let out = out.clone();
        tokio::spawn(async move {
            while let Some(event) = follower.next().await {
                out.send(event);
            }
        });
        record
    }

    /// Waits until no other process runs stages of the project. `None` where that cannot be known: what cannot be remembered cannot
    /// be confused.
    ///
    /// # Errors
    /// It was ended while it waited, with this verdict.
    async fn turn(
        &self,
        orders: &mut UnboundedReceiver<Order>,
        waits: impl Fn(Option<u32>),
    ) -> Result<Option<Lock>, Verdict> {
        let mut said = None;
        loop {
            match Lock::take(&self.places.turn) {
                Ok(lock) => return Ok(Some(lock)),
                Err(LockError::Io(_)) => return Ok(None),
                Err(LockError::Held(holder)) if said != Some(holder) => {
                    said = Some(holder);
                    waits(holder);
                }
                Err(LockError::Held(_)) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = signal::wait() => return Err(Verdict::Interrupted),
                // What has become stale has not begun yet.
                Some(order) = orders.recv() => if let Order::CancelAll(verdict) = order {
                    return Err(verdict);
                },
            }
        }
    }

    /// An event and those behind it: into the history as one change, then to whoever follows.
    fn pass_on(&self, run: RunId, event: RunEvent, follower: &mut Follower, out: &Feed) {
        let mut events = vec![event];
        while events.len() < TOGETHER
            && let Some(event) = follower.try_next()
        {
            events.push(event);
        }
        let is_output = |event: &RunEvent| matches!(event, RunEvent::Output { .. });
        if !events.iter().all(is_output) {
            let history = lock(&self.desk.history);
            let mut lost = None;
            let mut note = || {
                for event in &events {
                    if let Err(error) = self.note(history.as_ref(), run, event) {
                        lost.get_or_insert(error);
                    }
                }
            };
            let together = match history.as_ref() {
                Some(store) => store.together(note),
                None => {
                    note();
                    Ok(())
                }
            };
            if let Some(error) = lost.or(together.err()) {
                lock(&self.lost).get_or_insert(error.to_string());
            }
        }
        for mut event in events {
            if let RunEvent::RunFinished { note, .. } = &mut event {
                *note = lock(&self.lost).take().map(|why| format!("not all of it is remembered: {why}"));
            }
            out.send(event);
        }
    }

    /// Into the history, which never stops a run.
    fn note(&self, history: Option<&Store>, run: RunId, event: &RunEvent) -> Result<(), HistoryError> {
        let now = match event {
            RunEvent::StageFinished { stage, .. } => lock(&self.desk.state).prepared.get(stage).cloned(),
            _ => None,
        };
        if let Some(store) = history {
            store.note(self.root(), event, clock::now())?;
            if let (RunEvent::StageFinished { stage, end, .. }, Some(now)) = (event, now)
                && end.verdict != Verdict::Skipped
            {
                // One that is of no known bytes is none to go on from.
                let fingerprint = match end.meddled() {
                    Some(said) => Digest::of_parts([now.digest.to_string().as_bytes(), said.as_bytes()]),
                    None => now.digest,
                };
                // What was replayed keeps the run that it is from: that is where its log is.
                let last = store.last(self.root(), stage).ok().flatten().filter(|_| end.replayed);
                if last.is_none_or(|last| last.fingerprint != fingerprint || last.verdict != end.verdict) {
                    let last = Last { run, verdict: end.verdict, fingerprint };
                    let items = now.items.map(|items| items.to_bytes());
                    store.remember(self.root(), stage, &last, items.as_deref())?;
                }
            }
        }
        Ok(())
    }

    fn next_run(&self) -> RunId {
        let known = lock(&self.desk.history).as_ref().and_then(|store| store.next_run(self.root()).ok());
        let mut last = lock(&self.numbers);
        // Without a history the logs know at least the numbers that they must not lose.
        let known = known.unwrap_or_else(|| RunId(self.tools.logs.latest().map_or(1, |run| run.0 + 1)));
        *last = known.0.max(*last + 1);
        RunId(*last)
    }

    /// Keeps what the next session can use, and lets go what only the run needed.
    fn keep(&self, run: RunId) {
        let was_much = self.desk.rest();
        let mut contents = lock(&self.desk.contents);
        if contents.reads() > 0 {
            // It can be made again.
            let _ = contents.save(&RealSystem, &self.places.contents);
            contents.forget_reads();
        }
        drop(contents);
        if let Some(store) = lock(&self.desk.history).as_ref() {
            if run.0.is_multiple_of(PRUNE) {
                let _ = store.prune(Keep::default(), clock::now());
            }
            if was_much {
                store.give_back();
            }
        }
        if was_much {
            heap::give_back();
        }
    }

    /// Why each of these stages (all, when there are none) and those that they need would run now, or that they would not.
    pub fn reasons(&self, wanted: &BTreeSet<StageId>, asked: Asked) -> Vec<Reason> {
        let caller = lock(&self.desk.state).caller.clone();
        let found = python(self.root(), &caller);
        lock(&self.desk.state).python = found;
        let (mut reasons, mut running): (Vec<Reason>, BTreeSet<StageId>) = Default::default();
        for stage in with_needs(self.pipeline(), wanted) {
            // As a run has it: what was not asked for by name need not run only because something else is forced.
            let force = asked.force && (wanted.is_empty() || wanted.contains(&stage.id));
            let decision = self
                .desk
                .look(&stage)
                .map(|(now, _)| self.desk.would(&stage, &now, Asked { force, ..asked }));
            let after = stage.needs.iter().find(|need| running.contains(*need)).cloned();
            if after.is_some() || matches!(decision, Ok(Decision::Run(_))) {
                running.insert(stage.id.clone());
            }
            reasons.push(Reason { stage: stage.id, decision, after });
        }
        reasons
    }

    /// Why test files of a pytest stage would run now, or that they would not.
    ///
    /// # Errors
    /// What the stage depends on cannot be read, as a sentence.
    pub async fn explain(&self, stage: &Stage, tests: &[String]) -> Result<Vec<Explained>, String> {
        let caller = lock(&self.desk.state).caller.clone();
        let found = python(self.root(), &caller);
        lock(&self.desk.state).python.clone_from(&found);
        let (now, mut env) = self.desk.look(stage)?;
        self.desk.say_which(stage, &mut env);
        let prepared = Prepared {
            fingerprint: Some(now.digest),
            known: None,
            why: String::new(),
            cwd: self.root().join(&stage.cwd),
            python: found.map(|python| python.program.clone()),
            tests: Vec::new(),
            force: false,
            through: Vec::new(),
            env,
        };
        let unit = Unit { stage: stage.clone(), prepared, root: self.root().to_owned() };
        Ok(Pytest::new(Arc::clone(&self.desk) as _, &self.places.own, false).explain(&unit, tests).await)
    }

    /// The services that run and are ready.
    pub fn standing(&self) -> Vec<Standing> {
        let ready = self.tools.services.ready();
        let starts = &lock(&self.desk.state).starts;
        let standing = |(stage, fingerprint)| {
            let start = starts.get(&stage).copied();
            Standing { stage, fingerprint, start }
        };
        ready.into_iter().map(standing).collect()
    }

    /// What is asked of this session alone counts these services as running: whoever keeps the project runs them.
    pub fn set_standing(&self, services: Vec<Standing>) {
        let mut state = lock(&self.desk.state);
        for Standing { stage, fingerprint, start } in services {
            state.starts.extend(start.map(|start| (stage.clone(), start)));
            state.standing.insert(stage, fingerprint);
        }
    }

    /// The services that run.
    pub fn services(&self) -> Vec<StageId> {
        self.tools.services.running()
    }

    /// The services that have ended by themselves, and how; the next run that needs one starts it again.
    pub fn ended_services(&self) -> Vec<(StageId, String)> {
        self.tools.services.ended()
    }

    /// Ends all services, in the reverse of their order.
    pub async fn stop_services(&self) {
        self.tools.services.stop(|_| true).await;
    }

    /// Where its logs are.
    pub fn logs(&self) -> PathBuf {
        self.places.logs.clone()
    }
}

/// That a run waits for that of another process, in words.
pub fn waits(holder: Option<u32>) -> String {
    let by = holder.map_or_else(String::new, |pid| format!(", process {pid}"));
    format!("waits for another run of this project{by}")
}

/// These stages with all that they need, in the pipeline's order; all stages when none is named.
fn with_needs(pipeline: &Pipeline, wanted: &BTreeSet<StageId>) -> Vec<Stage> {
    let mut selected: BTreeSet<&StageId> = BTreeSet::new();
    for stage in pipeline.stages.iter().rev() {
        if wanted.is_empty() || wanted.contains(&stage.id) || selected.contains(&stage.id) {
            selected.insert(&stage.id);
            selected.extend(&stage.needs);
        }
    }
    pipeline.stages.iter().filter(|stage| selected.contains(&stage.id)).cloned().collect()
}
