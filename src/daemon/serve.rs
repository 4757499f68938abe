//! The loop: wait for what happens, decide, do.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::effect::Effect;
use super::event::Event;
use super::home::Own;
use super::perform::{Flow, Performer};
use super::registry::Registry;
use super::state::{Identity, Now, State};
use super::update::{begin, update};
use crate::base::error::{ErrorKind, Fault};
use crate::base::redact;
use crate::base::text::printable;
use crate::ipc::conn::our_hello;
use crate::ipc::listener::{Listening, Seat, admit};
use crate::ipc::place::Place;
use crate::sys::capped_log::CappedLog;
use crate::sys::dirs::Dirs;
use crate::sys::real::RealSystem;
use crate::sys::{clock, hardening, heap, signal, socket};

/// How large each of the log's files may grow, in bytes.
const LOG: u64 = 1 << 20;

/// How many files the log has.
const LOGS: usize = 3;

/// How many events wait before whoever has another one waits.
const QUEUE: usize = 256;

/// How the service is run.
pub struct Settings {
    /// Where it is found.
    pub place: Place,
    /// The directories of the home; that of the state exists.
    pub dirs: Dirs,
    /// How devboot's own commands are run.
    pub own: Own,
    /// How long it goes on with nothing to do.
    pub idle_limit: Duration,
    /// The signal that ended the one before this one, if that is why it starts.
    pub after_signal: Option<i32>,
    /// Called once when it listens.
    pub ready: Box<dyn FnOnce()>,
    /// Shown each line of the log.
    pub told: Box<dyn Fn(&str)>,
}

/// Where lines of the log go.
pub struct Journal {
    log: CappedLog,
    told: Box<dyn Fn(&str)>,
}

impl Journal {
    /// Adds a line, with the time. What looks like a secret is masked.
    pub fn line(&mut self, text: &str) {
        let text = printable(&redact::line(text));
        self.log.line(&format!("{} {text}", clock::now()));
        (self.told)(&text);
    }
}

/// Runs the service until it is asked to end, or has nothing to do.
///
/// # Errors
/// Another one runs, or it cannot listen.
pub fn serve(settings: Settings) -> Result<(), Fault> {
    hardening::protect();
    heap::keep_small();
    let seat = Seat::take(&settings.place)?;
    let loaded = Registry::load(&RealSystem, &settings.dirs.state)?;
    let listening = seat.listen()?;
    let log = settings.place.log();
    if let Some(dir) = log.parent() {
        // Without it the log is lost, and nothing else.
        let _ = socket::private_dir(dir);
    }
    let mut journal = Journal { log: CappedLog::open(&log, LOG, LOGS), told: settings.told };
    let hello = our_hello();
    if let Some(signal) = settings.after_signal {
        journal.line(&format!("started again: signal {signal} ended the one before"));
    }
    journal.line(&format!("devboot {} listens at {}", hello.version, listening.socket().display()));
    if let Some(said) = &loaded.said {
        journal.line(said);
    }
    let identity = Identity {
        hello,
        socket: listening.socket().to_string_lossy().into_owned(),
        log: log.to_string_lossy().into_owned(),
        started: clock::now(),
        idle_limit: settings.idle_limit,
    };
    let state = State::new(identity, loaded.registry);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Fault::new(ErrorKind::Failed, "cannot start the service's loop").cause(error))?;
    runtime.block_on(run(listening, state, journal, (settings.dirs, settings.own), settings.ready))
}

async fn run(
    listening: Listening,
    state: State,
    journal: Journal,
    (dirs, own): (Dirs, Own),
    ready: Box<dyn FnOnce()>,
) -> Result<(), Fault> {
    let unusable =
        |error: io::Error| Fault::new(ErrorKind::Failed, "cannot wait for connections").cause(error);
    let listener = listening.listener.try_clone().and_then(UnixListener::from_std).map_err(unusable)?;
    let mut signals = signal::requests().and_then(UnixStream::from_std).map_err(unusable)?;
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let mut served =
        Served { started: Instant::now(), state, performer: Performer::new(dirs, own, journal, sender) };
    let mut flow = served.begin();
    (ready)();
    socket::tell_supervisor("READY=1");
    let mut byte = [0];
    while flow == Flow::Go {
        let deadline = served.state.deadline().map(|at| tokio::time::Instant::from_std(served.started + at));
        let event = tokio::select! {
            biased;
            _ = signals.read(&mut byte) => Event::Signal,
            Some(event) = receiver.recv() => event,
            accepted = accept(&listener) => match served.accepted(accepted) {
                Some(event) => event,
                None => continue,
            },
            () = sleep_until(deadline) => Event::Deadline,
        };
        flow = served.happened(event);
    }
    socket::tell_supervisor("STOPPING=1");
    drop(listener);
    // Whoever waits for the end is told when all stands in the log.
    served.performer.end_cloud();
    served.performer.journal.line("ended");
    // The next service may start before the last words are read.
    listening.close();
    served.performer.flush().await;
    Ok(())
}

/// A refused accept, for too many open files, say, is not tried again at once.
async fn accept(listener: &UnixListener) -> io::Result<UnixStream> {
    match listener.accept().await {
        Ok((stream, _)) => Ok(stream),
        Err(error) => {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Err(error)
        }
    }
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// State and world of the running service.
struct Served {
    started: Instant,
    state: State,
    performer: Performer,
}

impl Served {
    fn now(&self) -> Now {
        Now { running: self.started.elapsed(), wall: clock::now() }
    }

    fn begin(&mut self) -> Flow {
        let now = self.now();
        let effects = begin(&mut self.state, now);
        self.carry_out(effects, now)
    }

    fn accepted(&mut self, accepted: io::Result<UnixStream>) -> Option<Event> {
        match accepted {
            Ok(stream) => match admit(socket::peer(&stream)) {
                Ok(peer) => {
                    self.performer.admit(stream, peer.pid, &self.state);
                    None
                }
                Err(why) => Some(Event::Noted(why)),
            },
            Err(error) => Some(Event::Noted(format!("cannot accept a connection: {error}"))),
        }
    }

    fn happened(&mut self, event: Event) -> Flow {
        let now = self.now();
        let effects = update(&mut self.state, event, now);
        self.carry_out(effects, now)
    }

    /// Effects in their order; what follows from one comes before the next.
    fn carry_out(&mut self, effects: Vec<Effect>, now: Now) -> Flow {
        for effect in effects {
            let (flow, follows) = self.performer.perform(effect, &self.state, now);
            if flow == Flow::End {
                return Flow::End;
            }
            if let Some(event) = follows {
                let effects = update(&mut self.state, event, now);
                if self.carry_out(effects, now) == Flow::End {
                    return Flow::End;
                }
            }
        }
        Flow::Go
    }
}
