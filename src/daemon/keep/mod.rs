//! Keeping one project: its files are watched, what a save affects is run, and whoever asks is answered. A thread of its
//! own each: a project of many files keeps neither the service nor other projects waiting.

mod absent;
mod orders;
mod rounds;
mod sources;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use self::rounds::{Rest, Rounds};
use crate::base::error::{ErrorKind, Fault};
use crate::base::text::counted;
use crate::base::time::Timestamp;
use crate::daemon::begin::{Begin, opened, watched};
use crate::daemon::project::{ProjectEvent, ProjectOrder, Told};
use crate::ipc::message::ProjectPhase;
use crate::project::FILE;
use crate::project::model::StageId;
use crate::project::trust::{self, Subject, Trust};
use crate::run::dispatcher::{Order as RunOrder, RunRecord};
use crate::run::event::{MEDDLED, REST as REST_LEFT, RunEvent, RunId, StageEnd, Trigger, Verdict};
use crate::run::feed::{Feed, Follower, feed};
use crate::run::standing::Standing;
use crate::session::turn::{Effect, Event, Order, Turn};
use crate::session::{self, Session};
use crate::sys::clock;
use crate::sys::heap;
use crate::sys::real::RealSystem;
use crate::watch::change::{Cause, Change, ChangeKind, ChangeSet};
use crate::watch::edge::Edge;
use crate::watch::watcher::Coverage;

/// How long what runs has to end once the project is kept no longer; less than the service itself has.
const ENDING: Duration = Duration::from_secs(8);

/// So many of the files that change at once are suspected of asking for runs.
const SUSPECTS: usize = 16;

/// Begins to keep a project. Orders go into what is returned; the last thing told is [`ProjectEvent::Ended`].
pub fn start(begin: Begin, told: Told) -> UnboundedSender<ProjectOrder> {
    let (orders, mut receiver) = unbounded_channel();
    let last = told.clone();
    let thread = std::thread::Builder::new().name("project".into()).spawn(move || {
        let ended = keep(begin, &mut receiver, &told);
        // Whoever ordered something while it ended by itself is not left waiting.
        receiver.close();
        while let Ok(order) = receiver.try_recv() {
            let answer = match &ended {
                Err(why) => order.refused(Fault::new(ErrorKind::Failed, why.clone())),
                Ok(()) => order.undelivered(),
            };
            answer.into_iter().for_each(|answer| told.tell_last(answer));
        }
        told.tell_last(ProjectEvent::Ended(ended.err()));
    });
    if let Err(error) = thread {
        let why = format!("no thread could be started: {error}");
        // The loop waits for no thread that there is not, so nobody is kept from reading this.
        tokio::spawn(async move { last.tell(ProjectEvent::Ended(Some(why))).await });
    }
    orders
}

type Orders = UnboundedReceiver<ProjectOrder>;

fn keep(begin: Begin, orders: &mut Orders, told: &Told) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot begin to watch: {error}"))?;
    let done = runtime.block_on(kept(begin, orders, told));
    // Nobody waits for a thread that reads a file of a hung disk.
    runtime.shutdown_background();
    done
}

/// Keeps it whenever its directory is there, and waits for that where it is not.
async fn kept(mut begin: Begin, orders: &mut Orders, told: &Told) -> Result<(), String> {
    let mut first = Vec::new();
    loop {
        let (looks, order) = match Keep::new(begin.clone(), told.clone()) {
            Ok(mut keep) => {
                for order in std::mem::take(&mut first) {
                    keep.ordered(order).await;
                }
                let done = keep.work(orders).await;
                keep.leave().await;
                begin.env.clone_from(&keep.begin.env);
                match done? {
                    Left::Told => return Ok(()),
                    Left::Gone(order) => (keep.attached.then(|| keep.caller.clone()), order),
                }
            }
            Err(why) if absent::is_there(&begin.root) => return Err(why),
            Err(_) => (begin.attached.then(|| begin.env.clone()), None),
        };
        // Whoever looks has said before what to run first.
        begin.attached = false;
        match absent::until_back(&begin.root, (looks, order), orders, told).await {
            Some(orders) => first = orders,
            None => return Ok(()),
        }
    }
}

