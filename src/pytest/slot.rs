//! The place of a project's warm process: one at a time, and none when nobody needs it or the machine has no room for it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::server::{Hello, Server};
use crate::sys::pressure;

/// A process that has had no run for so long ends: with large libraries it holds half a gibibyte.
pub const IDLE: Duration = Duration::from_secs(30 * 60);

/// For so long none is begun when memory was short.
const SHORT: Duration = Duration::from_secs(5 * 60);

/// A process with what it is for.
type Held = Option<(String, Server)>;

/// The place.
pub(super) struct Slot {
    held: Mutex<Held>,
    left: std::sync::Mutex<Option<Left>>,
    /// See [`Hello`].
    excused: std::sync::Mutex<BTreeSet<String>>,
    idle: Duration,
    /// Who ends the process that is in it: each waits for the kernel, and none for a process that has gone.
    keeper: std::sync::Mutex<Option<AbortHandle>>,
}

/// Why it is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Idle,
    Short { at: Instant },
}

impl Slot {
    /// An empty one, for processes that may be idle for so long.
    pub(super) fn new(idle: Duration) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            left: std::sync::Mutex::default(),
            excused: std::sync::Mutex::default(),
            idle,
            keeper: std::sync::Mutex::default(),
        })
    }

    /// What is in it, for as long as the guard lives.
    pub(super) async fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().await
    }

    /// A module that was newer than the process that had imported it. Once that may have been a person; a module that writes itself anew
    /// whenever it is imported would leave nothing warm.
    pub(super) fn excuse(&self, module: &str) {
        self.excused.lock().unwrap_or_else(PoisonError::into_inner).insert(module.to_owned());
    }

    /// Those modules.
    pub(super) fn excused(&self) -> BTreeSet<String> {
        self.excused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a process may be begun.
    pub(super) fn has_room(&self) -> bool {
        !matches!(self.left(), Some(Left::Short { at }) if at.elapsed() < SHORT)
    }

    /// Why there is none.
    pub(super) fn why_empty(&self) -> &'static str {
        match self.left() {
            Some(Left::Idle) => "nobody needed the warm process for a long time",
            Some(Left::Short { .. }) => "the machine was short of memory",
            None => "the warm process is not ready",
        }
    }

    fn left(&self) -> Option<Left> {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, held: &mut Held, why: Option<Left>) {
        *held = None;
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Starts a process for this key when there is none that can take a run, and ends it in its time.
    ///
    /// # Errors
    /// It does not start, as a sentence.
    pub(super) async fn fill(
        self: Arc<Self>,
        key: String,
        (python, env): (&Path, &BTreeMap<String, String>),
        hello: &Hello,
    ) -> Result<(), String> {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|(of, server)| *of == key && server.is_good()) {
            return Ok(());
        }
        self.leave(&mut held, None);
        let server = Server::start(python, env, hello).await?;
        let keeper = end_in_time(Arc::downgrade(&self), server.started, pressure::memory_is_short());
        let keeper = tokio::spawn(keeper).abort_handle();
        let before = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).replace(keeper);
        before.iter().for_each(AbortHandle::abort);
        *held = Some((key, server));
        Ok(())
    }
}

/// Ends the process that was started then, when it is idle for too long or memory is short; another one is another's business.
async fn end_in_time(slot: Weak<Slot>, started: Instant, is_short: impl Future<Output = ()>) {
    let mut is_short = pin!(is_short);
    let mut used = started;
    loop {
        let Some(idle) = slot.upgrade().map(|slot| slot.idle) else { return };
        let why = tokio::select! {
            () = sleep_until(used + idle) => Left::Idle,
            () = &mut is_short => Left::Short { at: Instant::now() },
        };
        let Some(slot) = slot.upgrade() else { return };
        let mut held = slot.held.lock().await;
        let Some((_, server)) = held.as_ref().filter(|(_, server)| server.started == started) else { return };
        used = server.used;
        if why != Left::Idle || used.elapsed() >= idle {
            return slot.leave(&mut held, Some(why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn filled(idle: Duration) -> (Arc<Slot>, Instant) {
        let slot = Slot::new(idle);
        let server = Server::of_a_test().await;
        let started = server.started;
        *slot.lock().await = Some(("key".into(), server));
        (slot, started)
    }

    #[tokio::test]
    async fn one_that_nobody_needs_ends_and_one_that_is_used_stays() {
        let (slot, started) = filled(Duration::from_millis(50)).await;
        let mut over = pin!(end_in_time(Arc::downgrade(&slot), started, std::future::pending()));
        // It is used again and again, for longer than it may be idle.
        for _ in 0..4 {
            tokio::select! {
                () = &mut over => panic!("it was used"),
                () = tokio::time::sleep(Duration::from_millis(30)) => {}
            }
            if let Some((_, server)) = slot.lock().await.as_mut() {
                server.used = Instant::now();
            }
        }
        over.await;
        assert!(slot.lock().await.is_none() && slot.has_room());
        assert_eq!(slot.why_empty(), "nobody needed the warm process for a long time");
    }

    #[tokio::test]
    async fn when_memory_is_short_it_ends_at_once_and_none_is_begun_for_a_while() {
        let (slot, started) = filled(IDLE).await;
        end_in_time(Arc::downgrade(&slot), started, std::future::ready(())).await;
        assert!(slot.lock().await.is_none() && !slot.has_room());
        assert_eq!(slot.why_empty(), "the machine was short of memory");
        // Another one that has come meanwhile is not its business.
        let (slot, started) = filled(IDLE).await;
        let other = Server::of_a_test().await;
        *slot.lock().await = Some(("key".into(), other));
        end_in_time(Arc::downgrade(&slot), started, std::future::ready(())).await;
        assert!(slot.lock().await.is_some());
    }
}
