//! A project that is kept while a command looks at it: by the service, or by this program itself.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::from_value;
use tokio::sync::mpsc::{Receiver, UnboundedSender, channel};

use super::command::daemon;
use super::context::Context;
use crate::base::error::Fault;
use crate::daemon::begin::{Begin, Options};
use crate::daemon::event::{ClientId, Event};
use crate::daemon::keep;
use crate::daemon::project::{ProjectEvent, ProjectOrder, Told};
use crate::ipc::client::{Asker, Client, News, Probe, probe};
use crate::ipc::message::{self, Attach, OfProject, Request, Run, Subscribe};
use crate::run::event::RunEvent;
use crate::sys::{env, signal};

/// How many events wait before whoever has another one waits.
const QUEUE: usize = 256;

/// Longer than anybody looks: who waits for news waits for as long as it takes.
const EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long a run that was asked for is followed by this thread alone. One in which nothing has to be done is over by then.
const AT_ONCE: Duration = Duration::from_millis(10);

/// Why a link to the service is lost, as [`ProjectEvent::Ended`] says it.
pub const REPLACED: &str = "a newer devboot takes the service over";
/// The service was ended, and another one is started at once.
pub const RESTARTED: &str = "the service is restarted";
/// The service was ended by somebody.
pub const STOPPED: &str = "the service was ended";
/// The service died.
pub const LOST: &str = "the connection to the service is lost";

/// Who asks, where there is nobody else.
const ALONE: ClientId = ClientId(0);

/// What is asked of a run.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The stages; none means all.
    pub stages: Vec<String>,
    /// Only these of the tests, as pytest's arguments name them; none means all.
    pub tests: Vec<String>,
    /// Though nothing has changed.
    pub force: bool,
    /// Only what has changed since it ran last.
    pub catch_up: bool,
}

impl Wanted {
    /// As it is asked of the service.
    fn of_service(self, root: &str) -> Request {
        let Self { stages, tests, force, catch_up } = self;
        let env = Some(env::vars());
        Request::Run(Run { root: root.to_owned(), stages, tests, force, catch_up, env })
    }
}

/// The link.
pub struct Link {
    /// What was heard and not told yet.
    heard: VecDeque<ProjectEvent>,
    /// Who is to listen to the service, while nobody does beside us.
    listener: Option<Listener>,
    /// What is heard beside us.
    beside: Option<Receiver<ProjectEvent>>,
    keeper: Keeper,
}

enum Keeper {
    /// This program.
    Own(UnboundedSender<ProjectOrder>),
    /// The service.
    Service(Asker, String),
}

impl Link {
    /// The project is kept by this program. Inside a runtime.
    pub fn own(context: &Context, root: &Path, options: Options) -> Self {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(QUEUE);
        let (events, ours) = channel(QUEUE);
        let begin = Begin {
            dirs: context.dirs.clone(),
            root: root.to_owned(),
            env: env::vars(),
            attached: true,
            options,
        };
        let orders = keep::start(begin, Told::new(String::new(), sender));
        tokio::spawn(async move {
            while let Some(event) = receiver.recv().await {
                if let Event::Project { event, .. } = event
                    && events.send(event).await.is_err()
                {
                    return;
                }
            }
        });
        Self { heard: VecDeque::new(), listener: None, beside: Some(ours), keeper: Keeper::Own(orders) }
    }

    /// The project is kept by the service, which is started where it does not run.
    ///
    /// # Errors
    /// There is no service, and the reason why.
    pub fn service(context: &Context, root: &str) -> Result<Self, Fault> {
        let mut client = daemon::ensure(context)?;
        client.ask(Request::Attach(Attach { root: root.to_owned(), env: env::vars() }))?;
        Self::to(client, root)
    }

    /// A link to the service that keeps the project already; `None` when none does. What is wanted is asked for at once,
    /// as [`Link::run`] does.
    pub fn kept(context: &Context, root: &str, wanted: Option<Wanted>) -> Option<Self> {
        let mut client = match probe(&daemon::place(context)) {
            Ok(Probe::Ready(client)) => client,
            // Beside one of an older devboot that keeps the project, two runs of it could meet.
            Ok(Probe::Outdated(_)) => daemon::ensure(context).ok()?,
            _ => return None,
        };
        if !client.is_understood() {
            return None;
        }
        let subscribe = Request::Subscribe(Subscribe { root: Some(root.to_owned()) });
        let is_run = wanted.is_some();
        match wanted {
            Some(wanted) => client.ask_ahead(subscribe, wanted.of_service(root)).ok()?,
            None => client.ask(subscribe).ok()?,
        };
        let mut link = Self::to(client, root).ok()?;
        if is_run {
            link.hear();
        }
        Some(link)
    }

    fn to(client: Client, root: &str) -> Result<Self, Fault> {
        let keeper = Keeper::Service(client.asker()?, root.to_owned());
        let listener = Some(Listener { client, why: LOST });
        Ok(Self { heard: VecDeque::new(), listener, beside: None, keeper })
    }

