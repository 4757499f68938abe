//! Child processes: each in a group of its own, with a time limit, bounded output, and an end that takes its
//! grandchildren along.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::log::Log;
use super::{guard, signal};

/// What to run, as a value; its input is not shown, for it may be a secret.
#[derive(Clone, Default)]
pub struct CommandSpec {
    /// The program, looked up on `PATH` when it has no slash.
    pub program: OsString,
    /// Its arguments. Never a secret: every user of the machine can read them.
    pub args: Vec<OsString>,
    /// Where it runs; `None` is where we are.
    pub cwd: Option<PathBuf>,
    /// Variables to set (`Some`) or remove (`None`) on top of ours.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Start from an empty environment instead of ours.
    pub clear_env: bool,
    /// Bytes for its standard input; nothing when empty.
    pub stdin: Vec<u8>,
    /// When to end it; `None` waits for ever.
    pub timeout: Option<Duration>,
    /// A file that receives standard output and standard error together, as they come.
    pub log: Option<PathBuf>,
    /// Runs in a session of its own, without our terminal.
    pub new_session: bool,
    /// Nothing that it starts outlives it, nor us.
    pub contained: bool,
}

impl fmt::Debug for CommandSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandSpec({:?} {:?}, {} bytes of input)", self.program, self.args, self.stdin.len())
    }
}

impl CommandSpec {
    /// `program` with no arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), ..Self::default() }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// A variable to set.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// A variable to take away.
    pub fn without(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), None));
        self
    }

    /// Where it runs.
    pub fn cwd(mut self, dir: impl AsRef<Path>) -> Self {
        self.cwd = Some(dir.as_ref().to_owned());
        self
    }

    /// Bytes for its standard input.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// When to end it.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Where its output goes as it comes; the tail is still returned.
    pub fn log(mut self, path: impl AsRef<Path>) -> Self {
        self.log = Some(path.as_ref().to_owned());
        self
    }

    /// A session of its own: an interactive shell in a mere group of its own finds our terminal, is in its
    /// background, and is stopped.
    pub fn new_session(mut self) -> Self {
        self.new_session = true;
        self
    }
}

impl CommandSpec {
    /// Whatever it starts ends with it, even what leaves its group; on Linux. Not for what may start a service of
    /// the user's, as a shell does with its ssh-agent.
    pub fn contained(mut self) -> Self {
        self.contained = true;
        self
    }

    /// The program with its arguments, environment and directory; its streams are the caller's.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        if self.clear_env {
            command.env_clear();
        }
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        command
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// We ended it because its time was up.
    TimedOut,
    /// We ended it because we were interrupted.
    Interrupted,
}

/// A child that has ended, and the last part of what it wrote.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How it ended.
    pub ending: Ending,
    /// The end of its standard output, at most [`TAIL`] bytes.
    pub stdout: Vec<u8>,
    /// The end of its standard error, at most [`TAIL`] bytes.
    pub stderr: Vec<u8>,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Finished {
    /// Whether it exited with 0.
    pub fn ok(&self) -> bool {
        self.ending == Ending::Exited(0)
    }

    /// Standard output as text, invalid bytes replaced, blank ends removed.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// Standard error as text, invalid bytes replaced, blank ends removed.
    pub fn error_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

/// How long what a contained child leaves behind has to end by itself.
const CLEAR_UP: Duration = Duration::from_millis(500);

/// How much of each output stream is kept in memory.
pub const TAIL: usize = 1 << 20;

enum Message {
    Output { error: bool, bytes: Vec<u8> },
    Closed,
    Ended(io::Result<ExitStatus>),
}

/// Runs a command to its end. An `Err` means that it could not be started or its log not be opened; how it
/// ended is in [`Finished`]. A log that cannot be written on, on a full disk, only ends early.
pub fn run(spec: &CommandSpec) -> io::Result<Finished> {
    let started = Instant::now();
    let mut log = match &spec.log {
        Some(path) => Some(Log::open(path)?),
        None => None,
    };
    let mut command = spec.command();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.stdin(match spec.stdin.as_slice() {
        [] => Stdio::null(),
        bytes => input_file(bytes).map_or_else(Stdio::piped, Stdio::from),
    });
    // A group of its own: ending it ends what it started, and the terminal's Ctrl-C reaches us first. A session
    // leader leads a group, too.
    if spec.new_session {
        // SAFETY: setsid(2) is async-signal-safe, and the closure touches no memory.
        unsafe { command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from)) };
    } else {
        command.process_group(0);
    }
    if spec.contained {
        guard::put_before(&mut command, spec, CLEAR_UP)?;
    } else {
        die_with_us(&mut command);
    }
    let mut child = command.spawn()?;
    let group = Pid::from_child(&child);
    signal::register(group, spec.contained);
    if let Some(mut pipe) = child.stdin.take() {
        let bytes = spec.stdin.clone();
        // A child that does not read its input must not block us; its closed pipe is no error of ours.
        std::thread::spawn(move || drop(pipe.write_all(&bytes)));
    }
    let (sender, receiver) = mpsc::channel();
    if let Some(pipe) = child.stdout.take() {
        forward(pipe, false, sender.clone());
    }
    if let Some(pipe) = child.stderr.take() {
        forward(pipe, true, sender.clone());
    }
    std::thread::spawn(move || drop(sender.send(Message::Ended(child.wait()))));

    let deadline = spec.timeout.map(|limit| started + limit);
    let result = collect(&receiver, (group, spec.contained), deadline, log.as_mut());
    signal::unregister(group);
    let (status, timed_out, stdout, stderr) = result?;
    let ending = if timed_out {
        Ending::TimedOut
    } else if signal::interrupted() {
        Ending::Interrupted
    } else {
        status.code().map_or_else(|| Ending::Signalled(status.signal().unwrap_or(0)), Ending::Exited)
    };
    Ok(Finished { ending, stdout: stdout.into(), stderr: stderr.into(), elapsed: started.elapsed() })
}