/// Why it is kept no longer.
enum Left {
    /// It was told to end.
    Told,
    /// Its directory is gone, which may have been seen when something was ordered; that is still to be done.
    Gone(Option<ProjectOrder>),
}

type Running = Pin<Box<dyn Future<Output = RunRecord>>>;

/// Everything that the loop holds.
struct Keep {
    begin: Begin,
    told: Told,
    /// The last good one.
    session: Option<Arc<Session>>,
    /// Why there is none, or why it is not the one that the files say.
    problem: Option<Fault>,
    /// The environment that stages are given, as far as they declare it.
    caller: BTreeMap<String, String>,
    /// Whether somebody looks at it.
    attached: bool,
    phase: Option<(ProjectPhase, Option<String>)>,
    /// What is to be said once the loop runs.
    said: Vec<String>,
    edge: Edge,
    /// How long it was waited for what the next run is about.
    waited: Duration,
    /// Counted on when the watcher is made anew.
    generations: u64,
    turn: Turn,
    running: Option<Running>,
    cancels: Option<UnboundedSender<RunOrder>>,
    /// What is under way waits for a run of another process, which may be known.
    waits: (UnboundedSender<Option<u32>>, UnboundedReceiver<Option<u32>>),
    waits_for: Option<Option<u32>>,
    feed: Feed,
    follower: Follower,
    standing: Standing,
    /// When the last run began.
    began: Timestamp,
    /// Outputs that changed while a run went on: who wrote them is known when it is over.
    held: BTreeSet<String>,
    rounds: Rounds,
    /// What is under way is a rest, and no run: why.
    rests: Option<String>,
    /// What changed, and asks for the run after the rest; without it the run that is over already has.
    postponed: Option<Event>,
    seeded: bool,
    /// The pipeline is to be read again; whether a save asks for it, and not git.
    reload: Option<bool>,
}

impl Keep {
    fn new(begin: Begin, told: Told) -> Result<Self, String> {
        let (feed, follower) = feed();
        let read = sources::at(&begin.root);
        let (session, problem, mut said) = match opened(&begin, begin.env.clone(), false) {
            Ok((session, said)) => (Some(Arc::new(session)), None, said),
            Err(fault) => (None, Some(fault), Vec::new()),
        };
        let edge = watched(&begin, session.as_deref())?;
        let reload = sources::saved_since(&begin.root, &read).then_some(false);
        said.extend(problem.iter().flat_map(words::lines));
        // To find and to sort the files has needed more than they do now.
        heap::give_back();
        let Coverage { polled, unnamed, .. } = edge.watcher.coverage();
        said.extend(polled.map(|why| format!("files are compared from time to time: {why}")));
        if unnamed > 0 {
            said.push(format!("names that are no UTF-8 are not watched: {}", counted(unnamed, "file")));
        }
        Ok(Self {
            caller: begin.env.clone(),
            attached: begin.attached,
            phase: None,
            said,
            begin,
            told,
            session,
            problem,
            edge,
            waited: Duration::ZERO,
            generations: 0,
            turn: Turn::default(),
            running: None,
            cancels: None,
            waits: unbounded_channel(),
            waits_for: None,
            feed,
            follower,
            standing: Standing::default(),
            began: clock::now(),
            held: BTreeSet::new(),
            rounds: Rounds::default(),
            postponed: None,
            rests: None,
            seeded: false,
            reload,
        })
    }

