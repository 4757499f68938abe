//! pytest stages of one project: what is kept for them from run to run, and the warm process.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::batch::lasting;
use super::course::Course;
use super::graph::{Extracted, read_extracted};
use super::memory::Memory;
use super::server::Hello;
use super::slot::{IDLE, Slot};
use super::warmth::why_apart;
use crate::base::digest::Digest;
use crate::project::model::Action;
use crate::project::python::Python;
use crate::run::recorder::Recorder;
use crate::run::unit::{Attempt, Executor, Stop, Unit};
use crate::sys::process::{self, CommandSpec};
use crate::sys::real::RealSystem;

/// How long the reading of imports by a new process may take.
const IMPORTS: Duration = Duration::from_secs(60);

/// So many files are read by the warm process, which runs nothing meanwhile.
const FEW: usize = 50;

/// So many files are read by one process at most.
const PORTION: usize = 400;

/// So many times tests run at most that may have read what is not there any more.
const TORN: u32 = 3;

/// The project as it is asked when tests run. Called where it may block.
pub trait Ground: Send + Sync {
    /// The files that the stage depends on, relative to the root.
    fn files(&self, unit: &Unit) -> Vec<String>;

    /// What these paths hold; `None` for what is no file.
    fn digests(&self, paths: &[String]) -> Vec<Option<Digest>>;

    /// A number that grows with what is seen in files.
    fn edition(&self) -> u64;

    /// Those that were seen to have been written after this edition, whatever they hold now.
    fn touched(&self, paths: &[String], edition: u64) -> Vec<String>;

    /// The interpreter, with what is installed for it.
    fn python(&self) -> Option<Arc<Python>>;
}

/// Runs pytest stages of one project.
pub struct Pytest {
    ground: Arc<dyn Ground>,
    /// Where what is remembered is kept.
    dir: PathBuf,
    /// Whether this process goes on after the run: then a warm one is worth its start.
    pub(super) stays: bool,
    pub(super) slot: Arc<Slot>,
    memories: Mutex<HashMap<String, Memory>>,
}

/// The executor of one project.
pub struct PytestExecutor(pub Arc<Pytest>);

impl Executor for PytestExecutor {
    fn attempt<'a>(
        &'a self,
        unit: &'a Unit,
        recorder: &'a mut Recorder,
        stop: Stop,
    ) -> Pin<Box<dyn Future<Output = Attempt> + Send + 'a>> {
        Box::pin(async move {
            let attempt = self.0.carry_out(unit, recorder, stop).await;
            if self.0.stays {
                let (pytest, unit) = (Arc::clone(&self.0), unit.clone());
                tokio::spawn(async move { pytest.warm_up(&unit).await });
            }
            attempt
        })
    }
}

impl Pytest {
    /// For a project; `dir` is where what is remembered of it is kept.
    pub fn new(ground: Arc<dyn Ground>, dir: &Path, stays: bool) -> Self {
        Self { ground, dir: dir.to_owned(), stays, slot: Slot::new(IDLE), memories: Mutex::default() }
    }

    pub(super) fn ground(&self) -> &dyn Ground {
        self.ground.as_ref()
    }

    pub(super) fn files(&self, unit: &Unit) -> Vec<String> {
        self.ground.files(unit)
    }

