//! Attempts of pytest stages: the tests that a change affects first, then the rest; as warm as can be.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::batch::{
    Batch, batches, is_selectable, job, lanes, lasting, plan, reasons, together, took, watched, whole,
};
use super::cold::{self, Heed};
use super::elsewhere;
use super::graph::{Extracted, read_extracted};
use super::job::{Ended, Heard, Job, Tier};
use super::memory::{FileRecord, Memory};
use super::outcome::{Outcome, Sum};
use super::red::{self, Red};
use super::remember::{Whole, remember, remember_altered, remember_files, remember_named};
use super::server::{Hello, Server};
use super::warmth::{Warmth, why_apart};
use crate::base::digest::Digest;
use crate::base::text::printable;
use crate::project::model::{self, Action};
use crate::project::python::Python;
use crate::run::capture::Capture;
use crate::run::event::{Partly, Spent, Stream, Verdict, only_lists};
use crate::run::feed::be_heard;
use crate::run::recorder::Recorder;
use crate::run::unit::{Attempt, Executor, Stop, Unit};
use crate::sys::process::{self, CommandSpec, Ending};
use crate::sys::real::RealSystem;
use crate::sys::{clock, workers};

/// How long the reading of imports by a new process may take.
const IMPORTS: Duration = Duration::from_secs(60);

/// So many names of a run's passing files are taken down.
const PASSING: usize = 200;

/// So many files are read by the warm process, which runs nothing meanwhile.
const FEW: usize = 50;

