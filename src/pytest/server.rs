//! The warm process of a project: started once, asked for runs, ended with us. What it says is data of the project's making: it can
//! make a run fail, and nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::event::Lines;
use super::graph::Extracted;
use super::job::{Ear, Ended, Heard, Job, PROGRAM, THREADS};
use crate::base::text::printable;
use crate::run::event::{Stream, Verdict};
use crate::run::local::GRACE;
use crate::run::unit::Stop;
use crate::sys::forked::{self, Control};
use crate::sys::offspring::{DRAIN, Happening, Offspring};
use crate::sys::process::{CommandSpec, Ending};

/// How long the imports may take.
const START: Duration = Duration::from_secs(60);

/// How long the reading of imports may take.
const IMPORTS: Duration = Duration::from_secs(20);

/// How often a run that says nothing is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// After so many runs a new one takes its place.
pub const RUNS: u64 = 500;

/// What a server needs to begin.
#[derive(Clone, Debug, Serialize)]
pub struct Hello {
    /// The project's root: nothing below it is imported.
    pub root: PathBuf,
    /// The modules to import, in this order.
    pub names: Vec<String>,
    /// Whether it may fork.
    pub fork: bool,
}

/// A server that is ready.
pub struct Server {
    control: Control,
    /// Why it must not fork; then it is good for one run.
    pub unfit: Option<String>,
    /// How long its imports took, in milliseconds.
    pub milliseconds: u64,
    number: u64,
    /// A run was begun and not seen to its end.
    busy: bool,
    ending: watch::Receiver<Option<Ending>>,
    tended: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its process and all that it started end with the task.
        self.tended.abort();
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    Ready { ms: u64, unfit: Option<String> },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Packet {
    Forked { forked: u64, pid: u32 },
    Exited { exited: u64, status: i32 },
}

impl Server {
    /// Starts one and waits for its imports.
    ///
    /// # Errors
    /// It does not start, as a sentence.
    pub async fn start(python: &Path, env: &BTreeMap<String, String>, hello: &Hello) -> Result<Self, String> {
        let (control, theirs) = forked::control().map_err(|error| error.to_string())?;
        let mut spec = CommandSpec::new(python).args(["-c", PROGRAM, "serve"]).cwd("/");
        spec.clear_env = true;
        let threads = THREADS.iter().filter(|name| !env.contains_key(**name));
        let spec = threads.fold(spec, |spec, name| spec.env(name, "1"));
        let spec = env.iter().fold(spec, |spec, (name, value)| spec.env(name, value));
        let offspring = Offspring::start_at(&spec, theirs).map_err(|error| error.to_string())?;
        let last = Arc::<Mutex<Vec<u8>>>::default();
        let (sender, ending) = watch::channel(None);
        let tended = tokio::spawn(tend(offspring, Arc::clone(&last), sender));
        let mut server =
            Self { control, unfit: None, milliseconds: 0, number: 0, busy: false, ending, tended };
        let said = match server.greet(hello).await {
            Ok(said) => said,
            Err(why) => {
                let last = last.lock().unwrap_or_else(PoisonError::into_inner);
                let words = String::from_utf8_lossy(&last);
                let words = words.trim().lines().next_back().unwrap_or_default();
                return Err(if words.is_empty() { why } else { printable(words) });
            }
        };
        let Said::Ready { ms, unfit } = said;
        server.milliseconds = ms;
        server.unfit = unfit.map(|why| printable(&why.chars().take(200).collect::<String>()));
        Ok(server)
    }

    async fn greet(&self, hello: &Hello) -> Result<Said, String> {
        let bytes = serde_json::to_vec(hello).map_err(|error| error.to_string())?;
        let file = forked::in_memory(&bytes).map_err(|error| error.to_string())?;
        self.control.send(b"{}", &[file]).map_err(|error| error.to_string())?;
        let packet = timeout(START, self.control.next()).await.map_err(|_| "its imports take too long")?;
        let packet = packet.ok_or("it ended while it imported")?;
        serde_json::from_slice(&packet).map_err(|error| error.to_string())
    }

    /// Whether it can take a run.
    pub fn is_good(&self) -> bool {
        !self.busy && self.number < RUNS && self.ending.borrow().is_none()
    }

    /// Has files read for what they import.
    ///
    /// # Errors
    /// It does not answer, as a sentence; then it is no longer good.
    pub async fn imports(
        &mut self,
        root: &Path,
        files: &[String],
    ) -> Result<Vec<(String, Extracted)>, String> {
        self.busy = true;
        let paths: Vec<PathBuf> = files.iter().map(|file| root.join(file)).collect();
        let asked = serde_json::to_vec(&paths).map_err(|error| error.to_string())?;
        let (mut incoming, mut ends) = forked::incoming(1).map_err(|error| error.to_string())?;
        ends.push(forked::in_memory(&asked).map_err(|error| error.to_string())?);
        self.control.send(b"{\"imports\":1}", &ends).map_err(|error| error.to_string())?;
        drop(ends);
        let mut text = Vec::new();
        let read = async {
            while let Some((_, bytes)) = incoming.next().await {
                text.extend_from_slice(bytes);
            }
        };
        timeout(IMPORTS, read).await.map_err(|_| "the reading of imports takes too long")?;
        self.busy = false;
        Ok(super::graph::read_extracted(&text, root))
    }

