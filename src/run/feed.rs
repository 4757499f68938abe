//! The way of events to whoever follows a run: in order, never in the run's way, and bounded in memory even when nobody
//! reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::event::RunEvent;

/// How much output may wait for its reader, in bytes; more is left out, and that is said.
const WAITING: usize = 4 << 20;

/// Where events are put.
#[derive(Clone)]
pub struct Feed {
    sender: UnboundedSender<RunEvent>,
    waiting: Arc<AtomicUsize>,
}

/// Where events come out.
pub struct Follower {
    receiver: UnboundedReceiver<RunEvent>,
    waiting: Arc<AtomicUsize>,
}

/// How many tasks hand an event on before it is shown, at most.
const HOPS: usize = 5;

/// Lets what was put come to who follows, before something begins that takes the processor.
pub async fn be_heard() {
    for _ in 0..HOPS {
        tokio::task::yield_now().await;
    }
}

/// A new way.
pub fn feed() -> (Feed, Follower) {
    let (sender, receiver) = unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    (Feed { sender, waiting: Arc::clone(&waiting) }, Follower { receiver, waiting })
}

impl Feed {
    /// Puts an event. That nobody follows any more is no error.
    pub fn send(&self, event: RunEvent) {
        self.waiting.fetch_add(weight(&event), Ordering::Relaxed);
        let _ = self.sender.send(event);
    }

    /// Whether output may be put.
    pub fn has_room(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING
    }
}

impl Follower {
    /// The next event; `None` when no more will come.
    pub async fn next(&mut self) -> Option<RunEvent> {
        let event = self.receiver.recv().await;
        event.inspect(|event| self.taken(event))
    }

    /// The next event, if there is one already.
    pub fn try_next(&mut self) -> Option<RunEvent> {
        let event = self.receiver.try_recv().ok();
        event.inspect(|event| self.taken(event))
    }

    fn taken(&self, event: &RunEvent) {
        self.waiting.fetch_sub(weight(event), Ordering::Relaxed);
    }
}

/// Only output weighs: of the other events a run has a few per stage.
fn weight(event: &RunEvent) -> usize {
    match event {
        RunEvent::Output { text, .. } => text.len(),
        _ => 0,
    }
}