/// So many files are read by one process at most.
const PORTION: usize = 400;

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
    pub(super) stays: bool,
    pub(super) server: Arc<Mutex<Option<(String, Server)>>>,
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
        Self { ground, dir: dir.to_owned(), stays, server: Arc::default(), memories: Mutex::default() }
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
        let (begun, select) = (Instant::now(), clock::microseconds());
        let file = self.file(unit);
        let memory =
            memories.entry(unit.stage.id.0.clone()).or_insert_with(|| Memory::load(&RealSystem, &file));
        let files = self.ground.files(unit);
        let now = self.digests(&files);
        let mut beside = elsewhere::of(&self.dir, &unit.stage.id);
        let inputs = beside.len();
        beside.extend(memory.altered.keys().cloned());
        let held = self.ground.digests(&beside);
        self.read_imports(unit, &files, &now, memory).await;
        let ground = self.ground.as_ref();
        let plan = match is_selectable(&tests.args, unit) {
            true => plan(unit, ground, &files, &now, memory),
            false => None,
        };
        let plan = plan.map(|plan| if unit.prepared.force { plan.and_all() } else { plan });
        let mut batches = batches(plan.as_ref(), &unit.prepared.tests);
        let expected: f64 = batches.iter().map(|batch| took(&batch.files, memory)).sum();
        let mut warmth = self.warmth(unit, &tests.args, (memory, expected)).await;
        if let (Tier::Cold, [_, _]) = (warmth.tier, batches.as_slice()) {
            // The imports of a second process would cost more than the order gains.
            batches = vec![together(batches)];
        }
        memory.serial = memory.serial.saturating_sub(1);
        // Who runs what holds wants to be sure of all of it.
        let known = if unit.prepared.force { BTreeSet::new() } else { red::known(memory) };
        let limits = (stop, unit.stage.timeout.map(|limit| begun + limit));
        let (mut total, count) = (Sum::default(), batches.len());
        let (mut red, mut seen) = (Red::default(), Seen::default());
        let mut selected = Some(clock::microseconds().saturating_sub(select));
        let is_loose = batches.iter().any(|batch| batch.is_loose);
        let mut asked = None;
        // What is red in a warm run for the first time is told of when it is judged.
        let mut untold: Vec<(Outcome, u64)> = Vec::new();
        let mut stood_by = None;
        for (at, batch) in batches.into_iter().enumerate() {
            if at > 0 && warmth.tier == Tier::Standby {
                // What stands by is good for one run. The next is for the next save, and made while the rest runs.
                self.warm_up_beside(unit, memory);
                let cold = Warmth::cold("what stands by is good for one run");
                stood_by = Some(std::mem::replace(&mut warmth, cold));
            }
            let given = (unit, tests, &batch);
            let mut outcome = self.run(given, false, memory, &mut warmth, recorder, limits.clone()).await;
            total.add(&outcome);
            if at + 1 < count && total.stopped.is_none() {
                let counts = (batch.files.len(), batch.rest);
                recorder.affected(total.verdict(), total.tests, counts, reasons(&batch.chosen));
                be_heard().await;
            }
            red.add(&outcome, &known, warmth.tier != Tier::Cold);
            self.take_down((unit, &batch, &files, &now), &mut outcome, memory, &warmth);
            seen.add(&outcome);
            let select = selected.take().unwrap_or(0);
            match red.warm.is_empty() {
                true => tell(recorder, outcome, select),
                false => untold.push((outcome, select)),
            }
            asked = Some(batch).filter(|batch| batch.is_loose);
            if total.stopped.is_some() {
                break;
            }
        }
        if red.is_doubtful && !is_loose && total.stopped.is_none() && took_all(memory) < WORTH {
            // What fails beside others, or without those that run before it, is not red to pytest: let it find all tests itself.
            let batch = Batch::whole();
            let given = (unit, tests, &batch);
            stood_by = None;
            let mut outcome = self.run(given, true, memory, &mut warmth, recorder, limits.clone()).await;
            if outcome.is_whole() && outcome.failed_count() < red.count {
                if red.side_by_side {
                    memory.serial = SERIAL;
                } else {
                    memory.together = true;
                }
                total.note("some tests fail without the others, and passed with them".into());
            }
            total.replace(&outcome);
            red.warm.clear();
            red.add(&outcome, &known, warmth.tier != Tier::Cold);
            self.take_down((unit, &batch, &files, &now), &mut outcome, memory, &warmth);
            seen.add(&outcome);
            untold.push((outcome, 0));
        }
        let doubtful: Vec<String> = red.warm.keys().cloned().collect();
        if !doubtful.is_empty() && total.stopped.is_none() && took(&doubtful, memory) < WORTH {
            // What was imported ahead may change what comes of a test: who was not warm has the last word.
            let mut cold = Warmth::cold("what is imported ahead changes what comes of its tests");
            let batch = asked.unwrap_or_else(|| Batch::of(doubtful));
            let job = job(unit, tests, (&batch, &batch.files), memory);
            let heed = (self.dir.as_path(), Heed::Nothing);
            let outcome = cold::run(heed, unit, &job, recorder, limits.clone()).await;
            if let Some(Ended::Stopped(verdict)) = outcome.ended {
                total.stopped = Some(verdict);
            }
            // That it ran what had failed is part of the answer: a test may have removed its own file.
            let has_run = matches!(outcome.code, Some(0 | 1)) && outcome.is_whole();
            if has_run && red.is_denied_by(&outcome) {
                memory.quarantined.insert(self.key(unit, memory));
                for (file, record) in &mut memory.files {
                    // What failed here has not had two outcomes.
                    if red.warm.contains_key(file) {
                        (record.last, record.flaky_at) = (None, None);
                        record.flaky.clear();
                        if !batch.is_loose {
                            record.failed.clear();
                        }
                    }
                }
                untold.clear();
                let batch = match batch.is_loose {
                    true => batch,
                    false if took_all(memory) < WORTH => Batch::whole(),
                    false => Batch::of(seen.ran.iter().cloned().collect()),
                };
                let given = (unit, tests, &batch);
                let mut outcome = self.run(given, true, memory, &mut cold, recorder, limits).await;
                (warmth, stood_by) = (cold, None);
                total.replace(&outcome);
                self.take_down((unit, &batch, &files, &now), &mut outcome, memory, &warmth);
                seen.add(&outcome);
                // It has seen what is imported in another order.
                memory.quarantined.insert(self.key(unit, memory));
                tell(recorder, outcome, 0);
            }
        }
        untold.into_iter().for_each(|(outcome, select)| tell(recorder, outcome, select));
        let changed: Vec<bool> =
            self.ground.digests(&beside).iter().zip(&held).map(|(a, b)| a != b).collect();
        let held = beside.iter().zip(&changed).enumerate();
        let held = held.map(|(at, (path, changed))| (path, (*changed, at < inputs))).rev().collect();
        remember_altered(memory, (&seen.wrote, &seen.resized), &held);
        if self.digests(&files) != now || changed[..inputs].contains(&true) {
            // What ran has seen other bytes than those that it would be known to be good at.
            memory.files.values_mut().for_each(|record| (record.good, record.ran_at) = (None, None));
        }
        if unit.prepared.tests.is_empty() {
            memory.before = watched(memory, &now);
            if warmth.tier == Tier::Cold && stood_by.is_none() {
                let lent = memory.borrowed().into_iter().filter(|(_, module)| total.has_had(module));
                memory.lent = lent.collect();
            }
        }
        if let Err(error) = memory.save(&RealSystem, &file) {
            total.note(format!("what its tests did is not remembered: {error}"));
        }
        let there = self.ground.digests(&seen.wrote.iter().cloned().collect::<Vec<_>>());
        let gone = seen.wrote.iter().zip(there).filter(|(_, there)| there.is_none());
        memory.passing.extend(gone.map(|(path, _)| path.clone()).take(PASSING));
        let is_file = |paths: &[String]| self.ground.digests(paths).iter().map(Option::is_some).collect();
        let elsewhere = elsewhere::found(memory, &files, is_file);
        if let Err(error) = elsewhere::keep(&self.dir, &unit.stage.id, &elsewhere) {
            total.note(format!("what its tests read elsewhere is not remembered: {error}"));
        }
        let whole = whole(unit);
        let passed_here = |record: &FileRecord| {
            record.good.is_some() && record.tests > record.skipped && record.ran_at.as_ref() == Some(&whole)
        };
        let is_choice = !unit.prepared.tests.is_empty();
        let passed_before =
            |(file, record): &(&String, &FileRecord)| !seen.ran.contains(*file) && passed_here(record);
        let before = memory.files.iter().filter(passed_before);
        let before: u32 = before.map(|(_, record)| record.tests - record.skipped).sum();
        let all: u32 = memory.files.values().map(|record| record.tests).sum();
        let count = total.tests.passed + total.tests.failed + total.tests.skipped;
        let partly = match is_choice {
            // How many there are is known from a run in which pytest found them by itself.
            true => {
                let of = Some(all).filter(|all| memory.settings.is_some() && *all >= count);
                Some(Partly { asked: true, of })
            }
            false => (before > 0).then(|| Partly { asked: false, of: Some(count + before) }),
        };
        // Those that were asked for are green by themselves, or not at all.
        let others_passed = !is_choice && memory.files.values().any(passed_here);
        if let Some(first) = stood_by {
            warmth = first;
            total.note("the rest in a new process".into());
        }
        let attempt = Attempt { partly, ..total.attempt(warmth.tier, &warmth.why, others_passed) };
        match only_lists(&unit.prepared.tests) {
            Some(option)
                if matches!(attempt.verdict, None | Some(Verdict::NoTestRan)) && is_zero(attempt.ending) =>
            {
                Attempt {
                    verdict: Some(Verdict::NoTestRan),
                    note: Some(format!("{option} only lists; nothing was tested")),
                    ..attempt
                }
            }
            _ => attempt,
        }
    }

    /// Remembers what came of a batch.
    fn take_down(
        &self,
        (unit, batch, files, now): (&Unit, &Batch, &[String], &HashMap<String, Digest>),
        outcome: &mut Outcome,
        memory: &mut Memory,
        warmth: &Warmth,
    ) {
        let found_itself = batch.is_all && batch.files.is_empty() && unit.prepared.tests.is_empty();
        let coverage = memory.coverage;
        remember(memory, outcome, found_itself.then_some(Whole { files, now }).as_ref());
        if batch.is_loose {
            // It was asked for once.
            memory.coverage = coverage;
        }
        if warmth.hung && outcome.is_whole() {
            memory.quarantined.insert(self.key(unit, memory));
        }
        // What was read only now counts as well, with what it held when the run began. That nothing may be chosen does not keep
        // anyone from comparing.
        let together = std::mem::take(&mut memory.together);
        let after = plan(unit, self.ground.as_ref(), files, now, memory);
        memory.together = together;
        if !batch.is_loose {
            remember_files(memory, &whole(unit), outcome, after.as_ref());
        } else if unit.prepared.tests.iter().all(|test| !test.starts_with('-')) {
            // An option may change what a test does.
            remember_named(memory, outcome, after.as_ref());
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

    /// A batch from its beginning to its end. A quiet one tells nobody of its failures.
    async fn run(
        &self,
        (unit, tests, batch): (&Unit, &model::Pytest, &Batch),
        is_quiet: bool,
        memory: &Memory,
        warmth: &mut Warmth,
        recorder: &mut Recorder,
        limits: (Stop, Option<Instant>),
    ) -> Outcome {
        if warmth.tier != Tier::Cold {
            let most = match warmth.tier {
                Tier::Warm if !tests.serial => workers::cores(),
                _ => 1,
            };
            let lanes = lanes(batch, memory, most);
            let jobs: Vec<Job> = lanes.iter().map(|files| job(unit, tests, (batch, files), memory)).collect();
            let ran = self.run_warm(&jobs, is_quiet, memory, warmth, recorder, limits.clone()).await;
            if let Some(outcome) = ran {
                return outcome;
            }
            warmth.tier = Tier::Cold;
            recorder.again(&warmth.why);
        }
        let job = job(unit, tests, (batch, &batch.files), memory);
        let asked = clock::microseconds();
        let heed = if is_quiet { Heed::Output } else { Heed::All };
        let mut outcome = cold::run((&self.dir, heed), unit, &job, recorder, limits).await;
        outcome.spent = outcome.spent_since(asked, clock::microseconds());
        (outcome.lanes, outcome.is_named) = (1, job.is_named);
        outcome
    }

    /// Jobs that run side by side in the warm process; `None` when that is no result, and `warmth` says why.
    async fn run_warm(
        &self,
        jobs: &[Job],
        is_quiet: bool,
        memory: &Memory,
        warmth: &mut Warmth,
        recorder: &mut Recorder,
        (stop, deadline): (Stop, Option<Instant>),
    ) -> Option<Outcome> {
        let mut held = self.server.lock().await;
        let Some((_, server)) = held.as_mut() else {
            warmth.why = "the warm process is gone".into();
            return None;
        };
        let asked = clock::microseconds();
        let mut lanes: Vec<(Outcome, Capture)> = Vec::new();
        lanes.resize_with(jobs.len(), || (Outcome::new(is_quiet), Capture::default()));
        let mut ear = |lane: usize, heard: Heard<'_>| match heard {
            // Of several the first is shown as it runs; the others wait, so that no two are mixed.
            Heard::Wrote(stream, bytes) if lane == 0 => recorder.wrote(stream, bytes),
            Heard::Wrote(_, bytes) => lanes[lane].1.push(bytes),
            Heard::Told(told) => lanes[lane].0.told(told, recorder),
        };
        let ended = server.run(jobs, &mut ear, stop, deadline).await;
        let over = clock::microseconds();
        let ended = match ended {
            Ok(ended) => ended,
            Err(why) => {
                warmth.why = format!("the warm process is gone: {why}");
                *held = None;
                return None;
            }
        };
        for ((outcome, _), ended) in lanes.iter_mut().zip(ended) {
            outcome.ended = Some(ended);
        }
        let why = lanes.iter().find_map(|(outcome, _)| no_result(outcome, memory));
        if let Some((why, hung)) = why {
            (warmth.why, warmth.hung) = (why, warmth.hung || hung);
            *held = None;
            return None;
        }
        let mut all: Option<Outcome> = None;
        for (lane, (outcome, capture)) in lanes.into_iter().enumerate() {
            if lane > 0 {
                recorder.wrote(Stream::Out, capture.text().as_bytes());
            }
            all = Some(match all {
                None => outcome,
                Some(all) => all.beside(outcome),
            });
        }
        all.map(|mut all| {
            all.spent = all.spent_since(asked, over);
            (all.lanes, all.is_named) = (jobs.len(), jobs.iter().any(|job| job.is_named));
            all
        })
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
            let mut held = self.server.lock().await;
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
    fn warm_up_beside(&self, unit: &Unit, memory: &Memory) {
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
        let (server, key, env) = (Arc::clone(&self.server), self.key(unit, memory), lasting(unit));
        let python = unit.prepared.python.clone().unwrap_or_else(|| "python3".into());
        let hello = Hello { root: unit.root.clone(), names: memory.preload(), apart: why_apart(unit) };
        async move {
            let mut held = server.lock().await;
            if held.as_ref().is_some_and(|(of, server)| *of == key && server.is_good()) {
                return Ok(());
            }
            *held = None;
            *held = Some((key, Server::start(&python, &env, &hello).await?));
            Ok(())
        }
    }
}

/// Suites that took longer when they ran last, in milliseconds, are not run once more to be sure of a failure.
const WORTH: f64 = 60_000.0;

/// For so many runs no two files run side by side after they have come to harm.
const SERIAL: u32 = 50;

/// What the runs of an attempt have seen together.
#[derive(Default)]
struct Seen {
    /// The files that were collected.
    ran: BTreeSet<String>,
    /// What was opened to be written, and what of that has another size now.
    wrote: BTreeSet<String>,
    resized: BTreeSet<String>,
}

impl Seen {
    fn add(&mut self, outcome: &Outcome) {
        self.ran.extend(outcome.collected.iter().flat_map(|collected| collected.files.keys().cloned()));
        self.wrote.extend(outcome.writes.iter().cloned());
        self.resized.extend(outcome.altered.iter().cloned());
    }
}

/// Tells of the tests that ran, and where the time went.
fn tell(recorder: &mut Recorder, mut outcome: Outcome, select: u64) {
    if outcome.is_whole() {
        let files = outcome.collected.as_ref().map_or(0, |collected| collected.files.len());
        recorder.spent(files, Spent { select, ..outcome.spent });
    }
    recorder.tests(std::mem::take(&mut outcome.results));
}

fn is_zero(ending: Option<Ending>) -> bool {
    matches!(ending, Some(Ending::Exited(0)))
}

fn took_all(memory: &Memory) -> f64 {
    memory.files.values().map(|record| record.milliseconds).sum()
}

/// Why what came of a warm run is no result, and whether it hung; `None` when it is one.
fn no_result(outcome: &Outcome, memory: &Memory) -> Option<(String, bool)> {
    match outcome.ended {
        Some(Ended::Stopped(_)) => None,
        Some(Ended::Itself(_)) if outcome.unfit.is_some() && outcome.code.is_none() => {
            outcome.unfit.as_deref().map(|why| (printable(why), false))
        }
        Some(Ended::Itself(_)) if outcome.is_whole() => {
            let name = outcome.sets.difference(&memory.sets).next()?;
            Some((format!("the project sets {} now, and ran again", printable(name)), false))
        }
        Some(Ended::Hung) => Some(("the warm run hung, and ran again".into(), true)),
        _ => Some(("the warm run broke off, and ran again".into(), false)),
    }
}
