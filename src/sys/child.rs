//! A command in front of the user: it writes on our terminal itself, has a group of its own, and is ended with all that is
//! in it.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::oneshot;

use super::process::{CommandSpec, Ending};
use super::signal;

/// A running command.
#[derive(Debug)]
pub struct Child {
    group: Pid,
    ended: oneshot::Receiver<Ending>,
}

impl Child {
    /// Starts it, without input. Nothing of ours runs between fork and exec, so that the system may start it the fast
    /// way (posix_spawn).
    pub fn start(spec: &CommandSpec) -> io::Result<Self> {
        let mut command = spec.command();
        let mut child = command.stdin(Stdio::null()).process_group(0).spawn()?;
        let group = Pid::from_child(&child);
        signal::register(group, false);
        let (sender, ended) = oneshot::channel();
        std::thread::Builder::new().name("child".into()).stack_size(64 * 1024).spawn(move || {
            let status = child.wait();
            signal::unregister(group);
            let ending = status.map_or(Ending::Signalled(0), |status| {
                status.code().map_or_else(|| Ending::Signalled(status.signal().unwrap_or(0)), Ending::Exited)
            });
            let _ = sender.send(ending);
        })?;
        Ok(Self { group, ended })
    }

    /// Waits for its end. Giving up the wait loses nothing.
    pub async fn ended(&mut self) -> Ending {
        (&mut self.ended).await.unwrap_or(Ending::Signalled(0))
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
        ending
    }
}
