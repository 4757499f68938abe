//! A project's pipeline on every save, with what happens live.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Args, unwatchable};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::counted;
use crate::cli::command::run::json_line;
use crate::cli::context::Context;
use crate::cli::live::{Incoming, Live, Wish};
use crate::cli::project_load;
use crate::cli::run_view::{self, Options as ViewOptions};
use crate::project::FILE;
use crate::project::contents::Contents;
use crate::run::dispatcher::{Order as RunOrder, RunRecord};
use crate::run::event::{RunEvent, RunId, Trigger, Verdict};
use crate::run::feed::{Feed, Follower, feed};
use crate::run::logs::Logs;
use crate::session::turn::{Effect, Event, Order, Turn};
use crate::session::{Access, Session};
use crate::sys::keyboard::{self, Keyboard};
use crate::sys::{signal, terminal};
use crate::ui::footer::{self, Footer};
use crate::ui::printer::Level;
use crate::watch::edge::Edge;
use crate::watch::watcher::{Cause, ChangeSet, Options, Watcher};

type Running = Pin<Box<dyn Future<Output = RunRecord>>>;

/// Watches until it is interrupted or told to quit.
pub(super) fn watch(context: &Context, args: &Args, runtime: &Runtime) -> Result<Exit, Fault> {
    let project = project_load::project(context, args.dir.as_deref())?;
    project.trusted(context, args.trust)?;
    let root = project.root.clone();
    let mut ignore = project.pipeline.ignore.clone();
    ignore.extend(args.ignore.iter().cloned());
    let session = Arc::new(project.session(context, Access::Write)?);
    runtime.block_on(async {
        let options = Options { ignore, places: session.places(), poll: args.poll };
        let contents = Arc::new(Mutex::new(Contents::new(&root)));
        let watcher = Watcher::new(&root, options, contents).map_err(|error| unwatchable(&root, &error))?;
        let edge = Edge::new(watcher).map_err(|error| unwatchable(&root, &error))?;
        let mut desk = Desk::new(context, args, root, session, edge);
        let exit = desk.work().await;
        desk.leave().await;
        exit
    })
}

/// Everything that the loop holds.
struct Desk<'a> {
    context: &'a Context,
    args: &'a Args,
    root: PathBuf,
    session: Arc<Session>,
    edge: Edge,
    turn: Turn,
    running: Option<Running>,
    orders: Option<UnboundedSender<RunOrder>>,
    run: Option<RunId>,
    feed: Feed,
    follower: Follower,
    keys: Option<UnboundedReceiver<char>>,
    screen: Screen,
    seeded: bool,
    reload: bool,
}

impl<'a> Desk<'a> {
    fn new(context: &'a Context, args: &'a Args, root: PathBuf, session: Arc<Session>, edge: Edge) -> Self {
        let (feed, follower) = feed();
        let coverage = edge.watcher.coverage();
        let idle = format!("watching {}", counted(coverage.files, "file"));
        let keys = keys(context);
        let mut screen = Screen::new(context, args, idle, keys.is_some());
        if let Some(why) = coverage.polled {
            screen.say(&format!("files are compared from time to time: {why}"));
        }
        Self {
            context,
            args,
            root,
            session,
            edge,
            turn: Turn::default(),
            running: None,
            orders: None,
            run: None,
            feed,
            follower,
            keys,
            screen,
            seeded: false,
            reload: false,
        }
    }

    async fn work(&mut self) -> Result<Exit, Fault> {
        if !self.args.postpone {
            self.happened(Event::Asked { trigger: Trigger::Start, stages: BTreeSet::new(), force: false });
        }
        self.screen.draw(Vec::new());
        loop {
            tokio::select! {
                biased;
                () = signal::wait() => return Ok(Exit::Interrupted),
                Some(event) = self.follower.next() => self.event(&event),
                record = over(&mut self.running) => self.over(&record).await,
                key = key(&mut self.keys) => if self.key(key) {
                    return Ok(self.screen.exit());
                },
                set = self.edge.next() => {
                    self.changed(set.map_err(|error| unwatchable(&self.root, &error))?);
                    if self.edge.watcher.is_gone() {
                        return Err(unwatchable(&self.root, &std::io::ErrorKind::NotFound.into()));
                    }
                }
                () = tokio::time::sleep(Duration::from_secs(1)), if self.screen.ticks() => self.screen.draw(Vec::new()),
            }
        }
    }

