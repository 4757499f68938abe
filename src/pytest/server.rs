//! The warm process of a project: started once, asked for runs, ended with us. What it says is data of the project's making: it can
//! make a run fail, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::event::{Lines, Told};
use super::graph::Extracted;
use super::job::{Ear, Ended, Heard, Job, PROGRAM, Patience, THREADS};
use crate::base::text::printable;
use crate::run::event::{Stream, Verdict};
use crate::run::local::{GRACE, until};
use crate::run::unit::Stop;
use crate::sys::forked::{self, Control};
use crate::sys::offspring::{DRAIN, Happening, Offspring};
use crate::sys::process::{CommandSpec, Ending};

/// How long the imports may take.
const START: Duration = Duration::from_secs(60);

/// How long the reading of imports may take.
const IMPORTS: Duration = Duration::from_secs(20);

/// How long a run that has said that it goes may take to.
const LEAVE: Duration = Duration::from_secs(2);

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
    /// Why it must not fork, where that is known beforehand.
    pub apart: Option<&'static str>,
    /// Modules that may be newer than the process: they write themselves anew when they are imported.
    pub excused: BTreeSet<String>,
}

/// A module that is another one now than when it was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// Its name.
    pub module: String,
    /// Whether it may have been when all was imported: then it may have done so itself.
    pub is_late: bool,
}

