//! A client's end of a connection: typed messages, the handshake, and no wait without an end.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::{self, Decoder, FrameError};
use super::message::{FromClient, FromService, Hello, PROTOCOL};
use crate::base::error::{Diagnose, ErrorKind};
use crate::sys::{env, process, socket};

/// How long each end has for its hello.
pub const HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection does not work.
#[derive(Debug)]
pub enum ConnError {
    /// Reading, writing or connecting failed.
    Io(io::Error),
    /// The other end does not answer.
    Silent(Duration),
    /// The other end has closed the connection.
    Closed,
    /// The other end does not speak our language.
    Frame(FrameError),
    /// The other end is another user's.
    Foreign(u32),
}

impl fmt::Display for ConnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("cannot speak with the service"),
            Self::Silent(limit) => write!(f, "the service has not answered for {} s", limit.as_secs()),
            Self::Closed => f.write_str("the service has closed the connection"),
            Self::Frame(_) => f.write_str("the service does not speak devboot's language"),
            Self::Foreign(uid) => write!(f, "the service's socket belongs to another user ({uid})"),
        }
    }
}

impl std::error::Error for ConnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Frame(error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for ConnError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Foreign(_) => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Foreign(_) => vec!["run devboot as that user, or with a home of your own".into()],
            _ => vec!["devboot daemon restart; its log is named by devboot daemon status".into()],
        }
    }
}

/// A connection of a client.
#[derive(Debug)]
pub struct Conn {
    stream: UnixStream,
    decoder: Decoder,
}

/// Our hello.
pub fn our_hello() -> Hello {
    Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").into(),
        build: env::build(),
        pid: process::id(),
    }
}

impl Conn {
    /// Connects, makes sure that the other end is ours, and exchanges hellos.
    ///
    /// # Errors
    /// `Io` with the kind `NotFound` or `ConnectionRefused` where nobody listens.
    pub fn open(path: &Path) -> Result<(Self, Hello), ConnError> {
        let stream = socket::connect(path, HANDSHAKE).map_err(at(HANDSHAKE))?;
        let peer = socket::peer(&stream).map_err(ConnError::Io)?;
        if peer.uid != process::owner().0 {
            return Err(ConnError::Foreign(peer.uid));
        }
        let mut conn = Self { stream, decoder: Decoder::new(frame::RESPONSE) };
        conn.send(&FromClient::Hello(our_hello()))?;
        match conn.receive(HANDSHAKE)? {
            FromService::Hello(hello) => Ok((conn, hello)),
            _ => Err(ConnError::Frame(FrameError::Garbage("no hello".into()))),
        }
    }

    /// Sends a message.
    pub fn send<T: Serialize>(&mut self, message: &T) -> Result<(), ConnError> {
        send(&mut self.stream, message)
    }

    /// Sends two messages at once.
    pub fn send_both<T: Serialize>(&mut self, first: &T, second: &T) -> Result<(), ConnError> {
        let mut bytes = encoded(first)?;
        bytes.extend(encoded(second)?);
        self.stream.write_all(&bytes).map_err(at(HANDSHAKE))
    }

    /// The end that is written to, beside this one that goes on reading.
    pub fn writer(&self) -> Result<Writer, ConnError> {
        self.stream.try_clone().map(Writer).map_err(ConnError::Io)
    }

    /// The next message, when it comes within `limit` as a whole.
    pub fn receive<T: DeserializeOwned>(&mut self, limit: Duration) -> Result<T, ConnError> {
        let deadline = Instant::now() + limit;
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(body) = self.decoder.next_body().map_err(ConnError::Frame)? {
                return frame::decode(&body).map_err(ConnError::Frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ConnError::Silent(limit));
            }
            self.stream.set_read_timeout(Some(left)).map_err(ConnError::Io)?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ConnError::Closed),
                Ok(count) => self.decoder.add(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(at(limit)(error)),
            }
        }
    }
}

/// The end of a connection that is only written to.
#[derive(Debug)]
pub struct Writer(UnixStream);

impl Writer {
    /// Sends a message.
    pub fn send<T: Serialize>(&mut self, message: &T) -> Result<(), ConnError> {
        send(&mut self.0, message)
    }
}

fn send<T: Serialize>(stream: &mut UnixStream, message: &T) -> Result<(), ConnError> {
    stream.write_all(&encoded(message)?).map_err(at(HANDSHAKE))
}

fn encoded<T: Serialize>(message: &T) -> Result<Vec<u8>, ConnError> {
    frame::encode(message, frame::REQUEST).map_err(ConnError::Frame)
}

fn at(limit: Duration) -> impl Fn(io::Error) -> ConnError {
    move |error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ConnError::Silent(limit),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ConnError::Closed,
        _ => ConnError::Io(error),
    }
}
