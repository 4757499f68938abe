//! `devboot run`: stages of the project, once, in front of you.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::{plain_json, printable};
use crate::cli::context::Context;
use crate::cli::link::{Link, Wanted};
use crate::cli::run_view::{Options, RunView};
use crate::cli::{project_dir, project_load, view};
use crate::daemon::project::ProjectEvent;
use crate::ipc::message::{ProjectPhase, Response};
use crate::project::model::{Action, StageId};
use crate::run::event::{RunEvent, Trigger, Verdict};
use crate::run::feed::feed;
use crate::run::junit::Junit;
use crate::session::turn::Order;
use crate::session::{self, Access, Asked, Decision, Reason, Session};
use crate::sys::real::RealSystem;
use crate::sys::system::replace;
use crate::sys::{env, signal};
use crate::ui::{Style, table};

/// Longer than any run.
const EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long who was interrupted waits for the service to say that the run has ended. Stages have less.
const PATIENCE: Duration = Duration::from_secs(15);

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot run                   all stages; what has not changed is answered from the cache\n  \
                        devboot run test              one stage with what it needs\n  devboot run train --force\n  devboot run \
                        --dry-run         what would run, and why\n  devboot run --json            one event per line\n\nExits with 0 \
                        when everything succeeded, with 2 when something is red, and with 1 when all that is red could not be started."
)]
pub struct Args {
    /// The stages; all when not given. `train` means every cell of its matrix
    stages: Vec<String>,
    #[command(flatten)]
    manner: Manner,
    /// Show what would run, and why; write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// How stages are run, whichever they are.
#[derive(clap::Args, Clone, Debug)]
pub struct Manner {
    /// The project; where you are when not given
    #[arg(short = 'C', long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Run even if nothing has changed
    #[arg(short, long)]
    force: bool,
    /// Say where the time of tests went
    #[arg(long)]
    timings: bool,
    /// Write a JUnit report into this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Trust the project's devboot.toml as it is now
    #[arg(long)]
    trust: bool,
    /// Run in this process, even if the service keeps the project
    #[arg(long)]
    no_service: bool,
}

/// What is to be run, once, in front of somebody.
pub(super) struct Request<'a> {
    /// The stages; none means all.
    pub stages: Vec<String>,
    /// Only these of the tests, as pytest's arguments name them; none means all.
    pub tests: Vec<String>,
    /// How.
    pub manner: &'a Manner,
}

/// Runs stages.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    if args.dry_run {
        let project = project_load::project(context, args.manner.dir.as_deref())?;
        let stages = project.stages(&args.stages)?;
        let session = project.session(context, Access::Read)?;
        let asked = Asked { trigger: Trigger::Request, force: args.manner.force };
        return reasons(context, &session.reasons(&stages, asked));
    }
    let request = Request { stages: args.stages.clone(), tests: Vec::new(), manner: &args.manner };
    carry_out(context, &request)
}

/// Runs what is asked for: by the service that keeps the project, else here.
pub(super) fn carry_out(context: &Context, request: &Request<'_>) -> Result<Exit, Fault> {
    not_inside_itself(request)?;
    let mut shown = Shown::new(context, request);
    let verdict = match request.manner.no_service {
        true => None,
        false => in_service(context, request, &mut shown)?,
    };
    let verdict = match verdict {
        Some(verdict) => verdict,
        None => here(context, request, &mut shown)?,
    };
    shown.report(request)?;
    Ok(exit(verdict))
}

/// A stage that asks for a run of its own project would wait for the run that it is part of.
fn not_inside_itself(request: &Request<'_>) -> Result<(), Fault> {
    let root = project_dir::root(request.manner.dir.as_deref())?;
    if env::var_os(session::RUN).is_none_or(|inside| inside != *root) {
        return Ok(());
    }
    let shown = printable(&root.to_string_lossy());
    let fault =
        Fault::new(ErrorKind::Refused, format!("a stage cannot run {shown}, for it is part of a run of it"));
    Err(fault.hint("what it needs belongs among the stage's `needs` in devboot.toml"))
}

fn here(context: &Context, request: &Request<'_>, shown: &mut Shown<'_>) -> Result<Verdict, Fault> {
    let project = project_load::project(context, request.manner.dir.as_deref())?;
    let stages = project.stages(&request.stages)?;
    project.trusted(context, request.manner.trust, "--trust")?;
    let session = project.session(context, Access::Write)?;
    let runtime = runtime()?;
    let order = Order {
        trigger: Trigger::Request,
        generation: 0,
        stages: stages.clone(),
        tests: request.tests.clone(),
        force: request.manner.force,
        changed: BTreeSet::new(),
        waited: std::time::Duration::ZERO,
    };
    let verdict = runtime.block_on(carried_out(context, &session, order, shown));
    // Nobody waits for a thread that reads a file of a hung disk.
    runtime.shutdown_background();
    Ok(verdict)
}

