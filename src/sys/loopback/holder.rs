//! Which process holds a socket. For records, never for decisions: a socket can be held by several processes, and be passed on.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long processes are looked through for one socket: a client waits for it.
const SEARCH: Duration = Duration::from_millis(2);

/// So many processes that held sockets are looked at first when the next one is searched.
const KNOWN: usize = 8;

/// Those that were found, the last one first.
#[derive(Default)]
pub(super) struct Holders(Mutex<Vec<u32>>);

impl Holders {
    /// The process that holds the socket of this inode; `None` when it is not found in a moment, or is none that we may look at.
    pub(super) fn find(&self, inode: u64) -> Option<u32> {
        let target = format!("socket:[{inode}]");
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let found =
            known.iter().copied().find(|pid| holds(*pid, &target)).or_else(|| search(&target, &known))?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|pid| *pid != found);
        known.insert(0, found);
        known.truncate(KNOWN);
        Some(found)
    }
}

/// The youngest first: who asks for credentials has mostly just been started.
fn search(target: &str, not: &[u32]) -> Option<u32> {
    let until = Instant::now() + SEARCH;
    let names = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let mut pids: Vec<u32> = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable_by(|a, b| b.cmp(a));
    let mut left = pids.into_iter().filter(|pid| !not.contains(pid));
    left.by_ref().take_while(|_| Instant::now() < until).find(|pid| holds(*pid, target))
}

/// Whether a process has this open; proc(5). What is another user's says nothing.
fn holds(pid: u32, target: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.filter_map(Result::ok).any(|file| {
        std::fs::read_link(file.path())
            .is_ok_and(|link| link.as_os_str().as_encoded_bytes() == target.as_bytes())
    })
}
