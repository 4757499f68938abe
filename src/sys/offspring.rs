//! Child processes of a program that must go on meanwhile: output as it comes, an end that nothing below can put off,
//! and never a wait for a pipe that a grandchild holds.
//!
//! Each child leads a session of its own, so that the terminal's Ctrl-C reaches only us, and has a guard: what it
//! started ends with it, even what left its group, even when we are killed. The guard ends them when the thread that
//! started the child ends, so start it on a thread that stays: that of the runtime.

use std::future::pending;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::net::unix::pipe::Receiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::process::{CommandSpec, Ending};
use super::{guard, signal};

/// How long the pipes are still read when the child has ended, and how long its orphans have to end by themselves.
pub const DRAIN: Duration = Duration::from_millis(100);

/// How long a child that was killed may take to go; one that waits for a disk or a network may never do.
const GIVE_UP: Duration = Duration::from_secs(5);

/// How much is read at once, in bytes: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// A running child and what it started.
pub struct Offspring {
    /// `None` when it has been reaped.
    child: Option<Child>,
    group: Pid,
    exit: Exit,
    out: Option<Receiver>,
    err: Option<Receiver>,
    buffer: Vec<u8>,
    ending: Option<Ending>,
    due: Option<Instant>,
    killed: bool,
}

/// Which output something was written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a child does.
#[derive(Debug, PartialEq, Eq)]
pub enum Happening<'a> {
    /// It wrote these bytes.
    Wrote(Written, &'a [u8]),
    /// It ended; nothing comes after that. Never `TimedOut` or `Interrupted`: who ends it knows why.
    Ended(Ending),
}

/// What becomes ready when the child has exited.
enum Exit {
    /// pidfd_open(2).
    #[cfg(target_os = "linux")]
    File(tokio::io::unix::AsyncFd<OwnedFd>),
    /// A thread that waits.
    Thread(oneshot::Receiver<()>),
}

impl Offspring {
    /// Starts a command; its `stdin`, `timeout` and `log` are not used, and it reads nothing. An `Err` means that it
    /// could not be started.
    pub fn start(spec: &CommandSpec) -> io::Result<Self> {
        Self::start_with(spec, Stdio::null())
    }

    /// Starts a command that has this file as its standard input.
    pub fn start_at(spec: &CommandSpec, input: OwnedFd) -> io::Result<Self> {
        Self::start_with(spec, Stdio::from(input))
    }

    fn start_with(spec: &CommandSpec, input: Stdio) -> io::Result<Self> {
        let mut command = spec.command();
        command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: setsid(2) is async-signal-safe, and the closure touches no memory.
        unsafe { command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from)) };
        guard::put_before(&mut command, spec, DRAIN)?;
        let mut child = command.spawn()?;
        let group = Pid::from_child(&child);
        signal::register(group, true);
        let (out, err) = (child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from));
        let mut offspring = Self {
            child: Some(child),
            group,
            exit: Exit::of(group),
            out: None,
            err: None,
            buffer: vec![0; CHUNK],
            ending: None,
            due: None,
            killed: false,
        };
        offspring.out = out.map(Receiver::from_owned_fd).transpose()?;
        offspring.err = err.map(Receiver::from_owned_fd).transpose()?;
        Ok(offspring)
    }

    /// The process id of the guard, which is that of the session.
    pub fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().unsigned_abs()
    }

    /// The next thing that happens. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Happening<'_> {
        loop {
            if let Some(ending) = self.ending.filter(|_| self.out.is_none() && self.err.is_none()) {
                return Happening::Ended(ending);
            }
            let read = tokio::select! {
                () = readable(self.out.as_ref()) => read(&mut self.out, &mut self.buffer).map(|count| (Written::Out, count)),
                () = readable(self.err.as_ref()) => read(&mut self.err, &mut self.buffer).map(|count| (Written::Err, count)),
                () = self.exit.wait(), if self.ending.is_none() => {
                    self.reap();
                    None
                }
                () = until(self.due) => {
                    self.time_is_up();
                    None
                }
            };
            if let Some((written, count)) = read {
                return Happening::Wrote(written, &self.buffer[..count]);
            }
        }
    }

    /// Ends it and everything that it started: a polite signal to its group now, the final one to all after `grace`.
    /// [`Offspring::next`] goes on until the end.
    pub fn end(&mut self, grace: Duration) {
        if self.ending.is_some() || self.killed {
            return;
        }
        if grace.is_zero() {
            self.kill();
            return;
        }
        #[cfg(target_os = "linux")]
        let _ = rustix::process::kill_process(self.group, guard::POLITE);
        signal::end_group(self.group, true, Signal::TERM);
        let due = Instant::now() + grace;
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    fn kill(&mut self) {
        signal::end_group(self.group, true, Signal::KILL);
        self.killed = true;
        self.due = Some(Instant::now() + GIVE_UP);
    }

    fn time_is_up(&mut self) {
        match (self.ending, self.killed) {
            (Some(_), _) => (self.out, self.err) = (None, None),
            (None, false) => self.kill(),
            (None, true) => {
                self.ending = Some(Ending::Signalled(libc::SIGKILL));
                (self.out, self.err) = (None, None);
            }
        }
    }

    fn reap(&mut self) {
        // Elsewhere no guard has ended the rest. Until the child is reaped its group's number is nobody else's.
        if cfg!(not(target_os = "linux")) {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        let Some(mut child) = self.child.take() else { return };
        self.ending = Some(match child.wait() {
            Ok(status) => {
                status.code().map_or_else(|| Ending::Signalled(status.signal().unwrap_or(0)), Ending::Exited)
            }
            Err(_) => Ending::Signalled(libc::SIGKILL),
        });
        signal::unregister(self.group);
        self.due = Some(Instant::now() + DRAIN);
    }
}

impl Drop for Offspring {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        signal::end_group(self.group, true, Signal::KILL);
        signal::unregister(self.group);
        std::thread::spawn(move || child.wait());
    }
}

impl Exit {
    fn of(child: Pid) -> Self {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{PidfdFlags, pidfd_open};
            use tokio::io::unix::AsyncFd;
            let file = pidfd_open(child, PidfdFlags::empty()).ok();
            // SAFETY: the file is owned by what is made of it, so it stays open and the same as long as that lives.
            let watch =
                |file| unsafe { AsyncFd::register_with_interest(file, tokio::io::Interest::READABLE) };
            let watched = file.and_then(|file| watch(file).ok());
            if let Some(watched) = watched {
                return Self::File(watched);
            }
        }
        let (sender, receiver) = oneshot::channel();
        std::thread::spawn(move || {
            while let Err(rustix::io::Errno::INTR) =
                waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            {}
            let _ = sender.send(());
        });
        Self::Thread(receiver)
    }

    async fn wait(&mut self) {
        match self {
            // It stays ready, so that a wait that was given up loses nothing.
            #[cfg(target_os = "linux")]
            Self::File(file) => drop(file.readable().await),
            Self::Thread(receiver) => drop(receiver.await),
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

async fn readable(pipe: Option<&Receiver>) {
    match pipe {
        Some(pipe) => drop(pipe.readable().await),
        None => pending().await,
    }
}

/// What stands in a pipe that is readable; one that has ended is closed.
fn read(pipe: &mut Option<Receiver>, buffer: &mut [u8]) -> Option<usize> {
    match pipe.as_ref()?.try_read(buffer) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Ok(0) | Err(_) => {
            *pipe = None;
            None
        }
        Ok(count) => Some(count),
    }
}

#[cfg(test)]
mod tests;
