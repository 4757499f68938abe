//! A command in front of the user: it writes on our terminal itself, has a group of its own, and is ended with all that is
//! in it.

use std::io::{self, BufRead, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::oneshot;

use super::process::{CommandSpec, Ending};
use super::{heir, signal};

/// A line that is longer comes in parts.
const LINE: u64 = 64 * 1024;

/// So many lines wait to be taken.
const WAITING: usize = 64;

/// What a command writes, line by line; `true` for standard error.
pub type Lines = Receiver<(bool, Vec<u8>)>;

/// A running command.
#[derive(Debug)]
pub struct Child {
    group: Pid,
    ended: oneshot::Receiver<Ending>,
    /// How it ended, once somebody has been told.
    ending: Option<Ending>,
}

impl Child {
    /// Starts it, without input. Nothing of ours runs between fork and exec, so that the system may start it the fast
    /// way (posix_spawn).
    pub fn start(spec: &CommandSpec) -> io::Result<Self> {
        Self::spawn(spec.command())
    }

    fn spawn(mut command: std::process::Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let group = Pid::from_child(&child);
        signal::register(group, false);
        heir::bequeath(Some(group));
        let (sender, ended) = oneshot::channel();
        std::thread::Builder::new().name("child".into()).stack_size(64 * 1024).spawn(move || {
            let status = child.wait();
            signal::unregister(group);
            heir::bequeath(None);
            let ending = status.map_or(Ending::Signalled(0), |status| {
                status.code().map_or_else(|| Ending::Signalled(status.signal().unwrap_or(0)), Ending::Exited)
            });
            let _ = sender.send(ending);
        })?;
        Ok(Self { group, ended, ending: None })
    }

    /// The same, but what it writes comes to whoever holds the second value.
    pub fn start_heard(spec: &CommandSpec) -> io::Result<(Self, Lines)> {
        // Who writes faster than it is taken waits.
        let (sender, lines) = channel(WAITING);
        let mut ends = Vec::new();
        for is_error in [false, true] {
            let (reader, writer) = io::pipe()?;
            let sender = sender.clone();
            let hear = move || {
                let mut reader = io::BufReader::new(reader);
                let mut line = Vec::new();
                while reader.by_ref().take(LINE).read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                    if sender.blocking_send((is_error, std::mem::take(&mut line))).is_err() {
                        return;
                    }
                }
            };
            std::thread::Builder::new().name("hear".into()).stack_size(64 * 1024).spawn(hear)?;
            ends.push(writer);
        }
        let mut command = spec.command();
        if let (Some(error), Some(out)) = (ends.pop(), ends.pop()) {
            command.stdout(out).stderr(error);
        }
        Ok((Self::spawn(command)?, lines))
    }

    /// Waits for its end. Giving up the wait loses nothing.
    pub async fn ended(&mut self) -> Ending {
        if let Some(ending) = self.ending {
            return ending;
        }
        let ending = (&mut self.ended).await.unwrap_or(Ending::Signalled(0));
        self.ending = Some(ending);
        ending
    }

    /// Ends it and all that is in its group: politely, and after `grace` for good.
    pub async fn end(&mut self, grace: Duration) -> Ending {
        let _ = kill_process_group(self.group, Signal::TERM);
        let ending = match tokio::time::timeout(grace, self.ended()).await {
            Ok(ending) => ending,
            Err(_) => {
                let _ = kill_process_group(self.group, Signal::KILL);
                self.ended().await
            }
        };
        // What it started may ignore the polite signal and outlive it.
        let _ = kill_process_group(self.group, Signal::KILL);
        gone(self.group);
        ending
    }
}

/// Waits until no process of a killed group runs any more: until then it may hold a port that the next run wants.
#[cfg(target_os = "linux")]
fn gone(group: Pid) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, pidfd_open};
    // Nobody joins it any more: a fork of a process that has the final signal fails.
    for member in members(group) {
        let Ok(file) = pidfd_open(member, PidfdFlags::empty()) else { continue };
        let _ = poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&Timespec { tv_sec: 1, tv_nsec: 0 }));
    }
}

/// Elsewhere the system has no such list that is cheap to read.
#[cfg(not(target_os = "linux"))]
fn gone(_: Pid) {}

/// The processes of a group, see proc_pid_stat(5): state, parent and group follow the name in parentheses.
#[cfg(target_os = "linux")]
fn members(group: Pid) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw);
    let belongs = |pid: &Pid| {
        let stat = std::fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
        let after = stat.iter().rposition(|&byte| byte == b')').map_or(0, |at| at + 1);
        let rest = String::from_utf8_lossy(&stat[after..]);
        rest.split_whitespace().nth(2).and_then(|field| field.parse().ok())
            == Some(group.as_raw_nonzero().get())
    };
    entries.flatten().filter_map(number).filter(belongs).collect()
}
