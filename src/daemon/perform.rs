//! Carrying out effects: the thin edge between what was decided and the world.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::begin::{Begin, Options};
use super::cloud::Cloud;
use super::effect::Effect;
use super::event::{ClientId, Event};
use super::home::{self, HomeOrder, Own};
use super::keep;
use super::outbox::{Frame, NotTaken, Outbox, outbox};
use super::project::{ProjectOrder, Told};
use super::serve::Journal;
use super::state::{Now, State};
use super::talk;
use crate::base::error::{ErrorKind, Fault};
use crate::ipc::frame;
use crate::ipc::message::{FromService, Response};
use crate::ipc::place::MARK;
use crate::sys::dirs::Dirs;
use crate::sys::process;
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;

/// The most connections at a time.
const MOST: usize = 64;

/// How long clients have to take the last words.
const FLUSH: Duration = Duration::from_millis(500);

/// What the service holds of the world.
pub struct Performer {
    dirs: Dirs,
    /// Where the log goes.
    pub journal: Journal,
    events: mpsc::Sender<Event>,
    clients: BTreeMap<ClientId, (Outbox, JoinHandle<()>, Option<u32>)>,
    projects: BTreeMap<String, mpsc::UnboundedSender<ProjectOrder>>,
    home: Option<mpsc::UnboundedSender<HomeOrder>>,
    own: Own,
    cloud: Cloud,
    next: u64,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It does.
    Go,
    /// It has ended.
    End,
}

impl Performer {
    /// With nothing yet; what happens is told to `events`.
    pub fn new(dirs: Dirs, own: Own, journal: Journal, events: mpsc::Sender<Event>) -> Self {
        let cloud = Cloud::new(dirs.clone(), &own, events.clone());
        Self {
            dirs,
            journal,
            events,
            cloud,
            clients: BTreeMap::new(),
            projects: BTreeMap::new(),
            home: None,
            own,
            next: 0,
        }
    }

    /// Begins to serve a connection of a process.
    pub fn admit(&mut self, stream: UnixStream, pid: Option<u32>, state: &State) {
        self.clients.retain(|_, (_, task, _)| !task.is_finished());
        if self.clients.len() >= MOST {
            self.journal.line(&format!("refused a connection: there are {MOST} already"));
            return;
        }
        self.next += 1;
        let client = ClientId(self.next);
        let (filled, waiting) = outbox();
        let hello = state.identity.hello.clone();
        let task = tokio::spawn(talk::serve(client, stream, hello, waiting, self.events.clone()));
        self.clients.insert(client, (filled, task, pid));
    }

    /// Carries out one effect. What follows from it at once comes back as an event.
    pub fn perform(&mut self, effect: Effect, state: &State, now: Now) -> (Flow, Option<Event>) {
        let mut follows = None;
        match effect {
            Effect::Respond { client, response } => follows = self.respond(client, response),
            Effect::RespondStatus { client } => {
                let status = state.status(now, process::resident());
                follows = self.respond(client, Response::Status(Box::new(status)));
            }
            Effect::Tell { clients, event } => {
                if let Ok(bytes) = frame::encode(&FromService::Event(event), frame::RESPONSE) {
                    let frame: Frame = bytes.into();
                    clients.into_iter().for_each(|client| self.put(client, frame.clone()));
                }
            }
            Effect::SaveRegistry { registry, client } => {
                let result = registry.save(&RealSystem, &self.dirs.state).map_err(Fault::from);
                follows = Some(Event::Saved { registry, client, result });
            }
            Effect::StartProject { root, env, attached } => self.start_project(root, env, attached),
            Effect::Order { root, order } => follows = self.order(root, order),
            Effect::Cloud { client, request } => {
                let who = self.clients.get(&client).and_then(|(_, _, pid)| *pid);
                follows = self.cloud.answer(client, who, request);
            }
            Effect::LookAtHome => self.look_at_home(),
            Effect::Log(text) => self.journal.line(&text),
            Effect::Finish => return (Flow::End, None),
        }
        (Flow::Go, follows)
    }

    fn respond(&mut self, client: ClientId, response: Response) -> Option<Event> {
        let frame = frame::encode(&FromService::Response(response), frame::RESPONSE).or_else(|error| {
            let fault = Fault::new(ErrorKind::Failed, "the answer is too long to be sent").cause(error);
            frame::encode(&FromService::Response(Response::Failed(fault.into())), frame::RESPONSE)
        });
        self.put(client, frame.ok()?.into());
        None
    }

    /// A client that does not read is let go; its task says so.
    fn put(&mut self, client: ClientId, frame: Frame) {
        let Some((outbox, task, _)) = self.clients.get(&client) else { return };
        if outbox.add(frame) == Err(NotTaken::Full) {
            task.abort();
            self.clients.remove(&client);
            let why = Some("a client does not read; its connection is closed".to_owned());
            let events = self.events.clone();
            tokio::spawn(async move { events.send(Event::Gone { client, why }).await });
        }
    }

    /// Only a home whose profile wants a service is kept by one.
    fn look_at_home(&mut self) {
        if self.home.is_none() && matches!(RealSystem.meta(&self.dirs.state.join(MARK)), Ok(Some(_))) {
            self.home = Some(home::start(self.own.clone(), self.events.clone()));
        }
        if let Some(orders) = &self.home {
            let _ = orders.send(HomeOrder::Look);
        }
    }

    fn start_project(&mut self, root: String, env: BTreeMap<String, String>, attached: bool) {
        let told = Told::new(root.clone(), self.events.clone());
        let begin = Begin {
            dirs: self.dirs.clone(),
            root: root.clone().into(),
            env,
            attached,
            options: Options::default(),
        };
        self.projects.insert(root, keep::start(begin, told));
    }

    /// A task that has just ended takes no order; its end is on its way to the loop.
    fn order(&mut self, root: String, order: ProjectOrder) -> Option<Event> {
        let undelivered = match self.projects.get(&root) {
            Some(orders) => orders.send(order).err().map(|error| error.0),
            None => Some(order),
        };
        let event = undelivered?.undelivered()?;
        Some(Event::Project { root, event })
    }

    /// No more credentials are given, and all that were stand in the log.
    pub(super) fn end_cloud(&self) {
        self.cloud.end();
    }

    /// Lets what was said last reach those who read.
    pub async fn flush(self) {
        // Without its outbox a client's task writes what is left, and ends.
        let tasks: Vec<_> = self.clients.into_values().map(|(_, task, _)| task).collect();
        let all = async {
            for task in tasks {
                let _ = task.await;
            }
        };
        let _ = tokio::time::timeout(FLUSH, all).await;
    }
}
