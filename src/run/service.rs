//! Commands that go on between runs: started once, started again when what they depend on has changed, ended in the
//! reverse of their order.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::event::{RunEvent, RunId, Stream, Verdict};
use super::feed::Feed;
use super::local;
use super::logs::Logs;
use super::outcome::{self, lines};
use super::ready;
use super::recorder::Recorder;
use super::unit::{Attempt, Brake, Stop, Unit, brake};
use crate::base::digest::Digest;
use crate::project::model::{Action, Ready, Service, StageId};
use crate::sys::offspring::{Happening, Offspring};
use crate::sys::process::Ending;

/// The services that run.
pub struct Services {
    logs: Logs,
    held: Mutex<BTreeMap<StageId, Held>>,
}

/// One of them.
struct Held {
    fingerprint: Option<Digest>,
    /// When it was first started, by count; what was started later may need it.
    place: usize,
    ready: bool,
    brake: Brake,
    state: watch::Receiver<Option<Ended>>,
    task: AbortHandle,
}

#[derive(Clone, Debug)]
struct Ended {
    ending: Ending,
    /// The last line that it wrote.
    last: String,
}

impl Services {
    /// None yet; their output goes to these logs.
    pub fn new(logs: Logs) -> Self {
        Self { logs, held: Mutex::default() }
    }

    /// The services that run now.
    pub fn running(&self) -> Vec<StageId> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().filter(|(_, held)| held.is_up()).map(|(id, _)| id.clone()).collect()
    }

    /// The services that were ready and have ended by themselves since, and how, as in `exit code 3`.
    pub fn ended(&self) -> Vec<(StageId, String)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let how = |held: &Held| held.state.borrow().as_ref().map(|ended| outcome::ending(ended.ending));
        let ended = held.iter().filter(|(_, held)| held.ready);
        ended.filter_map(|(id, held)| Some((id.clone(), how(held)?))).collect()
    }

    /// The services that are ready, and the fingerprint of what they were started as.
    pub fn ready(&self) -> Vec<(StageId, Digest)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_ready = |held: &Held| held.is_up() && held.ready;
        let ready = held.iter().filter(|(_, held)| is_ready(held));
        ready.filter_map(|(id, held)| Some((id.clone(), held.fingerprint?))).collect()
    }

    /// Whether a service is ready and is what its stage is at this fingerprint.
    pub(super) fn stands(&self, id: &StageId, fingerprint: Option<Digest>) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(id).is_some_and(|held| held.is_up() && held.ready && held.fingerprint == fingerprint)
    }

    /// Sees to it that a service runs as its stage is now, and waits until it is ready.
    pub(super) async fn ensure(&self, unit: &Unit, run: RunId, feed: &Feed, mut stop: Stop) -> Attempt {
        let Action::Service(service) = &unit.stage.action else {
            return Attempt::not_started("it is no service");
        };
        let id = &unit.stage.id;
        let before = self.take(id);
        let place = before.as_ref().map(|held| held.place);
        if let Some(held) = before {
            if held.is_up() && held.ready && held.fingerprint == unit.prepared.fingerprint {
                self.hold(id, held);
                return Attempt { verdict: Some(Verdict::Passed), ..Attempt::default() };
            }
            held.end().await;
        }
        tokio::select! {
            free = ready::port_is_free(service) => if let Err(why) = free {
                return Attempt::not_started(why);
            },
            verdict = stop.asked() => return Attempt { verdict: Some(verdict), ..Attempt::default() },
        }
        let offspring = match local::start(&local::spec(&service.command, &unit.prepared)) {
            Ok(offspring) => offspring,
            Err(why) => return Attempt::not_started(why),
        };
        let (mut held, said) = self.attend(offspring, unit, service, (run, feed));
        held.place = place.unwrap_or_else(|| self.next_place());
        let mut state = held.state.clone();
        let failed = |why| Attempt { verdict: Some(Verdict::Failed), note: Some(why), ..Attempt::default() };
        let attempt = tokio::select! {
            ready = ready::wait(service, said) => match ready {
                Ok(()) => {
                    held.ready = true;
                    self.hold(id, held);
                    return Attempt { verdict: Some(Verdict::Passed), ..Attempt::default() };
                }
                Err(why) => failed(why),
            },
            words = ended_words(&mut state) => {
                failed(format!("it ended before it was ready: {words}"))
            }
            verdict = stop.asked() => Attempt { verdict: Some(verdict), ..Attempt::default() },
        };
        held.end().await;
        attempt
    }

    /// Ends these services; what was started later ends earlier.
    pub async fn stop(&self, which: impl Fn(&StageId) -> bool) {
        let mut ending: Vec<Held> = {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            let ids: Vec<StageId> = held.keys().filter(|id| which(id)).cloned().collect();
            ids.iter().filter_map(|id| held.remove(id)).collect()
        };
        ending.sort_by_key(|held| std::cmp::Reverse(held.place));
        for held in ending {
            held.end().await;
        }
    }

    fn take(&self, id: &StageId) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    fn hold(&self, id: &StageId, held: Held) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), held);
    }

    fn next_place(&self) -> usize {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values().map(|held| held.place + 1).max().unwrap_or(0)
    }

    /// Reads what a service writes until it ends.
    fn attend(
        &self,
        offspring: Offspring,
        unit: &Unit,
        service: &Service,
        (run, feed): (RunId, &Feed),
    ) -> (Held, watch::Receiver<bool>) {
        let (brake, stop) = brake();
        let (state_is, state) = watch::channel(None);
        let (said_it, said) = watch::channel(false);
        let awaited = match &service.ready {
            Some(Ready::Log(text)) => Some(text.clone()),
            _ => None,
        };
        let attendant = Attendant {
            offspring,
            recorder: Recorder::begin(run, &unit.stage.id, feed, &self.logs),
            stop,
            grace: service.stop_grace,
            heard: Heard { awaited, said_it, out: Default::default(), err: Default::default() },
        };
        let (id, feed) = (unit.stage.id.clone(), feed.clone());
        let task = tokio::spawn(async move {
            let (ended, asked) = attendant.attend().await;
            let note = format!("the service has ended: {}", ended.words());
            let _ = state_is.send(Some(ended));
            if !asked {
                feed.send(RunEvent::ServiceEnded { run, stage: id, note });
            }
        });
        let fingerprint = unit.prepared.fingerprint;
        let task = task.abort_handle();
        (Held { fingerprint, place: 0, ready: false, brake, state, task }, said)
    }
}

