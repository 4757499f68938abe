//! What commands hold when they speak with the service.

use std::io;
use std::time::Duration;

use super::conn::{Conn, ConnError, Writer, our_hello};
use super::message::{Event, FromClient, FromService, Hello, PROTOCOL, Request, Response};
use super::place::Place;
use crate::base::error::{ErrorKind, Fault};
use crate::sys::real::RealSystem;

/// How long the service has for a response.
const ANSWER: Duration = Duration::from_secs(30);

/// Whether a service runs.
#[derive(Debug)]
pub enum Probe {
    /// One that we can speak with.
    Ready(Client),
    /// One of an older program: it can be spoken with only if it speaks our version of the messages.
    Outdated(Client),
    /// None, or none that can be reached.
    Absent,
}

/// A connection to the service.
#[derive(Debug)]
pub struct Client {
    conn: Conn,
    /// What the service said of itself.
    pub service: Hello,
}

/// Looks for the service of a place. A millisecond or two; nothing is started or changed.
///
/// # Errors
/// Something answers that is not ours, or does not answer in time.
pub fn probe(place: &Place) -> Result<Probe, ConnError> {
    let Some(address) = place.address(&RealSystem) else { return Ok(Probe::Absent) };
    let (conn, service) = match Conn::open(&address.socket) {
        Ok(open) => open,
        Err(ConnError::Io(error)) if nobody_listens(&error) => return Ok(Probe::Absent),
        // It ended while we were knocking.
        Err(ConnError::Closed) => return Ok(Probe::Absent),
        Err(error) => return Err(error),
    };
    let is_outdated = our_hello().is_newer_than(&service);
    let client = Client { conn, service };
    Ok(if is_outdated { Probe::Outdated(client) } else { Probe::Ready(client) })
}

fn nobody_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | ConnectionRefused | NotADirectory)
}

impl Client {
    /// Whether it speaks our version of the messages.
    pub fn is_understood(&self) -> bool {
        self.service.protocol == PROTOCOL
    }

    /// Asks and waits for the response; events that come before it are lost, so subscribe last.
    ///
    /// # Errors
    /// The connection does not work, or the service says that it could not be done.
    pub fn ask(&mut self, request: Request) -> Result<Response, Fault> {
        if !matches!(request, Request::Stop(_)) {
            self.understood()?;
        }
        self.send(request)?;
        self.answer()
    }

    /// Asks and waits for the response as [`Client::ask`] does, with another request right behind it: the response to
    /// that is among what [`Client::next`] gives.
    ///
    /// # Errors
    /// Those of [`Client::ask`].
    pub fn ask_ahead(&mut self, request: Request, next: Request) -> Result<Response, Fault> {
        self.understood()?;
        self.conn.send_both(&FromClient::Request(request), &FromClient::Request(next))?;
        self.answer()
    }

    fn understood(&self) -> Result<(), Fault> {
        if self.is_understood() {
            return Ok(());
        }
        let version = crate::base::text::printable(&self.service.version);
        Err(Fault::new(ErrorKind::Failed, format!("the service is of devboot {version}"))
            .hint("use that devboot, or end its service with `devboot daemon stop`"))
    }

    fn answer(&mut self) -> Result<Response, Fault> {
        loop {
            match self.conn.receive(ANSWER)? {
                FromService::Response(Response::Failed(failure)) => return Err(failure.into()),
                FromService::Response(response) => return Ok(response),
                FromService::Event(_) | FromService::Hello(_) => {}
            }
        }
    }

    /// Asks without waiting for the response, which [`Client::next`] gives in its place among the events.
    pub fn send(&mut self, request: Request) -> Result<(), ConnError> {
        self.conn.send(&FromClient::Request(request))
    }

    /// What asks while another thread reads by [`Client::next`].
    pub fn asker(&self) -> Result<Asker, ConnError> {
        self.conn.writer().map(Asker)
    }

    /// The next event or response after [`Request::Subscribe`]; `None` when nothing came within `limit`.
    ///
    /// # Errors
    /// The connection does not work; `Closed` when the service has ended.
    pub fn next(&mut self, limit: Duration) -> Result<Option<News>, ConnError> {
        match self.conn.receive(limit) {
            Ok(FromService::Event(event)) => Ok(Some(News::Event(event))),
            Ok(FromService::Response(response)) => Ok(Some(News::Response(response))),
            Ok(FromService::Hello(_)) | Err(ConnError::Silent(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until the service has ended: it closes its connections last.
    ///
    /// # Errors
    /// It has not within `limit`.
    pub fn wait_for_end(mut self, limit: Duration) -> Result<(), ConnError> {
        let deadline = std::time::Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match self.conn.receive::<serde_json::Value>(left) {
                Ok(_) => {}
                Err(ConnError::Silent(_)) => return Err(ConnError::Silent(limit)),
                Err(_) => return Ok(()),
            }
        }
    }
}

/// Asks; the answers come to whoever reads.
#[derive(Debug)]
pub struct Asker(Writer);

impl Asker {
    /// Asks without waiting for the response.
    pub fn send(&mut self, request: Request) -> Result<(), ConnError> {
        self.0.send(&FromClient::Request(request))
    }
}

/// What a subscriber reads.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// Something happened.
    Event(Event),
    /// The response to a request of ours.
    Response(Response),
}
