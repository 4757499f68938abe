//! A very small HTTP server for programs of our own user on this machine: 127.0.0.1 alone, one request a connection,
//! everything bounded.
//!
//! What a web page could send, or a program of another user, is refused before the handler sees it: see [`head`] and
//! [`peer`]. Who may have what is the handler's to decide.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use crate::base::redact::MASK;
use crate::base::secret::Secret;

mod crew;
pub mod head;
mod holder;
pub mod peer;
mod serve;

use crew::{Door, Turn};
use head::Refusal;

/// The largest head, in bytes.
const HEAD: usize = 8 << 10;

/// The largest body, in bytes.
const BODY: usize = 16 << 10;

/// Connections at once that take long.
const CONNECTIONS: usize = 64;

/// Connections that the system takes before we do.
const BACKLOG: i32 = 1024;

/// How long a head may take to come, and then a body, and then the taking of the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a refused client still sends is read for so long, so that the refusal reaches it.
const LINGER: Duration = Duration::from_millis(250);

/// A request that came through the door.
pub struct Ask<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path and query, as they were sent.
    pub target: &'a str,
    /// Names and values of the headers, in order.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: &'a [u8],
    /// The user at the other end, who is ours; `None` when the system does not know, as for a container's network.
    pub uid: Option<u32>,
    inode: Option<u64>,
    turn: &'a Turn<'a>,
}

impl<'a> Ask<'a> {
    /// The path, without the query.
    pub fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// The query, without its question mark, as it was sent.
    pub fn query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The value of a header. `None` when it is missing, and when there is more than one.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// The process that asks, where it is found. For records, never for decisions.
    pub fn process(&self) -> Option<u32> {
        self.turn.door.holders.find(self.inode?)
    }

    /// To be said before anything that may wait: another thread answers the next client meanwhile.
    pub fn takes_long(&self) {
        self.turn.takes_long();
    }
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {MASK}", self.method, self.path())
    }
}

/// A client that was refused before the handler saw anything of it.
pub struct Refused<'a> {
    /// Why.
    pub why: Refusal,
    /// The user at the other end, where the system tells.
    pub uid: Option<u32>,
    inode: Option<u64>,
    /// What it had sent until then.
    sent: &'a [u8],
    turn: &'a Turn<'a>,
}

impl Refused<'_> {
    /// The process, where it is found. For records, never for decisions.
    pub fn process(&self) -> Option<u32> {
        self.turn.door.holders.find(self.inode?)
    }

    /// The host that was asked for, or the web page that asked, where one of them is the reason.
    pub fn named(&self) -> Option<String> {
        head::named(self.sent, self.why)
    }
}

impl fmt::Debug for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {MASK}", self.why)
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

/// What decides over requests. It may be called from many threads at once.
pub type Handler = Arc<dyn Fn(&Ask<'_>) -> Answer + Send + Sync>;

/// What is told of clients that are refused without it. It may be called from many threads at once.
pub type Told = Arc<dyn Fn(&Refused<'_>) + Send + Sync>;

/// A server that listens until it is dropped.
pub struct Loopback(Arc<Door>);

impl Loopback {
    /// Listens on this port of 127.0.0.1, or on any free one for 0.
    ///
    /// # Errors
    /// The port cannot be had, or there is no thread or file left.
    pub fn bind(port: u16, handler: Handler, told: Told) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        rustix::net::listen(&listener, BACKLOG)?;
        defer(&listener);
        Door::open(listener, handler, told).map(Self)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Host and port as clients name them.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }
}

impl Drop for Loopback {
    /// Closes the port. The handler is called for no request from now on; calls that have begun are left to end.
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loopback({})", self.host())
    }
}

/// Has a client come when its first bytes have, or after a second: a thread that takes it need not wait for them. tcp(7).
#[cfg(target_os = "linux")]
fn defer(listener: &TcpListener) {
    let seconds: libc::c_int = 1;
    let size = size_of_val(&seconds) as libc::socklen_t;
    let value = (&raw const seconds).cast();
    // SAFETY: the value is an int, which lives until the call returns. Where there is no such option, each client is waited for.
    unsafe { libc::setsockopt(listener.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, value, size) };
}

#[cfg(not(target_os = "linux"))]
fn defer(_: &TcpListener) {}

#[cfg(test)]
mod tests;