    async fn work(&mut self, orders: &mut Orders) -> Result<Left, String> {
        for said in std::mem::take(&mut self.said) {
            self.told.tell(ProjectEvent::Said(said)).await;
        }
        self.reload_if_idle().await;
        if !self.begin.attached {
            self.catch_up();
        }
        loop {
            self.tell_phase().await;
            tokio::select! {
                biased;
                Some(event) = self.follower.next() => {
                    self.event(event).await;
                    while let Some(event) = self.follower.try_next() {
                        self.event(event).await;
                    }
                }
                Some(holder) = self.waits.1.recv() => self.waits_for = Some(holder),
                record = over(&mut self.running) => self.over(&record).await,
                order = orders.recv() => match order {
                    None | Some(ProjectOrder::Stop) => return Ok(Left::Told),
                    // What is asked for is about what is there now.
                    Some(order) if self.is_gone() => return Ok(Left::Gone(Some(order))),
                    Some(order) => self.ordered(order).await,
                },
                set = self.edge.next() => {
                    let set = set.map_err(|error| format!("cannot watch it any more: {error}"))?;
                    // That all of its files are gone with it is no change of theirs.
                    if self.edge.watcher.is_gone() {
                        return Ok(Left::Gone(None));
                    }
                    self.changed(set, false).await;
                }
            }
        }
    }

    fn is_gone(&mut self) -> bool {
        self.edge.watcher.drain(Instant::now());
        self.edge.watcher.is_gone()
    }

    async fn event(&mut self, event: RunEvent) {
        match &event {
            RunEvent::RunStarted { .. } => self.waits_for = None,
            RunEvent::StageStarted { stage, .. } => self.happened(Event::Began(stage.clone())),
            RunEvent::StageFinished { stage, .. } => self.happened(Event::Ended(stage.clone())),
            _ => {}
        }
        self.standing.on(&event);
        self.told.tell(ProjectEvent::Run(event)).await;
    }

    /// What it does now, and a sentence about it.
    async fn tell_phase(&mut self) {
        let (phase, note) = match (&self.session, &self.problem) {
            (None, problem) => (ProjectPhase::Blocked, problem.as_ref().map(words::in_short)),
            (Some(_), _) if self.turn.is_running() && self.rests.is_none() => {
                (ProjectPhase::Running, self.waits_for.map(session::waits))
            }
            (Some(_), problem) => (ProjectPhase::Idle, Some(self.note(problem.as_ref()))),
        };
        if self.phase.as_ref().is_none_or(|told| (told.0, &told.1) != (phase, &note)) {
            self.phase = Some((phase, note.clone()));
            self.told.tell(ProjectEvent::Phase(phase, note)).await;
        }
    }

    fn note(&self, problem: Option<&Fault>) -> String {
        let coverage = self.edge.watcher.coverage();
        let mut note = format!("watching {}", counted(coverage.files, "file"));
        if let Some(why) = coverage.polled {
            note.push_str(&format!(" by comparing them ({why})"));
        }
        if coverage.unnamed > 0 {
            note.push_str(&format!(", and not {}, whose names are no UTF-8", coverage.unnamed));
        }
        if let Some((run, is_green)) = self.standing.since() {
            let word = if is_green { "green" } else { "red" };
            note.push_str(&format!(", {word} since run {}", run.0));
        }
        let ended = self.session.iter().flat_map(|session| session.ended_services());
        for (stage, how) in ended {
            note.push_str(&format!("; {stage} has ended: {how}; the next run starts it"));
        }
        if let Some(why) = &self.rests {
            note.push_str(&format!("; {why}"));
        }
        if let Some(problem) = problem {
            note.push_str(&format!("; {}", words::in_short(problem)));
        }
        note
    }

