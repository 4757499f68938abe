//! Waiting for a watcher in a program that does other things meanwhile: no thread, no wake-up while nothing happens.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::sleep_until;

use super::watcher::{ChangeSet, Watcher};

/// A watcher that can be waited for.
pub struct Edge {
    /// The watcher.
    pub watcher: Watcher,
    ready: AsyncFd<OwnedFd>,
}

impl Edge {
    /// On the runtime of the present thread.
    pub fn new(watcher: Watcher) -> io::Result<Self> {
        let file = watcher.file().try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` is open as long as it lives, and nobody replaces it in here.
        let ready = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) }?;
        Ok(Self { watcher, ready })
    }

    /// Waits for the next set. Giving up the wait loses nothing.
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
            let due = self.watcher.due();
            tokio::select! {
                ready = self.ready.readable() => ready?.clear_ready(),
                () = sleep_until(due.unwrap_or(now).into()), if due.is_some() => {}
            }
        }
    }
}