/// A server that is ready.
pub struct Server {
    control: Control,
    /// Why it must not fork; then it is good for one run.
    pub unfit: Option<String>,
    /// How long its imports took, in milliseconds.
    pub milliseconds: u64,
    /// When it was begun.
    pub started: Instant,
    /// When it was last asked for something.
    pub used: Instant,
    number: u64,
    /// The runs that said that they go, and were not seen to have gone.
    leaving: Vec<u64>,
    /// A run was begun and not seen to its end.
    busy: bool,
    /// It had the one run that it is good for.
    is_spent: bool,
    /// A module that was imported and is another one now, for which what came of the last run is no result.
    pub edited: Option<Edited>,
    ending: watch::Receiver<Option<Ending>>,
    tended: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its process and all that it started end with the task. One that is idle ends by itself when its socket is closed, and lets
        // what tidies up behind its last run come to an end.
        let task = self.tended.abort_handle();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if !self.busy => {
                drop(runtime.spawn(async move {
                    tokio::time::sleep(LEAVE).await;
                    task.abort();
                }));
            }
            _ => task.abort(),
        }
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
    Checked { checked: u64, edited: Option<String>, late: bool },
    Took { took: bool },
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
        let now = Instant::now();
        let mut server = Self {
            control,
            unfit: None,
            milliseconds: 0,
            started: now,
            used: now,
            number: 0,
            leaving: Vec::new(),
            busy: false,
            is_spent: false,
            edited: None,
            ending,
            tended,
        };
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

    /// One that has nothing behind it but a program that reads and says nothing.
    #[cfg(test)]
    pub async fn of_a_test() -> Self {
        let (control, theirs) = forked::control().unwrap();
        let offspring = Offspring::start_at(&CommandSpec::new("cat").cwd("/"), theirs).unwrap();
        let (sender, ending) = watch::channel(None);
        let tended = tokio::spawn(tend(offspring, Arc::default(), sender));
        let (started, used) = (Instant::now(), Instant::now());
        let (unfit, edited, leaving) = (None, None, Vec::new());
        Self {
            control,
            unfit,
            milliseconds: 0,
            started,
            used,
            number: 0,
            leaving,
            busy: false,
            is_spent: false,
            edited,
            ending,
            tended,
        }
    }

    async fn greet(&mut self, hello: &Hello) -> Result<Said, String> {
        let bytes = serde_json::to_vec(hello).map_err(|error| error.to_string())?;
        let file = forked::in_memory(&bytes).map_err(|error| error.to_string())?;
        // Not every system bears that a file is closed on the way.
        let files = [file];
        self.control.send("{}", &files).map_err(|error| error.to_string())?;
        let packet = timeout(START, self.control.next()).await.map_err(|_| "its imports take too long")?;
        drop(files);
        let packet = packet.ok_or("it ended while it imported")?;
        serde_json::from_slice(&packet).map_err(|error| error.to_string())
    }

    /// Whether it can take a run.
    pub fn is_good(&self) -> bool {
        !self.busy && !self.is_spent && self.number < RUNS && self.ending.borrow().is_none()
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
        self.used = Instant::now();
        let paths: Vec<PathBuf> = files.iter().map(|file| root.join(file)).collect();
        let asked = serde_json::to_vec(&paths).map_err(|error| error.to_string())?;
        let (mut incoming, mut ends) = forked::incoming(1).map_err(|error| error.to_string())?;
        ends.push(forked::in_memory(&asked).map_err(|error| error.to_string())?);
        self.control.send("{\"imports\":1}", &ends).map_err(|error| error.to_string())?;
        let mut text = Vec::new();
        let read = async {
            loop {
                match self.control.next().await.as_deref().map(serde_json::from_slice) {
                    Some(Ok(Packet::Took { took: true })) | None => break,
                    Some(Ok(Packet::Exited { exited, .. })) => {
                        self.leaving.retain(|number| *number != exited)
                    }
                    Some(_) => {}
                }
            }
            drop(ends);
            while let Some((_, bytes)) = incoming.next().await {
                text.extend_from_slice(bytes);
            }
        };
        timeout(IMPORTS, read).await.map_err(|_| "the reading of imports takes too long")?;
        self.busy = false;
        Ok(super::graph::read_extracted(&text, root))
    }

    /// Waits until the runs of before have really ended: till then they hold what their tests left open, a port or a lock.
    async fn see_off(&mut self) {
        let until = Instant::now() + LEAVE;
        while !self.leaving.is_empty() {
            let Ok(Some(packet)) = timeout_at(until, self.control.next()).await else { break };
            if let Ok(Packet::Exited { exited, .. }) = serde_json::from_slice(&packet) {
                self.leaving.retain(|number| *number != exited);
            }
        }
        self.leaving.clear();
    }

    /// Has jobs run, side by side. When the future is dropped before its end, it is no longer good.
    ///
    /// # Errors
    /// They could not be begun, as a sentence: nothing has run that counts.
    pub async fn run(
        &mut self,
        jobs: &[Job],
        ear: Ear<'_>,
        mut stop: Stop,
        deadline: Option<Instant>,
    ) -> Result<Vec<Ended>, String> {
        self.busy = true;
        self.see_off().await;
        let (mut incoming, ends) = forked::incoming(jobs.len() * PIPES).map_err(|error| error.to_string())?;
        let (mut runs, mut ends) = (Vec::new(), ends.into_iter());
        for job in jobs {
            self.number += 1;
            let bytes = serde_json::to_vec(job).map_err(|error| error.to_string())?;
            let mut files: Vec<_> = ends.by_ref().take(PIPES).collect();
            files.push(forked::in_memory(&bytes).map_err(|error| error.to_string())?);
            let request = format!("{{\"run\":{}}}", self.number);
            self.control.send(&request, &files).map_err(|error| error.to_string())?;
            runs.push(Running::new(self.number, job.patience, files));
        }
        let (mut open, mut is_connected, mut has_ended, mut is_void) = (true, true, false, false);
        while open || runs.iter().any(Running::is_waited_for) {
            if runs.iter().all(|run| run.goes && run.is_checked) {
                // What they wrote is in the pipes.
                while let Some((at, bytes)) = incoming.there() {
                    match at % PIPES {
                        0 => ear(at / PIPES, Heard::Wrote(Stream::Out, bytes)),
                        1 => ear(at / PIPES, Heard::Wrote(Stream::Err, bytes)),
                        _ => {}
                    }
                }
                break;
            }
            let is_given = runs.iter().any(|run| run.given.is_some());
            let next = |due: fn(&Running) -> Option<Instant>| runs.iter().filter_map(due).min();
            let (kill, look) = (next(|run| run.kill), next(Running::next_look));
            // Who has ended may have left somebody behind who keeps a pipe.
            let is_over = !runs.iter().any(Running::is_waited_for);
            let drained = runs.iter().filter_map(|run| run.drained).max().filter(|_| is_over);
            tokio::select! {
                heard = incoming.next(), if open => match heard {
                    None => open = false,
                    Some((at, bytes)) => {
                        let (lane, pipe) = (at / PIPES, at % PIPES);
                        let run = &mut runs[lane];
                        run.looks = Looks::new(jobs[lane].patience);
                        match pipe {
                            0 => ear(lane, Heard::Wrote(Stream::Out, bytes)),
                            1 => ear(lane, Heard::Wrote(Stream::Err, bytes)),
                            _ => for told in run.lines.push(bytes) {
                                if let Told::Gone { code } = told {
                                    run.goes(code);
                                }
                                ear(lane, Heard::Told(told));
                            },
                        }
                    }
                },
                packet = self.control.next(), if is_connected => match packet {
                    Some(packet) => {
                        runs.iter_mut().for_each(|run| run.heard(&packet, &mut self.edited));
                        if self.edited.is_some() && !is_given {
                            stop_all(&mut runs, Ended::Outdated);
                            runs.iter_mut().for_each(Running::kill);
                        }
                    }
                    None => {
                        is_connected = false;
                        is_void = runs.iter().any(|run| !run.is_checked && run.given.is_none());
                        runs.iter_mut().for_each(Running::is_on_its_own);
                    }
                },
                ending = ended(&mut self.ending), if !has_ended && (!is_connected || self.unfit.is_some()) => {
                    has_ended = true;
                    runs.iter_mut().filter(|run| run.ended.is_none()).for_each(|run| run.exited(ending));
                }
                verdict = stop.asked(), if !is_given => stop_all(&mut runs, Ended::Stopped(verdict)),
                () = until(deadline), if !is_given => stop_all(&mut runs, Ended::Stopped(Verdict::TimedOut)),
                () = until(kill) => runs.iter_mut().for_each(Running::kill_if_due),
                () = until(drained) => open = false,
                () = until(look), if !is_given => {
                    if let Some(how) = runs.iter_mut().find_map(Running::gives_up) {
                        stop_all(&mut runs, how);
                        runs.iter_mut().for_each(Running::kill);
                    }
                }
            }
        }
        let (gone, left): (Vec<&mut Running>, Vec<&mut Running>) = runs.iter_mut().partition(|run| run.goes);
        left.into_iter().for_each(Running::kill);
        self.leaving.extend(gone.iter().filter(|run| !run.has_left).map(|run| run.number));
        let leaders: Vec<u32> = gone.iter().filter_map(|run| run.pid).collect();
        tokio::spawn(async move {
            // What tidies up behind a run, as multiprocessing has it, gets a moment to end by itself.
            tokio::time::sleep(LEAVE).await;
            leaders.into_iter().for_each(|leader| forked::signal(leader, true));
        });
        self.is_spent = self.unfit.is_some();
        self.busy = !is_connected && !self.is_spent;
        self.used = Instant::now();
        if is_void && self.edited.is_none() {
            return Err("it ended".into());
        }
        let came = |run: &Running| {
            run.given.unwrap_or_else(|| Ended::Itself(run.ended.unwrap_or(Ending::Signalled(0))))
        };
        Ok(runs.iter().map(came).collect())
    }
}

