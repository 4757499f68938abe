//! A project's pipeline on every save, with what happens live.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Runtime;

use super::keys::Keys;
use super::{Args, mended};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::plain_json;
use crate::cli::command::run::json_line;
use crate::cli::context::Context;
use crate::cli::link::{self, Link, Wanted};
use crate::cli::live::{Incoming, Live, Wish};
use crate::cli::run_view::{self, Options as ViewOptions};
use crate::cli::view;
use crate::daemon::begin::Options;
use crate::daemon::project::ProjectEvent;
use crate::ipc::message::Response;
use crate::run::event::{RunEvent, RunId};
use crate::run::logs::Logs;
use crate::session::places::Places;
use crate::sys::keyboard;
use crate::sys::{env, signal, terminal};
use crate::ui::footer::{self, Footer};
use crate::ui::printer::Level;

/// How often in a row a lost service is looked for again.
const TRIES: u32 = 3;

/// Watches until it is interrupted or told to quit.
pub(super) fn watch(context: &Context, args: &Args, runtime: &Runtime) -> Result<Exit, Fault> {
    let Some(project) = mended::project(context, args.dir.as_deref(), runtime)? else {
        return Ok(Exit::Interrupted);
    };
    project.trusted(context, args.trust, "--trust")?;
    context.prepare_state()?;
    runtime.block_on(async {
        let link = linked(context, args, &project.root)?;
        let mut desk = Desk::new(context, args, project.root.clone(), link);
        let exit = desk.work().await;
        desk.leave().await;
        exit
    })
}

/// The service keeps the project, unless it is asked for otherwise or cannot be had.
fn linked(context: &Context, args: &Args, root: &Path) -> Result<Link, Fault> {
    let options = Options { ignore: args.ignore.clone(), poll: args.poll };
    let own_terms = args.no_service || args.poll || !args.ignore.is_empty();
    let Some(name) = root.to_str().filter(|_| !own_terms) else {
        return Ok(Link::own(context, root, options));
    };
    match Link::service(context, name) {
        Ok(link) => Ok(link),
        Err(fault) if fault.kind == ErrorKind::Refused => Err(fault),
        Err(fault) => {
            context.printer.warn(&format!("without the service: {}", fault.one_line()));
            Ok(Link::own(context, root, options))
        }
    }
}

/// Everything that the loop holds.
struct Desk<'a> {
    context: &'a Context,
    args: &'a Args,
    root: PathBuf,
    link: Option<Link>,
    run: Option<RunId>,
    keys: Keys,
    screen: Screen,
    lost: u32,
}

impl<'a> Desk<'a> {
    fn new(context: &'a Context, args: &'a Args, root: PathBuf, link: Link) -> Self {
        let keys = Keys::take(context);
        let screen = Screen::new(context, args, keys.are_typed());
        Self { context, args, root, link: Some(link), run: None, keys, screen, lost: 0 }
    }

    async fn work(&mut self) -> Result<Exit, Fault> {
        if !self.args.postpone {
            self.ask(Wanted { catch_up: true, ..Wanted::default() });
        }
        self.screen.draw(Vec::new());
        loop {
            tokio::select! {
                biased;
                () = signal::wait() => return Ok(Exit::Interrupted),
                event = next(&mut self.link) => if let Some(done) = self.happened(event) {
                    return done;
                },
                key = self.keys.next() => if self.key(key) {
                    return Ok(self.screen.exit());
                },
                () = tokio::time::sleep(Duration::from_secs(1)), if self.screen.ticks() => self.screen.draw(Vec::new()),
            }
        }
    }

    /// What ends it, if anything does.
    fn happened(&mut self, event: ProjectEvent) -> Option<Result<Exit, Fault>> {
        match event {
            ProjectEvent::Run(event) => {
                if let RunEvent::RunStarted { run, .. } = &event {
                    self.run = Some(*run);
                    self.lost = 0;
                }
                self.screen.event(&event);
            }
            ProjectEvent::Said(text) => self.screen.say(&text),
            ProjectEvent::Phase(_, note) => {
                if let Some(note) = note {
                    self.screen.idle(&note);
                }
            }
            ProjectEvent::Answer { response: Response::Failed(failure), .. } => {
                self.screen.say(&Fault::from(failure).one_line());
            }
            ProjectEvent::Answer { .. } => {}
            ProjectEvent::Ended(why) => return self.ended(&why.unwrap_or_else(|| "it has ended".into())),
        }
        None
    }

