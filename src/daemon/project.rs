//! What the service's loop and the tasks that keep one project each say to each other.
//!
//! A project's task gets [`ProjectOrder`]s and tells [`ProjectEvent`]s. It ends after [`ProjectOrder::Stop`], when all
//! that it started has ended. Telling waits while the loop is behind, so that what a stage prints never piles up here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::base::error::{ErrorKind, Fault};
use crate::daemon::event::{ClientId, Event};
use crate::ipc::message::{OfStage, ProjectPhase, Response};
use crate::run::event::{RunEvent, RunId};

/// What the loop tells a project's task. Every order with an asker is answered by [`ProjectEvent::Answer`], once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProjectOrder {
    /// Run stages.
    Run {
        /// Who asks.
        by: ClientId,
        /// Which; none means all.
        stages: Vec<String>,
        /// Though nothing has changed.
        force: bool,
    },
    /// End the run that is under way.
    Cancel {
        /// Who asks.
        by: ClientId,
    },
    /// Read the pipeline again.
    Reload {
        /// Who asks.
        by: ClientId,
    },
    /// What a stage wrote.
    Logs {
        /// Who asks.
        by: ClientId,
        /// Which stage.
        of: OfStage,
    },
    /// Why a stage ran or did not.
    Why {
        /// Who asks.
        by: ClientId,
        /// Which stage.
        of: OfStage,
    },
    /// End everything, then yourself.
    Stop,
}

impl ProjectOrder {
    /// Who waits for its answer.
    pub fn asker(&self) -> Option<ClientId> {
        match self {
            Self::Run { by, .. }
            | Self::Cancel { by }
            | Self::Reload { by }
            | Self::Logs { by, .. }
            | Self::Why { by, .. } => Some(*by),
            Self::Stop => None,
        }
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
    /// A line for the log.
    Note(String),
    /// The task has ended; why, when nobody told it to.
    Ended(Option<String>),
}

/// What a project's task begins with.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The project's directory: absolute, links followed.
    pub root: PathBuf,
    /// The environment of its stages.
    pub env: BTreeMap<String, String>,
    /// Its runs that an earlier service began and did not end: to be recorded as interrupted.
    pub interrupted: Vec<RunId>,
    /// The state directory.
    pub state: PathBuf,
}

/// Where a project's task tells what happens; may be cloned, and used by threads.
#[derive(Clone, Debug)]
pub struct Told {
    root: String,
    events: mpsc::Sender<Event>,
}

impl Told {
    pub(super) fn new(root: String, events: mpsc::Sender<Event>) -> Self {
        Self { root, events }
    }

    /// Tells the loop. Nobody listens any more when the service ends, which is no error.
    pub async fn tell(&self, event: ProjectEvent) {
        let _ = self.events.send(Event::Project { root: self.root.clone(), event }).await;
    }

    /// Tells the loop, from a thread that is no task's.
    pub fn tell_blocking(&self, event: ProjectEvent) {
        let _ = self.events.blocking_send(Event::Project { root: self.root.clone(), event });
    }
}

/// Keeps one project until it is told to stop, or nobody can tell it any more.
pub async fn keep(begin: Begin, mut orders: mpsc::UnboundedReceiver<ProjectOrder>, told: Told) {
    let Begin { root, interrupted, .. } = begin;
    for run in interrupted {
        told.tell(ProjectEvent::Note(format!("{}: run {} was interrupted", root.display(), run.0))).await;
    }
    told.tell(ProjectEvent::Phase(ProjectPhase::Idle, Some("runs are not made yet".into()))).await;
    while let Some(order) = orders.recv().await {
        let Some(by) = order.asker() else { return };
        let fault = Fault::new(ErrorKind::Failed, "the service does not run pipelines yet");
        told.tell(ProjectEvent::Answer { to: by, response: Response::Failed(fault.into()) }).await;
    }
}
