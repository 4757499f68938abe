//! Waiting on 127.0.0.1 for the browser to come back from a sign-in.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::SignInError;
use super::pkce::{Pkce, Visit};
use crate::base::secret::Secret;
use crate::sys::stream::{Patience, wait};

/// The largest head of a request that is read, in bytes.
const HEAD: usize = 16 << 10;

/// How long one visitor may take.
const VISIT: Duration = Duration::from_secs(5);

/// A listener on a free port of 127.0.0.1.
#[derive(Debug)]
pub struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Listens.
    ///
    /// # Errors
    /// No port can be had.
    pub fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the browser with the code; other visitors are sent away.
    ///
    /// # Errors
    /// The browser brings an error, or nobody comes in time, or the wait is interrupted.
    pub fn wait(self, pkce: Pkce, deadline: Instant) -> Result<Secret<String>, SignInError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let accept_ends = left.max(Duration::from_millis(1));
        rustix::net::sockopt::set_socket_timeout(
            &self.listener,
            rustix::net::sockopt::Timeout::Recv,
            Some(accept_ends),
        )
        .map_err(|error| SignInError::Callback(error.into()))?;
        let patience = Patience { stall: left + VISIT, deadline: Some(deadline) };
        wait(patience, move || serve(&self.listener, &pkce, deadline)).map_err(SignInError::Callback)?
    }
}

fn serve(listener: &TcpListener, pkce: &Pkce, deadline: Instant) -> Result<Secret<String>, SignInError> {
    loop {
        if Instant::now() >= deadline {
            return Err(SignInError::Callback(io::ErrorKind::TimedOut.into()));
        }
        let (mut stream, _) = listener.accept().map_err(|error| {
            let in_time = error.kind() != io::ErrorKind::WouldBlock;
            SignInError::Callback(if in_time { error } else { io::ErrorKind::TimedOut.into() })
        })?;
        let Ok(head) = read_head(&mut stream) else { continue };
        match pkce.visit(&head) {
            Visit::Code(code) => {
                answer(&mut stream, "200 OK", "Signed in. You can close this page.");
                return Ok(code);
            }
            Visit::Over(error) => {
                answer(&mut stream, "200 OK", "Not signed in. You can close this page.");
                return Err(error);
            }
            Visit::Stranger(status) => answer(&mut stream, &format!("{status} Refused"), "Refused."),
        }
    }
}

fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let ends = Instant::now() + VISIT;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > HEAD {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// A visitor that does not take its answer is no trouble of ours.
fn answer(stream: &mut TcpStream, status: &str, text: &str) {
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{text}"
    );
    let _ = stream.set_write_timeout(Some(VISIT)).and_then(|()| stream.write_all(head.as_bytes()));
}
