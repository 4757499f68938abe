//! A very small HTTP server for programs of our own user on this machine: 127.0.0.1 alone, one request a connection,
//! everything bounded.
//!
//! What a web page could send, or a program of another user, is refused before the handler sees it: see [`head`] and
//! [`peer`]. Who may have what is the handler's to decide.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use zeroize::Zeroizing;

use crate::base::redact::MASK;
use crate::base::secret::Secret;

pub mod head;
pub mod peer;

use head::{Head, Refusal};
use peer::Owner;

/// The largest head, in bytes.
const HEAD: usize = 8 << 10;

/// The largest body, in bytes.
const BODY: usize = 16 << 10;

/// Connections at once.
const CONNECTIONS: usize = 64;

/// How long a thread without a client waits for the next one.
const IDLE: Duration = Duration::from_secs(5);

/// How long a head may take to come, and then a body, and then the taking of the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a refused client still sends is read for so long, so that the refusal reaches it.
const LINGER: Duration = Duration::from_millis(250);

/// A request that came through the door.
pub struct Ask {
    /// `GET` or `POST`.
    pub method: String,
    /// The path and query, as they were sent.
    pub target: String,
    /// Names and values of the headers, in order.
    pub headers: Vec<(String, Secret<String>)>,
    /// The body.
    pub body: Secret<Vec<u8>>,
    /// The user at the other end, who is ours; `None` when the system does not know, as for a container's network.
    pub uid: Option<u32>,
}

impl Ask {
    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split_once('?').map_or(&self.target, |(path, _)| path)
    }

    /// The query, without its question mark, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The value of a header. `None` when it is missing, and when there is more than one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value.expose()),
            _ => None,
        }
    }

    /// Names and values of the headers.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.expose().as_str())).collect()
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {MASK}", self.method, self.path())
    }
}

/// What a client is told.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub kind: &'static str,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Secret<Vec<u8>>,
}

impl Answer {
    /// An answer in JSON.
    pub fn json(status: u16, body: Secret<Vec<u8>>) -> Self {
        Self { status, kind: "application/json", headers: Vec::new(), body }
    }

    /// An answer in plain text.
    pub fn text(status: u16, body: &str) -> Self {
        let body = Secret::new(body.as_bytes().to_vec());
        Self { status, kind: "text/plain; charset=utf-8", headers: Vec::new(), body }
    }

    fn bytes(&self) -> Secret<Vec<u8>> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n",
            self.status,
            if self.status < 400 { "OK" } else { "Refused" },
            self.kind,
            self.body.expose().len()
        );
        for (name, value) in self.headers.iter().filter(|(_, value)| !value.contains(char::is_control)) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        // As large as it becomes: a buffer that grows would leave a copy behind.
        let mut bytes = Vec::with_capacity(head.len() + self.body.expose().len());
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(self.body.expose());
        Secret::new(bytes)
    }
}

/// What decides over requests. It is called from many threads at once.
pub type Handler = Arc<dyn Fn(&Ask) -> Answer + Send + Sync>;

/// A server that listens until it is dropped.
pub struct Loopback {
    port: u16,
    stopped: Arc<AtomicBool>,
    wake: UnixStream,
    accepting: Option<JoinHandle<()>>,
    door: Arc<Door>,
}

