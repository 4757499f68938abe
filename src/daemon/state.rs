//! What the service knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::time::Timestamp;
use crate::daemon::event::ClientId;
use crate::daemon::project::ProjectOrder;
use crate::daemon::registry::{Registered, Registry};
use crate::ipc::message::{Hello, Home, ProjectPhase, ProjectStatus, Status};

/// How long what is being ended has: longer than a stage has between the polite signal and the final one.
pub const ENDING: Duration = Duration::from_secs(10);

/// The present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the service started; no one can set this clock.
    pub running: Duration,
    /// The time of day.
    pub wall: Timestamp,
}

/// What does not change while the service runs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What it says of itself.
    pub hello: Hello,
    /// Where it listens.
    pub socket: String,
    /// Where its log is.
    pub log: String,
    /// When it started.
    pub started: Timestamp,
    /// How long it goes on with nothing to do.
    pub idle_limit: Duration,
}

/// Everything.
#[derive(Clone, Debug)]
pub struct State {
    /// What does not change.
    pub identity: Identity,
    /// The projects as they are on disk.
    pub registry: Registry,
    /// Those that have a task.
    pub projects: BTreeMap<String, Project>,
    /// Projects that are kept only as long as somebody looks at them.
    pub guests: BTreeMap<String, Registered>,
    /// The connections.
    pub clients: BTreeMap<ClientId, Client>,
    /// What is still to be done, in words; as long as there is something the service goes on.
    pub waiting: BTreeSet<String>,
    /// The home, where it is kept.
    pub home: Option<Home>,
    /// Whether there are credentials in memory that would be lost.
    pub holds: bool,
    /// Since when there has been nothing to do.
    pub idle_since: Option<Duration>,
    /// When the service is ending: until when what it started has time.
    pub ending: Option<Duration>,
}

/// A project that has a task.
#[derive(Clone, Debug)]
pub struct Project {
    /// What it does.
    pub phase: ProjectPhase,
    /// A sentence about it.
    pub note: Option<String>,
    /// Orders that came while its task was ending: the next one gets them.
    pub waiting: Vec<ProjectOrder>,
}

impl Project {
    /// With no order waiting.
    pub fn new(phase: ProjectPhase, note: Option<String>) -> Self {
        Self { phase, note, waiting: Vec::new() }
    }
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// What it said of itself.
    pub hello: Hello,
    /// Whether it is told what happens, and of which project alone.
    pub follows: Option<Option<String>>,
    /// The project that is kept at least as long as it is here.
    pub keeps: Option<String>,
}

impl State {
    /// At the start.
    pub fn new(identity: Identity, registry: Registry) -> Self {
        Self {
            identity,
            registry,
            projects: BTreeMap::new(),
            guests: BTreeMap::new(),
            clients: BTreeMap::new(),
            waiting: BTreeSet::new(),
            home: None,
            holds: false,
            idle_since: None,
            ending: None,
        }
    }

    /// When the service has to be woken though nothing happens.
    pub fn deadline(&self) -> Option<Duration> {
        self.ending.or_else(|| Some(self.idle_since? + self.identity.idle_limit))
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.projects.is_empty()
            && self.registry.projects.is_empty()
            && self.clients.is_empty()
            && self.waiting.is_empty()
            && !self.holds
    }

    /// Those who are told what happens in a project.
    pub fn followers(&self, root: &str) -> Vec<ClientId> {
        let follows = |client: &Client| match &client.follows {
            None => false,
            Some(None) => true,
            Some(Some(one)) => one == root,
        };
        self.clients.iter().filter(|(_, client)| follows(client)).map(|(id, _)| *id).collect()
    }

    /// A project that is to be kept, and whether only for now.
    pub fn wanted(&self, root: &str) -> Option<(&Registered, bool)> {
        let lasting = self.registry.projects.get(root).map(|registered| (registered, false));
        lasting.or_else(|| self.guests.get(root).map(|guest| (guest, true)))
    }

    /// Whether somebody keeps a project by looking at it.
    pub fn is_attached(&self, root: &str) -> bool {
        self.clients.values().any(|client| client.keeps.as_deref() == Some(root))
    }

    /// How a project is.
    pub fn project_status(&self, root: &str) -> Option<ProjectStatus> {
        let (registered, guest) = self.wanted(root)?;
        let project = self.projects.get(root);
        Some(ProjectStatus {
            root: root.to_owned(),
            added: registered.added,
            phase: project.map_or(ProjectPhase::Failed, |project| project.phase),
            note: project.and_then(|project| project.note.clone()),
            guest,
        })
    }

    /// How all projects are.
    pub fn project_statuses(&self) -> Vec<ProjectStatus> {
        self.registry
            .projects
            .keys()
            .chain(self.guests.keys())
            .filter_map(|root| self.project_status(root))
            .collect()
    }

    /// How the service is.
    pub fn status(&self, now: Now, memory: Option<u64>) -> Status {
        Status {
            pid: self.identity.hello.pid,
            version: self.identity.hello.version.clone(),
            started: self.identity.started,
            uptime: now.running.as_secs(),
            socket: self.identity.socket.clone(),
            log: self.identity.log.clone(),
            memory,
            projects: self.project_statuses(),
            home: self.home.clone(),
            clients: self.clients.len(),
            subscribers: self.clients.values().filter(|client| client.follows.is_some()).count(),
        }
    }
}