    /// Has a job run. When the future is dropped before its end, it is no longer good.
    ///
    /// # Errors
    /// It could not be begun, as a sentence: nothing has run.
    pub async fn run(
        &mut self,
        job: &Job,
        ear: Ear<'_>,
        mut stop: Stop,
        deadline: Option<Instant>,
    ) -> Result<Ended, String> {
        self.number += 1;
        self.busy = true;
        let bytes = serde_json::to_vec(job).map_err(|error| error.to_string())?;
        let (mut incoming, mut ends) = forked::incoming(3).map_err(|error| error.to_string())?;
        ends.push(forked::in_memory(&bytes).map_err(|error| error.to_string())?);
        let request = format!("{{\"run\":{}}}", self.number);
        self.control.send(request.as_bytes(), &ends).map_err(|error| error.to_string())?;
        drop(ends);
        let mut run = Running {
            pid: None,
            ended: None,
            given: None,
            kill: None,
            drained: None,
            looks: Looks::new(job.patience),
        };
        let (mut lines, mut open, mut is_connected) = (Lines::default(), true, true);
        while open || run.ended.is_none() {
            tokio::select! {
                heard = incoming.next(), if open => match heard {
                    None => open = false,
                    Some((at, bytes)) => {
                        run.looks = Looks::new(job.patience);
                        match at {
                            0 => ear(Heard::Wrote(Stream::Out, bytes)),
                            1 => ear(Heard::Wrote(Stream::Err, bytes)),
                            _ => lines.push(bytes).into_iter().for_each(|told| ear(Heard::Told(told))),
                        }
                    }
                },
                packet = self.control.next(), if is_connected => match packet {
                    Some(packet) => run.heard(&packet, self.number),
                    None => is_connected = false,
                },
                ending = ended(&mut self.ending), if !is_connected && run.ended.is_none() => run.exited(ending),
                verdict = stop.asked(), if run.given.is_none() => run.stop(Ended::Stopped(verdict)),
                () = until(deadline), if run.given.is_none() => run.stop(Ended::Stopped(Verdict::TimedOut)),
                () = until(run.kill) => run.kill(),
                () = until(run.drained) => open = false,
                () = sleep_until(run.looks.next), if run.given.is_none() && run.ended.is_none() => run.look(),
            }
        }
        run.kill();
        self.busy = !is_connected;
        Ok(run.given.unwrap_or_else(|| Ended::Itself(run.ended.unwrap_or(Ending::Signalled(0)))))
    }
}

/// A run as far as it is known.
struct Running {
    /// The leader of its session.
    pid: Option<u32>,
    ended: Option<Ending>,
    given: Option<Ended>,
    /// When it is ended for good.
    kill: Option<Instant>,
    /// Until when its pipes are read after its end.
    drained: Option<Instant>,
    looks: Looks,
}

impl Running {
    fn heard(&mut self, packet: &[u8], number: u64) {
        match serde_json::from_slice(packet) {
            Ok(Packet::Forked { forked, pid }) if forked == number => {
                self.pid = Some(pid);
                if self.given.is_some() {
                    forked::signal(pid, false);
                }
            }
            Ok(Packet::Exited { exited, status }) if exited == number => {
                self.exited(if status < 0 { Ending::Signalled(-status) } else { Ending::Exited(status) });
            }
            _ => {}
        }
    }

    fn exited(&mut self, ending: Ending) {
        self.ended = Some(ending);
        self.kill = None;
        self.drained = Some(Instant::now() + DRAIN);
    }

    fn stop(&mut self, how: Ended) {
        self.given = Some(how);
        if let Some(pid) = self.pid {
            forked::signal(pid, false);
        }
        self.kill = Some(Instant::now() + GRACE);
    }

    fn kill(&mut self) {
        self.kill = None;
        if let Some(pid) = self.pid {
            forked::signal(pid, true);
        }
    }

    fn look(&mut self) {
        let computed = self.pid.and_then(forked::computed);
        if self.looks.look(computed) {
            self.stop(Ended::Hung);
            self.kill();
        }
    }
}

/// Looks at a run that says nothing.
struct Looks {
    next: Instant,
    computed: Option<u64>,
    still: Duration,
    patience: Duration,
}

impl Looks {
    fn new(patience: Duration) -> Self {
        Self { next: Instant::now() + LOOK, computed: None, still: Duration::ZERO, patience }
    }

    /// Whether it hangs.
    fn look(&mut self, computed: Option<u64>) -> bool {
        self.next = Instant::now() + LOOK;
        self.still =
            if computed.is_some() && computed == self.computed { self.still + LOOK } else { Duration::ZERO };
        self.computed = computed;
        self.still >= self.patience
    }
}

async fn tend(mut offspring: Offspring, last: Arc<Mutex<Vec<u8>>>, ending: watch::Sender<Option<Ending>>) {
    loop {
        match offspring.next().await {
            Happening::Wrote(_, bytes) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                last.extend_from_slice(&bytes[bytes.len().saturating_sub(4096)..]);
                let over = last.len().saturating_sub(4096);
                last.drain(..over);
            }
            Happening::Ended(how) => {
                let _ = ending.send(Some(how));
                return;
            }
        }
    }
}

async fn ended(ending: &mut watch::Receiver<Option<Ending>>) -> Ending {
    ending.wait_for(Option::is_some).await.ok().and_then(|ending| *ending).unwrap_or(Ending::Signalled(0))
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