    pub(super) fn file(&self, unit: &Unit) -> PathBuf {
        self.dir.join(format!("pytest-{}.json", Digest::of(unit.stage.id.0.as_bytes()).short()))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    async fn carry_out(&self, unit: &Unit, recorder: &mut Recorder, stop: Stop) -> Attempt {
        let Action::Pytest(tests) = &unit.stage.action else {
            return Attempt::not_started("it runs no pytest");
        };
        let mut asked_to_stop = stop.clone();
        let mut memories = tokio::select! {
            memories = self.memories.lock() => memories,
            // Another stage of tests has its turn.
            verdict = asked_to_stop.asked() => return Attempt { verdict: Some(verdict), ..Attempt::default() },
        };
        let until = unit.stage.timeout.map(|limit| Instant::now() + limit);
        let file = self.file(unit);
        let memory =
            memories.entry(unit.stage.id.0.clone()).or_insert_with(|| Memory::load(&RealSystem, &file));
        let mut own: Option<BTreeSet<String>> = None;
        let mut left = TORN;
        loop {
            left -= 1;
            let (begun, limits) = (Instant::now(), (stop.clone(), until));
            let given = (limits, own.clone().unwrap_or_default());
            let (mut course, batches) = Course::begin((self, unit, tests), memory, recorder, given).await;
            course.run_all(batches).await;
            course.run_as_found().await;
            course.judge().await;
            let torn = course.torn();
            let Some(file) = torn.first().cloned() else { return course.end() };
            let before = own.get_or_insert_with(|| torn.clone());
            before.retain(|file| torn.contains(file));
            if left > 0 && course.has_time(begun.elapsed()) {
                course.again(&file);
                continue;
            }
            let written = if left == 0 { before.clone() } else { course.seen_before(&torn) };
            if let Some(file) = torn.difference(&written).next() {
                course.is_of_nothing(file);
            }
            course.are_own(written);
            return course.end();
        }
    }

    pub(super) fn knows_no_python(&self) -> bool {
        self.ground.python().is_none()
    }

    pub(super) fn digests(&self, files: &[String]) -> HashMap<String, Digest> {
        let found = self.ground.digests(files);
        files.iter().zip(found).filter_map(|(file, digest)| Some((file.clone(), digest?))).collect()
    }

    /// What a server is for: one for another key is no use.
    pub(super) fn key(&self, unit: &Unit, memory: &Memory) -> String {
        let python = self.ground.python();
        let installed = python.map(|python| format!("{} {:?}", python.identity, python.packages));
        let parts = [
            format!("{:?}", unit.prepared.python),
            installed.unwrap_or_default(),
            format!("{:?}", lasting(unit)),
            memory.preload().join(" "),
            why_apart(unit).unwrap_or_default().into(),
        ];
        Digest::of_parts(parts.iter().map(String::as_bytes)).to_string()
    }

    /// Has the files read that changed since what they import was last read.
    pub(super) async fn read_imports(
        &self,
        unit: &Unit,
        files: &[String],
        now: &HashMap<String, Digest>,
        memory: &mut Memory,
    ) {
        let is_python = |file: &&String| file.ends_with(".py");
        let there: BTreeSet<&String> = files.iter().filter(is_python).collect();
        memory.imports.retain(|file, _| there.contains(file));
        let is_known = |file: &str| {
            let digest = now.get(file).map(ToString::to_string);
            memory.imports.get(file).is_some_and(|(of, _)| Some(of) == digest.as_ref())
        };
        let unknown: Vec<String> =
            there.iter().filter(|file| !is_known(file)).map(|file| (*file).clone()).collect();
        if unknown.is_empty() {
            return;
        }
        for (file, extracted) in self.extract(unit, &unknown).await {
            if let Some(digest) = now.get(&file) {
                memory.imports.insert(file, (digest.to_string(), extracted));
            }
        }
    }

    async fn extract(&self, unit: &Unit, files: &[String]) -> Vec<(String, Extracted)> {
        if files.len() <= FEW {
            let mut held = self.slot.lock().await;
            if let Some((_, server)) = held.as_mut().filter(|(_, server)| server.is_good()) {
                match server.imports(&unit.root, files).await {
                    Ok(found) => return found,
                    Err(_) => *held = None,
                }
            }
        }
        let mut found = Vec::new();
        // What a process writes is kept up to a bound.
        for files in files.chunks(PORTION) {
            found.extend(self.extract_apart(unit, files).await);
        }
        found
    }

    async fn extract_apart(&self, unit: &Unit, files: &[String]) -> Vec<(String, Extracted)> {
        let python = unit.prepared.python.as_deref().unwrap_or(Path::new("python3"));
        let mut spec =
            CommandSpec::new(python).args(["-I", "-c", include_str!("python/imports.py"), "imports"]);
        spec.clear_env = true;
        spec.timeout = Some(IMPORTS);
        let paths: Vec<String> =
            files.iter().map(|file| unit.root.join(file).to_string_lossy().into_owned()).collect();
        spec.stdin = paths.join("\0").into_bytes();
        let root = unit.root.clone();
        let read = tokio::task::spawn_blocking(move || {
            let output = process::run(&spec).ok()?;
            Some(read_extracted(&output.stdout, &root))
        });
        read.await.ok().flatten().unwrap_or_default()
    }

    /// Starts the warm process for what a stage was last seen to import, when there is none; for the next run.
    pub async fn warm_up(&self, unit: &Unit) {
        let memories = self.memories.lock().await;
        let started = memories.get(&unit.stage.id.0).and_then(|memory| self.start_next(unit, memory));
        drop(memories);
        if let Some(started) = started {
            let _ = started.await;
        }
    }

    /// The same while something else goes on.
    pub(super) fn warm_up_beside(&self, unit: &Unit, memory: &Memory) {
        if let Some(started) = self.start_next(unit, memory) {
            tokio::spawn(started);
        }
    }

    fn start_next(
        &self,
        unit: &Unit,
        memory: &Memory,
    ) -> Option<impl Future<Output = Result<(), String>> + use<>> {
        let is_wanted = self.stays
            && self.slot.has_room()
            && unit.prepared.through.is_empty()
            && !memory.quarantined.contains(&self.key(unit, memory));
        is_wanted.then(|| self.start(unit, memory))
    }

    /// Starts the warm process for these imports, when there is none.
    pub(super) fn start(
        &self,
        unit: &Unit,
        memory: &Memory,
    ) -> impl Future<Output = Result<(), String>> + use<> {
        let (slot, key, env) = (Arc::clone(&self.slot), self.key(unit, memory), lasting(unit));
        let python = unit.prepared.python.clone().unwrap_or_else(|| "python3".into());
        let hello = Hello {
            root: unit.root.clone(),
            names: memory.preload(),
            apart: why_apart(unit),
            excused: self.slot.excused(),
        };
        async move { slot.fill(key, (&python, &env), &hello).await }
    }
}
