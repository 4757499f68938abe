//! Any command on every change: one run at a time, none left out, none of a file that is half written.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::keys::Keys;
use super::told::{About, Told};
use super::{Args, unwatchable};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::project::contents::Contents;
use crate::sys::child::{Child, Lines};
use crate::sys::offspring::DRAIN;
use crate::sys::process::{CommandSpec, Ending};
use crate::sys::real::real_path;
use crate::sys::{env, signal};
use crate::watch::change::ChangeSet;
use crate::watch::edge::Edge;
use crate::watch::spelling::shown;
use crate::watch::watcher::{Options, Watcher};

/// The time between the polite signal and the final one, as long as a server may want to close its connections.
const GRACE: Duration = Duration::from_secs(5);
/// Trees up to this many files are read at the start, so that even the first touch of a file runs nothing. In larger ones
/// that would cost too much memory, and the first touch of each file counts as a change.
const READ_AHEAD: usize = 20_000;

/// What may be typed. What runs has no input, so the keys are ours.
const KEYS: &str = "keys: r run again · q quit";

/// Watches until it is interrupted or told to quit.
pub(super) async fn watch(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => env::current_dir().map_err(|error| unwatchable(Path::new("."), &error))?,
    };
    let root = real_path(&dir).map_err(|error| unwatchable(&dir, &error))?;
    let options =
        Options { ignore: args.ignore.clone(), poll: args.poll, any_name: true, ..Options::default() };
    let watcher = Watcher::new(&root, options).map_err(|error| unwatchable(&root, &error))?;
    let mut edge = Edge::new(watcher).map_err(|error| unwatchable(&root, &error))?;
    let told = Told::new(context);
    let mut keys = Keys::take(context);
    if keys.are_typed() {
        told.say(KEYS);
    }
    if let Some(why) = edge.watcher.coverage().polled {
        told.say(&format!("files are compared from time to time: {why}"));
    }
    let mut ahead = read_ahead(&mut edge, &root);
    let spec = CommandSpec::new(&args.command[0]).args(&args.command[1..]);
    let queued = (!(args.once || args.postpone)).then(About::default);
    let mut desk = Desk { told, spec, running: None, queued };
    loop {
        if desk.running.is_none()
            && let Some(about) = desk.queued.take()
        {
            desk.start(about)?;
        }
        tokio::select! {
            () = signal::wait() => {
                desk.stop().await;
                return Ok(Exit::Interrupted);
            }
            key = keys.next() => match key.to_ascii_lowercase() {
                'r' | ' ' | '\n' => {
                    desk.queued.get_or_insert_default();
                    if args.restart {
                        desk.stop().await;
                    }
                }
                // Ctrl-D, as from any prompt.
                'q' | '\u{4}' => {
                    desk.stop().await;
                    return Ok(Exit::Done);
                }
                '?' | 'h' => desk.told.say(KEYS),
                _ => {}
            },
            happened = desk.next() => {
                let Some(ending) = happened else { continue };
                // The signal reaches the command, too; what is left of its group ends with us.
                if signal::interrupted() {
                    continue;
                }
                let code = desk.report(ending).await;
                if args.once {
                    return Ok(code);
                }
            }
            table = read(&mut ahead) => {
                ahead = None;
                table.iter().for_each(|table| edge.watcher.seed(table, Instant::now()));
            }
            set = edge.next() => {
                let set = set.map_err(|error| unwatchable(&root, &error))?;
                let changed = relevant(&set, &args.extensions);
                if !changed.is_empty() {
                    desk.told.changed(&changed);
                    desk.queue(changed, &set);
                    if args.restart {
                        desk.stop().await;
                    }
                }
                if edge.watcher.is_gone() {
                    desk.stop().await;
                    return Err(unwatchable(&root, &std::io::ErrorKind::NotFound.into()));
                }
            }
        }
    }
}

