//! Attempts of pytest stages: the tests that a change affects first, then the rest; as warm as can be.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::event::Told;
use super::graph::{Graph, read_extracted};
use super::job::{Ended, Heard, Job, PROGRAM, THREADS, Tier};
use super::memory::Memory;
use super::select::{Chosen, Facts, Plan, select};
#[cfg(target_os = "linux")]
use super::server::{Hello, Server};
use crate::base::digest::Digest;
use crate::project::model::Action;
use crate::project::python::Python;
use crate::run::event::{Failure, REST, Stream, Tests, Verdict};
use crate::run::local::{self, GRACE};
use crate::run::recorder::Recorder;
use crate::run::unit::{Attempt, Executor, Stop, Unit};
use crate::sys::offspring::{Happening, Offspring};
use crate::sys::process::{CommandSpec, Ending};
use crate::sys::real::RealSystem;
use crate::sys::{clock, process};

/// So many paths are remembered of what one file reads.
const MOST_READS: usize = 2000;

/// So many failures are kept by name.
const KEPT: usize = 50;

/// The rest of the tests steps back behind everything that a person waits for, as nice(2) has it.
const BEHIND: i32 = 10;

/// How many reasons are told of.
const REASONS: usize = 5;

/// Whether Python keeps what it compiles: it must not when a source was saved just now.
const BYTECODE: &str = "PYTHONDONTWRITEBYTECODE";

/// The exit code of a run in which a file of the project would hide a module that was imported before.
const HIDDEN: i32 = 120;

/// Options that leave alone which tests there are.
const HARMLESS: [&str; 12] = [
    "-q",
    "-qq",
    "-v",
    "-vv",
    "-ra",
    "-rA",
    "-rf",
    "--tb=",
    "--color=",
    "--durations=",
    "--strict-markers",
    "--no-header",
];

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
}

/// What came of one run of pytest.
#[derive(Default)]
struct Outcome {
    ended: Option<Ended>,
    tests: Tests,
    /// By file: tests that failed.
    failed: BTreeMap<String, Vec<String>>,
    failures: Vec<Failure>,
    milliseconds: BTreeMap<String, f64>,
    collected: Option<Collected>,
    reads: BTreeMap<String, Vec<String>>,
    spawned: Vec<String>,
    modules: Option<(Vec<String>, bool)>,
    /// The code that it ended with, by its own word.
    code: Option<i32>,
}

struct Collected {
    files: BTreeMap<String, u32>,
    rootdir: String,
    ini: Option<String>,
}

impl Outcome {
    fn told(&mut self, told: Told, recorder: &mut Recorder) {
        match told {
            Told::Collected { files, rootdir, ini } => {
                self.collected = Some(Collected { files, rootdir, ini })
            }
            Told::Broken(broken) => {
                self.failed.entry(broken.file.clone()).or_default().push(broken.id.clone());
                self.tests.failed += 1;
                self.failure(&broken.id, broken.path, broken.line, broken.message, recorder);
            }
            Told::Test { id, file, outcome, ms, path, line, message, .. } => {
                use super::event::Outcome as O;
                *self.milliseconds.entry(file.clone()).or_default() += ms;
                match outcome {
                    O::Passed | O::Xfailed | O::Xpassed => self.tests.passed += 1,
                    O::Skipped => self.tests.skipped += 1,
                    O::Failed | O::Error => self.tests.failed += 1,
                }
                if outcome.is_failure() {
                    self.failed.entry(file).or_default().push(id.clone());
                    self.failure(&id, path, line, message, recorder);
                }
            }
            Told::Reads { reads, whole: _, spawned } => (self.reads, self.spawned) = (reads, spawned),
            Told::Modules { names, strict } => self.modules = Some((names, strict)),
            Told::End { code } => self.code = Some(code),
        }
    }

    fn failure(
        &mut self,
        name: &str,
        file: Option<String>,
        line: Option<u32>,
        message: String,
        recorder: &mut Recorder,
    ) {
        let message = message.lines().next().unwrap_or_default().to_owned();
        let failure = Failure { name: name.to_owned(), file, line, message };
        recorder.failed(&failure);
        if self.failures.len() < KEPT {
            self.failures.push(failure);
        }
    }