    async fn changed(&mut self, set: ChangeSet, asked_for_all: bool) {
        let saved = set.cause != Cause::Git;
        let is_other = |change: &Change| {
            change.path == FILE
                || change.kind != ChangeKind::Modified && self.is_inferred()
                || sources::MARKS.contains(&change.path.as_str()) && self.is_inferred()
        };
        if set.changes.iter().any(is_other) {
            // What git brought is not what somebody saved, whatever else was saved meanwhile.
            self.reload = Some(saved && self.reload.unwrap_or(true));
        }
        self.waited = self.waited.max(set.waited);
        let generation = self.generations + set.generation;
        let mut paths: BTreeSet<String> = set.changes.into_iter().map(|change| change.path).collect();
        if let Some(session) = &self.session {
            let is_held = |path: &String| self.running.is_some() && session.is_output(path);
            let (made, others) = paths.into_iter().partition(is_held);
            self.held.extend::<BTreeSet<String>>(made);
            paths = session.foreign(others);
        }
        let affected = match &self.session {
            // Whoever asked gets a run of all that there is.
            Some(_) if asked_for_all => BTreeSet::new(),
            Some(session) => session.affected(&paths),
            None => BTreeSet::new(),
        };
        let rest = if affected.is_empty() { None } else { self.round(&paths) };
        let event = Event::Changed { generation, paths, affected };
        match rest {
            Some(rest) => {
                self.postponed = Some(event);
                self.rest(rest, None).await;
            }
            None => self.happened(event),
        }
        self.reload_if_idle().await;
    }