/// What files hold, read on a thread of its own while the first run goes on.
fn read_ahead(edge: &mut Edge, root: &Path) -> Option<oneshot::Receiver<Contents>> {
    let files = edge.watcher.listing().files;
    if files.len() > READ_AHEAD {
        return None;
    }
    let (sender, receiver) = oneshot::channel();
    let mut table = Contents::new(root);
    let read = move || {
        table.of_all(&files.iter().collect::<Vec<_>>());
        let _ = sender.send(table);
    };
    std::thread::Builder::new().name("read-ahead".into()).spawn(read).ok().map(|_| receiver)
}

/// Waits for what was read ahead; for ever when there is nothing to wait for.
async fn read(ahead: &mut Option<oneshot::Receiver<Contents>>) -> Option<Contents> {
    match ahead {
        Some(receiver) => receiver.await.ok(),
        None => std::future::pending().await,
    }
}

/// What changed of that which is asked for.
fn relevant(set: &ChangeSet, extensions: &[String]) -> Vec<String> {
    let wanted = |path: &String| {
        extensions.is_empty()
            || extensions.iter().any(|end| {
                let end = end.trim_start_matches('.');
                path.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'))
            })
    };
    set.changes.iter().map(|change| shown(&change.path)).filter(wanted).collect()
}

struct Desk<'a> {
    told: Told<'a>,
    spec: CommandSpec,
    running: Option<Running>,
    /// What the next run is about.
    queued: Option<About>,
}

struct Running {
    child: Child,
    since: Instant,
    /// What it writes, where that is told and not written on our terminal.
    lines: Option<Lines>,
}

impl Desk<'_> {
    fn queue(&mut self, changed: Vec<String>, set: &ChangeSet) {
        let about = self.queued.get_or_insert_default();
        about.changed.extend(changed);
        about.changed.sort();
        about.changed.dedup();
        about.generation = set.generation;
        about.waited = about.waited.max(set.waited);
    }

    fn start(&mut self, about: About) -> Result<(), Fault> {
        let started = match self.told.is_json() {
            true => Child::start_heard(&self.spec).map(|(child, lines)| (child, Some(lines))),
            false => Child::start(&self.spec).map(|child| (child, None)),
        };
        let (child, lines) = started.map_err(|error| {
            let program = printable(&self.spec.program.to_string_lossy());
            Fault::new(crate::base::error::ErrorKind::Usage, format!("cannot start {program}")).cause(error)
        })?;
        self.told.began(about);
        self.running = Some(Running { child, since: Instant::now(), lines });
        Ok(())
    }

    /// How the run ended; `None`: it wrote something, which is told.
    async fn next(&mut self) -> Option<Ending> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        tokio::select! {
            biased;
            Some((is_error, bytes)) = line(&mut running.lines) => {
                self.told.wrote(is_error, &bytes);
                None
            }
            ending = running.child.ended() => Some(ending),
        }
    }

    async fn stop(&mut self) {
        if let Some(running) = &mut self.running {
            let ending = running.child.end(GRACE).await;
            self.rest().await;
            let took = self.running.take().map_or(Duration::ZERO, |running| running.since.elapsed());
            if self.told.is_json() {
                self.told.ended(ending, took, true);
            }
        }
    }

    /// What the run wrote last; who has its output in hand may live on.
    async fn rest(&mut self) {
        let Some(lines) = self.running.as_mut().and_then(|running| running.lines.as_mut()) else { return };
        let told = &self.told;
        let all = async {
            while let Some((is_error, bytes)) = lines.recv().await {
                told.wrote(is_error, &bytes);
            }
        };
        let _ = tokio::time::timeout(DRAIN, all).await;
    }

    async fn report(&mut self, ending: Ending) -> Exit {
        self.rest().await;
        let took = self.running.take().map_or(Duration::ZERO, |running| running.since.elapsed());
        self.told.ended(ending, took, false);
        match ending {
            Ending::Exited(0) => Exit::Done,
            Ending::Exited(_) | Ending::Signalled(_) => Exit::Failed,
            Ending::TimedOut | Ending::Interrupted => Exit::Interrupted,
        }
    }
}

/// The next line that is told; for ever when none is.
async fn line(lines: &mut Option<Lines>) -> Option<(bool, Vec<u8>)> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}