impl Loopback {
    /// Listens on this port of 127.0.0.1, or on any free one for 0.
    ///
    /// # Errors
    /// The port cannot be had, or there is no thread or file left.
    pub fn bind(port: u16, handler: Handler) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (wake, woken) = UnixStream::pair()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let inside = AtomicUsize::new(0);
        let door = Arc::new(Door { port, handler, stopped: stopped.clone(), inside, crew: Crew::default() });
        let crew = Arc::clone(&door);
        let accepting =
            thread::Builder::new().name("loopback".into()).spawn(move || accept(&listener, &woken, &door))?;
        Ok(Self { port, stopped, wake, accepting: Some(accepting), door: crew })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as clients name them.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Loopback {
    /// Closes the port. The handler is called for no request from now on; calls that have begun are left to end.
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = self.wake.shutdown(Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        self.door.crew.come.notify_all();
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loopback({})", self.host())
    }
}

struct Door {
    port: u16,
    handler: Handler,
    stopped: Arc<AtomicBool>,
    inside: AtomicUsize,
    crew: Crew,
}

/// The threads that answer: one that has nothing to do waits a moment for the next client before it ends.
#[derive(Default)]
struct Crew {
    queue: Mutex<Queue>,
    come: Condvar,
}

#[derive(Default)]
struct Queue {
    clients: VecDeque<(TcpStream, Place)>,
    /// Threads that wait for one.
    idle: usize,
}

impl Crew {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next client; `None` when none has come for a while, or none will.
    fn next(&self, door: &Door) -> Option<(TcpStream, Place)> {
        let mut queue = self.queue();
        queue.idle += 1;
        let is_over = || door.stopped.load(Ordering::SeqCst);
        let nobody = |queue: &mut Queue| queue.clients.is_empty() && !is_over();
        (queue, _) =
            self.come.wait_timeout_while(queue, IDLE, nobody).unwrap_or_else(PoisonError::into_inner);
        queue.idle -= 1;
        queue.clients.pop_front()
    }
}

/// A place inside, given back on drop.
struct Place(Arc<Door>);

impl Place {
    fn take(door: &Arc<Door>) -> Option<Self> {
        let place = Self(door.clone());
        (door.inside.fetch_add(1, Ordering::SeqCst) < CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

fn accept(listener: &TcpListener, woken: &UnixStream, door: &Arc<Door>) {
    while !door.stopped.load(Ordering::SeqCst) {
        let mut files = [PollFd::new(listener, PollFlags::IN), PollFd::new(woken, PollFlags::IN)];
        match poll(&mut files, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => {
                // No file is left, say: the client stays in the queue, and asking again at once would not help.
                thread::sleep(Duration::from_millis(20));
                continue;
            }
        };
        let Some(place) = Place::take(door) else { continue };
        let mut queue = door.crew.queue();
        if queue.idle > queue.clients.len() {
            queue.clients.push_back((stream, place));
            drop(queue);
            door.crew.come.notify_one();
            continue;
        }
        drop(queue);
        let door = Arc::clone(door);
        let answer = move || {
            let mut client = Some((stream, place));
            while let Some((stream, place)) = client.take() {
                serve(stream, &place.0);
                drop(place);
                client = door.crew.next(&door);
            }
        };
        // Without a thread the connection is closed.
        let _ = thread::Builder::new().name("loopback-ask".into()).spawn(answer);
    }
}

fn serve(mut stream: TcpStream, door: &Door) {
    // Where accepted sockets take over that the listener does not wait, this one still has to.
    if stream.set_nonblocking(false).is_err() || stream.set_write_timeout(Some(PATIENCE)).is_err() {
        return;
    }
    let asked = match receive(&mut stream, door.port) {
        Ok(None) => return,
        Ok(Some(ask)) => Ok(ask),
        Err(refusal) => Err(refusal),
    };
    if door.stopped.load(Ordering::SeqCst) {
        return;
    }
    let answer = match &asked {
        Ok(ask) => (door.handler)(ask),
        Err(refusal) => Answer::text(refusal.status(), &format!("devboot: {refusal}\n")),
    };
    let sent = stream.write_all(answer.bytes().expose());
    // Closing a socket with unread bytes in it takes the answer back.
    if asked.is_err() && sent.is_ok() && stream.shutdown(Shutdown::Write).is_ok() {
        let _ = stream.set_read_timeout(Some(LINGER));
        let _ = io::copy(&mut Read::by_ref(&mut stream).take(64 << 10), &mut io::sink());
    }
}

/// The request; `None` when the client has gone.
fn receive(stream: &mut TcpStream, port: u16) -> Result<Option<Ask>, Refusal> {
    // Before anything is read, so that no other user can keep us waiting.
    let uid = match peer::owner(stream) {
        Owner::Gone => return Ok(None),
        Owner::Unknown => None,
        Owner::User(uid) if uid == rustix::process::geteuid().as_raw() => Some(uid),
        Owner::User(_) => return Err(Refusal::User),
    };
    // As large as it can become: a buffer that grows would leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD + BODY));
    let deadline = Instant::now() + PATIENCE;
    let mut seen = 0;
    let end = loop {
        if let Some(at) = bytes[seen..].windows(4).position(|window| window == b"\r\n\r\n") {
            break seen + at + 4;
        }
        seen = bytes.len().saturating_sub(3);
        let room = HEAD - bytes.len();
        if room == 0 {
            return Err(Refusal::Large);
        }
        if more(stream, &mut bytes, room, deadline)? == 0 {
            return Ok(None);
        }
    };
    let head = Head::read(&bytes[..end], port)?;
    if head.body > BODY {
        return Err(Refusal::Large);
    }
    let deadline = Instant::now() + PATIENCE;
    while bytes.len() < end + head.body {
        let room = end + head.body - bytes.len();
        if more(stream, &mut bytes, room, deadline)? == 0 {
            return Ok(None);
        }
    }
    if bytes.len() > end + head.body {
        return Err(Refusal::Head("more than one request on a connection"));
    }
    let body = Secret::new(bytes[end..].to_vec());
    Ok(Some(Ask { method: head.method, target: head.target, headers: head.headers, body, uid }))
}

/// Reads what has come, `room` bytes at most; 0 at the end.
fn more(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
    room: usize,
    deadline: Instant,
) -> Result<usize, Refusal> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
        return Err(Refusal::Slow);
    }
    let mut chunk = Zeroizing::new([0; 4096]);
    let room = room.min(chunk.len());
    match stream.read(&mut chunk[..room]) {
        Ok(count) => {
            bytes.extend_from_slice(&chunk[..count]);
            Ok(count)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => more(stream, bytes, room, deadline),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(Refusal::Slow)
        }
        // A connection that broke is one that has ended.
        Err(_) => Ok(0),
    }
}

#[cfg(test)]
mod tests;