pub(super) fn runtime() -> Result<Runtime, Fault> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new(ErrorKind::Failed, "cannot begin to run").cause(error))
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Passed | Verdict::Flaky => Exit::Done,
        Verdict::NotStarted => Exit::Failed,
        Verdict::Interrupted => Exit::Interrupted,
        _ => Exit::Differs,
    }
}

/// The service that keeps the project runs it, so that two runs never meet; `None` when it does not keep it.
fn in_service(
    context: &Context,
    request: &Request<'_>,
    shown: &mut Shown<'_>,
) -> Result<Option<Verdict>, Fault> {
    let root = project_dir::root(request.manner.dir.as_deref())?;
    let wanted = || Wanted {
        stages: request.stages.clone(),
        tests: request.tests.clone(),
        force: request.manner.force,
        catch_up: false,
    };
    let at_once = (!request.manner.trust).then(wanted);
    let Some(mut link) = root.to_str().and_then(|root| Link::kept(context, root, at_once)) else {
        return Ok(None);
    };
    let runtime = runtime()?;
    if request.manner.trust {
        project_load::project(context, request.manner.dir.as_deref())?.approve(context)?;
        link.reload()?;
        runtime.block_on(answer(&mut link))?;
        link.run(wanted())?;
    }
    match runtime.block_on(answer(&mut link)) {
        Err(fault) if fault.kind == ErrorKind::Refused => {
            project_load::project(context, request.manner.dir.as_deref())?.trusted(
                context,
                request.manner.trust,
                "--trust",
            )?;
            link.reload()?;
            runtime.block_on(answer(&mut link))?;
            link.run(wanted())?;
            runtime.block_on(answer(&mut link))?;
        }
        answered => answered?,
    }
    runtime.block_on(followed(&mut link, shown)).map(Some)
}

/// The answer to what was asked last.
async fn answer(link: &mut Link) -> Result<(), Fault> {
    loop {
        match link.next().await {
            ProjectEvent::Answer { response: Response::Failed(failure), .. } => return Err(failure.into()),
            ProjectEvent::Answer { .. } => return Ok(()),
            ProjectEvent::Ended(why) => return Err(lost(why)),
            _ => {}
        }
    }
}

fn lost(why: Option<String>) -> Fault {
    let fault = Fault::new(ErrorKind::Failed, "the service does not go on with the run");
    why.into_iter().fold(fault, Fault::cause).hint("devboot run --no-service runs it here")
}

/// The next run that was asked for, from its beginning to its end.
async fn followed(link: &mut Link, shown: &mut Shown<'_>) -> Result<Verdict, Fault> {
    let (mut ours, mut cancelled) = (None, false);
    // For ever, until somebody gives up.
    let mut ends = std::pin::pin!(tokio::time::sleep(EVER));
    loop {
        let event = tokio::select! {
            // First what is known already: then nobody needs to wait for anything, nor to watch for signals.
            biased;
            event = link.next() => event,
            () = signal::wait(), if !cancelled => {
                cancelled = true;
                ends.as_mut().reset(tokio::time::Instant::now() + PATIENCE);
                link.cancel()?;
                continue;
            }
            () = &mut ends => return Ok(Verdict::Interrupted),
        };
        let event = match event {
            ProjectEvent::Run(event) => event,
            ProjectEvent::Ended(why) => return Err(lost(why)),
            ProjectEvent::Phase(ProjectPhase::Running, Some(note)) if ours.is_none() => {
                shown.context.printer.say(&printable(&note));
                continue;
            }
            _ => continue,
        };
        if let RunEvent::RunStarted { run, trigger: Trigger::Request, .. } = &event {
            ours = ours.or(Some(*run));
        }
        if ours != Some(event.run()) {
            continue;
        }
        shown.event(&event);
        if let RunEvent::RunFinished { verdict, .. } = event {
            return Ok(if cancelled { Verdict::Interrupted } else { verdict });
        }
    }
}

