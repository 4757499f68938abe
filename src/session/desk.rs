//! The project as its runs ask it: what a stage depends on now, whether what came of it still holds, who wrote what.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::decide::{Asked, Decision, decide};
use crate::base::digest::Digest;
use crate::base::text::printable;
use crate::history::{Last, Store};
use crate::project::contents::{Content, Contents};
use crate::project::environment;
use crate::project::fingerprint::{Difference, Fingerprint, Kind};
use crate::project::gather::{Around, fingerprint};
use crate::project::inputs::{Inputs, Listing, Selector};
use crate::project::model::{Action, Pipeline, Stage, StageId};
use crate::project::python::{self, Python};
use crate::project::tools::{self, Tools};
use crate::pytest::elsewhere;
use crate::pytest::executor::Ground;
use crate::related::executor as related;
use crate::run::event::{ITSELF, RunId, StageEnd, Trigger, Verdict};
use crate::run::outputs;
use crate::run::unit::{Prepared, Site, Unit};
use crate::sys::{clock, env, process};

/// The variable that says to a command of which project's run it is a stage.
pub const RUN: &str = "DEVBOOT_RUN";

/// Source that is younger than this, in seconds, may be saved again within the same second.
const SECONDS: i64 = 2;

/// Why a stage runs that is what it was.
fn unheld(stage: &Stage) -> String {
    let why = match stage.action {
        Action::Service(_) => "a service runs for as long as somebody needs it",
        _ => "it is never answered from the cache",
    };
    why.to_owned()
}

/// So many items are much.
const MUCH: usize = 1000;

/// The project.
pub struct Desk {
    pub(super) root: PathBuf,
    /// Where what is remembered of the project is kept.
    pub(super) own: PathBuf,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) inputs: Selector,
    pub(super) contents: Arc<Mutex<Contents>>,
    pub(super) history: Arc<Mutex<Option<Store>>>,
    pub(super) state: Mutex<State>,
}

/// What changes from run to run.
#[derive(Default)]
pub(super) struct State {
    /// The environment of whoever asked.
    pub(super) caller: BTreeMap<String, String>,
    /// The project's files.
    pub(super) files: Arc<Listing>,
    pub(super) python: Option<Arc<Python>>,
    pub(super) asked: Option<Asked>,
    /// The stages that were asked for by name; none means all.
    pub(super) named: BTreeSet<StageId>,
    /// Only these tests were asked for; none means all.
    pub(super) tests: Vec<String>,
    /// What each stage was when it was last prepared in the present run.
    pub(super) prepared: BTreeMap<StageId, Stood>,
    /// What each stage's fingerprint was made from.
    pub(super) seen: BTreeMap<StageId, Seen>,
    /// Which start of each service this is.
    pub(super) starts: BTreeMap<StageId, Digest>,
    /// Services that another process runs, and the fingerprint of what they were started as.
    pub(super) standing: BTreeMap<StageId, Digest>,
    /// What stages wrote, and what it was when they had.
    pub(super) written: BTreeMap<String, Digest>,
}

/// What a stage is.
#[derive(Clone, Debug)]
pub(super) struct Stood {
    /// The digest of its fingerprint.
    pub(super) digest: Digest,
    /// The items, which are let go when a run is over: there may be a hundred thousand. `None` only where the history
    /// has them.
    pub(super) items: Option<Arc<Fingerprint>>,
}