    /// Listens until a run is over, for a moment: a thread that listens beside us costs more than most runs.
    fn hear(&mut self) {
        let Some(listener) = &mut self.listener else { return };
        let ends = Instant::now() + AT_ONCE;
        while let left = ends.saturating_duration_since(Instant::now())
            && !left.is_zero()
            && !signal::interrupted()
        {
            let event = listener.next(left);
            let is_over = matches!(
                event,
                Some(ProjectEvent::Ended(_) | ProjectEvent::Run(RunEvent::RunFinished { .. }))
            );
            self.heard.extend(event);
            if is_over {
                return;
            }
        }
    }

    /// What happens next. [`ProjectEvent::Ended`] is the last.
    pub async fn next(&mut self) -> ProjectEvent {
        if let Some(event) = self.heard.pop_front() {
            return event;
        }
        if let Some(listener) = self.listener.take() {
            let (sender, events) = channel(QUEUE);
            let thread = std::thread::Builder::new().name("news".into());
            if let Err(error) = thread.spawn(move || listener.listen(&sender)) {
                return ProjectEvent::Ended(Some(format!("nobody can listen to the service: {error}")));
            }
            self.beside = Some(events);
        }
        let event = match &mut self.beside {
            Some(events) => events.recv().await,
            None => None,
        };
        event.unwrap_or_else(|| ProjectEvent::Ended(Some(LOST.into())))
    }

    /// Asks for a run. Whether it will be made comes as [`ProjectEvent::Answer`], then the run itself.
    ///
    /// # Errors
    /// The service cannot be asked.
    pub fn run(&mut self, wanted: Wanted) -> Result<(), Fault> {
        match &mut self.keeper {
            Keeper::Own(orders) => {
                let Wanted { stages, tests, force, catch_up } = wanted;
                let run = ProjectOrder::Run { by: ALONE, stages, tests, force, catch_up, env: None };
                // What has ended says so by itself.
                let _ = orders.send(run);
                Ok(())
            }
            Keeper::Service(asker, root) => Ok(asker.send(wanted.of_service(root))?),
        }
    }

    /// Asks that the run that is under way is ended.
    pub fn cancel(&mut self) -> Result<(), Fault> {
        match &mut self.keeper {
            Keeper::Own(orders) => {
                let _ = orders.send(ProjectOrder::Cancel { by: ALONE });
                Ok(())
            }
            Keeper::Service(asker, root) => {
                Ok(asker.send(Request::Cancel(OfProject { root: root.clone() }))?)
            }
        }
    }

    /// Asks that the pipeline is read again.
    ///
    /// # Errors
    /// The service cannot be asked.
    pub fn reload(&mut self) -> Result<(), Fault> {
        match &mut self.keeper {
            Keeper::Own(orders) => {
                let _ = orders.send(ProjectOrder::Reload { by: Some(ALONE), env: None });
                Ok(())
            }
            Keeper::Service(asker, root) => {
                Ok(asker.send(Request::Reload(OfProject { root: root.clone() }))?)
            }
        }
    }

    /// Looks no more. What this program keeps is ended first.
    pub async fn leave(mut self) {
        if let Keeper::Own(orders) = &self.keeper {
            let _ = orders.send(ProjectOrder::Stop);
            while !matches!(self.next().await, ProjectEvent::Ended(_)) {}
        }
    }
}

/// Makes what the service says again what it was in it.
struct Listener {
    client: Client,
    /// Why the connection will have been lost.
    why: &'static str,
}

impl Listener {
    /// All that happens, until nobody wants to know.
    fn listen(mut self, events: &tokio::sync::mpsc::Sender<ProjectEvent>) {
        loop {
            let Some(event) = self.next(EVER) else { continue };
            let is_last = matches!(event, ProjectEvent::Ended(_));
            if events.blocking_send(event).is_err() || is_last {
                return;
            }
        }
    }

    /// What happens next; `None` when nothing has within `limit`, or nothing that is for us.
    fn next(&mut self, limit: Duration) -> Option<ProjectEvent> {
        let event = match self.client.next(limit) {
            Ok(Some(News::Event(event))) => event,
            Ok(Some(News::Response(response))) => {
                return Some(ProjectEvent::Answer { to: ALONE, response });
            }
            Ok(None) => return None,
            Err(_) => return Some(ProjectEvent::Ended(Some(self.why.into()))),
        };
        match event {
            // What a later service tells and we do not know is not for us.
            message::Event::Run(news) => from_value(news.event).ok().map(ProjectEvent::Run),
            message::Event::Project(status) => Some(ProjectEvent::Phase(status.phase, status.note)),
            message::Event::Said(said) => Some(ProjectEvent::Said(said.text)),
            message::Event::Removed(_) => Some(ProjectEvent::Ended(Some("the project was removed".into()))),
            // It has ended when it closes the connection, and only then can another one be had.
            message::Event::Stopping(stop) => {
                self.why = match (stop.replace, stop.again) {
                    (true, _) => REPLACED,
                    (false, true) => RESTARTED,
                    (false, false) => STOPPED,
                };
                None
            }
        }
    }
}