/// The bytes as a file in memory. A shell reads a script from a file in blocks, but from a pipe byte by byte.
#[cfg(target_os = "linux")]
fn input_file(bytes: &[u8]) -> Option<File> {
    use std::io::Seek;
    let file = rustix::fs::memfd_create("devboot-input", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    let mut file = File::from(file);
    file.write_all(bytes).and_then(|()| file.rewind()).ok()?;
    Some(file)
}

#[cfg(not(target_os = "linux"))]
fn input_file(_bytes: &[u8]) -> Option<File> {
    None
}

/// When we are killed outright, nobody is left to end the child: then the kernel does. It does so when the thread
/// that started the child ends, and that thread waits in [`run`].
#[cfg(target_os = "linux")]
fn die_with_us(command: &mut Command) {
    // SAFETY: between fork and exec only a system call is made.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command) {}

type Collected = (ExitStatus, bool, VecDeque<u8>, VecDeque<u8>);

fn collect(
    receiver: &mpsc::Receiver<Message>,
    (group, guarded): (Pid, bool),
    deadline: Option<Instant>,
    mut log: Option<&mut Log>,
) -> io::Result<Collected> {
    let (mut stdout, mut stderr) = (VecDeque::new(), VecDeque::new());
    let mut open = 2;
    let mut status = None;
    let mut limit = deadline;
    let mut polite = true;
    let mut timed_out = false;
    while open > 0 || status.is_none() {
        let message = match limit {
            None => receiver.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
            Some(limit) => receiver.recv_timeout(limit.saturating_duration_since(Instant::now())),
        };
        match message {
            Ok(Message::Output { error, bytes }) => {
                if let Some(log) = log.as_mut() {
                    log.write(&bytes);
                }
                keep_tail(if error { &mut stderr } else { &mut stdout }, &bytes);
            }
            Ok(Message::Closed) => open -= 1,
            Ok(Message::Ended(result)) => {
                status = Some(result?);
                // What it left behind may hold its pipes open for ever.
                limit = Some(Instant::now() + signal::GRACE);
                polite = false;
            }
            Err(mpsc::RecvTimeoutError::Timeout) if status.is_some() => {
                let _ = kill_process_group(group, Signal::KILL);
                break;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                timed_out = true;
                signal::end_group(group, guarded, if polite { Signal::TERM } else { Signal::KILL });
                limit = Some(Instant::now() + signal::GRACE);
                polite = false;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    if timed_out {
        // The leader may have gone while its children ignore the polite signal.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = status.ok_or_else(|| io::Error::other("the child process was lost"))?;
    Ok((status, timed_out, stdout, stderr))
}

fn keep_tail(tail: &mut VecDeque<u8>, bytes: &[u8]) {
    tail.extend(bytes);
    let excess = tail.len().saturating_sub(TAIL);
    tail.drain(..excess);
}

fn forward(mut pipe: impl Read + Send + 'static, error: bool, sender: mpsc::Sender<Message>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    let bytes = buffer[..count].to_vec();
                    if sender.send(Message::Output { error, bytes }).is_err() {
                        return;
                    }
                }
            }
        }
        let _ = sender.send(Message::Closed);
    });
}

/// Runs a command on our own terminal and waits: an editor, a shell for the user.
pub fn interactive(spec: &CommandSpec) -> io::Result<i32> {
    let mut command = spec.command();
    let foreground = signal::Foreground::begin();
    let mut child = command.spawn()?;
    foreground.started(child.id());
    let status = child.wait()?;
    drop(foreground);
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}

/// Runs a command that may ask whoever sits at our terminal, and takes what it writes on its output; what it says goes to ours. It stays
/// in our group: one of its own could not read the terminal.
pub fn asked(spec: &CommandSpec) -> io::Result<(Ending, Vec<u8>)> {
    let mut command = spec.command();
    let output = command.stdin(Stdio::inherit()).stdout(Stdio::piped()).stderr(Stdio::inherit()).output()?;
    let ending = match output.status.code() {
        Some(code) => Ending::Exited(code),
        None => Ending::Signalled(output.status.signal().unwrap_or(0)),
    };
    Ok((ending, output.stdout))
}

/// Becomes the command: it takes our place, with our process id and terminal. Comes back only with the reason why it cannot.
pub fn replace_us(spec: &CommandSpec) -> io::Error {
    let mut command = spec.command();
    // SAFETY: the closure calls signal functions alone, which are async-signal-safe.
    unsafe {
        command.pre_exec(|| {
            // Rust ignores it at its start, and the command would inherit that.
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            Ok(())
        });
    }
    command.exec()
}

/// Where a program is on `PATH`, when it is there and may be run.
pub fn find(program: &str) -> Option<PathBuf> {
    which::which(program).ok()
}

/// Our own process id.
pub fn id() -> u32 {
    std::process::id()
}

/// A process that runs, so that another of the same number is not taken for it: its number and when it began. `None`
/// when there is none.
pub fn identity(id: u32) -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name stands in brackets and may hold anything, brackets too; proc(5): the state is field 3, the start is
        // field 22. In a container it may be that nobody collects the dead.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X");
        let start = fields.nth(18)?;
        (!is_dead).then(|| format!("{id} {start}"))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw)?;
        let gone = rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        (!gone).then(|| id.to_string())
    }
}