    /// A service that was replaced or restarted, or died, is there again at once.
    fn ended(&mut self, why: &str) -> Option<Result<Exit, Fault>> {
        let failed = |why: &str| {
            let shown = self.root.display();
            Some(Err(Fault::new(ErrorKind::Failed, format!("{shown} is not watched any more")).cause(why)))
        };
        if !matches!(why, link::REPLACED | link::RESTARTED | link::LOST) || self.lost >= TRIES {
            return failed(why);
        }
        self.lost += 1;
        self.screen.say(&format!("{why}; connecting again"));
        let name = self.root.to_str()?;
        match Link::service(self.context, name) {
            Ok(link) => {
                self.link = Some(link);
                self.ask(Wanted { catch_up: true, ..Wanted::default() });
                None
            }
            Err(fault) => failed(&fault.one_line()),
        }
    }

    fn ask(&mut self, wanted: Wanted) {
        let asked = self.link.as_mut().map_or(Ok(()), |link| link.run(wanted));
        if let Err(fault) = asked {
            self.screen.say(&fault.one_line());
        }
    }

    /// Whether the key ends it.
    fn key(&mut self, key: char) -> bool {
        let shown = self.screen.live.on(Incoming::Key(key), Instant::now());
        self.screen.draw(shown.lines);
        for wish in shown.wishes {
            match wish {
                Wish::Quit => return true,
                Wish::Run(stages) => {
                    let stages = stages.into_iter().map(|stage| stage.0).collect();
                    self.ask(Wanted { stages, force: true, ..Wanted::default() });
                }
                Wish::Log(stage) => {
                    let logs = Logs::new(&Places::of(&self.context.dirs, &self.root).logs);
                    let lines = self.run.and_then(|run| logs.read(run, &stage)).unwrap_or_default();
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
        if let Some(link) = self.link.take() {
            // A second Ctrl-C ends us at once, and the guards end what is left.
            link.leave().await;
        }
    }
}

async fn next(link: &mut Option<Link>) -> ProjectEvent {
    match link {
        Some(link) => link.next().await,
        None => std::future::pending().await,
    }
}

/// What makes the terminal show a notification: OSC 777 where that is what it knows, else OSC 9, which most know.
fn notification(line: &str) -> String {
    let terminal = env::var("TERM").unwrap_or_default();
    match ["rxvt", "foot"].iter().any(|name| terminal.starts_with(name)) {
        true => format!("\u{1b}]777;notify;devboot;{line}\u{7}"),
        false => format!("\u{1b}]9;devboot: {line}\u{7}"),
    }
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
    fn new(context: &Context, args: &Args, interactive: bool) -> Self {
        let options = ViewOptions {
            colours: context.printer.out_colours(),
            output: context.printer.level() == Level::Verbose,
            unchanged: false,
            timings: args.timings,
            reasons: true,
        };
        let json = context.global.json;
        Self {
            live: Live::new(options, "watching".into()),
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
        if self.live.is_red() { Exit::Differs } else { Exit::Done }
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
                    footer::put(&notification(&line));
                }
            }
        }
        // Output alone changes only the footer, and that often enough by itself.
        if !shown.lines.is_empty() || !matches!(event, RunEvent::Output { .. }) {
            self.draw(shown.lines);
        }
    }

    fn say(&mut self, line: &str) {
        if self.json {
            let said = json!({ "schema": view::SCHEMA, "event": "said", "text": line });
            footer::put(&format!("{}\n", plain_json(&said.to_string())));
            return;
        }
        let shown = self.live.on(Incoming::Said(line.to_owned()), Instant::now());
        self.draw(shown.lines);
    }

    /// What stands at the bottom while nothing runs.
    fn idle(&mut self, words: &str) {
        let shown = self.live.on(Incoming::Idle(words.to_owned()), Instant::now());
        if self.footer.is_some() {
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
