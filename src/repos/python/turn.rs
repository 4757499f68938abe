//! Two threads that want the same folder wait for each other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

/// One builder per folder in this process.
pub(super) struct Turn(PathBuf);

static BUSY: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
static FREED: Condvar = Condvar::new();

impl Turn {
    /// Waits until nobody else in this process has the folder.
    pub(super) fn take(dir: &Path) -> Self {
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        while !busy.insert(dir.to_path_buf()) {
            busy = FREED.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        Self(dir.to_path_buf())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUSY.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        FREED.notify_all();
    }
}