    fn is_inferred(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.pipeline().is_inferred())
    }

    /// Reads the pipeline again, when that is due and nothing runs. The last good one stays until the next one is good.
    async fn reload_if_idle(&mut self) {
        let Some(saved) = self.reload.filter(|_| self.running.is_none()) else { return };
        self.reload = None;
        let read = sources::at(&self.begin.root);
        // Who looks at a project and saves its file trusts it; what came with git, or behind one's back, waits.
        match opened(&self.begin, self.caller.clone(), saved && self.attached) {
            Ok((session, _))
                if self.session.as_ref().is_some_and(|old| old.pipeline() == session.pipeline()) =>
            {
                self.problem = None;
            }
            Ok((session, said)) => match watched(&self.begin, Some(&session)) {
                Ok(edge) => {
                    self.generations += self.edge.watcher.generation();
                    (self.edge, self.seeded) = (edge, false);
                    self.reload = sources::saved_since(&self.begin.root, &read).then_some(false);
                    self.problem = None;
                    let old = self.session.replace(Arc::new(session));
                    for said in said.into_iter().chain(["the pipeline is read again".to_owned()]) {
                        self.told.tell(ProjectEvent::Said(said)).await;
                    }
                    if let Some(old) = old {
                        // Services of a pipeline that is no longer the present one end before the next run begins.
                        old.stop_services().await;
                    }
                    self.catch_up();
                }
                Err(why) => self.problem = Some(Fault::new(ErrorKind::Failed, why)),
            },
            Err(fault) => {
                let stays = if self.session.is_some() && !self.is_revoked() {
                    " (the last good one stays)"
                } else {
                    ""
                };
                let mut all = words::lines(&fault);
                if let Some(last) = all.last_mut() {
                    last.push_str(stays);
                }
                // Who asks is answered; who looks has read it, and hears it again where it was saved again.
                if saved || self.problem.as_ref() != Some(&fault) {
                    for line in all {
                        self.told.tell(ProjectEvent::Said(line)).await;
                    }
                }
                self.problem = Some(fault);
                if self.is_revoked()
                    && let Some(session) = self.session.take()
                {
                    session.stop_services().await;
                }
            }
        }
    }

    /// Whether nothing of the project is trusted any more.
    fn is_revoked(&self) -> bool {
        let subject = Subject { root: &self.begin.root, text: Some("") };
        !self.is_inferred() && trust::state(&RealSystem, &self.begin.dirs, subject) == Trust::New
    }

    /// What a stage wrote itself concerns nobody; what somebody else wrote in its place does.
    fn hold_no_more(&mut self) {
        let held = std::mem::take(&mut self.held);
        let Some(session) = &self.session else { return };
        let paths = session.foreign(held);
        let affected = session.affected(&paths);
        if !affected.is_empty() {
            self.happened(Event::Changed { generation: self.turn.generation(), paths, affected });
        }
    }

    /// Counts a change that asks for a run; a rest, when it seems to go round.
    fn round(&mut self, paths: &BTreeSet<String>) -> Option<Rest> {
        // Nothing that runs can have done what happens during a rest.
        if self.end_rest() {
            return None;
        }
        let session = self.session.clone()?;
        let asks = |path: &&String| !session.affected(&[(*path).clone()].into()).is_empty();
        let asking: BTreeSet<String> = paths.iter().filter(asks).take(SUSPECTS).cloned().collect();
        if self.running.is_some() {
            self.rounds.during(asking);
            return None;
        }
        let is_polled = self.edge.watcher.coverage().polled.is_some();
        self.rounds.between(&asking, is_polled, Instant::now())
    }

    /// Puts off what would come next. `meddled`: a stage that saw its own inputs change, and what it says of that.
    async fn rest(&mut self, rest: Rest, meddled: Option<(&str, &str)>) {
        let (what, count) = (rest.what, rest.count);
        if rest.is_new {
            let said = match meddled {
                Some((stage, note)) => format!("{stage} may be asking for its own runs: {note}."),
                None => format!(
                    "the runs may be asking for their own next ones: {what} changed in {count} of them."
                ),
            };
            let said = format!(
                "{said} They come ever more rarely until that ends; what a stage makes belongs among its outputs"
            );
            self.told.tell(ProjectEvent::Said(said)).await;
        }
        let cause = match meddled {
            Some((stage, note)) => format!("{stage}: {note}"),
            None => format!("{what} changed in {count} runs"),
        };
        let time = counted(usize::try_from(rest.time.as_secs()).unwrap_or(usize::MAX), "second");
        self.rests = Some(format!("{cause}; the next run comes in {time}, or with a save"));
        self.running = Some(Box::pin(async move {
            tokio::time::sleep(rest.time).await;
            nothing()
        }));
    }

    /// Ends a rest before its time, because somebody saves or asks; whether there was one.
    fn end_rest(&mut self) -> bool {
        if self.rests.is_some() {
            self.rounds.end();
            self.rested();
            return true;
        }
        false
    }

    /// What was put off comes now.
    fn rested(&mut self) {
        (self.running, self.rests) = (None, None);
        let event = self.postponed.take().unwrap_or(Event::Over { cancelled: false });
        self.happened(event);
    }

    fn catch_up(&mut self) {
        if self.session.is_none() {
            return;
        }
        self.end_rest();
        self.happened(Event::Asked {
            trigger: Trigger::Start,
            stages: BTreeSet::new(),
            tests: Vec::new(),
            force: false,
        });
    }

    fn happened(&mut self, event: Event) {
        for effect in self.turn.on(event) {
            match effect {
                Effect::Start(order) => self.start(order),
                Effect::Cancel(stages) => {
                    if let Some(cancels) = &self.cancels {
                        let _ = cancels.send(RunOrder::Cancel(stages.into_iter().collect()));
                    }
                }
            }
        }
    }

    fn start(&mut self, mut order: Order) {
        // What runs is no rest, whoever began it; what was put off comes after it.
        let put_off = self.rests.take().and_then(|_| self.postponed.take());
        order.waited = std::mem::take(&mut self.waited);
        let Some(session) = self.session.clone() else {
            self.running = Some(Box::pin(async { nothing() }));
            return;
        };
        // What happened up to this moment belongs to this run; what is left to be told comes with the next.
        self.edge.watcher.drain(Instant::now());
        session.set_files(self.edge.watcher.listing());
        self.began = clock::now();
        let (sender, mut cancels) = unbounded_channel();
        self.cancels = Some(sender);
        let feed = self.feed.clone();
        let waits = self.waits.0.clone();
        // The loop that listens outlives what it runs.
        let waits = move |holder| {
            let _ = waits.send(holder);
        };
        self.running = Some(Box::pin(async move { session.run(order, &mut cancels, &feed, waits).await }));
        if let Some(event @ Event::Changed { .. }) = put_off {
            self.happened(event);
        }
    }

    async fn over(&mut self, record: &RunRecord) {
        (self.running, self.cancels) = (None, None);
        if self.rests.is_some() {
            self.rested();
            return self.reload_if_idle().await;
        }
        while let Some(event) = self.follower.try_next() {
            self.event(event).await;
        }
        if let Some(session) = self.session.as_ref().filter(|_| !self.seeded) {
            self.seeded = true;
            // What is only compared from time to time may have changed since a run read it, and nobody has said so yet.
            if self.edge.watcher.coverage().polled.is_none() {
                self.edge.watcher.seed(&session.contents(), Instant::now());
            }
            // The first run has needed more, code among it, than those that follow.
            heap::give_back();
        }
        if let Some(session) = &self.session {
            self.edge.watcher.compare_with(&session.contents(), Instant::now());
        }
        self.hold_no_more();
        self.look_beside();
        // Who saves again while the rest of the tests runs has had a verdict.
        let is_rest = |end: &StageEnd| end.note.as_deref().is_some_and(|note| note.starts_with(REST_LEFT));
        let cancelled =
            record.stages.iter().any(|(_, end)| end.verdict == Verdict::Cancelled && !is_rest(end));
        let meddled = record.stages.iter().find_map(|(stage, end)| {
            let note = end.note.as_deref()?;
            Some((stage.0.as_str(), &note[note.find(MEDDLED)?..]))
        });
        let again = record.stages.iter().filter(|(_, end)| end.meddled().is_some());
        let stages: BTreeSet<StageId> = again.map(|(stage, _)| stage.clone()).collect();
        if !stages.is_empty() {
            // What was changed and is as before by now is no change to who compares: nobody else would ask.
            let tests = Vec::new();
            self.happened(Event::Asked { trigger: Trigger::Change, stages, tests, force: false });
        }
        let (name, is_next) = (meddled.map(|(stage, _)| stage), self.turn.is_queued());
        if let Some(rest) = self.rounds.over(name, is_next, Instant::now()) {
            self.postponed = Some(Event::Over { cancelled });
            return self.rest(rest, meddled).await;
        }
        self.happened(Event::Over { cancelled });
        self.reload_if_idle().await;
    }

    /// What tests were seen to read elsewhere is watched from now on.
    fn look_beside(&mut self) {
        if let Some(session) = &self.session {
            self.edge.watcher.watch_beside(&session.beside(), self.began.0, Instant::now());
        }
    }

    async fn leave(&mut self) {
        if let Some(cancels) = &self.cancels {
            let _ = cancels.send(RunOrder::CancelAll(Verdict::Interrupted));
        }
        if let Some(mut running) = self.running.take().filter(|_| self.rests.is_none()) {
            let ended = async {
                loop {
                    tokio::select! {
                        biased;
                        Some(event) = self.follower.next() => self.told.tell(ProjectEvent::Run(event)).await,
                        _ = &mut running => return,
                    }
                }
            };
            // What does not end in time is ended by its guards.
            let _ = tokio::time::timeout(ENDING, ended).await;
            while let Some(event) = self.follower.try_next() {
                self.told.tell(ProjectEvent::Run(event)).await;
            }
        }
        if let Some(session) = &self.session {
            session.stop_services().await;
        }
    }
}

/// The record of a run without stages.
fn nothing() -> RunRecord {
    RunRecord {
        run: RunId(0),
        verdict: Verdict::Passed,
        started: clock::now(),
        milliseconds: 0,
        stages: Vec::new(),
    }
}

async fn over(running: &mut Option<Running>) -> RunRecord {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}
