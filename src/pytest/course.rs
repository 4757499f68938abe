//! One attempt of a stage of tests, from the files of now to what is remembered of it: the affected tests, the rest, and who has the
//! last word where some are red.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use super::batch::{
    Batch, batches, is_selectable, job, lanes, plan, reasons, together, took, watched, whole,
};
use super::cold::{self, Heed};
use super::elsewhere::{self, There};
use super::executor::Pytest;
use super::job::{Ended, Heard, Job, Tier};
use super::memory::{FileRecord, Memory};
use super::outcome::{Outcome, Sum};
use super::red::{self, Red};
use super::remember::{Whole, remember, remember_altered, remember_files, remember_named};
use super::server::Edited;
use super::warmth::Warmth;
use crate::base::digest::Digest;
use crate::base::text::printable;
use crate::project::model;
use crate::run::capture::Capture;
use crate::run::event::{MEDDLED, Partly, Spent, Stream, Verdict, only_lists};
use crate::run::feed::be_heard;
use crate::run::recorder::Recorder;
use crate::run::unit::{Attempt, Stop, Unit};
use crate::sys::process::Ending;
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;
use crate::sys::{clock, workers};

/// So many names of a run's passing files are taken down.
const PASSING: usize = 200;

/// Suites that took longer when they ran last, in milliseconds, are not run once more to be sure of a failure.
const WORTH: f64 = 60_000.0;

/// For so many runs no two files run side by side after they have come to harm.
const SERIAL: u32 = 50;

/// An attempt on its way.
pub(super) struct Course<'a> {
    pytest: &'a Pytest,
    unit: &'a Unit,
    tests: &'a model::Pytest,
    memory: &'a mut Memory,
    recorder: &'a mut Recorder,
    limits: (Stop, Option<Instant>),
    files: Vec<String>,
    now: HashMap<String, Digest>,
    /// Of the project's files, when it began.
    edition: u64,
    beside: Beside,
    warmth: Warmth,
    /// Whether what stood by has had its run.
    has_stood: bool,
    /// How the affected ones ran, when the rest cannot run so.
    stood_by: Option<Warmth>,
    /// Whether a warm run of it hung.
    hung: bool,
    /// What failed before, for certain.
    known: BTreeSet<String>,
    total: Sum,
    red: Red,
    seen: Seen,
    /// How long it took to decide what runs, in microseconds, until it is told.
    select: u64,
    /// What is red in a warm run for the first time is told of when it is judged.
    untold: Vec<(Outcome, u64)>,
    /// The batch that pytest itself has to understand.
    loose: Option<Batch>,
    /// Files that were written in all runs of the attempt before.
    own: BTreeSet<String>,
    /// Whether its tests may have read what is not there any more.
    meddled: bool,
}

/// What tests read or write that no listing of the project has, and what that held when the attempt began.
struct Beside {
    paths: Vec<String>,
    held: Vec<Option<Digest>>,
    /// So many of them, the first ones, are inputs.
    inputs: usize,
}

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

