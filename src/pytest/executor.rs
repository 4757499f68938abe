//! Attempts of pytest stages: the tests that a change affects first, then the rest; as warm as can be.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::batch::{batches, is_selectable, job, lasting, plan, reasons, together, whole};
use super::cold;
use super::graph::{Extracted, read_extracted};
use super::job::{Ended, Heard, Job, Tier};
use super::memory::Memory;
use super::outcome::{Outcome, Sum};
use super::remember::{remember, remember_files};
#[cfg(target_os = "linux")]
use super::server::{Hello, Server};
use crate::base::digest::Digest;
use crate::base::text::printable;
use crate::project::model::Action;
use crate::project::python::Python;
use crate::run::recorder::Recorder;
use crate::run::unit::{Attempt, Executor, Stop, Unit};
use crate::sys::process::{self, CommandSpec, Ending};
use crate::sys::real::RealSystem;

/// The exit code of a run in which a file of the project would hide a module that was imported before.
const HIDDEN: i32 = 120;

/// How long the reading of imports by a new process may take.
const IMPORTS: Duration = Duration::from_secs(60);

/// So many files are read by the warm process, which runs nothing meanwhile.
const FEW: usize = 50;

/// The project as it is asked when tests run. Called where it may block.
pub trait Ground: Send + Sync {
    /// The files that the stage depends on, relative to the root.
    fn files(&self, unit: &Unit) -> Vec<String>;

    /// What these paths hold; `None` for what is no file.
    fn digests(&self, paths: &[String]) -> Vec<Option<Digest>>;

    /// The interpreter, with what is installed for it.
    fn python(&self) -> Option<Arc<Python>>;
}

/// Runs pytest stages of one project.
pub struct Pytest {
    ground: Arc<dyn Ground>,
    /// Where what is remembered is kept.
    dir: PathBuf,
    /// Whether this process goes on after the run: then a warm one is worth its start.
    stays: bool,
    #[cfg(target_os = "linux")]
    server: Arc<Mutex<Option<(String, Server)>>>,
    memories: Mutex<HashMap<String, Kept>>,
}

/// The executor of one project.
pub struct PytestExecutor(pub Arc<Pytest>);

/// What is remembered of one stage, and what its files held when a run last began.
#[derive(Clone, Default)]
struct Kept {
    memory: Memory,
    before: HashMap<String, Digest>,
}

