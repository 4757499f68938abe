//! What the service's loop and the tasks that keep one project each say to each other.
//!
//! A project's task gets [`ProjectOrder`]s and tells [`ProjectEvent`]s. It ends after [`ProjectOrder::Stop`], when all
//! that it started has ended. Telling waits while the loop is behind, so that what a stage prints never piles up here.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use crate::base::error::{ErrorKind, Fault};
use crate::daemon::event::{ClientId, Event};
use crate::ipc::message::{ProjectPhase, Response};
use crate::run::event::RunEvent;

/// What the loop tells a project's task. Every order with an asker is answered by [`ProjectEvent::Answer`], once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectOrder {
    /// Run stages.
    Run {
        /// Who asks.
        by: ClientId,
        /// Which; none means all.
        stages: Vec<String>,
        /// Only these of the tests, as pytest's arguments name them; none means all.
        tests: Vec<String>,
        /// Though nothing has changed.
        force: bool,
        /// Only what has changed since it ran last.
        catch_up: bool,
        /// The environment of whoever asks, when it is another one.
        env: Option<BTreeMap<String, String>>,
    },
    /// End the run that is under way.
    Cancel {
        /// Who asks.
        by: ClientId,
    },
    /// Say which services run.
    Services {
        /// Who asks.
        by: ClientId,
    },
    /// Read the pipeline again.
    Reload {
        /// Who asks, if anybody waits for the answer.
        by: Option<ClientId>,
        /// The environment that it was added in, when it was added again.
        env: Option<BTreeMap<String, String>>,
    },
    /// Somebody looks at it from now on: a person who sees what it says.
    Attached {
        /// The environment of that person.
        env: BTreeMap<String, String>,
    },
    /// Nobody looks at it any more.
    Detached,
    /// End everything, then yourself.
    Stop,
}

impl ProjectOrder {
    /// Who waits for its answer.
    pub fn asker(&self) -> Option<ClientId> {
        match self {
            Self::Run { by, .. } | Self::Cancel { by } | Self::Services { by } => Some(*by),
            Self::Reload { by, .. } => *by,
            Self::Attached { .. } | Self::Detached | Self::Stop => None,
        }
    }

    /// The answer to whoever waits for one, where there is nobody to carry it out.
    pub fn undelivered(&self) -> Option<ProjectEvent> {
        self.refused(
            Fault::new(ErrorKind::Failed, "the project is not being kept just now").hint("try again"),
        )
    }

    /// The answer to whoever waits for one, where it cannot be carried out.
    pub fn refused(&self, why: Fault) -> Option<ProjectEvent> {
        Some(ProjectEvent::Answer { to: self.asker()?, response: Response::Failed(why.into()) })
    }
}

/// What a project's task tells the loop.
#[derive(Clone, Debug)]
pub enum ProjectEvent {
    /// Something happened in a run.
    Run(RunEvent),
    /// The project does something else now.
    Phase(ProjectPhase, Option<String>),
    /// The answer to an order.
    Answer {
        /// Who asked.
        to: ClientId,
        /// The answer.
        response: Response,
    },
    /// A line for whoever looks, and for the log.
    Said(String),
    /// The task has ended; why, when nobody told it to.
    Ended(Option<String>),
}

/// Where a project's task tells what happens; may be cloned, and used by threads.
#[derive(Clone, Debug)]
pub struct Told {
    root: String,
    events: mpsc::Sender<Event>,
}

impl Told {
    /// For the project at `root`.
    pub fn new(root: String, events: mpsc::Sender<Event>) -> Self {
        Self { root, events }
    }

    /// Tells the loop. Nobody listens any more when the service ends, which is no error.
    pub async fn tell(&self, event: ProjectEvent) {
        let _ = self.events.send(Event::Project { root: self.root.clone(), event }).await;
    }

    /// Tells the loop, from a thread that has nothing else to do.
    pub fn tell_last(&self, event: ProjectEvent) {
        let _ = self.events.blocking_send(Event::Project { root: self.root.clone(), event });
    }
}