/// What a fingerprint was made from: as long as all of it is the same, so is the fingerprint.
pub(super) struct Seen {
    files: Arc<Listing>,
    made: Vec<String>,
    env: BTreeMap<String, String>,
    python: Option<Arc<Python>>,
    tools: Tools,
    upstream: BTreeMap<StageId, Digest>,
    inputs: Inputs,
    /// Of the table of contents.
    edition: u64,
    stood: Stood,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// What a stage is now, and the environment that it is given.
    pub(super) fn look(&self, stage: &Stage) -> Result<(Stood, BTreeMap<String, String>), String> {
        let (caller, files, python, starts) = {
            let state = lock(&self.state);
            (state.caller.clone(), Arc::clone(&state.files), state.python.clone(), state.starts.clone())
        };
        let env = environment::of_stage(stage, &caller, python.as_deref());
        let upstream = self.upstream(stage, &starts);
        // What a stage before it makes may be its input though it is ignored, and so not among the files.
        let needed = stage.needs.iter().filter_map(|need| self.pipeline.stage(need));
        let mut made: Vec<String> = needed.flat_map(|need| outputs::present(need, &self.root)).collect();
        let elsewhere = self.elsewhere(stage);
        made.extend(elsewhere.iter().cloned());
        let python = python.filter(|_| self.uses_python(stage, &files));
        let tools = Tools::of(stage, &self.root, &env);
        let is_same = |seen: &&Seen| {
            (&*seen.files, &seen.made, &seen.env, &seen.python, &seen.tools, &seen.upstream)
                == (&*files, &made, &env, &python, &tools, &upstream)
        };
        let last = self.last(&stage.id).map(|last| last.fingerprint);
        // Params are read, not only looked at.
        if stage.params.is_empty()
            && let Some(seen) = lock(&self.state).seen.get(&stage.id).filter(is_same)
            && (seen.stood.items.is_some() || last == Some(seen.stood.digest))
            && self.holds(seen)
        {
            return Ok((seen.stood.clone(), env));
        }
        let inputs = self.inputs.inputs(&stage.id, &with_ignored(&files, made.clone())).and(elsewhere);
        let around = Around {
            root: &self.root,
            inputs: &inputs,
            env: &env,
            python: python.as_deref(),
            tools: &tools,
            cloud: self.pipeline.cloud.as_deref(),
            upstream: &upstream,
        };
        let mut contents = lock(&self.contents);
        let fingerprint = fingerprint(stage, &around, &mut contents)?;
        let edition = contents.edition();
        drop(contents);
        let stood = Stood { digest: fingerprint.digest(), items: Some(Arc::new(fingerprint)) };
        let seen = Seen {
            files,
            made,
            env: env.clone(),
            python,
            tools,
            upstream,
            inputs,
            edition,
            stood: stood.clone(),
        };
        lock(&self.state).seen.insert(stage.id.clone(), seen);
        Ok((stood, env))
    }

    /// Paths that are no files of the project, each with the stages that depend on it.
    pub(super) fn beside(&self) -> BTreeMap<String, BTreeSet<StageId>> {
        let mut found: BTreeMap<String, BTreeSet<StageId>> = BTreeMap::new();
        let (python, files, caller) = {
            let state = lock(&self.state);
            (state.python.clone(), Arc::clone(&state.files), state.caller.clone())
        };
        let python = python.or_else(|| self::python(&self.root, &caller));
        let places = python.map(|python| python::places(&python)).unwrap_or_default();
        for stage in &self.pipeline.stages {
            let installed = places.iter().filter(|_| self.uses_python(stage, &files));
            let installed = installed.map(|dir| dir.strip_prefix(&self.root).unwrap_or(dir));
            let installed = installed.map(|dir| dir.to_string_lossy().into_owned());
            for path in self.elsewhere(stage).into_iter().chain(installed) {
                found.entry(path).or_default().insert(stage.id.clone());
            }
        }
        found
    }

    /// Inputs of a stage that are no files of the project.
    fn elsewhere(&self, stage: &Stage) -> Vec<String> {
        match &stage.action {
            Action::Pytest(_) => elsewhere::of(&self.own, &stage.id),
            _ => tools::written_down(stage, &self.root),
        }
    }

    /// Whether a stage's inputs are what they were.
    fn holds(&self, seen: &Seen) -> bool {
        let contents = lock(&self.contents);
        contents.edition() == seen.edition && contents.holds(&seen.inputs.iter().collect::<Vec<_>>())
    }

    /// Lets go what only a run needs; whether that was much.
    pub(super) fn rest(&self) -> bool {
        let mut state = lock(&self.state);
        let items = state.prepared.values().filter_map(|stood| stood.items.as_ref());
        let count: usize = items.map(|items| items.len()).sum();
        state.prepared.clear();
        state.seen.values_mut().for_each(|seen| seen.stood.items = None);
        count > MUCH
    }

    /// Python matters where there is any: a command may come to it by a Makefile or a script.
    fn uses_python(&self, stage: &Stage, listing: &Listing) -> bool {
        match stage.action {
            Action::Pytest(_) => true,
            Action::Http(_) => false,
            _ => listing
                .files
                .iter()
                .any(|file| file.ends_with(".py") || file == "requirements.txt" || file == "pyproject.toml"),
        }
    }