    fn event(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted { run, .. } => self.run = Some(*run),
            RunEvent::StageStarted { stage, .. } => self.happened(Event::Began(stage.clone())),
            RunEvent::StageFinished { stage, .. } => self.happened(Event::Ended(stage.clone())),
            _ => {}
        }
        self.screen.event(event);
    }

    fn changed(&mut self, set: ChangeSet) {
        let paths: BTreeSet<String> = set.changes.into_iter().map(|change| change.path).collect();
        if paths.contains(FILE) {
            if set.cause == Cause::Git {
                self.screen.say(
                    "devboot.toml came with git: `devboot watch` asks about it when it is started again",
                );
            } else {
                self.reload = true;
            }
        }
        let affected = self.session.affected(&paths);
        self.happened(Event::Changed { generation: set.generation, paths, affected });
        self.reload_if_idle();
    }

    /// The last good pipeline stays until the next one is good.
    fn reload_if_idle(&mut self) {
        if !self.reload || self.running.is_some() {
            return;
        }
        self.reload = false;
        let loaded = project_load::project(self.context, Some(&self.root))
            .and_then(|project| project.approve(self.context).map(|()| project))
            .and_then(|project| project.session(self.context, Access::Write));
        match loaded {
            Ok(session) => {
                let old = std::mem::replace(&mut self.session, Arc::new(session));
                self.screen.say("devboot.toml is read again");
                self.running = Some(Box::pin(replaced(old)));
            }
            Err(fault) => {
                self.screen.say(&format!("devboot.toml: {} (the last good one stays)", fault.one_line()))
            }
        }
    }

    fn happened(&mut self, event: Event) {
        for effect in self.turn.on(event) {
            match effect {
                Effect::Start(order) => self.start(order),
                Effect::Cancel(stages) => {
                    if let Some(orders) = &self.orders {
                        let _ = orders.send(RunOrder::Cancel(stages.into_iter().collect()));
                    }
                }
            }
        }
    }

    fn start(&mut self, order: Order) {
        // What happened up to this moment belongs to this run; what is left to be told comes with the next.
        self.edge.watcher.drain(Instant::now());
        self.session.set_files(self.edge.watcher.listing());
        let (sender, mut orders) = unbounded_channel();
        self.orders = Some(sender);
        let (session, feed) = (Arc::clone(&self.session), self.feed.clone());
        self.running = Some(Box::pin(async move { session.run(order, &mut orders, &feed).await }));
    }

    async fn over(&mut self, record: &RunRecord) {
        (self.running, self.orders) = (None, None);
        while let Some(event) = self.follower.try_next() {
            self.event(&event);
        }
        if !self.seeded {
            self.seeded = true;
            self.edge.watcher.seed(&self.session.contents(), Instant::now());
        }
        let cancelled = record.stages.iter().any(|(_, end)| end.verdict == Verdict::Cancelled);
        self.happened(Event::Over { cancelled });
        self.reload_if_idle();
        self.screen.draw(Vec::new());
    }

    /// Whether the key ends it.
    fn key(&mut self, key: char) -> bool {
        let shown = self.screen.live.on(Incoming::Key(key), Instant::now());
        self.screen.draw(shown.lines);
        for wish in shown.wishes {
            match wish {
                Wish::Quit => return true,
                Wish::Run(stages) => {
                    self.happened(Event::Asked { trigger: Trigger::Request, stages, force: true });
                }
                Wish::Log(stage) => {
                    let text = self.run.and_then(|run| Logs::new(&self.session.logs()).read(run, &stage));
                    let lines = text.unwrap_or_default();
                    let colours = self.context.printer.out_colours();
                    self.screen.draw(lines.lines().map(|line| run_view::shown(line, colours)).collect());
                }
                Wish::Notify(..) => {}
            }
        }
        false
    }

    async fn leave(&mut self) {
        self.screen.end();
        if let Some(orders) = &self.orders {
            let _ = orders.send(RunOrder::CancelAll(Verdict::Interrupted));
        }
        if let Some(running) = self.running.take() {
            // A second Ctrl-C ends us at once, and the guards end what is left.
            let _ = tokio::time::timeout(Duration::from_secs(10), running).await;
        }
        self.session.stop_services().await;
    }
}

