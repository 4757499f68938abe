//! One run from its beginning to its end. Everything that happens in it passes through here in one order.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::event::{Part, RunEvent, RunId, StageEnd, Trigger, Verdict};
use super::feed::Feed;
use super::flow::{Task, Tools, ended, millis};
use super::schedule::{After, Schedule, Step};
use super::unit::{Brake, brake};
use crate::base::time::Timestamp;
use crate::project::model::{Stage, StageId};
use crate::sys::{clock, signal};

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Job {
    /// The number of the run.
    pub run: RunId,
    /// What asked for it.
    pub trigger: Trigger,
    /// The generation of the project's files that it is about.
    pub generation: u64,
    /// How long it was waited for its files to be at rest.
    pub waited: Duration,
    /// Some of the paths whose change asked for it.
    pub changed: Vec<String>,
    /// How many changed in all.
    pub changes: u64,
    /// The selected stages, each after those it needs. A need beyond them counts as done.
    pub stages: Vec<Stage>,
    /// How many may run at once.
    pub slots: usize,
    /// Whether the store of results is not asked.
    pub force: bool,
    /// What was asked for, when that was not all of the project.
    pub part: Option<Part>,
}

/// What may be asked of a run while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A newer change made these stages stale: they are ended as cancelled. What needs them is skipped.
    Cancel(Vec<StageId>),
    /// All that has not ended is ended, with this verdict.
    CancelAll(Verdict),
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// Which.
    pub run: RunId,
    /// The worst verdict of its stages.
    pub verdict: Verdict,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub milliseconds: u64,
    /// Its stages, in the order of the job, with how each ended.
    pub stages: Vec<(StageId, StageEnd)>,
}

/// Old logs are removed with every so many runs.
const PRUNE: u64 = 16;

/// How many paths an event names.
const PATHS: usize = 100;

/// Runs a job. Orders may come as long as it lasts; events go to the feed, the last one says that it has ended. Dropping
/// the future ends everything that runs at once; services go on in either case.
///
/// It runs on a runtime of the current thread: what it starts ends with the thread that started it.
pub async fn execute(
    job: Job,
    tools: &Arc<Tools>,
    orders: &mut UnboundedReceiver<Order>,
    feed: &Feed,
) -> RunRecord {
    let (started, clock) = (clock::now(), Instant::now());
    feed.send(RunEvent::RunStarted {
        run: job.run,
        trigger: job.trigger,
        generation: job.generation,
        settle: u64::try_from(job.waited.as_micros()).unwrap_or(u64::MAX),
        changed: job.changed.iter().take(PATHS).cloned().collect(),
        changes: job.changes,
        stages: job.stages.iter().map(|stage| stage.id.clone()).collect(),
        part: job.part.clone(),
    });
    let mut running = Running {
        schedule: Schedule::new(&job.stages, job.slots),
        job: &job,
        tools,
        feed,
        tasks: JoinSet::new(),
        brakes: HashMap::new(),
        spent: BTreeMap::new(),
        ends: BTreeMap::new(),
    };
    running.until_over(orders).await;
    let verdict = running.schedule.verdict();
    let mut ends = running.ends;
    let milliseconds = millis(clock.elapsed());
    feed.send(RunEvent::RunFinished { run: job.run, verdict, milliseconds, note: None });
    if job.run.0.is_multiple_of(PRUNE) {
        let logs = tools.logs.clone();
        tokio::task::spawn_blocking(move || logs.prune());
    }
    let stages = job.stages.iter().filter_map(|stage| ends.remove_entry(&stage.id)).collect();
    RunRecord { run: job.run, verdict, started, milliseconds, stages }
}

struct Running<'a> {
    job: &'a Job,
    tools: &'a Arc<Tools>,
    feed: &'a Feed,
    schedule: Schedule,
    tasks: JoinSet<StageEnd>,
    brakes: HashMap<Id, (StageId, Brake)>,
    /// What the attempts before the last one took, in milliseconds.
    spent: BTreeMap<StageId, u64>,
    ends: BTreeMap<StageId, StageEnd>,
}

impl Running<'_> {
    async fn until_over(&mut self, orders: &mut UnboundedReceiver<Order>) {
        let mut orders_come = true;
        // What was asked before anything began is heard before anything begins.
        while let Ok(order) = orders.try_recv() {
            self.ordered(order);
        }
        loop {
            if signal::interrupted() {
                self.cancel(Verdict::Interrupted, |_| true);
            }
            self.step();
            if self.schedule.is_over() {
                return;
            }
            tokio::select! {
                () = signal::wait(), if !signal::interrupted() => {}
                Some(done) = self.tasks.join_next_with_id() => self.attempt_ended(done),
                order = orders.recv(), if orders_come => match order {
                    Some(order) => self.ordered(order),
                    None => orders_come = false,
                },
            }
        }
    }

    fn ordered(&mut self, order: Order) {
        match order {
            Order::Cancel(stages) => self.cancel(Verdict::Cancelled, |stage| stages.contains(stage)),
            Order::CancelAll(verdict) => self.cancel(verdict, |_| true),
        }
    }

    fn step(&mut self) {
        for step in self.schedule.steps() {
            match step {
                Step::Begin { stage, attempt } => self.begin(&stage, attempt),
                Step::Skip { stage, because } => {
                    let note = format!("{because} did not succeed");
                    self.finish(stage, ended(Verdict::Skipped, Some(note)));
                }
            }
        }
    }

    fn begin(&mut self, id: &StageId, attempt: u32) {
        let Some(stage) = self.job.stages.iter().find(|stage| stage.id == *id) else { return };
        let (brake, stop) = brake();
        let task = Task {
            tools: Arc::clone(self.tools),
            feed: self.feed.clone(),
            run: self.job.run,
            stage: stage.clone(),
            attempt,
            force: self.job.force,
            stop,
        };
        let handle = self.tasks.spawn(task.carry_out());
        self.brakes.insert(handle.id(), (id.clone(), brake));
    }

    fn attempt_ended(&mut self, done: Result<(Id, StageEnd), JoinError>) {
        let (id, mut end) = match done {
            Ok(done) => done,
            Err(error) => (error.id(), ended(Verdict::NotStarted, Some(error.to_string()))),
        };
        let Some((stage, _)) = self.brakes.remove(&id) else { return };
        if signal::interrupted() && !end.verdict.is_success() {
            // The signal that we got has ended it, too.
            end.verdict = Verdict::Interrupted;
        }
        match self.schedule.ended(&stage, end.verdict) {
            After::Retry => *self.spent.entry(stage).or_default() += end.milliseconds,
            After::Final(verdict) => {
                end.verdict = verdict;
                end.milliseconds += self.spent.remove(&stage).unwrap_or_default();
                self.finish(stage, end);
            }
        }
    }

    fn cancel(&mut self, verdict: Verdict, which: impl Fn(&StageId) -> bool) {
        let met = self.schedule.cancel(verdict, which);
        for (stage, brake) in self.brakes.values() {
            if met.running.contains(stage) {
                brake.pull(verdict);
            }
        }
        for stage in met.waiting {
            self.finish(stage, ended(verdict, None));
        }
    }

    fn finish(&mut self, stage: StageId, end: StageEnd) {
        self.feed.send(RunEvent::StageFinished { run: self.job.run, stage: stage.clone(), end: end.clone() });
        self.ends.insert(stage, end);
    }
}