    /// Whether Python source of a stage was saved just now. Python takes compiled code for that of a source of the same
    /// size and the same second: what it would compile now would stand for what is saved next. So it keeps none then.
    fn is_fresh(&self, stage: &Stage) -> bool {
        let state = lock(&self.state);
        let Some(seen) = state.seen.get(&stage.id) else { return false };
        let sources = seen.inputs.iter().filter(|path| path.ends_with(".py"));
        lock(&self.contents).changed_since(sources, clock::now().0 - SECONDS)
    }

    /// What the stages that are needed have made; of a service that runs meanwhile, what it is.
    fn upstream(&self, stage: &Stage, starts: &BTreeMap<StageId, Digest>) -> BTreeMap<StageId, Digest> {
        let mut found = BTreeMap::new();
        for need in stage.needs.iter().filter_map(|need| self.pipeline.stage(need)) {
            if matches!(need.action, Action::Service(_)) {
                continue;
            }
            let files = outputs::present(need, &self.root);
            if files.is_empty() {
                continue;
            }
            let mut hasher = Digest::begin();
            for (file, content) in files.iter().zip(lock(&self.contents).of_all(&files)) {
                hasher.part(file.as_bytes());
                hasher.part(format!("{content:?}").as_bytes());
            }
            found.insert(need.id.clone(), hasher.end());
        }
        for service in self.services_of(stage) {
            let mut hasher = Digest::begin();
            match self.look(service) {
                Ok((now, _)) => hasher.part(now.digest.as_bytes()),
                Err(why) => hasher.part(why.as_bytes()),
            }
            // A request says something of this process alone.
            if let (Action::Http(_), Some(start)) = (&stage.action, starts.get(&service.id)) {
                hasher.part(start.as_bytes());
            }
            found.insert(service.id.clone(), hasher.end());
        }
        found
    }

    /// The services that a stage needs, also by way of others.
    fn services_of(&self, stage: &Stage) -> Vec<&Stage> {
        let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
        let mut waiting: Vec<&StageId> = stage.needs.iter().collect();
        while let Some(need) = waiting.pop() {
            let Some(need) = self.pipeline.stage(need).filter(|_| seen.insert(need)) else { continue };
            if matches!(need.action, Action::Service(_)) {
                found.push(need);
            }
            waiting.extend(&need.needs);
        }
        found
    }

    fn last(&self, stage: &StageId) -> Option<Last> {
        // A history that cannot be read is one that knows nothing: then the stage runs.
        lock(&self.history).as_ref()?.last(&self.root, stage).ok().flatten()
    }

    /// What has to be done about a stage that is this now.
    pub(super) fn decided(&self, stage: &Stage, now: &Stood, asked: Asked) -> Decision {
        let last = self.last(&stage.id);
        decide(asked, last.as_ref(), now.digest, || {
            difference(now.items.as_deref(), self.kept(stage).as_ref())
        })
    }

    /// The same for who only asks what would be done: what is known from a run and not asked again, or kept, holds.
    pub(super) fn would(&self, stage: &Stage, now: &Stood, asked: Asked) -> Decision {
        match self.decided(stage, now, asked) {
            Decision::Holds(_, verdict)
                if !stage.cache
                    && !self.is_known(stage, verdict, asked.trigger)
                    && !self.stands(stage, now) =>
            {
                Decision::Run(unheld(stage))
            }
            decision => decision,
        }
    }

    /// Whether it is a service that another process runs as it is now.
    fn stands(&self, stage: &Stage, now: &Stood) -> bool {
        lock(&self.state).standing.get(&stage.id) == Some(&now.digest)
    }

    /// What the history has of what a stage was.
    fn kept(&self, stage: &Stage) -> Option<Fingerprint> {
        let items = lock(&self.history).as_ref()?.items(&self.root, &stage.id).ok()??;
        Fingerprint::from_bytes(&items)
    }

    /// How a stage ended in an earlier run.
    fn end_of(&self, stage: &StageId, run: RunId, verdict: Verdict) -> StageEnd {
        let stages = lock(&self.history).as_ref().and_then(|store| store.stages(&self.root, run).ok());
        let known =
            stages.into_iter().flatten().find(|known| known.stage == *stage).and_then(|known| known.end);
        known.unwrap_or(StageEnd {
            verdict,
            replayed: true,
            exit: None,
            milliseconds: 0,
            attempts: 0,
            tests: None,
            failures: Vec::new(),
            note: None,
            partly: None,
        })
    }