/// The services of a pipeline that is no longer the present one end before the next run begins.
async fn replaced(old: Arc<Session>) -> RunRecord {
    old.stop_services().await;
    RunRecord {
        run: RunId(0),
        verdict: Verdict::Passed,
        started: crate::sys::clock::now(),
        milliseconds: 0,
        stages: Vec::new(),
    }
}

async fn over(running: &mut Option<Running>) -> RunRecord {
    match running {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

async fn key(keys: &mut Option<UnboundedReceiver<char>>) -> char {
    match keys {
        Some(keys) => match keys.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// Keys as they are typed; `None` without a terminal to type on.
fn keys(context: &Context) -> Option<UnboundedReceiver<char>> {
    if context.global.json || !terminal::stdout_is_terminal() {
        return None;
    }
    let mut keyboard = Keyboard::take()?;
    let (sender, receiver) = unbounded_channel();
    let thread = std::thread::Builder::new().name("keys".into()).spawn(move || {
        while let Some(key) = keyboard.next_key() {
            if sender.send(key).is_err() {
                return;
            }
        }
    });
    thread.ok().map(|_| receiver)
}

/// What the reader sees: a terminal with a footer, plain lines, or JSON.
struct Screen {
    live: Live,
    footer: Option<Footer>,
    json: bool,
    quiet: bool,
    bell: bool,
    notify: bool,
}

impl Screen {
    fn new(context: &Context, args: &Args, idle: String, interactive: bool) -> Self {
        let options = ViewOptions {
            colours: context.printer.out_colours(),
            output: context.printer.level() == Level::Verbose,
            unchanged: false,
        };
        let json = context.global.json;
        Self {
            live: Live::new(options, idle),
            footer: interactive.then(|| Footer::new(terminal::width().unwrap_or(80))),
            json,
            quiet: context.printer.level() == Level::Quiet,
            bell: args.bell && !json,
            notify: args.notify && !json,
        }
    }

    fn ticks(&self) -> bool {
        self.footer.is_some() && self.live.is_running()
    }

    fn exit(&self) -> Exit {
        match self.live.verdict() {
            Some(verdict) if !verdict.is_success() => Exit::Differs,
            _ => Exit::Done,
        }
    }

    fn event(&mut self, event: &RunEvent) {
        if self.json {
            footer::put(&format!("{}\n", json_line(event)));
            return;
        }
        let shown = self.live.on(Incoming::Event(event.clone()), Instant::now());
        for wish in shown.wishes {
            if let Wish::Notify(line, _) = wish {
                if self.bell {
                    footer::put("\u{7}");
                }
                if self.notify {
                    footer::put(&format!("\u{1b}]9;devboot: {line}\u{7}"));
                }
            }
        }
        // Output alone changes only the footer, and that often enough by itself.
        if !shown.lines.is_empty() || !matches!(event, RunEvent::Output { .. }) {
            self.draw(shown.lines);
        }
    }

    fn say(&mut self, line: &str) {
        if !self.json {
            let shown = self.live.on(Incoming::Said(line.to_owned()), Instant::now());
            self.draw(shown.lines);
        }
    }

    fn draw(&mut self, lines: Vec<String>) {
        if self.json || self.quiet && self.footer.is_none() {
            return;
        }
        match &mut self.footer {
            Some(footer) => {
                footer.resize(terminal::width().unwrap_or(80));
                footer::put(&footer.draw(&lines, self.live.footer(Instant::now())));
            }
            None => lines.iter().for_each(|line| footer::put(&format!("{line}\n"))),
        }
    }

    fn end(&mut self) {
        if let Some(footer) = &mut self.footer {
            footer::put(&footer.erase());
        }
        keyboard::give_back();
    }
}