/// The effective user and group, which new files belong to.
pub fn owner() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// The name of the program that a process runs, where the system tells.
pub fn name(pid: u32) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// How much memory we take, in bytes, where the system tells.
pub fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> CommandSpec {
        CommandSpec::new("sh").args(["-c", script])
    }

    #[test]
    fn output_and_code_come_back() {
        let done = run(&sh("cat; echo oops >&2; exit 3").stdin("hello")).unwrap();
        assert_eq!(done.ending, Ending::Exited(3));
        assert_eq!((done.text().as_str(), done.error_text().as_str()), ("hello", "oops"));
    }

    #[test]
    fn a_time_limit_ends_grandchildren_too() {
        let spec = sh("trap '' TERM; sleep 600 & sleep 600; sleep 600").timeout(Duration::from_millis(100));
        let done = run(&spec).unwrap();
        assert_eq!(done.ending, Ending::TimedOut);
    }

    #[test]
    fn what_is_left_behind_does_not_hold_us() {
        let done = run(&sh("sleep 600 & exit 0")).unwrap();
        assert_eq!(done.ending, Ending::Exited(0));
    }

    #[test]
    fn what_is_contained_ends_as_it_would_alone() {
        let ending = |script: &str| run(&sh(script).contained()).unwrap().ending;
        assert_eq!(ending("exit 7"), Ending::Exited(7));
        assert_eq!(ending("kill -ABRT $$"), Ending::Signalled(6));
        assert_eq!(run(&sh("cat").contained().stdin("x")).unwrap().text(), "x");
    }

    #[test]
    fn what_leaves_the_group_is_contained_all_the_same() {
        // Its streams are closed, its group and session are its own: only its process id is left to find it by.
        let away = "setsid sh -c 'trap \"\" TERM; echo $$ >p; exec sleep 600' >/dev/null 2>&1 </dev/null &";
        let cases = [("exit 0", Ending::Exited(0), 60_000), ("sleep 600", Ending::TimedOut, 500)];
        for (script, ending, limit) in cases {
            let dir = tempfile::tempdir().unwrap();
            let script = format!("mkfifo p; {away} read id <p; echo $id; {script}");
            let spec = sh(&script).cwd(dir.path()).contained().timeout(Duration::from_millis(limit));
            let done = run(&spec).unwrap();
            assert_eq!(done.ending, ending);
            let id: u32 = done.text().parse().unwrap();
            assert!(!Path::new(&format!("/proc/{id}")).exists(), "{id} is left behind");
        }
    }

    #[test]
    fn a_session_of_its_own_has_a_group_that_can_be_ended() {
        let ids = run(&sh("ps -o pid= -o pgid= -o sid= -p $$").new_session()).unwrap().text();
        let ids: Vec<&str> = ids.split_whitespace().collect();
        assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        let spec = sh("trap '' TERM; sleep 600 & sleep 600; sleep 600").new_session();
        assert_eq!(run(&spec.timeout(Duration::from_millis(100))).unwrap().ending, Ending::TimedOut);
    }

    #[test]
    fn a_missing_program_is_an_error() {
        assert!(run(&CommandSpec::new("devboot-no-such-program")).is_err());
        assert!(run(&CommandSpec::new("devboot-no-such-program").contained()).is_err());
    }
}