    /// Whether a result is held by the history alone: the store of results has only successes, and what they made.
    fn is_known(&self, stage: &Stage, verdict: Verdict, trigger: Trigger) -> bool {
        match (&stage.action, verdict.is_success()) {
            (Action::Service(_), _) => false,
            (_, false) => true,
            // What answers can change without a file: who asks gets an answer of now.
            (Action::Http(_), true) => trigger == Trigger::Change,
            // Who asks for a stage that is never cached wants it to run.
            (_, true) if !stage.cache => trigger != Trigger::Request,
            (_, true) => stage.outputs.is_empty() && stage.metrics.is_empty() && trigger != Trigger::Request,
        }
    }
}

impl Desk {
    /// Says to a stage of which project's run it is one. A service goes on when the run is over.
    pub(super) fn say_which(&self, stage: &Stage, env: &mut BTreeMap<String, String>) {
        if !matches!(stage.action, Action::Service(_)) {
            env.insert(RUN.into(), self.root.to_string_lossy().into_owned());
        }
    }

    /// A stage of which only some tests were asked for: what comes of them says nothing of the stage.
    fn some_tests(
        &self,
        stage: &Stage,
        (env, python): (BTreeMap<String, String>, Option<Arc<Python>>),
        tests: Vec<String>,
    ) -> Result<Prepared, String> {
        // They are named from the project's root; pytest runs where the stage does.
        let below = |test: String| {
            let inside = test.strip_prefix(stage.cwd.as_str()).and_then(|rest| rest.strip_prefix('/'));
            inside.filter(|_| !stage.cwd.is_empty()).map(str::to_owned).unwrap_or(test)
        };
        let tests = tests.into_iter().map(below).collect();
        Ok(Prepared {
            fingerprint: None,
            known: None,
            why: "these tests were asked for".into(),
            cwd: self.root.join(&stage.cwd),
            python: python.map(|python| python.program.clone()),
            tests,
            force: false,
            through: self.through(stage)?,
            env,
        })
    }

    /// A stage that asks for the project's credential profile gets it as any command does; devboot then becomes the stage.
    fn through(&self, stage: &Stage) -> Result<Vec<OsString>, String> {
        let Some(name) = self.pipeline.cloud.as_ref().filter(|_| stage.wants_cloud) else {
            return Ok(Vec::new());
        };
        let program = env::current_exe().map_err(|error| format!("cannot find devboot itself: {error}"))?;
        Ok([program.as_os_str(), "cloud".as_ref(), "exec".as_ref(), name.as_ref(), "--".as_ref()]
            .map(Into::into)
            .into())
    }
}

impl Site for Desk {
    fn prepare(&self, stage: &Stage) -> Result<Prepared, String> {
        let (now, mut env) = self.look(stage)?;
        if self.is_fresh(stage) {
            env.insert("PYTHONDONTWRITEBYTECODE".into(), "1".into());
        }
        self.say_which(stage, &mut env);
        let (asked, python) = {
            let mut state = lock(&self.state);
            if !state.tests.is_empty() && matches!(stage.action, Action::Pytest(_)) {
                let (python, tests) = (state.python.clone(), state.tests.clone());
                drop(state);
                return self.some_tests(stage, (env, python), tests);
            }
            state.prepared.insert(stage.id.clone(), now.clone());
            let asked = state.asked.unwrap_or(Asked { trigger: Trigger::Request, force: false });
            // What was not asked for by name need not run only because something else is forced.
            let force = asked.force && (state.named.is_empty() || state.named.contains(&stage.id));
            (Asked { force, ..asked }, state.python.clone())
        };
        let fingerprint = Some(now.digest);
        let (known, why) = match self.decided(stage, &now, asked) {
            Decision::Holds(run, verdict) if self.is_known(stage, verdict, asked.trigger) => {
                let why = format!("nothing that it depends on has changed since run {}", run.0);
                (Some(self.end_of(&stage.id, run, verdict)), why)
            }
            Decision::Holds(..) if stage.cache => (None, "its kept result is gone".into()),
            Decision::Holds(..) => (None, unheld(stage)),
            Decision::Run(why) => (None, why),
        };
        Ok(Prepared {
            fingerprint,
            known,
            why,
            cwd: self.root.join(&stage.cwd),
            python: python.map(|python| python.program.clone()),
            tests: Vec::new(),
            force: asked.force,
            through: self.through(stage)?,
            env,
        })
    }

