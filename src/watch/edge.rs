//! Waiting for a watcher in a program that does other things meanwhile: no thread, no wake-up while nothing happens.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::change::{Cause, ChangeSet};
use super::watcher::Watcher;
#[cfg(target_os = "linux")]
use crate::sys::timer::Timer;

/// A watcher that can be waited for.
pub struct Edge {
    /// The watcher.
    pub watcher: Watcher,
    /// Registered only while an event matters: otherwise each of them would wake the thread.
    ready: Option<AsyncFd<OwnedFd>>,
    #[cfg(target_os = "linux")]
    timer: AsyncFd<Timer>,
}

impl Edge {
    /// On the runtime of the present thread.
    pub fn new(watcher: Watcher) -> io::Result<Self> {
        // SAFETY: the timer's descriptor is open as long as it lives.
        #[cfg(target_os = "linux")]
        let timer = unsafe { AsyncFd::register_with_interest(Timer::new()?, Interest::READABLE) }?;
        Ok(Self {
            watcher,
            ready: None,
            #[cfg(target_os = "linux")]
            timer,
        })
    }

    /// Waits for the next set; it is empty when the root is gone and no file is known to have gone with it. Giving up the wait
    /// loses nothing.
    ///
    /// # Errors
    /// The kernel's queue cannot be waited for.
    pub async fn next(&mut self) -> io::Result<ChangeSet> {
        loop {
            let now = Instant::now();
            self.watcher.drain(now);
            if let Some(set) = self.watcher.take(now) {
                return Ok(set);
            }
            if self.watcher.is_known_to_be_gone() {
                let (generation, changes) = (self.watcher.generation(), Vec::new());
                return Ok(ChangeSet { generation, changes, cause: Cause::Rescan, waited: Duration::ZERO });
            }
            if let Some(until) = self.watcher.nap(now) {
                self.ready = None;
                self.moment(until).await?;
                continue;
            }
            let due = self.watcher.due();
            if self.ready.is_none() {
                self.ready = Some(ready(&self.watcher)?);
            }
            let Some(ready) = &self.ready else { continue };
            tokio::select! {
                ready = ready.readable() => ready?.clear_ready(),
                over = self.moment(due.unwrap_or(now)), if due.is_some() => over?,
            }
        }
    }

    /// Waits until then, to the microsecond.
    #[cfg(target_os = "linux")]
    async fn moment(&self, then: Instant) -> io::Result<()> {
        let timer = &self.timer;
        loop {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            timer.get_ref().set(left)?;
            // What is left of an earlier wait makes it readable once too often.
            timer.readable().await?.clear_ready();
        }
    }

    #[cfg(not(target_os = "linux"))]
    async fn moment(&self, then: Instant) -> io::Result<()> {
        tokio::time::sleep_until(then.into()).await;
        Ok(())
    }
}

fn ready(watcher: &Watcher) -> io::Result<AsyncFd<OwnedFd>> {
    let file = watcher.file().try_clone_to_owned()?;
    // SAFETY: an `OwnedFd` is open as long as it lives, and nobody replaces it in here.
    Ok(unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }?)
}