    /// Whether it says itself how it ended, and nothing else says otherwise.
    fn is_whole(&self) -> bool {
        matches!((self.ended, self.code), (Some(Ended::Itself(Ending::Exited(code))), Some(told)) if code == told)
    }
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
            let outcome = self.run(unit, &job, &mut warmth, recorder, (stop.clone(), deadline)).await;
            remember(&mut kept.memory, &outcome, &batch);
            // What was read only now counts as well, with what it held when the run began.
            let after = self::plan(unit, ground, (&files, &[]), &now, (&kept.memory, &kept.before));
            remember_files(&mut kept.memory, unit, &outcome, after.as_ref());
            if let Err(error) = kept.memory.save(&RealSystem, &file) {
                total.note(format!("what its tests did is not remembered: {error}"));
            }
            total.add(outcome);
            if total.stopped.is_some() {
                break;
            }
            if at + 1 < count {
                let rest = batch.rest;
                recorder.affected(
                    total.verdict(),
                    total.tests,
                    (batch.files.len(), rest),
                    reasons(&batch.chosen),
                );
            }
        }
        kept.before = now;
        total.attempt(&warmth)
    }

    fn digests(&self, files: &[String]) -> HashMap<String, Digest> {
        let found = self.ground.digests(files);
        files.iter().zip(found).filter_map(|(file, digest)| Some((file.clone(), digest?))).collect()
    }

    async fn warmth(&self, unit: &Unit, args: &[String], memory: &Memory) -> Warmth {
        let cold = |why: &str| Warmth { tier: Tier::Cold, why: why.to_owned() };
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
                    None => Warmth { tier: Tier::Warm, why: String::new() },
                    Some(why) => Warmth { tier: Tier::Standby, why: why.clone() },
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
        job: &Job,
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
                    Ok(Ended::Itself(_)) if outcome.is_whole() => return outcome,
                    Ok(Ended::Hung) => warmth.why = "the warm run hung, and ran again".into(),
                    Ok(Ended::Itself(_)) => warmth.why = "the warm run broke off, and ran again".into(),
                    Err(why) => warmth.why = format!("the warm process is gone: {why}"),
                }
                *held = None;
            }
            warmth.tier = Tier::Cold;
            recorder.again(&warmth.why);
        }
        self.cold(unit, job, recorder, (stop, deadline)).await
    }

    async fn cold(
        &self,
        unit: &Unit,
        job: &Job,
        recorder: &mut Recorder,
        (mut stop, deadline): (Stop, Option<Instant>),
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let told = match Files::begin(&self.dir, job) {
            Ok(told) => told,
            Err(error) => {
                outcome.failures.clear();
                recorder.wrote(Stream::Err, format!("devboot: {}: {error}\n", self.dir.display()).as_bytes());
                outcome.ended = Some(Ended::Itself(Ending::Exited(1)));
                return outcome;
            }
        };
        let python = unit.prepared.python.as_deref().unwrap_or(Path::new("python3"));
        let spec = CommandSpec::new(python).args(["-c", PROGRAM, "cold"]).arg(&told.job).arg(&told.events);
        let mut offspring = match Offspring::start(&local::given(spec, &unit.prepared)) {
            Ok(offspring) => offspring,
            Err(error) => {
                let words = format!("cannot start {}: {error}\n", python.display());
                recorder.wrote(Stream::Err, words.as_bytes());
                outcome.ended = Some(Ended::Itself(Ending::Exited(127)));
                return outcome;
            }
        };
        let mut given = None;
        let ended = loop {
            tokio::select! {
                happening = offspring.next() => match happening {
                    Happening::Wrote(written, bytes) => recorder.wrote(local::stream(written), bytes),
                    Happening::Ended(ending) => break given.unwrap_or(Ended::Itself(ending)),
                },
                verdict = stop.asked(), if given.is_none() => {
                    given = Some(Ended::Stopped(verdict));
                    offspring.end(GRACE);
                }
                () = local::until(deadline), if given.is_none() => {
                    given = Some(Ended::Stopped(Verdict::TimedOut));
                    offspring.end(GRACE);
                }
                () = local::until(recorder.due()) => recorder.tick(),
            }
        };
        told.read().into_iter().for_each(|told| outcome.told(told, recorder));
        outcome.ended = Some(ended);
        outcome
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

    async fn extract(&self, unit: &Unit, files: &[String]) -> Vec<(String, super::graph::Extracted)> {
        #[cfg(target_os = "linux")]
        if files.len() <= 50 {
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
        spec.timeout = Some(std::time::Duration::from_secs(60));
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

/// The files through which a cold run is told its job and tells its events; they go with it.
struct Files {
    job: PathBuf,
    events: PathBuf,
}

impl Files {
    fn begin(dir: &Path, job: &Job) -> std::io::Result<Self> {
        use crate::sys::system::replace;
        let name = format!("pytest-{}-{}", process::id(), clock::now().0);
        let told = Self { job: dir.join(format!("{name}.job")), events: dir.join(format!("{name}.events")) };
        replace(&RealSystem, &told.job, &serde_json::to_vec(job).unwrap_or_default(), 0o600)?;
        replace(&RealSystem, &told.events, b"", 0o600)?;
        Ok(told)
    }

    fn read(&self) -> Vec<Told> {
        use crate::sys::system::ReadSystem;
        let bytes = RealSystem.read(&self.events, 256 << 20).unwrap_or_default();
        super::event::Lines::default().push(&bytes)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        use crate::sys::system::WriteSystem;
        let _ = RealSystem.remove_file(&self.job);
        let _ = RealSystem.remove_file(&self.events);
    }
}

/// One run of pytest among those of an attempt.
struct Batch {
    /// The files to name; none runs all.
    files: Vec<String>,
    chosen: Vec<Chosen>,
    /// How many follow in the next batch.
    rest: usize,
    nice: i32,
    /// Whether all tests are in it.
    is_all: bool,
}

/// Whether the arguments leave it to us which tests run.
fn is_selectable(args: &[String], unit: &Unit) -> bool {
    let is_harmless = |arg: &String| {
        HARMLESS.iter().any(|known| arg == known || (known.ends_with('=') && arg.starts_with(known)))
    };
    args.iter().all(is_harmless)
        && ["PYTEST_ADDOPTS", "PYTEST_PLUGINS"].iter().all(|name| !unit.prepared.env.contains_key(*name))
}

/// What is to run; `None`: everything, as pytest collects it.
fn plan(
    unit: &Unit,
    ground: &dyn Ground,
    (files, new): (&[String], &[String]),
    now: &HashMap<String, Digest>,
    (memory, before): (&Memory, &HashMap<String, Digest>),
) -> Option<Plan> {
    if memory.files.is_empty()
        || memory.rootdir.as_deref() != unit.root.to_str()
        || unit.prepared.cwd != unit.root
    {
        return None;
    }
    let mut tests: BTreeSet<String> =
        memory.files.keys().filter(|file| now.contains_key(*file)).cloned().collect();
    let known_dirs: BTreeSet<String> = tests.iter().map(|file| dir_of(file)).collect();
    for file in new.iter().filter(|file| !memory.files.contains_key(*file)) {
        // A file that is new to us: one that pytest surely collects, one that it surely does not; else all run.
        let name = file.rsplit('/').next().unwrap_or(file);
        let is_test = name.starts_with("test_") || name.ends_with("_test.py");
        if is_test && !known_dirs.contains(&dir_of(file)) {
            return None;
        }
        if is_test {
            tests.insert(file.clone());
        }
    }
    let extracted =
        memory.imports.iter().map(|(file, (_, extracted))| (file.clone(), extracted.clone())).collect();
    let graph = Graph::of(files.iter().map(String::as_str), &extracted, &memory.reads);
    let digest =
        |path: &str| now.get(path).copied().or_else(|| ground.digests(&[path.to_owned()]).pop().flatten());
    let python = ground.python();
    let around = [
        python.map(|python| format!("{} {:?}", python.identity, python.packages)).unwrap_or_default(),
        format!("{:?} {:?}", lasting(unit), unit.stage.action),
    ];
    let whole = whole(unit);
    let facts = Facts {
        files,
        graph: &graph,
        digest: &digest,
        around: Digest::of_parts(around.iter().map(String::as_bytes)),
        whole: &whole,
        changed: &|path| !before.is_empty() && before.get(path) != now.get(path),
    };
    Some(select(&tests, memory, &facts))
}

/// The environment without what differs from run to run.
fn lasting(unit: &Unit) -> BTreeMap<String, String> {
    let mut env = unit.prepared.env.clone();
    env.remove(BYTECODE);
    env
}

fn whole(unit: &Unit) -> String {
    unit.prepared.fingerprint.map_or_else(String::new, |fingerprint| fingerprint.to_string())
}

fn dir_of(file: &str) -> String {
    file.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned())
}

fn batches(plan: Option<&Plan>) -> Vec<Batch> {
    let whole = |chosen: Vec<Chosen>| {
        let files = chosen.iter().map(|chosen| chosen.file.clone()).collect();
        vec![Batch { files, chosen, rest: 0, nice: 0, is_all: true }]
    };
    let Some(plan) = plan else { return whole(Vec::new()) };
    let files = |chosen: &[Chosen]| chosen.iter().map(|chosen| chosen.file.clone()).collect::<Vec<_>>();
    let is_all = plan.affected.len() + plan.rest.len() == plan.signatures.len();
    match (plan.affected.is_empty(), plan.rest.is_empty()) {
        (false, true) if is_all => whole(plan.affected.clone()),
        (true, true) => whole(Vec::new()),
        (false, true) => {
            let (files, chosen) = (files(&plan.affected), plan.affected.clone());
            vec![Batch { files, chosen, rest: 0, nice: 0, is_all: false }]
        }
        (true, false) => {
            let (files, chosen) = (files(&plan.rest), plan.rest.clone());
            vec![Batch { files, chosen, rest: 0, nice: 0, is_all: false }]
        }
        (false, false) => {
            let first = Batch {
                files: files(&plan.affected),
                chosen: plan.affected.clone(),
                rest: plan.rest.len(),
                nice: 0,
                is_all: false,
            };
            let then = Batch {
                files: files(&plan.rest),
                chosen: plan.rest.clone(),
                rest: 0,
                nice: BEHIND,
                is_all: false,
            };
            vec![first, then]
        }
    }
}

/// All in one run, in their order.
fn together(batches: Vec<Batch>) -> Batch {
    let mut all = Batch { files: Vec::new(), chosen: Vec::new(), rest: 0, nice: 0, is_all: false };
    for batch in batches {
        all.files.extend(batch.files);
        all.chosen.extend(batch.chosen);
    }
    all
}

fn job(unit: &Unit, args: &[String], batch: &Batch, memory: &Memory) -> Job {
    let mut args = args.to_vec();
    if !batch.is_all {
        // What pytest would find from the root alone it must not look for from the files that are named.
        args.extend(memory.rootdir.iter().map(|dir| format!("--rootdir={dir}")));
        args.extend(memory.ini.iter().map(|ini| format!("--config-file={ini}")));
        args.extend(batch.files.iter().cloned());
    }
    let unset = THREADS.iter().filter(|name| !unit.prepared.env.contains_key(**name));
    let failed =
        batch.files.iter().filter_map(|file| memory.files.get(file)).flat_map(|record| &record.failed);
    Job {
        root: unit.root.clone(),
        cwd: unit.prepared.cwd.clone(),
        args,
        order: batch.files.clone(),
        first: failed.cloned().collect(),
        unset: unset.map(|name| (*name).to_owned()).collect(),
        set: unit
            .prepared
            .env
            .get_key_value(BYTECODE)
            .map(|(name, value)| (name.clone(), value.clone()))
            .into_iter()
            .collect(),
        nice: batch.nice,
    }
}

fn reasons(chosen: &[Chosen]) -> Vec<String> {
    chosen.iter().take(REASONS).map(|chosen| chosen.why.sentence(&chosen.file)).collect()
}

/// Takes down what came of a run.
fn remember(memory: &mut Memory, outcome: &Outcome, batch: &Batch) {
    if !outcome.is_whole() {
        return;
    }
    if let Some((names, strict)) = &outcome.modules {
        memory.strict = *strict;
        let known: BTreeSet<&String> = memory.modules.iter().collect();
        let new: Vec<String> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        // A selected run imports less than a whole one; what is no longer imported goes with the next whole one.
        if batch.is_all {
            memory.modules.clone_from(names);
        } else {
            memory.modules.extend(new);
        }
    }
    let Some(collected) = &outcome.collected else { return };
    if batch.is_all {
        memory.rootdir = Some(collected.rootdir.clone());
        memory.ini.clone_from(&collected.ini);
        memory.files.retain(|file, _| collected.files.contains_key(file));
    }
    for file in collected.files.keys() {
        memory.files.entry(file.clone()).or_default();
    }
    for (owner, paths) in &outcome.reads {
        let mut all: BTreeSet<String> = paths.iter().filter(|path| is_worth(path)).cloned().collect();
        // A module that was imported for another test reads nothing this time.
        all.extend(memory.reads.remove(owner).into_iter().flatten());
        memory.reads.insert(owner.clone(), all.into_iter().take(MOST_READS).collect());
    }
    memory.spawned.extend(outcome.spawned.iter().cloned());
}

/// Takes down what came of each file.
fn remember_files(memory: &mut Memory, unit: &Unit, outcome: &Outcome, plan: Option<&Plan>) {
    let Some(collected) = outcome.collected.as_ref().filter(|_| outcome.is_whole()) else { return };
    let broken = outcome.failed.keys();
    let files: BTreeSet<&String> = collected.files.keys().chain(broken).collect();
    for file in files {
        let record = memory.files.entry(file.clone()).or_default();
        let signature = plan.and_then(|plan| plan.signatures.get(file)).cloned();
        let failed = outcome.failed.get(file).cloned().unwrap_or_default();
        if signature.is_some() && record.last == signature {
            let (before, after): (BTreeSet<&String>, BTreeSet<&String>) =
                (record.failed.iter().collect(), failed.iter().collect());
            let flaky: Vec<String> = before.symmetric_difference(&after).map(|id| (*id).clone()).collect();
            record.flaky.extend(flaky);
        }
        record.good = signature.clone().filter(|_| failed.is_empty());
        record.last = signature;
        record.ran_at = Some(whole(unit));
        record.failed = failed;
        record.tests = collected.files.get(file).copied().unwrap_or(record.tests);
        record.milliseconds = outcome.milliseconds.get(file).copied().unwrap_or_default();
    }
}

/// Whether a path that was read can change what a test does: pytest's own droppings cannot.
fn is_worth(path: &str) -> bool {
    let is_dropping = path.contains("__pycache__") || path.contains("pytest-cache-files-");
    !is_dropping && !path.starts_with('.') && !path.contains("/.")
}

/// The runs of an attempt together.
#[derive(Default)]
struct Sum {
    tests: Tests,
    failures: Vec<Failure>,
    stopped: Option<Verdict>,
    ending: Option<Ending>,
    notes: Vec<String>,
}

impl Sum {
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn add(&mut self, outcome: Outcome) {
        self.tests.passed += outcome.tests.passed;
        self.tests.failed += outcome.tests.failed;
        self.tests.skipped += outcome.tests.skipped;
        self.failures.extend(outcome.failures);
        self.failures.truncate(KEPT);
        match outcome.ended {
            Some(Ended::Stopped(verdict)) => self.stopped = Some(verdict),
            Some(Ended::Itself(ending)) => {
                // A file in which nothing is left to run is no failure beside others that ran.
                let is_nothing = |ending: Ending| matches!(ending, Ending::Exited(0 | 5));
                self.ending = match self.ending {
                    Some(before) if !is_nothing(before) => Some(before),
                    Some(Ending::Exited(0)) if is_nothing(ending) => Some(Ending::Exited(0)),
                    _ => Some(ending),
                };
            }
            Some(Ended::Hung) | None => self.ending = Some(Ending::Signalled(9)),
        }
    }

    fn verdict(&self) -> Verdict {
        match self.ending {
            Some(Ending::Exited(0)) if self.tests.failed == 0 => Verdict::Passed,
            Some(Ending::Exited(5)) => Verdict::NoTestRan,
            _ => Verdict::Failed,
        }
    }

    fn attempt(self, warmth: &Warmth) -> Attempt {
        let mut notes = self.notes;
        notes.insert(
            0,
            match warmth.why.as_str() {
                "" => warmth.tier.to_string(),
                why => format!("{}: {why}", warmth.tier),
            },
        );
        let note = Some(notes.join("; "));
        if let Some(verdict) = self.stopped {
            let rest = self
                .ending
                .map(|_| format!("{REST}; {} passed and {} failed", self.tests.passed, self.tests.failed));
            return Attempt { verdict: Some(verdict), note: rest.or(note), ..Attempt::default() };
        }
        Attempt { verdict: None, ending: self.ending, failures: self.failures, note, tests: None }
    }
}
