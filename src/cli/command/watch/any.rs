//! Any command on every change: one run at a time, none left out, none of a file that is half written.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::{Args, unwatchable};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::base::time::span;
use crate::cli::context::Context;
use crate::cli::run_view;
use crate::project::contents::Contents;
use crate::sys::child::Child;
use crate::sys::process::{CommandSpec, Ending};
use crate::sys::real::real_path;
use crate::sys::{env, signal};
use crate::ui::Style;
use crate::watch::change::ChangeSet;
use crate::watch::edge::Edge;
use crate::watch::spelling::shown;
use crate::watch::watcher::{Options, Watcher};

/// The time between the polite signal and the final one, as long as a server may want to close its connections.
const GRACE: Duration = Duration::from_secs(5);
/// Trees up to this many files are read at the start, so that even the first touch of a file runs nothing. In larger ones
/// that would cost too much memory, and the first touch of each file counts as a change.
const READ_AHEAD: usize = 20_000;

/// Watches until it is interrupted.
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
    if let Some(why) = edge.watcher.coverage().polled {
        context.printer.say(&format!("files are compared from time to time: {why}"));
    }
    let mut ahead = read_ahead(&mut edge, &root);
    let spec = CommandSpec::new(&args.command[0]).args(&args.command[1..]);
    let mut desk = Desk { context, spec, running: None, queued: !(args.once || args.postpone) };
    loop {
        if desk.queued && desk.running.is_none() {
            desk.queued = false;
            desk.start()?;
        }
        tokio::select! {
            () = signal::wait() => {
                desk.stop().await;
                return Ok(Exit::Interrupted);
            }
            ending = desk.ended() => {
                let code = desk.report(ending);
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
                if let Some(line) = relevant(&set, &args.extensions) {
                    context.printer.say(&context.printer.paint(Style::Faint, &line));
                    desk.queued = true;
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

/// The line that says what changed; `None` when nothing of it is asked for.
fn relevant(set: &ChangeSet, extensions: &[String]) -> Option<String> {
    let wanted = |path: &str| {
        extensions.is_empty()
            || extensions.iter().any(|end| {
                let end = end.trim_start_matches('.');
                path.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'))
            })
    };
    let paths: Vec<String> =
        set.changes.iter().map(|change| shown(&change.path)).filter(|path| wanted(path)).collect();
    (!paths.is_empty()).then(|| format!("changed: {}", run_view::changed(&paths, paths.len() as u64)))
}

struct Desk<'a> {
    context: &'a Context,
    spec: CommandSpec,
    running: Option<(Child, Instant)>,
    queued: bool,
}

impl Desk<'_> {
    fn start(&mut self) -> Result<(), Fault> {
        let child = Child::start(&self.spec).map_err(|error| {
            let program = printable(&self.spec.program.to_string_lossy());
            Fault::new(crate::base::error::ErrorKind::Usage, format!("cannot start {program}")).cause(error)
        })?;
        self.running = Some((child, Instant::now()));
        Ok(())
    }

    async fn ended(&mut self) -> Ending {
        match &mut self.running {
            Some((child, _)) => child.ended().await,
            None => std::future::pending().await,
        }
    }

    async fn stop(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            child.end(GRACE).await;
        }
    }

    fn report(&mut self, ending: Ending) -> Exit {
        let took = self.running.take().map_or(Duration::ZERO, |(_, since)| since.elapsed());
        let (style, word, exit) = match ending {
            Ending::Exited(0) => (Style::Good, "done".to_owned(), Exit::Done),
            Ending::Exited(code) => (Style::Bad, format!("exit {code}"), Exit::Failed),
            Ending::Signalled(number) => (Style::Bad, format!("ended by signal {number}"), Exit::Failed),
            Ending::TimedOut | Ending::Interrupted => {
                (Style::Warn, "interrupted".to_owned(), Exit::Interrupted)
            }
        };
        let printer = &self.context.printer;
        printer.say(&format!("{}, {}", printer.paint(style, &word), span(took)));
        exit
    }
}
