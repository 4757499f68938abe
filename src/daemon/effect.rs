//! Everything that the service does.

use std::collections::BTreeMap;

use crate::daemon::event::ClientId;
use crate::daemon::project::ProjectOrder;
use crate::daemon::registry::Registry;
use crate::ipc::cloud::CloudRequest;
use crate::ipc::message;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a client.
    Respond {
        /// Which.
        client: ClientId,
        /// With what.
        response: message::Response,
    },
    /// Answer a client with how the service is.
    RespondStatus {
        /// Which.
        client: ClientId,
    },
    /// Tell these clients what happened.
    Tell {
        /// Which.
        clients: Vec<ClientId>,
        /// What.
        event: message::Event,
    },
    /// Write the registry; how it went comes back as [`super::event::Event::Saved`].
    SaveRegistry {
        /// What to write.
        registry: Registry,
        /// Who asked for it.
        client: ClientId,
    },
    /// Begin to keep a project.
    StartProject {
        /// Which.
        root: String,
        /// The environment of its stages.
        env: BTreeMap<String, String>,
        /// Whether somebody looks at it.
        attached: bool,
    },
    /// Tell a project what to do.
    Order {
        /// Which.
        root: String,
        /// What.
        order: ProjectOrder,
    },
    /// Have a request about credentials answered; the answer comes back as [`super::event::Event::Cloud`].
    Cloud {
        /// Who asks.
        client: ClientId,
        /// For what.
        request: CloudRequest,
    },
    /// Look at the home, if it is ours to keep.
    LookAtHome,
    /// A line for the log.
    Log(String),
    /// End now.
    Finish,
}
