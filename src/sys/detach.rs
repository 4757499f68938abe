//! Starting a program that goes on without us: in a session of its own, with nothing of ours but what it is given.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What to start.
#[derive(Clone, Debug)]
pub struct Detached {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// All of its environment.
    pub env: Vec<(OsString, OsString)>,
    /// Where its standard error goes, at the end of what is there; its directory exists.
    pub errors: PathBuf,
}

/// A program that goes on without us; what it writes on its standard output reaches us as long as we listen.
#[derive(Debug)]
pub struct Started {
    child: Child,
}

/// The most that is read of what a started program says.
const LONGEST: u64 = 64 << 10;

/// Starts it. It stands in `/`, so that it holds no directory.
pub fn start(what: &Detached) -> io::Result<Started> {
    let mut command = Command::new(&what.program);
    command.args(&what.args).env_clear().envs(what.env.iter().map(|(name, value)| (name, value)));
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors(&what.errors));
    // SAFETY: both are system calls that may be made between fork and exec, and neither touches memory of ours.
    unsafe {
        command.pre_exec(|| {
            close_all_at_exec();
            rustix::process::setsid().map(drop).map_err(io::Error::from)
        });
    }
    Ok(Started { child: command.spawn()? })
}

fn errors(path: &Path) -> Stdio {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path);
    // It is only for last words; a disk without room for a file is no reason not to start.
    file.map_or_else(|_| Stdio::null(), Stdio::from)
}

/// Descriptors that our caller left open would otherwise live as long as the program.
fn close_all_at_exec() {
    #[cfg(target_os = "linux")]
    {
        const CLOSE_AT_EXEC: libc::c_uint = 1 << 2;
        // SAFETY: a system call on numbers.
        if unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_AT_EXEC) } == 0 {
            return;
        }
    }
    for fd in 3..1024 {
        // SAFETY: a system call on numbers; those that are not open are refused.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

impl Started {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it says until it closes its standard output; `None` when it has not within `limit`.
    pub fn said(&mut self, limit: Duration) -> Option<String> {
        let pipe = self.child.stdout.take()?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.take(LONGEST).read_to_end(&mut bytes);
            let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
        });
        receiver.recv_timeout(limit).ok()
    }

    /// Ends it, when it is of no use.
    pub fn end(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It came to its end, well or not.
    Itself,
    /// A signal ended it.
    Killed(i32),
}

/// Runs a program with our streams, which are its own from here on: whoever listens to our standard output hears it, and its
/// end, as if we were not there.
pub fn run_until_its_end(program: &Path, args: &[OsString]) -> io::Result<End> {
    let mut child = Command::new(program).args(args).spawn()?;
    close_output();
    let status = child.wait()?;
    Ok(status.signal().map_or(End::Itself, End::Killed))
}

/// Says the last word on our standard output to whoever started us, and closes it: from here on nobody waits.
pub fn say_and_close(words: &str) {
    use std::io::Write;
    let mut out = io::stdout().lock();
    // A starter that has gone does not need to know.
    let _ = out.write_all(words.as_bytes()).and_then(|()| out.flush());
    close_output();
}

fn close_output() {
    if let Ok(null) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_a_session_of_its_own_and_nothing_of_ours() {
        use std::os::fd::AsRawFd;
        let dir = tempfile::tempdir().unwrap();
        // Without the flag that closes it at exec, as a careless caller leaves it.
        let file = std::fs::File::create(dir.path().join("held")).unwrap();
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
        let script = format!(
            "ps -o sid= -p $$; echo $$; pwd; env | grep -c . ; [ -e /proc/self/fd/{} ] && echo open; echo oops >&2",
            file.as_raw_fd()
        );
        let what = Detached {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
            errors: dir.path().join("errors"),
        };
        let mut started = start(&what).unwrap();
        let said = started.said(Duration::from_secs(60)).unwrap();
        let words: Vec<&str> = said.split_whitespace().collect();
        // PATH, and what sh itself adds: PWD, and on some systems OLDPWD, SHLVL, _.
        assert_eq!(words[0], words[1], "{said}");
        assert_eq!(words[2], "/");
        assert!(words.len() == 4, "{said}");
        assert_eq!(words[1], started.id().to_string());
        started.end();
        assert_eq!(std::fs::read_to_string(dir.path().join("errors")).unwrap(), "oops\n");
    }
}
