//! Everything that can happen to the service.

use crate::base::error::Fault;
use crate::daemon::home::HomeNews;
use crate::daemon::project::ProjectEvent;
use crate::daemon::registry::Registry;
use crate::ipc::cloud::CloudResponse;
use crate::ipc::message::{Hello, Request};

/// A connection, by the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client has connected and said its hello.
    Connected {
        /// Which.
        client: ClientId,
        /// What it said.
        hello: Hello,
    },
    /// A client asks for something.
    Asked {
        /// Which.
        client: ClientId,
        /// For what.
        request: Request,
    },
    /// A client asks for something that this service does not know.
    NotUnderstood {
        /// Which.
        client: ClientId,
        /// What is not understood.
        why: String,
    },
    /// A client has gone, or had to.
    Gone {
        /// Which.
        client: ClientId,
        /// Why, when it is worth a line in the log.
        why: Option<String>,
    },
    /// Something that is only worth a line in the log.
    Noted(String),
    /// Something happened in a project.
    Project {
        /// In which.
        root: String,
        /// What.
        event: ProjectEvent,
    },
    /// The registry was written, or could not be.
    Saved {
        /// What was to be written.
        registry: Registry,
        /// Who asked for it.
        client: ClientId,
        /// How it went.
        result: Result<(), Fault>,
    },
    /// A request about credentials was answered, or could not be.
    Cloud {
        /// Who asked.
        client: ClientId,
        /// How it went.
        result: Result<CloudResponse, Fault>,
    },
    /// Whether there are credentials in memory that would be lost with the service.
    Holds(bool),
    /// Something about the home.
    Home(HomeNews),
    /// A signal asks us to end.
    Signal,
    /// The time of [`super::state::State::deadline`] has come.
    Deadline,
}
