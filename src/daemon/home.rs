//! Carrying out what the keeper of the home decides: files are watched, devboot's own commands are run, one at a time. On a
//! thread of its own, which sleeps until something happens.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::event::Event;
use super::files::Files;
use super::keeper::{HomeEffect, HomeEvent, Keeper, Task};
use crate::base::text::printable;
use crate::ipc::message::Home;
use crate::sys::network::NetworkChanges;
use crate::sys::process::{self, CommandSpec, Ending};

/// A save is waited for until nothing more happens for so long,
const QUIET: Duration = Duration::from_millis(15);
/// but not longer than this.
const LONGEST: Duration = Duration::from_millis(300);

/// After the network has changed it takes a moment until names are found.
const NETWORK: Duration = Duration::from_secs(2);

/// How long a look or an apply may take. What was postponed may take as long as it needs.
const ACT: Duration = Duration::from_secs(120);

/// What the home's thread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomeOrder {
    /// The home is ours to keep: look at it.
    Look,
}

/// What the home's thread tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HomeNews {
    /// How the home is, and why the service has to stay for it.
    Is(Home, Option<String>),
    /// A line for the log and for those who follow.
    Said(String),
}

/// How devboot's own commands are run.
#[derive(Clone, Debug)]
pub struct Own {
    /// The program.
    pub program: PathBuf,
    /// The home.
    pub home: PathBuf,
    /// The arguments before the command's own.
    pub arguments: Vec<OsString>,
}

/// Begins. The thread ends when nobody can tell it anything any more.
pub fn start(own: Own, events: mpsc::Sender<Event>) -> UnboundedSender<HomeOrder> {
    let (orders, receiver) = unbounded_channel();
    let said = events.clone();
    let thread = std::thread::Builder::new().name("home".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done = runtime.and_then(|runtime| {
            let done = runtime.block_on(async { Desk::new(own, events)?.work(receiver).await });
            runtime.shutdown_background();
            done
        });
        if let Err(error) = done {
            let _ = said.blocking_send(Event::Home(HomeNews::Said(format!("it is not kept: {error}"))));
        }
    });
    // Without it the home is as it was without the service, and `devboot apply` does what is to be done.
    drop(thread);
    orders
}

struct Desk {
    own: Own,
    events: mpsc::Sender<Event>,
    keeper: Keeper,
    files: Files,
    network: Option<AsyncFd<NetworkChanges>>,
    wake: Option<Instant>,
    task: Option<(Task, JoinHandle<Result<String, String>>)>,
    told: Option<(Home, Option<String>)>,
}

impl Desk {
    fn new(own: Own, events: mpsc::Sender<Event>) -> io::Result<Self> {
        let files = Files::new(&own.home)?;
        // Where nothing tells of the network, what is postponed is tried again by the clock alone.
        let network = NetworkChanges::open().ok();
        // SAFETY: the socket is the value's own, open as long as it lives.
        let wait = |it| unsafe { AsyncFd::register_with_interest(it, Interest::READABLE) }.ok();
        let network = network.and_then(wait);
        let keeper = Keeper::default();
        Ok(Self { own, events, keeper, files, network, wake: None, task: None, told: None })
    }

    async fn work(&mut self, mut orders: UnboundedReceiver<HomeOrder>) -> io::Result<()> {
        loop {
            let event = tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(HomeOrder::Look) => HomeEvent::Begun,
                    None => return Ok(()),
                },
                (task, ended) = ended(&mut self.task) => HomeEvent::Ended(task, ended),
                happened = self.files.happened() => {
                    happened?;
                    HomeEvent::Touched(self.touched().await?)
                }
                () = changed(&self.network) => {
                    sleep(NETWORK).await;
                    HomeEvent::NetworkChanged
                }
                () = sleep_until(self.wake.unwrap_or_else(Instant::now)), if self.wake.is_some() => {
                    self.wake = None;
                    HomeEvent::Woken
                }
            };
            for effect in self.keeper.on(event) {
                self.carry_out(effect).await;
            }
            let is = (self.keeper.state.clone(), self.keeper.reason_to_stay());
            if self.keeper.has_looked() && self.told.as_ref() != Some(&is) {
                self.told = Some(is.clone());
                self.tell(HomeNews::Is(is.0, is.1)).await;
            }
        }
    }

    /// The files that were touched, once they are at rest.
    async fn touched(&mut self) -> io::Result<BTreeSet<PathBuf>> {
        let until = Instant::now() + LONGEST;
        let mut touched = self.files.drain()?;
        while let Ok(happened) = timeout(QUIET, self.files.happened()).await {
            happened?;
            touched.extend(self.files.drain()?);
            if Instant::now() >= until {
                break;
            }
        }
        Ok(touched)
    }

    async fn carry_out(&mut self, effect: HomeEffect) {
        match effect {
            HomeEffect::Run(task) => {
                let own = self.own.clone();
                self.task = Some((task, tokio::task::spawn_blocking(move || carried_out(&own, task))));
            }
            HomeEffect::Watch(paths) => self.files.watch(paths),
            HomeEffect::WakeIn(wait) => self.wake = Some(Instant::now() + wait),
            HomeEffect::Say(line) => self.tell(HomeNews::Said(line)).await,
        }
    }

    async fn tell(&self, news: HomeNews) {
        let _ = self.events.send(Event::Home(news)).await;
    }
}

async fn ended(
    task: &mut Option<(Task, JoinHandle<Result<String, String>>)>,
) -> (Task, Result<String, String>) {
    let Some((which, handle)) = task else { return std::future::pending().await };
    let result = handle.await.unwrap_or_else(|error| Err(error.to_string()));
    let which = *which;
    *task = None;
    (which, result)
}

async fn changed(network: &Option<AsyncFd<NetworkChanges>>) {
    let Some(network) = network else { return std::future::pending().await };
    loop {
        match network.readable().await {
            Ok(mut ready) => {
                ready.clear_ready();
                if network.get_ref().drain() {
                    return;
                }
            }
            Err(_) => return std::future::pending().await,
        }
    }
}

/// One of devboot's own commands, to its end: its standard output, or the line that says why it could not.
fn carried_out(own: &Own, task: Task) -> Result<String, String> {
    let mut spec = CommandSpec::new(&own.program).args(&own.arguments).args(task.arguments());
    if task != Task::Postponed {
        spec = spec.timeout(ACT);
    }
    let done = process::run(&spec).map_err(|error| error.to_string())?;
    // With 2 a look says that something waits or has drifted, and with 3 an apply that something needs the user.
    match done.ending {
        Ending::Exited(0 | 2 | 3) => Ok(done.text()),
        // With 1 a setup may have said what failed, which the next look tells.
        Ending::Exited(1) if task == Task::Postponed && !done.text().is_empty() => Ok(done.text()),
        Ending::TimedOut => Err("it took too long".into()),
        _ => {
            let text = done.error_text();
            let line =
                text.lines().find(|line| !line.trim().is_empty()).unwrap_or("it failed without a word");
            Err(printable(line.trim().trim_start_matches("devboot: ")))
        }
    }
}
