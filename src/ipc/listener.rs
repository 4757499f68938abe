//! The service's end: one listener for each home, at a socket that nobody else can reach.

use std::fmt;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::place::{Address, Place};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;
use crate::sys::lock::{Lock, LockError};
use crate::sys::process;
use crate::sys::real::RealSystem;
use crate::sys::socket::{self, Peer, Unfit};
use crate::sys::system::{WriteSystem, replace};

/// How long a service that is about to end, or a command that changes what it keeps, may hold the lock.
const HANDOVER: Duration = Duration::from_secs(2);

/// The service cannot listen.
#[derive(Debug)]
pub enum ListenError {
    /// Another one runs: its process id, when it is known.
    Held(Option<u32>),
    /// This directory is not fit for a socket.
    Unfit(PathBuf, Unfit),
    /// This could not be used.
    Io(PathBuf, io::Error),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Path| printable(&path.to_string_lossy());
        match self {
            Self::Held(Some(pid)) => write!(f, "a service runs already (process {pid})"),
            Self::Held(None) => f.write_str("a service runs already"),
            Self::Unfit(path, Unfit::NoDirectory) => {
                write!(f, "{} is no directory, or a symbolic link", shown(path))
            }
            Self::Unfit(path, Unfit::Foreign(uid)) => {
                write!(f, "{} belongs to another user ({uid})", shown(path))
            }
            Self::Unfit(path, Unfit::Io(_)) | Self::Io(path, _) => write!(f, "cannot use {}", shown(path)),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unfit(_, Unfit::Io(error)) | Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for ListenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unfit(_, Unfit::NoDirectory | Unfit::Foreign(_)) => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Held(_) => vec!["devboot daemon status".into()],
            Self::Unfit(path, Unfit::NoDirectory | Unfit::Foreign(_)) => {
                vec![format!("look at it, and move it away: ls -ld {}", printable(&path.to_string_lossy()))]
            }
            Self::Unfit(_, Unfit::Io(error)) | Self::Io(_, error) => match error.kind() {
                io::ErrorKind::StorageFull => vec!["free some space, then try again".into()],
                _ => Vec::new(),
            },
        }
    }
}

/// The right to be the one service of a home.
#[derive(Debug)]
pub struct Seat {
    place: Place,
    lock: Lock,
}

/// A listener. Its socket is removed by [`Listening::close`]; what a killed service leaves is removed by the next.
#[derive(Debug)]
pub struct Listening {
    seat: Seat,
    socket: PathBuf,
    /// The listener itself; it does not block.
    pub listener: UnixListener,
}

impl Seat {
    /// Takes the seat: nobody else is the service of this place as long as it is held. The state directory exists.
    ///
    /// # Errors
    /// Somebody holds it, or the directory cannot be used.
    pub fn take(place: &Place) -> Result<Self, ListenError> {
        let dir = place.run_dir();
        socket::private_dir(&dir).map_err(|why| ListenError::Unfit(dir, why))?;
        let path = place.lock();
        let lock = Lock::take_within(&path, HANDOVER).map_err(|error| match error {
            LockError::Held(pid) => ListenError::Held(pid),
            LockError::Io(error) => ListenError::Io(path, error),
        })?;
        Ok(Self { place: place.clone(), lock })
    }

    /// Listens, and says where.
    pub fn listen(self) -> Result<Listening, ListenError> {
        let path = self.place.socket();
        let io = |path: &Path| {
            let path = path.to_owned();
            |error| ListenError::Io(path, error)
        };
        if let Some(dir) = path.parent() {
            socket::private_dir(dir).map_err(|why| ListenError::Unfit(dir.to_owned(), why))?;
        }
        // Under the lock whatever is there is of a service that has ended.
        socket::remove(&path).map_err(io(&path))?;
        let listener = socket::listen(&path).map_err(io(&path))?;
        listener.set_nonblocking(true).map_err(io(&path))?;
        let address = Address { pid: process::id(), socket: path.clone() };
        let file = self.place.address_file();
        if let Err(error) = replace(&RealSystem, &file, &address.text(), 0o600) {
            let _ = socket::remove(&path);
            return Err(ListenError::Io(file, error));
        }
        Ok(Listening { seat: self, socket: path, listener })
    }
}

impl Listening {
    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Stops listening and leaves nothing behind; the next service may start.
    pub fn close(self) {
        // What stays is stale, which the next service knows.
        let _ = RealSystem.remove_file(&self.seat.place.address_file());
        let _ = socket::remove(&self.socket);
        if let Some(dir) = self.socket.parent().filter(|dir| *dir != self.seat.place.run_dir()) {
            // The user's other homes may have theirs in it.
            let _ = RealSystem.remove_dir(dir);
        }
        drop(self.listener);
        drop(self.seat.lock);
    }
}

/// Whether a peer may speak with us: the same user, and nobody else, root among them.
///
/// # Errors
/// It may not; the words are for the log.
pub fn admit(peer: io::Result<Peer>) -> Result<Peer, String> {
    match peer {
        Ok(peer) if peer.uid == process::owner().0 => Ok(peer),
        Ok(Peer { uid, pid }) => {
            let pid = pid.map_or_else(String::new, |pid| format!(", process {pid}"));
            Err(format!("refused a connection of another user ({uid}{pid})"))
        }
        Err(error) => Err(format!("refused a connection of an unknown user: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_user_is_admitted() {
        let ours = process::owner().0;
        assert!(admit(Ok(Peer { uid: ours, pid: None })).is_ok());
        let other = admit(Ok(Peer { uid: ours + 1, pid: Some(7) })).unwrap_err();
        assert!(other.contains("another user") && other.contains("process 7"));
        assert!(admit(Err(io::Error::other("x"))).is_err());
    }
}