/// The pipes of a run: its two outputs and its events.
const PIPES: usize = 3;

fn stop_all(runs: &mut [Running], how: Ended) {
    runs.iter_mut().for_each(|run| run.stop(how));
}

/// A run as far as it is known.
struct Running {
    number: u64,
    /// The leader of its session.
    pid: Option<u32>,
    ended: Option<Ending>,
    /// Whether it said itself that all is done.
    goes: bool,
    /// Whether its process has ended.
    has_left: bool,
    /// Whether it is known that what was imported for it is still what is installed.
    is_checked: bool,
    given: Option<Ended>,
    /// When it is ended for good.
    kill: Option<Instant>,
    /// Until when its pipes are read after its end.
    drained: Option<Instant>,
    looks: Looks,
    lines: Lines,
    /// What was sent to it, till it says that it is there: not every system bears that a file is closed on the way.
    sent: Vec<OwnedFd>,
}

impl Running {
    fn new(number: u64, patience: Patience, sent: Vec<OwnedFd>) -> Self {
        Self {
            number,
            sent,
            pid: None,
            ended: None,
            goes: false,
            has_left: false,
            is_checked: false,
            given: None,
            kill: None,
            drained: None,
            looks: Looks::new(patience),
            lines: Lines::default(),
        }
    }

    fn is_waited_for(&self) -> bool {
        self.ended.is_none() || (!self.is_checked && self.given.is_none())
    }

    /// Nobody tells of it any more.
    fn is_on_its_own(&mut self) {
        self.is_checked = true;
        self.sent.clear();
    }

