//! Which process holds a socket. For records, never for decisions: a socket can be held by several processes, and be passed on.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For how much of the processor's time processes are looked through for one socket: a client waits for it.
const SEARCH: Duration = Duration::from_millis(2);

/// So many processes that held sockets are looked at first when the next one is searched.
const KNOWN: usize = 8;

/// How much of the processor's time goes into that in each second: in a flood of requests answers come first, and most stay without a process.
const SHARE: Duration = Duration::from_millis(20);

#[derive(Default)]
pub(super) struct Holders(Mutex<State>);

#[derive(Default)]
struct State {
    /// Those that were found, the last one first.
    known: Vec<u32>,
    /// When the present second began, and how much of it was spent.
    second: Option<Instant>,
    spent: Duration,
}

impl Holders {
    /// The process that holds the socket of this inode; `None` when it is not found in a moment, is none that we may look at, or
    /// when too many are asked for.
    pub(super) fn find(&self, inode: u64) -> Option<u32> {
        let (known, begun) = (self.state().begin(Instant::now())?, used());
        let target = format!("socket:[{inode}]");
        let is_it = |pid: &u32| holds(*pid, &target);
        let found = known.iter().copied().find(is_it).or_else(|| search(&target, &known));
        self.state().end(found, used().saturating_sub(begun));
        found
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Where to look first; `None` when there is no time left in this second.
    fn begin(&mut self, now: Instant) -> Option<Vec<u32>> {
        if self.second.is_none_or(|second| now.duration_since(second) >= Duration::from_secs(1)) {
            (self.second, self.spent) = (Some(now), Duration::ZERO);
        }
        (self.spent < SHARE).then(|| self.known.clone())
    }

    fn end(&mut self, found: Option<u32>, took: Duration) {
        self.spent += took;
        if let Some(found) = found {
            self.known.retain(|pid| *pid != found);
            self.known.insert(0, found);
            self.known.truncate(KNOWN);
        }
    }
}

/// The time of the processor that this thread has had: where others want it, too, waiting for one's turn is no search.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The youngest first: who asks for credentials has mostly just been started.
fn search(target: &str, not: &[u32]) -> Option<u32> {
    let until = used() + SEARCH;
    let names = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let mut pids: Vec<u32> = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable_by(|a, b| b.cmp(a));
    let mut left = pids.into_iter().filter(|pid| !not.contains(pid));
    left.by_ref().take_while(|_| used() < until).find(|pid| holds(*pid, target))
}

/// Whether a process has this open; proc(5). What is another user's says nothing.
fn holds(pid: u32, target: &str) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    files.filter_map(Result::ok).any(|file| {
        std::fs::read_link(file.path())
            .is_ok_and(|link| link.as_os_str().as_encoded_bytes() == target.as_bytes())
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use super::*;

    #[test]
    fn our_own_socket_is_ours_and_a_flood_is_not_looked_through() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = rustix::fs::fstat(&socket).unwrap().st_ino;
        let holders = Holders::default();
        assert_eq!(holders.find(inode), Some(std::process::id()));
        assert_eq!(holders.find(0), None, "nobody holds it");
        let (mut state, now) = (State::default(), Instant::now());
        assert_eq!(state.begin(now), Some(Vec::new()));
        state.end(Some(7), SHARE);
        assert_eq!(state.begin(now), None);
        assert_eq!(state.begin(now + Duration::from_secs(1)), Some(vec![7]), "another second");
    }
}