    fn changed_since(&self, stage: &Stage, fingerprint: &Digest) -> Option<String> {
        let before = lock(&self.state).prepared.get(&stage.id).cloned()?;
        let (now, _) = self.look(stage).ok()?;
        if before.digest != *fingerprint || now.digest == before.digest {
            return None;
        }
        let old = before.items.or_else(|| self.kept(stage).map(Arc::new));
        let found = now.items.as_deref().zip(old.as_deref()).and_then(|(now, old)| now.first_difference(old));
        let is_gone = |found: &Difference| found.kind == Kind::Input && found.new.is_none();
        match found.filter(is_gone).map(|found| found.name) {
            // It is no longer taken for an input, since what runs is what changes it.
            Some(path) if self.digests(std::slice::from_ref(&path)) != [None] => {
                Some(format!("{ITSELF} {} itself", printable(&path)))
            }
            _ => Some(difference(now.items.as_deref(), old.as_deref())),
        }
    }

    fn wrote(&self, _: &StageId, files: &[String]) {
        let contents = lock(&self.contents).of_all(files);
        let mut state = lock(&self.state);
        for (file, content) in files.iter().zip(contents) {
            if let Content::File { digest, .. } = content {
                state.written.insert(file.clone(), digest);
            }
        }
    }

    fn started(&self, service: &StageId) {
        // No other start, of this process or of another, is the same.
        let start = format!("{} {} {}", process::id(), clock::microseconds(), clock::now().0);
        lock(&self.state).starts.insert(service.clone(), Digest::of(start.as_bytes()));
    }
}

impl Ground for Desk {
    fn files(&self, unit: &Unit) -> Vec<String> {
        let files = Arc::clone(&lock(&self.state).files);
        self.inputs.inputs(&unit.stage.id, &files).iter().map(str::to_owned).collect()
    }

    fn digests(&self, paths: &[String]) -> Vec<Option<Digest>> {
        let digest = |content| match content {
            Content::File { digest, .. } => Some(digest),
            _ => None,
        };
        lock(&self.contents).of_all(paths).into_iter().map(digest).collect()
    }

    fn edition(&self) -> u64 {
        lock(&self.contents).edition()
    }

    fn touched(&self, paths: &[String], edition: u64) -> Vec<String> {
        let contents = lock(&self.contents);
        paths.iter().filter(|path| contents.was_touched_since(path, edition)).cloned().collect()
    }

    fn python(&self) -> Option<Arc<Python>> {
        lock(&self.state).python.clone()
    }
}

impl related::Ground for Desk {
    fn fingerprint(&self, unit: &Unit) -> Option<Arc<Fingerprint>> {
        let stood = lock(&self.state).prepared.get(&unit.stage.id).cloned()?;
        let items = stood.items.or_else(|| self.kept(&unit.stage).map(Arc::new))?;
        (Some(items.digest()) == unit.prepared.fingerprint).then_some(items)
    }

    fn holds(&self, unit: &Unit) -> bool {
        unit.prepared.fingerprint.is_some_and(|was| self.changed_since(&unit.stage, &was).is_none())
    }
}

/// What differs first, as far as both are known.
fn difference(now: Option<&Fingerprint>, old: Option<&Fingerprint>) -> String {
    let difference = now.zip(old).and_then(|(now, old)| now.first_difference(old));
    difference.map_or_else(|| "something that it depends on changed".into(), |found| found.to_string())
}

/// The listing with more ignored files.
fn with_ignored(listing: &Arc<Listing>, more: Vec<String>) -> Arc<Listing> {
    let is_new = |file: &String| !listing.files.contains(file) && !listing.ignored.contains(file);
    let mut ignored: Vec<String> = more.into_iter().filter(is_new).collect();
    if ignored.is_empty() {
        return Arc::clone(listing);
    }
    ignored.extend(listing.ignored.iter().map(str::to_owned));
    Arc::new(Listing { files: Arc::clone(&listing.files), ignored: Arc::new(ignored.into_iter().collect()) })
}

/// The Python of a project for this caller.
pub(super) fn python(root: &std::path::Path, caller: &BTreeMap<String, String>) -> Option<Arc<Python>> {
    python::find(root, caller).map(Arc::new)
}