async fn carried_out(context: &Context, session: &Session, order: Order, shown: &mut Shown<'_>) -> Verdict {
    let named: BTreeSet<StageId> = order.stages.clone();
    let (out, mut follower) = feed();
    let (_orders, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let record = {
        let running =
            session.run(order, &mut receiver, &out, |holder| context.printer.say(&session::waits(holder)));
        tokio::pin!(running);
        loop {
            tokio::select! {
                biased;
                Some(event) = follower.next() => shown.event(&event),
                record = &mut running => break record,
            }
        }
    };
    while let Some(event) = follower.try_next() {
        shown.event(&event);
    }
    let is_named = |stage: &crate::project::model::Stage| {
        matches!(stage.action, Action::Service(_)) && named.contains(&stage.id)
    };
    let mut died = false;
    if record.verdict.is_success() && session.pipeline().stages.iter().any(is_named) {
        context.printer.say("running; Ctrl-C ends it");
        let mut over = session.services().is_empty();
        while !signal::interrupted() && !over {
            tokio::select! {
                Some(event) = follower.next() => {
                    shown.event(&event);
                    died |= matches!(event, RunEvent::ServiceEnded { .. });
                    over = died && session.services().is_empty();
                }
                () = signal::wait() => {}
            }
        }
    }
    session.stop_services().await;
    if died { Verdict::Failed } else { record.verdict }
}

/// Events on the way to the reader: lines for people, or JSON, one event per line.
struct Shown<'a> {
    context: &'a Context,
    view: RunView,
    junit: Option<Junit>,
}

impl<'a> Shown<'a> {
    fn new(context: &'a Context, request: &Request<'_>) -> Self {
        let quiet = context.printer.level() == crate::ui::printer::Level::Quiet;
        let options = Options {
            colours: context.printer.out_colours(),
            output: !quiet,
            unchanged: !quiet,
            timings: request.manner.timings,
            reasons: false,
        };
        let junit = request.manner.junit.is_some().then(Junit::default);
        Self { context, view: RunView::new(options), junit }
    }

    /// Writes the report that was asked for.
    fn report(&self, request: &Request<'_>) -> Result<(), Fault> {
        let (Some(junit), Some(file)) = (&self.junit, &request.manner.junit) else { return Ok(()) };
        replace(&RealSystem, file, junit.text().as_bytes(), 0o644).map_err(|error| {
            let shown = printable(&file.to_string_lossy());
            Fault::new(ErrorKind::Failed, format!("cannot write the report {shown}")).cause(error)
        })
    }

    fn event(&mut self, event: &RunEvent) {
        let printer = &self.context.printer;
        if let Some(junit) = &mut self.junit {
            junit.on(event);
        }
        if self.context.global.json {
            // A reader that has gone has seen enough; the run goes on.
            let _ = printer.data(&format!("{}\n", json_line(event)));
            return;
        }
        if let RunEvent::StageFinished { stage, .. } = event {
            // Output, even where its last line has no end.
            self.view.rest(stage).iter().for_each(|line| drop(printer.data(&format!("{line}\n"))));
        }
        for line in self.view.on(event) {
            match event {
                RunEvent::Output { .. } => drop(printer.data(&format!("{line}\n"))),
                _ => printer.say(&line),
            }
        }
    }
}

/// An event as one line of JSON.
pub fn json_line(event: &RunEvent) -> String {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Value::Object(map) = &mut value {
        map.insert("schema".into(), view::SCHEMA.into());
    }
    plain_json(&value.to_string())
}

fn reasons(context: &Context, reasons: &[Reason]) -> Result<Exit, Fault> {
    if context.global.json {
        let stages: Vec<Value> = reasons.iter().map(reason_json).collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "stages": stages }))?;
        return Ok(Exit::Done);
    }
    let row = |reason: &Reason| {
        let (style, word, why) = reason_words(reason);
        vec![printable(&reason.stage.0), context.printer.paint_data(style, word), why]
    };
    for line in table::columns(&reasons.iter().map(row).collect::<Vec<_>>()) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(Exit::Done)
}

/// A decision in words: what it means, in a word, and why.
pub fn reason_words(reason: &Reason) -> (Style, &'static str, String) {
    match &reason.decision {
        Ok(Decision::Run(why)) => (Style::Heading, "would run", printable(why)),
        Ok(Decision::Holds(run, verdict)) => {
            let word = crate::cli::run_view::word(*verdict).1;
            let held = format!("{word} in run {}, and nothing has changed since", run.0);
            match &reason.after {
                Some(need) => (
                    Style::Heading,
                    "may run",
                    format!("{held}, unless {} makes something else", printable(&need.0)),
                ),
                None => (Style::Faint, "holds", held),
            }
        }
        Err(why) => (Style::Bad, "cannot start", printable(why)),
    }
}

/// A decision as JSON.
pub fn reason_json(reason: &Reason) -> Value {
    match &reason.decision {
        Ok(Decision::Run(why)) => json!({ "stage": reason.stage, "decision": "run", "why": why }),
        Ok(Decision::Holds(run, verdict)) => {
            json!({ "stage": reason.stage, "decision": "holds", "run": run, "verdict": verdict, "after": reason.after })
        }
        Err(why) => json!({ "stage": reason.stage, "decision": "cannot-start", "why": why }),
    }
}