impl<'a> Course<'a> {
    /// Decides what runs, and how.
    pub(super) async fn begin(
        (pytest, unit, tests): (&'a Pytest, &'a Unit, &'a model::Pytest),
        memory: &'a mut Memory,
        recorder: &'a mut Recorder,
        (limits, own): ((Stop, Option<Instant>), BTreeSet<String>),
    ) -> (Self, Vec<Batch>) {
        let begun = clock::microseconds();
        let own = own.union(&memory.rewritten).cloned().collect();
        let files = pytest.files(unit);
        let now = pytest.digests(&files);
        let edition = pytest.ground().edition();
        let beside = Beside::of(pytest, unit, memory);
        pytest.read_imports(unit, &files, &now, memory).await;
        let plan = match is_selectable(&tests.args, unit) {
            true => plan(unit, pytest.ground(), &files, &now, memory),
            false => None,
        };
        let plan = plan.map(|plan| if unit.prepared.force { plan.and_all() } else { plan });
        let mut batches = batches(plan.as_ref(), &unit.prepared.tests);
        let expected: f64 = batches.iter().map(|batch| took(&batch.files, memory)).sum();
        let warmth = pytest.warmth(unit, &tests.args, (memory, expected)).await;
        if let (Tier::Cold, [_, _]) = (warmth.tier, batches.as_slice()) {
            // The imports of a second process would cost more than the order gains.
            batches = vec![together(batches)];
        }
        memory.serial = memory.serial.saturating_sub(1);
        // Who runs what holds wants to be sure of all of it.
        let known = if unit.prepared.force { BTreeSet::new() } else { red::known(memory) };
        let course = Self {
            pytest,
            unit,
            tests,
            memory,
            recorder,
            limits,
            files,
            now,
            edition,
            beside,
            warmth,
            has_stood: false,
            stood_by: None,
            hung: false,
            known,
            total: Sum::default(),
            red: Red::default(),
            seen: Seen::default(),
            select: clock::microseconds().saturating_sub(begun),
            untold: Vec::new(),
            loose: None,
            own,
            meddled: false,
        };
        (course, batches)
    }

    /// The affected ones, which have a verdict of their own, and the rest.
    pub(super) async fn run_all(&mut self, batches: Vec<Batch>) {
        let count = batches.len();
        for (at, batch) in batches.into_iter().enumerate() {
            let mut outcome = self.run(&batch, false).await;
            self.total.add(&outcome);
            if at + 1 < count && self.total.stopped.is_none() {
                let (counts, verdict) = ((batch.files.len(), batch.rest), self.total.verdict());
                self.recorder.affected(verdict, self.total.tests, counts, reasons(&batch.chosen));
                be_heard().await;
            }
            self.take_in(&batch, &mut outcome);
            match self.red.warm.is_empty() && !self.red.is_unlike {
                true => self.tell(outcome),
                false => self.untold.push((outcome, std::mem::take(&mut self.select))),
            }
            self.loose = Some(batch).filter(|batch| batch.is_loose);
            if self.total.stopped.is_some() {
                break;
            }
        }
    }

    /// What fails beside others, or without those that run before it, is not red to pytest: it finds all tests itself.
    pub(super) async fn run_as_found(&mut self) {
        let is_doubtful = self.red.is_doubtful || self.red.is_unlike;
        let is_doubtful = is_doubtful && self.loose.is_none() && self.total.stopped.is_none();
        if !is_doubtful || took_all(self.memory) >= WORTH {
            return;
        }
        let batch = Batch::whole();
        let mut outcome = self.run(&batch, true).await;
        self.stood_by = None;
        self.seen.wrote.extend(outcome.writes.iter().cloned());
        if self.is_meddled_with() {
            // The one may have read what the other has not: nothing is to be learnt of them.
        } else if outcome.is_whole() && outcome.failed_count() < self.red.count {
            if self.red.side_by_side {
                self.memory.serial = SERIAL;
            } else {
                self.memory.together = true;
            }
            self.total.note("some tests fail without the others, and passed with them".into());
        } else if outcome.is_whole() && self.red.is_unlike && outcome.failed_count() > self.red.count {
            self.memory.crowded = true;
            self.total.note("some tests pass without the others, and failed with them".into());
            // They have not had two outcomes: the others make the difference.
            for record in self.memory.files.values_mut() {
                (record.last, record.flaky_at) = (None, None);
                record.flaky.clear();
            }
            self.untold.clear();
        }
        self.total.replace(&outcome);
        self.red.warm.clear();
        self.take_in(&batch, &mut outcome);
        self.untold.push((outcome, 0));
    }

    /// What was imported ahead may change what comes of a test: who was not warm has the last word.
    pub(super) async fn judge(&mut self) {
        let doubtful: Vec<String> = self.red.warm.keys().cloned().collect();
        if self.total.stopped.is_some() {
            self.red.is_left = !self.red.new.is_empty();
        } else if !doubtful.is_empty() && took(&doubtful, self.memory) < WORTH {
            let batch = self.loose.take().unwrap_or_else(|| Batch::of(doubtful));
            let job = self.job(&batch, &batch.files);
            let heed = (self.pytest.dir(), Heed::Nothing);
            let outcome = cold::run(heed, self.unit, &job, self.recorder, self.limits.clone()).await;
            self.seen.wrote.extend(outcome.writes.iter().cloned());
            if let Some(Ended::Stopped(verdict)) = outcome.ended {
                (self.total.stopped, self.red.is_left) = (Some(verdict), true);
            }
            if has_run(&outcome) && self.red.is_denied_by(&outcome) {
                match self.is_meddled_with() {
                    false => self.run_cold(batch).await,
                    true => self.red.is_left = true,
                }
            }
        }
        for (outcome, select) in std::mem::take(&mut self.untold) {
            self.select = select;
            self.tell(outcome);
        }
    }

    /// By themselves and cold they pass: all runs once more, cold, and that counts. What was imported ahead has made the other answer, when
    /// they pass then as well; else those that run before them have.
    async fn run_cold(&mut self, judged: Batch) {
        for (file, record) in &mut self.memory.files {
            // What failed here has not had two outcomes.
            if self.red.warm.contains_key(file) {
                (record.last, record.flaky_at) = (None, None);
                record.flaky.clear();
                if !judged.is_loose {
                    record.failed.clear();
                }
            }
        }
        self.untold.clear();
        let batch = match judged.is_loose {
            true => judged,
            false if took_all(self.memory) < WORTH => Batch::whole(),
            false => Batch::of(self.seen.ran.iter().cloned().collect()),
        };
        let before = self.pytest.key(self.unit, self.memory);
        self.warmth = Warmth::cold("what failed warm was looked at again");
        self.stood_by = None;
        let mut outcome = self.run(&batch, true).await;
        self.total.replace(&outcome);
        let red = std::mem::take(&mut self.red);
        self.take_in(&batch, &mut outcome);
        if has_run(&outcome) && red.is_denied_by(&outcome) {
            self.warmth = Warmth::cold("what is imported ahead changes what comes of its tests");
            self.memory.quarantined.insert(before);
            // It has seen what is imported in another order.
            self.quarantine();
        }
        self.tell(outcome);
    }

    /// The files that somebody wrote while the tests ran. What tests wrote themselves is theirs.
    fn touched(&self) -> Vec<String> {
        let mut touched = self.pytest.ground().touched(&self.files, self.edition);
        touched.retain(|file| !self.seen.wrote.contains(file));
        touched
    }

    /// Whether somebody wrote a file of the project while the tests ran.
    fn is_meddled_with(&self) -> bool {
        // That is seen by looking at them.
        self.pytest.digests(&self.files);
        self.touched().iter().any(|file| !self.own.contains(file))
    }

    /// Files that were written while the tests ran, when all hold again what they held before: nobody could say what the tests have read. What
    /// is written in each of several runs is written by what they start.
    pub(super) fn torn(&mut self) -> BTreeSet<String> {
        if self.total.stopped.is_some() || self.tests_are_lists() {
            return BTreeSet::new();
        }
        let is_as_before = self.pytest.digests(&self.files) == self.now;
        let touched = self.touched();
        if self.memory.files.keys().all(|file| self.seen.ran.contains(file)) {
            self.memory.rewritten.retain(|file| touched.contains(file));
        }
        let strange =
            touched.into_iter().filter(|file| is_as_before && !self.memory.rewritten.contains(file));
        strange.collect()
    }

    /// Whether there is time for all of it once more, after so long.
    pub(super) fn has_time(&self, took: Duration) -> bool {
        let is_in_time = self.limits.1.is_none_or(|until| Instant::now() + took < until);
        is_in_time && took_all(self.memory) < WORTH
    }

    /// Those of these files that were written in the attempt before, too, where there is no time for another one.
    pub(super) fn seen_before(&mut self, torn: &BTreeSet<String>) -> BTreeSet<String> {
        let before = std::mem::replace(&mut self.memory.suspected, torn.clone());
        torn.intersection(&before).cloned().collect()
    }

    /// These are written whenever the tests run.
    pub(super) fn are_own(&mut self, files: BTreeSet<String>) {
        self.memory.rewritten.extend(files);
    }

    /// A verdict on no bytes that anybody knows.
    pub(super) fn is_of_nothing(&mut self, file: &str) {
        self.forget();
        self.total.note(format!("{MEDDLED}: {} was saved and put back", printable(file)));
    }

    fn forget(&mut self) {
        self.red.is_left = true;
        self.red.new.append(&mut self.red.sure);
        self.meddled = true;
    }

    fn tests_are_lists(&self) -> bool {
        only_lists(&self.unit.prepared.tests).is_some()
    }

    /// None of it counts: all of it is begun anew.
    pub(super) fn again(mut self, file: &str) {
        self.forget();
        red::remember(self.memory, &self.red);
        for (file, record) in &mut self.memory.files {
            if self.seen.ran.contains(file) {
                (record.good, record.ran_at, record.last) = (None, None, None);
            }
        }
        self.recorder
            .again(&format!("{} was saved while the tests ran, and they run again", printable(file)));
    }

    fn quarantine(&mut self) {
        let key = self.pytest.key(self.unit, self.memory);
        self.memory.quarantined.insert(key);
    }

    /// Remembers what came of all of it, and says it.
    pub(super) fn end(mut self) -> Attempt {
        if self.hung {
            // Also with what the last of its runs had to import besides.
            self.quarantine();
        }
        self.remember();
        let attempt = self.attempt();
        match only_lists(&self.unit.prepared.tests) {
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

    fn remember(&mut self) {
        let (pytest, unit, memory) = (self.pytest, self.unit, &mut *self.memory);
        red::remember(memory, &self.red);
        let ground = pytest.ground();
        let changed = self.beside.changed(pytest);
        remember_altered(memory, (&self.seen.wrote, &self.seen.resized), &self.beside.held(&changed));
        if self.meddled
            || pytest.digests(&self.files) != self.now
            || changed[..self.beside.inputs].contains(&true)
        {
            // What ran has seen other bytes than those that it would be known to be good at.
            memory.files.values_mut().for_each(|record| (record.good, record.ran_at) = (None, None));
        }
        if unit.prepared.tests.is_empty() {
            memory.before = watched(memory, &self.now);
            if self.warmth.tier == Tier::Cold && self.stood_by.is_none() {
                let lent = memory.borrowed().into_iter().filter(|(_, module)| self.total.has_had(module));
                memory.lent = lent.collect();
            }
        }
        let wrote: Vec<String> = self.seen.wrote.iter().cloned().collect();
        let there = ground.digests(&wrote);
        let gone = wrote.into_iter().zip(there).filter(|(_, there)| there.is_none());
        memory.passing.extend(gone.map(|(path, _)| path).take(PASSING));
        if let Err(error) = memory.save(&RealSystem, &pytest.file(unit)) {
            self.total.note(format!("what its tests did is not remembered: {error}"));
        }
        let there = |(path, held): (&String, Option<Digest>)| match held {
            Some(_) => There::File,
            None => match RealSystem.meta(&unit.root.join(path)) {
                Ok(None) => There::Nothing,
                _ => There::Other,
            },
        };
        let there = |paths: &[String]| paths.iter().zip(ground.digests(paths)).map(there).collect();
        let elsewhere = elsewhere::found(memory, &self.files, there);
        if let Err(error) = elsewhere::keep(pytest.dir(), &unit.stage.id, &elsewhere) {
            self.total.note(format!("what its tests read elsewhere is not remembered: {error}"));
        }
    }

    /// As it is told of.
    fn attempt(&mut self) -> Attempt {
        let (unit, memory) = (self.unit, &*self.memory);
        let whole = whole(unit);
        let passed_here = |record: &FileRecord| {
            record.good.is_some() && record.tests > record.skipped && record.ran_at.as_ref() == Some(&whole)
        };
        let is_choice = !unit.prepared.tests.is_empty();
        let passed_before =
            |(file, record): &(&String, &FileRecord)| !self.seen.ran.contains(*file) && passed_here(record);
        let before = memory.files.iter().filter(passed_before);
        let before: u32 = before.map(|(_, record)| record.tests - record.skipped).sum();
        let all: u32 = memory.files.values().map(|record| record.tests).sum();
        let count = self.total.tests.passed + self.total.tests.failed + self.total.tests.skipped;
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
        let mut total = std::mem::take(&mut self.total);
        let warmth = self.stood_by.as_ref().unwrap_or(&self.warmth);
        if self.stood_by.is_some() {
            total.note("the rest in a new process".into());
        }
        let attempt = total.attempt((warmth.tier, &warmth.why), others_passed, self.red.is_left);
        Attempt { partly, ..attempt }
    }

    /// Tells of the tests that ran, and where the time went.
    fn tell(&mut self, mut outcome: Outcome) {
        let select = std::mem::take(&mut self.select);
        if outcome.is_whole() {
            let files = outcome.collected.as_ref().map_or(0, |collected| collected.files.len());
            self.recorder.spent(files, Spent { select, ..outcome.spent });
        }
        self.recorder.tests(std::mem::take(&mut outcome.results));
    }

    /// Takes in what came of a batch, and takes it down.
    fn take_in(&mut self, batch: &Batch, outcome: &mut Outcome) {
        self.red.add(outcome, &self.known, self.warmth.tier != Tier::Cold);
        self.take_down(batch, outcome);
        self.red.is_unlike |= outcome.is_unlike;
        self.seen.add(outcome);
    }

    /// Remembers what came of a batch.
    fn take_down(&mut self, batch: &Batch, outcome: &mut Outcome) {
        let (pytest, unit, memory) = (self.pytest, self.unit, &mut *self.memory);
        let found_itself = batch.is_all && batch.files.is_empty() && unit.prepared.tests.is_empty();
        let coverage = memory.coverage;
        let (files, now) = (&self.files, &self.now);
        remember(memory, outcome, found_itself.then_some(Whole { files, now }).as_ref());
        if batch.is_loose {
            // It was asked for once.
            memory.coverage = coverage;
        }
        if self.warmth.hung && outcome.is_whole() {
            self.hung = true;
            memory.quarantined.insert(pytest.key(unit, memory));
        }
        // What was read only now counts as well, with what it held when the run began. That nothing may be chosen does not keep
        // anyone from comparing.
        let all = (std::mem::take(&mut memory.together), std::mem::take(&mut memory.crowded));
        let after = plan(unit, pytest.ground(), files, now, memory);
        (memory.together, memory.crowded) = all;
        if !batch.is_loose {
            remember_files(memory, (&whole(unit), found_itself), outcome, after.as_ref());
        } else if unit.prepared.tests.iter().all(|test| !test.starts_with('-')) {
            // An option may change what a test does.
            remember_named(memory, outcome, after.as_ref());
        }
    }

    fn job(&self, batch: &Batch, files: &[String]) -> Job {
        job((self.unit, self.tests), (batch, files), self.memory, &self.files)
    }

    /// A batch from its beginning to its end. A quiet one tells nobody of its failures.
    async fn run(&mut self, batch: &Batch, is_quiet: bool) -> Outcome {
        let (unit, tests) = (self.unit, self.tests);
        if self.has_stood && self.warmth.tier == Tier::Standby {
            // What stands by is good for one run. The next is for the next save, and made while this one runs.
            self.pytest.warm_up_beside(unit, self.memory);
            let cold = Warmth::cold("what stands by is good for one run");
            self.stood_by = Some(std::mem::replace(&mut self.warmth, cold));
        }
        self.has_stood |= self.warmth.tier == Tier::Standby;
        if self.warmth.tier != Tier::Cold {
            let most = match self.warmth.tier {
                Tier::Warm if !tests.serial => workers::cores(),
                _ => 1,
            };
            let lanes = lanes(batch, self.memory, most);
            let jobs: Vec<Job> = lanes.iter().map(|files| self.job(batch, files)).collect();
            if let Some(outcome) = self.run_warm(&jobs, is_quiet).await {
                return outcome;
            }
            self.warmth.tier = Tier::Cold;
            self.recorder.again(&self.warmth.why);
        }
        let job = self.job(batch, &batch.files);
        let asked = clock::microseconds();
        let heed = (self.pytest.dir(), if is_quiet { Heed::Output } else { Heed::All });
        let mut outcome = cold::run(heed, unit, &job, self.recorder, self.limits.clone()).await;
        outcome.spent = outcome.spent_since(asked, clock::microseconds());
        (outcome.lanes, outcome.is_named) = (1, job.is_named);
        outcome
    }

    /// Jobs that run side by side in the warm process; `None` when that is no result, and the warmth says why.
    async fn run_warm(&mut self, jobs: &[Job], is_quiet: bool) -> Option<Outcome> {
        let (warmth, recorder, (stop, deadline)) =
            (&mut self.warmth, &mut *self.recorder, self.limits.clone());
        let mut held = self.pytest.slot.lock().await;
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
        let edited = server.edited.take();
        let why = lanes.iter().find_map(|(outcome, _)| no_result(outcome, self.memory));
        if let Some((why, hung)) = why {
            if let Some(Edited { module, is_late: true }) = &edited {
                self.pytest.slot.excuse(module);
            }
            let edited = edited.map(|edited| printable(&edited.module));
            let why = edited.map_or(why, |module| format!("{module} was edited where it is installed"));
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
}

impl Beside {
    fn of(pytest: &Pytest, unit: &Unit, memory: &Memory) -> Self {
        let mut paths = elsewhere::of(pytest.dir(), &unit.stage.id);
        let inputs = paths.len();
        paths.extend(memory.altered.keys().cloned());
        let held = pytest.ground().digests(&paths);
        Self { paths, held, inputs }
    }

    /// Which of them hold something else now.
    fn changed(&self, pytest: &Pytest) -> Vec<bool> {
        pytest.ground().digests(&self.paths).iter().zip(&self.held).map(|(a, b)| a != b).collect()
    }

    /// By path: whether it holds something else now, and whether it is an input. One that is both counts as an input.
    fn held(&self, changed: &[bool]) -> HashMap<&String, (bool, bool)> {
        let all = self.paths.iter().zip(changed).enumerate();
        all.map(|(at, (path, changed))| (path, (*changed, at < self.inputs))).rev().collect()
    }
}

/// Whether a run can be compared. That it ran what had failed is part of the answer: a test may have removed its own file.
fn has_run(outcome: &Outcome) -> bool {
    matches!(outcome.code, Some(0 | 1)) && outcome.is_whole()
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
        Some(Ended::Outdated) => Some(("what it had imported is out of date".into(), false)),
        Some(Ended::Spun) => Some(("the warm run took far longer than ever, and ran again".into(), false)),
        Some(Ended::Hung) => Some(("the warm run hung, and ran again".into(), true)),
        _ => Some(("the warm run broke off, and ran again".into(), false)),
    }
}