impl Held {
    fn is_up(&self) -> bool {
        self.state.borrow().is_none()
    }

    /// Asks it to end and waits for that.
    async fn end(mut self) {
        self.brake.pull(Verdict::Cancelled);
        let _ = self.state.wait_for(Option::is_some).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What it started goes with the task.
        self.task.abort();
    }
}

impl Ended {
    fn words(&self) -> String {
        match self.last.as_str() {
            "" => outcome::ending(self.ending),
            last => format!("{}: {}", outcome::ending(self.ending), lines::shown(last, 200)),
        }
    }
}

async fn ended_words(state: &mut watch::Receiver<Option<Ended>>) -> String {
    let ended = state.wait_for(Option::is_some).await;
    ended.ok().and_then(|ended| ended.as_ref().map(Ended::words)).unwrap_or_default()
}

struct Attendant {
    offspring: Offspring,
    recorder: Recorder,
    stop: Stop,
    grace: Duration,
    heard: Heard,
}

/// What was heard of a service so far: of each of its outputs the line that has begun, and the last that was written.
struct Heard {
    awaited: Option<String>,
    said_it: watch::Sender<bool>,
    out: (lines::Lines, String),
    err: (lines::Lines, String),
}

impl Heard {
    fn listen(&mut self, stream: Stream, bytes: &[u8]) {
        let (lines, last) = match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        };
        lines.push(bytes, |line| {
            if self.awaited.as_ref().is_some_and(|text| line.contains(text.as_str())) {
                self.said_it.send_replace(true);
            }
            if !line.trim().is_empty() {
                last.clear();
                last.push_str(line);
            }
        });
    }

    /// The last line; complaints come first.
    fn last(self) -> String {
        if self.err.1.is_empty() { self.out.1 } else { self.err.1 }
    }
}

impl Attendant {
    /// How it ended, and whether that was asked for.
    async fn attend(mut self) -> (Ended, bool) {
        let mut asked = false;
        let ending = loop {
            tokio::select! {
                happening = self.offspring.next() => match happening {
                    Happening::Wrote(written, bytes) => {
                        let stream = local::stream(written);
                        self.heard.listen(stream, bytes);
                        self.recorder.wrote(stream, bytes);
                    }
                    Happening::Ended(ending) => break ending,
                },
                _ = self.stop.asked(), if !asked => {
                    asked = true;
                    self.offspring.end(self.grace);
                }
                () = local::until(self.recorder.due()) => self.recorder.tick(),
            }
        };
        self.recorder.finish();
        (Ended { ending, last: self.heard.last() }, asked)
    }
}