    fn heard(&mut self, packet: &[u8], edited: &mut Option<Edited>) {
        match serde_json::from_slice(packet) {
            Ok(Packet::Checked { checked, edited: found, late: is_late }) if checked == self.number => {
                self.is_checked = true;
                *edited = found.map(|module| Edited { module, is_late }).or(edited.take());
            }
            Ok(Packet::Forked { forked, pid }) if forked == self.number => {
                self.pid = Some(pid);
                self.sent.clear();
                if self.given.is_some() {
                    forked::signal(pid, false);
                }
            }
            Ok(Packet::Exited { exited, status }) if exited == self.number => {
                self.exited(if status < 0 { Ending::Signalled(-status) } else { Ending::Exited(status) });
            }
            _ => {}
        }
    }

    /// It has said that it goes: nobody waits for its memory to be given back.
    fn goes(&mut self, code: i32) {
        if self.ended.is_none() && self.given.is_none() {
            self.ended = Some(Ending::Exited(code & 0xff));
            (self.goes, self.kill) = (true, None);
        }
    }

    fn exited(&mut self, ending: Ending) {
        self.has_left = true;
        if self.goes {
            return;
        }
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

    fn kill_if_due(&mut self) {
        if self.kill.is_some_and(|due| due <= Instant::now()) {
            self.kill();
        }
    }

    fn kill(&mut self) {
        self.kill = None;
        if let Some(pid) = self.pid {
            forked::signal(pid, true);
        }
    }

    fn next_look(&self) -> Option<Instant> {
        self.ended.is_none().then_some(self.looks.next)
    }

    /// Looks, when it is time to, and says why it is given up.
    fn gives_up(&mut self) -> Option<Ended> {
        if self.next_look().is_none_or(|next| next > Instant::now()) {
            return None;
        }
        let computed = self.pid.and_then(forked::computed);
        self.looks.look(computed)
    }
}

/// Looks at a run that says nothing.
struct Looks {
    next: Instant,
    computed: Option<u64>,
    /// For so long it has neither said nor computed anything.
    still: Duration,
    /// For so long it has said nothing.
    silent: Duration,
    patience: Patience,
}

impl Looks {
    fn new(patience: Patience) -> Self {
        let (still, silent) = (Duration::ZERO, Duration::ZERO);
        Self { next: Instant::now() + LOOK, computed: None, still, silent, patience }
    }

    /// Why it is given up, if it is.
    fn look(&mut self, computed: Option<u64>) -> Option<Ended> {
        self.next = Instant::now() + LOOK;
        self.silent += LOOK;
        self.still =
            if computed.is_some() && computed == self.computed { self.still + LOOK } else { Duration::ZERO };
        self.computed = computed;
        if self.still >= self.patience.still {
            Some(Ended::Hung)
        } else {
            self.patience.busy.filter(|most| self.silent >= *most).map(|_| Ended::Spun)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_run_that_has_left() {
        let mut run = Running::new(3, Patience::default(), Vec::new());
        run.goes(0);
        assert!(run.goes && !run.has_left && run.is_waited_for(), "it may have run with what is out of date");
        let mut edited = None;
        run.heard(br#"{"checked":4,"edited":"numpy","late":false}"#, &mut edited);
        assert!(run.is_waited_for() && edited.is_none(), "another run");
        run.heard(br#"{"checked":3,"edited":"numpy","late":false}"#, &mut edited);
        assert_eq!((run.is_waited_for(), edited.unwrap().module.as_str()), (false, "numpy"));
        run.heard(br#"{"exited":3,"status":-9}"#, &mut None);
        assert!(run.has_left);
        assert_eq!(run.ended, Some(Ending::Exited(0)), "what it said counts");
        // One that says it after it was stopped has been stopped, whatever it ran with.
        let mut run = Running::new(4, Patience::default(), Vec::new());
        run.given = Some(Ended::Hung);
        run.goes(0);
        assert!(!run.goes && run.ended.is_none());
    }

    #[test]
    fn one_that_says_nothing_is_given_up_in_its_time() {
        let looks = |busy: Option<u64>, computes: bool| {
            let patience = Patience { still: LOOK * 3, busy: busy.map(Duration::from_secs) };
            let mut looks = Looks::new(patience);
            (0..100).find_map(|at| Some((at, looks.look(Some(if computes { at } else { 7 }))?)))
        };
        assert_eq!(
            looks(None, false),
            Some((3, Ended::Hung)),
            "three looks after the first, nothing has changed"
        );
        assert_eq!(looks(None, true), None);
        assert_eq!(looks(Some(LOOK.as_secs() * 10), true), Some((9, Ended::Spun)));
    }
}
