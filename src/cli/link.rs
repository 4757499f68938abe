//! A project that is kept while a command looks at it: by the service, or by this program itself.

use std::path::Path;
use std::time::Duration;

use serde_json::from_value;
use tokio::sync::mpsc::{Receiver, UnboundedSender, channel};

use super::command::daemon;
use super::context::Context;
use crate::base::error::{ErrorKind, Fault};
use crate::daemon::begin::{Begin, Options};
use crate::daemon::event::{ClientId, Event};
use crate::daemon::keep;
use crate::daemon::project::{ProjectEvent, ProjectOrder, Told};
use crate::ipc::client::{Asker, Client, News, Probe, probe};
use crate::ipc::message::{self, Attach, OfProject, Request, Run, Subscribe};
use crate::sys::env;

/// How many events wait before whoever has another one waits.
const QUEUE: usize = 256;

/// Longer than anybody looks: who waits for news waits for as long as it takes.
const EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

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
    events: Receiver<ProjectEvent>,
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
        Self { events: ours, keeper: Keeper::Own(orders) }
    }

    /// The project is kept by the service, which is started where it does not run.
    ///
    /// # Errors
    /// There is no service, and the reason why.
    pub fn service(context: &Context, root: &str) -> Result<Self, Fault> {
        let mut client = daemon::ensure(context)?;
        client.ask(Request::Attach(Attach { root: root.to_owned(), env: env::vars() }))?;
        Self::listening(client, root)
    }

    /// A link to the service that keeps the project already; `None` when none does. What is wanted is asked for at once,
    /// as [`Link::run`] does.
    pub fn kept(context: &Context, root: &str, wanted: Option<Wanted>) -> Option<Self> {
        let Ok(Probe::Ready(mut client)) = probe(&daemon::place(context)) else { return None };
        if !client.is_understood() {
            return None;
        }
        let subscribe = Request::Subscribe(Subscribe { root: Some(root.to_owned()) });
        match wanted {
            Some(wanted) => client.ask_ahead(subscribe, wanted.of_service(root)).ok()?,
            None => client.ask(subscribe).ok()?,
        };
        Self::listening(client, root).ok()
    }

    fn listening(client: Client, root: &str) -> Result<Self, Fault> {
        let asker = client.asker()?;
        let (sender, events) = channel(QUEUE);
        let thread = std::thread::Builder::new().name("news".into());
        thread
            .spawn(move || listen(client, &sender))
            .map_err(|error| Fault::new(ErrorKind::Failed, "cannot listen to the service").cause(error))?;
        Ok(Self { events, keeper: Keeper::Service(asker, root.to_owned()) })
    }

    /// What happens next. [`ProjectEvent::Ended`] is the last.
    pub async fn next(&mut self) -> ProjectEvent {
        self.events.recv().await.unwrap_or_else(|| ProjectEvent::Ended(Some(LOST.into())))
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
            while let Some(event) = self.events.recv().await {
                if matches!(event, ProjectEvent::Ended(_)) {
                    return;
                }
            }
        }
    }
}

/// News of the service as what they were in it.
fn listen(mut client: Client, events: &tokio::sync::mpsc::Sender<ProjectEvent>) {
    let mut why = LOST;
    loop {
        let event = match client.next(EVER) {
            Ok(Some(News::Event(event))) => event,
            Ok(Some(News::Response(response))) => {
                let answer = ProjectEvent::Answer { to: ALONE, response };
                if events.blocking_send(answer).is_err() {
                    return;
                }
                continue;
            }
            Ok(None) => continue,
            Err(_) => {
                let _ = events.blocking_send(ProjectEvent::Ended(Some(why.into())));
                return;
            }
        };
        let event = match event {
            // What a later service tells and we do not know is not for us.
            message::Event::Run(news) => match from_value(news.event) {
                Ok(event) => ProjectEvent::Run(event),
                Err(_) => continue,
            },
            message::Event::Project(status) => ProjectEvent::Phase(status.phase, status.note),
            message::Event::Said(said) => ProjectEvent::Said(said.text),
            message::Event::Removed(_) => ProjectEvent::Ended(Some("the project was removed".into())),
            // It has ended when it closes the connection, and only then can another one be had.
            message::Event::Stopping(stop) => {
                why = match (stop.replace, stop.again) {
                    (true, _) => REPLACED,
                    (false, true) => RESTARTED,
                    (false, false) => STOPPED,
                };
                continue;
            }
        };
        let is_last = matches!(event, ProjectEvent::Ended(_));
        if events.blocking_send(event).is_err() || is_last {
            return;
        }
    }
}
