//! Byte streams that cannot hang: to a child process, to a TCP server, from any blocking reader. Each has a
//! limit for silence and one for its whole life, and notices an interruption while it waits.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::process::CommandSpec;
use super::signal;

/// How long a stream may keep us waiting.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The longest silence.
    pub stall: Duration,
    /// The end of everything; `None` is never.
    pub deadline: Option<Instant>,
}

/// How often a wait looks whether the person wants to stop: an interruption cannot wake a channel.
const GLANCE: Duration = Duration::from_millis(100);

/// How much of what a child says on standard error is kept.
const SAID: usize = 4096;

/// How long the last word of a child is waited for.
const LAST_WORD: Duration = Duration::from_secs(1);

fn receive<T>(receiver: &Receiver<T>, patience: Patience) -> io::Result<Option<T>> {
    let silence_ends = Instant::now() + patience.stall;
    loop {
        if signal::interrupted() {
            // Not `ErrorKind::Interrupted`: that one means "try again".
            return Err(io::Error::other("interrupted"));
        }
        let now = Instant::now();
        if now >= silence_ends {
            let text = format!("nothing came for {} s", patience.stall.as_secs_f32());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        if patience.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the time for the whole transfer is up"));
        }
        match receiver.recv_timeout(GLANCE.min(silence_ends - now)) {
            Ok(value) => return Ok(Some(value)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Runs a blocking act in a thread and waits for it no longer than `patience` allows; the act itself must
/// have an end of its own.
pub fn wait<T: Send + 'static>(
    patience: Patience,
    act: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || drop(sender.send(act())));
    receive(&receiver, patience)?.ok_or_else(|| io::Error::other("the act ended without a result"))
}

/// A blocking reader moved to a thread of its own, so that waiting for it has an end.
pub struct Pump {
    receiver: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
    patience: Patience,
}

impl Pump {
    /// Reads from `source` in a thread, a few chunks ahead.
    pub fn new(mut source: impl Read + Send + 'static, patience: Patience) -> Self {
        let (sender, receiver) = sync_channel(4);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let message = match source.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => Ok(buffer[..count].to_vec()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let last = message.is_err();
                if sender.send(message).is_err() || last {
                    return;
                }
            }
        });
        Self { receiver, chunk: Vec::new(), at: 0, patience }
    }
}

impl Read for Pump {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            match receive(&self.receiver, self.patience)? {
                None => return Ok(0),
                Some(chunk) => (self.chunk, self.at) = (chunk?, 0),
            }
        }
        let count = into.len().min(self.chunk.len() - self.at);
        into[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

enum End {
    Child(Pid),
    Socket(TcpStream),
}

/// A two-way stream; dropping it ends the child with all it started, or closes the connection.
pub struct Duplex {
    pump: Pump,
    writer: Box<dyn Write + Send>,
    said: Arc<Heard>,
    end: End,
}

/// What a child has said on standard error so far.
#[derive(Clone)]
pub struct Said(Arc<Heard>);

/// What was heard so far, whether the speaker is done, and a bell for that.
#[derive(Debug, Default)]
struct Heard {
    state: Mutex<(Vec<u8>, bool)>,
    done: Condvar,
}

impl Said {
    /// The beginning of it as text, invalid bytes replaced. A child whose other stream has ended may still be
    /// about to say why, so this waits a little for its last word.
    pub fn text(&self) -> String {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.done.wait_timeout_while(state, LAST_WORD, |(_, done)| !*done);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&state.0).trim().to_owned()
    }
}