/// How warm a run may be.
struct Warmth {
    tier: Tier,
    /// Why it is no warmer.
    why: String,
    /// Whether a warm run hung.
    hung: bool,
}

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
        Self {
            ground,
            dir: dir.to_owned(),
            stays,
            #[cfg(target_os = "linux")]
            server: Arc::default(),
            memories: Mutex::default(),
        }
    }

    fn file(&self, unit: &Unit) -> PathBuf {
        self.dir.join(format!("pytest-{}.json", Digest::of(unit.stage.id.0.as_bytes()).short()))
    }

    async fn carry_out(&self, unit: &Unit, recorder: &mut Recorder, stop: Stop) -> Attempt {
        let Action::Pytest(args) = &unit.stage.action else {
            return Attempt::not_started("it runs no pytest");
        };
        let begun = Instant::now();
        let mut memories = self.memories.lock().await;
        let file = self.file(unit);
        let kept = memories
            .entry(unit.stage.id.0.clone())
            .or_insert_with(|| Kept { memory: Memory::load(&RealSystem, &file), ..Kept::default() });
        let mut warmth = self.warmth(unit, args, &kept.memory).await;
        let files = self.ground.files(unit);
        let now = self.digests(&files);
        let is_python = |file: &&String| file.ends_with(".py");
        let new: Vec<String> = files
            .iter()
            .filter(is_python)
            .filter(|file| !kept.memory.imports.contains_key(*file))
            .cloned()
            .collect();
        self.read_imports(unit, &files, &now, &mut kept.memory).await;
        let ground = self.ground.as_ref();
        let plan = match is_selectable(args, unit) {
            true => plan(unit, ground, (&files, &new), &now, (&kept.memory, &kept.before)),
            false => None,
        };
        let mut batches = batches(plan.as_ref());
        if let (Tier::Cold, [_, _]) = (warmth.tier, batches.as_slice()) {
            // The imports of a second process would cost more than the order gains.
            batches = vec![together(batches)];
        }
        let deadline = unit.stage.timeout.map(|limit| begun + limit);
        let (mut total, count) = (Sum::default(), batches.len());
        for (at, batch) in batches.into_iter().enumerate() {
            let job = job(unit, args, &batch, &kept.memory);
            let outcome =
                self.run(unit, (&job, &kept.memory), &mut warmth, recorder, (stop.clone(), deadline)).await;
            total.add(&outcome);
            if at + 1 < count && total.stopped.is_none() {
                let counts = (batch.files.len(), batch.rest);
                recorder.affected(total.verdict(), total.tests, counts, reasons(&batch.chosen));
            }
            remember(&mut kept.memory, &outcome, batch.is_all);
            if warmth.hung && outcome.is_whole() {
                kept.memory.quarantined.insert(self.key(unit, &kept.memory));
            }
            // What was read only now counts as well, with what it held when the run began.
            let after = self::plan(unit, ground, (&files, &[]), &now, (&kept.memory, &kept.before));
            remember_files(&mut kept.memory, &whole(unit), &outcome, after.as_ref());
            if total.stopped.is_some() {
                break;
            }
        }
        if let Err(error) = kept.memory.save(&RealSystem, &file) {
            total.note(format!("what its tests did is not remembered: {error}"));
        }
        kept.before = now;
        total.attempt(warmth.tier, &warmth.why)
    }

    fn digests(&self, files: &[String]) -> HashMap<String, Digest> {
        let found = self.ground.digests(files);
        files.iter().zip(found).filter_map(|(file, digest)| Some((file.clone(), digest?))).collect()
    }

    async fn warmth(&self, unit: &Unit, args: &[String], memory: &Memory) -> Warmth {
        let cold = |why: &str| Warmth { tier: Tier::Cold, why: why.to_owned(), hung: false };
        if cfg!(not(target_os = "linux")) {
            return cold("nothing is forked on this system");
        }
        if !self.stays {
            return cold("without the service");
        }
        if !unit.prepared.through.is_empty() {
            return cold("it has cloud credentials");
        }
        let has =
            |option: &str| args.iter().any(|arg| arg == option || arg.starts_with(&format!("{option}=")));
        if has("--pdb") || has("--trace") || has("-s") || has("--capture") {
            return cold("an argument wants a terminal");
        }
        if has("--cov") {
            return cold("--cov measures from the first import on");
        }
        if self.ground.python().is_none() && unit.prepared.python.is_none() {
            return cold("no interpreter is known");
        }
        if memory.modules.is_empty() && memory.files.is_empty() {
            return cold("the first run shows what it imports");
        }
        #[cfg(target_os = "linux")]
        {
            let key = self.key(unit, memory);
            if memory.quarantined.contains(&key) {
                return cold("a forked run hung or broke with these imports");
            }
            let held = self.server.lock().await;
            match held.as_ref() {
                Some((of, server)) if *of == key && server.is_good() => match &server.unfit {
                    None => Warmth { tier: Tier::Warm, why: String::new(), hung: false },
                    Some(why) => Warmth { tier: Tier::Standby, why: why.clone(), hung: false },
                },
                Some((of, _)) if *of != key => cold("its imports, packages or environment changed"),
                _ => cold("the warm process is not ready"),
            }
        }
        #[cfg(not(target_os = "linux"))]
        cold("nothing is forked on this system")
    }

    /// What a server is for: one for another key is no use.
    fn key(&self, unit: &Unit, memory: &Memory) -> String {
        let python = self.ground.python();
        let installed = python.map(|python| format!("{} {:?}", python.identity, python.packages));
        let parts = [
            format!("{:?}", unit.prepared.python),
            installed.unwrap_or_default(),
            format!("{:?}", lasting(unit)),
            memory.preload().join(" "),
        ];
        Digest::of_parts(parts.iter().map(String::as_bytes)).to_string()
    }

    async fn run(
        &self,
        unit: &Unit,
        (job, memory): (&Job, &Memory),
        warmth: &mut Warmth,
        recorder: &mut Recorder,
        (stop, deadline): (Stop, Option<Instant>),
    ) -> Outcome {
        #[cfg(target_os = "linux")]
        if warmth.tier != Tier::Cold {
            let mut held = self.server.lock().await;
            if let Some((_, server)) = held.as_mut() {
                let mut outcome = Outcome::default();
                let mut ear = |heard: Heard<'_>| match heard {
                    Heard::Wrote(stream, bytes) => recorder.wrote(stream, bytes),
                    Heard::Told(told) => outcome.told(told, recorder),
                };
                let ended = server.run(job, &mut ear, stop.clone(), deadline).await;
                outcome.ended = ended.as_ref().ok().copied();
                match ended {
                    Ok(Ended::Stopped(_)) => return outcome,
                    Ok(Ended::Itself(Ending::Exited(HIDDEN))) if outcome.code.is_none() => {
                        warmth.why = "a file of the project hides a module".into();
                    }
                    Ok(Ended::Itself(_)) if outcome.is_whole() => {
                        match outcome.sets.difference(&memory.sets).next() {
                            None => return outcome,
                            Some(name) => {
                                let name = printable(name);
                                warmth.why = format!("the project sets {name} now, and ran again");
                            }
                        }
                    }
                    Ok(Ended::Hung) => {
                        warmth.why = "the warm run hung, and ran again".into();
                        warmth.hung = true;
                    }
                    Ok(Ended::Itself(_)) => warmth.why = "the warm run broke off, and ran again".into(),
                    Err(why) => warmth.why = format!("the warm process is gone: {why}"),
                }
                *held = None;
            }
            warmth.tier = Tier::Cold;
            recorder.again(&warmth.why);
        }
        cold::run(&self.dir, unit, job, recorder, (stop, deadline)).await
    }

    /// Has the files read that changed since what they import was last read.
    async fn read_imports(
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
        #[cfg(target_os = "linux")]
        if files.len() <= FEW {
            let mut held = self.server.lock().await;
            if let Some((_, server)) = held.as_mut().filter(|(_, server)| server.is_good()) {
                match server.imports(&unit.root, files).await {
                    Ok(found) => return found,
                    Err(_) => *held = None,
                }
            }
        }
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
        #[cfg(target_os = "linux")]
        {
            let memories = self.memories.lock().await;
            let Some(kept) = memories.get(&unit.stage.id.0) else { return };
            let key = self.key(unit, &kept.memory);
            if !self.stays || !unit.prepared.through.is_empty() || kept.memory.quarantined.contains(&key) {
                return;
            }
            let names = kept.memory.preload();
            drop(memories);
            let mut held = self.server.lock().await;
            if held.as_ref().is_some_and(|(of, server)| *of == key && server.is_good()) {
                return;
            }
            *held = None;
            let python = unit.prepared.python.clone().unwrap_or_else(|| "python3".into());
            let hello = Hello { root: unit.root.clone(), names, fork: true };
            if let Ok(server) = Server::start(&python, &lasting(unit), &hello).await {
                *held = Some((key, server));
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = unit;
    }
}