impl Duplex {
    /// Starts a child and talks to it, always in a session of its own: without our terminal it cannot ask a person,
    /// or be stopped for trying to. `stdin`, `timeout` and `log` of the command are not used.
    pub fn child(spec: &CommandSpec, patience: Patience) -> io::Result<Self> {
        let mut command = spec.command();
        // SAFETY: setsid(2) is async-signal-safe, and the closure touches no memory.
        unsafe { command.pre_exec(|| rustix::process::setsid().map(drop).map_err(io::Error::from)) };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let group = Pid::from_child(&child);
        signal::register(group, false);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let said = Arc::<Heard>::default();
        if let Some(stderr) = stderr {
            keep_beginning(stderr, Arc::clone(&said));
        }
        std::thread::spawn(move || {
            let _ = child.wait();
            signal::unregister(group);
        });
        let missing = || io::Error::other("the child has no pipes");
        let pump = Pump::new(stdout.ok_or_else(missing)?, patience);
        let writer = Box::new(stdin.ok_or_else(missing)?);
        Ok(Self { pump, writer, said, end: End::Child(group) })
    }

    /// Connects to a TCP server.
    pub fn tcp(host: &str, port: u16, patience: Patience) -> io::Result<Self> {
        let target = (host.to_owned(), port);
        let limit = patience.stall;
        let stream = wait(patience, move || connect(&target, limit))??;
        stream.set_write_timeout(Some(limit))?;
        let pump = Pump::new(stream.try_clone()?, patience);
        let writer = Box::new(stream.try_clone()?);
        let silent = Heard { state: Mutex::new((Vec::new(), true)), done: Condvar::new() };
        Ok(Self { pump, writer, said: Arc::new(silent), end: End::Socket(stream) })
    }

    /// A view of what the child says on standard error, which stays readable after the end.
    pub fn said(&self) -> Said {
        Said(Arc::clone(&self.said))
    }
}

fn keep_beginning(mut from: impl Read + Send + 'static, into: Arc<Heard>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut state = into.state.lock().unwrap_or_else(PoisonError::into_inner);
            let room = SAID.saturating_sub(state.0.len()).min(count);
            state.0.extend(&buffer[..room]);
        }
        into.state.lock().unwrap_or_else(PoisonError::into_inner).1 = true;
        into.done.notify_all();
    });
}

/// Tries the addresses of a host in turn, each for at most `limit`.
pub(super) fn connect(target: &(String, u16), limit: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (target.0.as_str(), target.1).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Read for Duplex {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.pump.read(into)
    }
}

impl Write for Duplex {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for Duplex {
    fn drop(&mut self) {
        match &self.end {
            End::Child(group) => drop(kill_process_group(*group, Signal::KILL)),
            End::Socket(stream) => drop(stream.shutdown(Shutdown::Both)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(ms: u64) -> Patience {
        Patience { stall: Duration::from_millis(ms), deadline: None }
    }

    fn sh(script: &str) -> CommandSpec {
        CommandSpec::new("sh").args(["-c", script])
    }

    #[test]
    fn a_child_answers_and_its_complaints_are_kept() {
        let mut child = Duplex::child(&sh("echo oops >&2; read x; echo got $x"), patience(60_000)).unwrap();
        let said = child.said();
        child.write_all(b"it\n").unwrap();
        let mut text = String::new();
        child.read_to_string(&mut text).unwrap();
        assert_eq!(text, "got it\n");
        assert_eq!(said.text(), "oops");
    }

    #[test]
    fn a_child_has_no_terminal_to_ask_on() {
        let mut child = Duplex::child(&sh("echo x 2>&1 >/dev/tty"), patience(60_000)).unwrap();
        let mut text = String::new();
        child.read_to_string(&mut text).unwrap();
        assert!(text.contains("/dev/tty"), "{text}");
    }

    #[test]
    fn silence_has_an_end() {
        let mut child = Duplex::child(&sh("sleep 600"), patience(50)).unwrap();
        assert_eq!(child.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut socket = Duplex::tcp("127.0.0.1", port, patience(50)).unwrap();
        assert_eq!(socket.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn the_whole_has_an_end_even_when_bytes_trickle() {
        let patience = Patience {
            stall: Duration::from_secs(60),
            deadline: Some(Instant::now() + Duration::from_millis(50)),
        };
        let mut child = Duplex::child(&sh("while :; do echo x; sleep 0.01; done"), patience).unwrap();
        let error = child.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
