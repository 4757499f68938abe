//! `devboot logs`: what a stage wrote in a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::{nearest, printable};
use crate::cli::command::history;
use crate::cli::command::run::json_line;
use crate::cli::context::Context;
use crate::cli::link::Link;
use crate::cli::{project_dir, run_view, view};
use crate::daemon::project::ProjectEvent;
use crate::history::{Filter, Run, Stage};
use crate::project::model::StageId;
use crate::run::event::{RunEvent, RunId, Verdict};
use crate::run::logs::Logs;
use crate::session::places::Places;
use crate::sys::signal;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot logs                 of the stage that failed in the last run\n  devboot logs test\n  \
                        devboot logs train --run 12\n  devboot logs -f              what is written from now on, as long as the service keeps the project"
)]
pub struct Args {
    /// The stage; without it the one that failed, or else the last one. `train` means so of the cells of its matrix
    stage: Option<String>,
    /// The number of the run; the last one in which the stage ran when not given
    #[arg(long, value_name = "NUMBER")]
    run: Option<u64>,
    /// Go on with what is written from now on, until Ctrl-C
    #[arg(short, long, conflicts_with = "run")]
    follow: bool,
    /// The project; where you are when not given
    #[arg(short = 'C', long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints a log.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let root = project_dir::root(args.dir.as_deref())?;
    if args.follow {
        return follow(context, args, &root);
    }
    let nothing = |what: &str| {
        Fault::new(ErrorKind::Usage, format!("{what} in {}", root.display()))
            .hint("devboot history lists what ran")
    };
    let Some(store) = history::open(context)? else { return Err(nothing("nothing has run yet")) };
    let logs = Logs::new(&Places::of(&context.dirs, &root).logs);
    let runs = store.runs(&Filter { root: Some(root.clone()), ..Filter::default() })?;
    let wanted = |run: &&Run| args.run.is_none_or(|number| run.run <= RunId(number));
    let (mut name, mut known) = (args.stage.clone(), Vec::new());
    // The run in which nothing had to be done, as long as what it says is looked for in those before.
    let mut replayed = None;
    for run in runs.iter().filter(wanted) {
        if replayed.is_none() && args.run.is_some_and(|number| run.run != RunId(number)) {
            break;
        }
        let stages = store.stages(&root, run.run)?;
        if let Some(stage) = pick(&stages, name.as_deref()) {
            if let Some(text) = logs.read(run.run, &stage.stage) {
                let later = replayed.filter(|_| args.run.is_some());
                return print(context, (run.run, stage), later, &text);
            }
            if is_replayed(stage) {
                replayed.get_or_insert(run.run);
                name = Some(stage.stage.0.clone());
            } else if args.run.is_some() {
                break;
            }
        }
        known.extend(stages.into_iter().map(|stage| stage.stage.0));
    }
    match (&args.stage, args.run) {
        (Some(stage), _) => {
            let fault = nothing(&format!("there is no log of a stage '{}'", printable(stage)));
            let near = nearest(stage, known.iter().map(String::as_str)).filter(|near| near != stage);
            Err(near.map_or(fault.clone(), |near| fault.hint(format!("did you mean '{near}'?"))))
        }
        (None, Some(number)) => Err(nothing(&format!("there is no log of run {number}"))),
        (None, None) => Err(nothing("there is no log")),
    }
}

/// The stage whose log is wanted: the named one; else, of the cells of the named matrix or of all stages, the first that failed,
/// or the last that ran, or the last of those for which nothing had to be done.
fn pick<'a>(stages: &'a [Stage], name: Option<&str>) -> Option<&'a Stage> {
    let said = |stage: &&Stage| stage.end.as_ref().is_none_or(|end| end.verdict != Verdict::Skipped);
    let ran = |stage: &&Stage| said(stage) && !is_replayed(stage);
    let failed =
        |stage: &&Stage| said(stage) && stage.end.as_ref().is_some_and(|end| !end.verdict.is_success());
    match name {
        Some(name) if stages.iter().any(|stage| stage.stage.0 == name) => {
            stages.iter().filter(said).find(|stage| stage.stage.0 == name)
        }
        // Of all, or of the cells of a matrix.
        name => {
            let is_meant = |stage: &&Stage| name.is_none_or(|name| stage.stage.group() == name);
            let meant = || stages.iter().filter(is_meant);
            let last = || meant().rfind(ran).or_else(|| meant().rfind(said));
            meant().find(failed).or_else(last)
        }
    }
}

fn is_replayed(stage: &Stage) -> bool {
    stage.end.as_ref().is_some_and(|end| end.replayed)
}

/// The log of a stage of a run; `later` is the run that was asked for, when nothing had to be done in it.
fn print(
    context: &Context,
    (run, stage): (RunId, &Stage),
    later: Option<RunId>,
    text: &str,
) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA, "run": run, "stage": stage.stage, "text": text,
            "replayed": is_replayed(stage), "why": stage.why, "replayed_in": later,
        }))?;
        return Ok(Exit::Done);
    }
    let why = stage.why.as_deref().filter(|_| is_replayed(stage));
    let why = why.map_or_else(String::new, |why| format!(" ({})", printable(why)));
    let later = later.map_or_else(String::new, |later| format!(", which holds in run {}", later.0));
    context.printer.say(&format!("{} in run {}{why}{later}:", printable(&stage.stage.0), run.0));
    let colours = context.printer.out_colours();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.push_str(&run_view::shown(line, colours));
        out.push('\n');
    }
    context.printer.data(&out)?;
    Ok(Exit::Done)
}

/// What stages write, as they write it. The service says when there is more; the logs say what.
fn follow(context: &Context, args: &Args, root: &Path) -> Result<Exit, Fault> {
    let Some(mut link) = root.to_str().and_then(|root| Link::kept(context, root, None)) else {
        let what = format!("the service does not keep {}", root.display());
        return Err(Fault::new(ErrorKind::Failed, what)
            .hint("devboot watch shows what runs; devboot project add has the service keep it"));
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new(ErrorKind::Failed, "cannot begin to follow").cause(error))?;
    let mut tail =
        Tail { logs: Logs::new(&Places::of(&context.dirs, root).logs), shown: BTreeMap::new(), last: None };
    runtime.block_on(async {
        loop {
            let event = tokio::select! {
                event = link.next() => event,
                () = signal::wait() => return Ok(Exit::Interrupted),
            };
            match event {
                ProjectEvent::Run(RunEvent::Output { run, stage, stream, text })
                    if args
                        .stage
                        .as_ref()
                        .is_none_or(|wanted| stage.0 == *wanted || stage.group() == wanted) =>
                {
                    if context.global.json {
                        let line = json_line(&RunEvent::Output { run, stage, stream, text });
                        context.printer.data(&format!("{line}\n"))?;
                        continue;
                    }
                    tail.more(context, run, stage)?;
                }
                ProjectEvent::Ended(why) => {
                    let fault = Fault::new(ErrorKind::Failed, "nothing more is written");
                    return Err(why.into_iter().fold(fault, Fault::cause));
                }
                _ => {}
            }
        }
    })
}

/// What has been shown of the logs.
struct Tail {
    logs: Logs,
    shown: BTreeMap<(RunId, StageId), u64>,
    last: Option<(RunId, StageId)>,
}

impl Tail {
    fn more(&mut self, context: &Context, run: RunId, stage: StageId) -> Result<(), Fault> {
        self.shown.retain(|(of, _), _| *of == run);
        let which = (run, stage);
        let offset = self.shown.get(&which).copied().unwrap_or(0);
        let bytes = self.logs.read_from(run, &which.1, offset);
        if self.last.as_ref() != Some(&which) {
            context.printer.say(&format!("{} in run {}:", printable(&which.1.0), run.0));
        }
        self.last = Some(which.clone());
        self.shown.insert(which, offset + bytes.len() as u64);
        let colours = context.printer.out_colours();
        for line in String::from_utf8_lossy(&bytes).lines() {
            context.printer.data(&format!("{}\n", run_view::shown(line, colours)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::StageEnd;

    fn stage(name: &str, verdict: Verdict, replayed: bool) -> Stage {
        let end = StageEnd {
            verdict,
            replayed,
            exit: None,
            milliseconds: 0,
            attempts: 1,
            tests: None,
            failures: Vec::new(),
            note: None,
            partly: None,
        };
        Stage { stage: StageId(name.into()), why: None, end: Some(end) }
    }

    #[test]
    fn the_stage_that_failed_is_wanted_before_the_last_one() {
        let stages = [
            stage("lint", Verdict::Passed, true),
            stage("test", Verdict::Failed, false),
            stage("docs", Verdict::Passed, false),
            stage("smoke", Verdict::Skipped, false),
        ];
        let name = |stages: &[Stage], wanted| pick(stages, wanted).map(|stage| stage.stage.0.clone());
        assert_eq!(name(&stages, None).as_deref(), Some("test"));
        assert_eq!(name(&stages[2..], None).as_deref(), Some("docs"));
        assert_eq!(name(&stages, Some("lint")).as_deref(), Some("lint"));
        assert_eq!(name(&stages[..1], None).as_deref(), Some("lint"), "nothing else had to be done");
        assert_eq!(name(&stages, Some("smoke")), None, "it wrote nothing");
        let cells = [
            stage("train@a", Verdict::Passed, true),
            stage("train@b", Verdict::Passed, false),
            stage("train@c", Verdict::Failed, false),
            stage("docs", Verdict::Failed, false),
        ];
        assert_eq!(name(&cells, Some("train")).as_deref(), Some("train@c"));
        assert_eq!(name(&cells[..2], Some("train")).as_deref(), Some("train@b"));
        assert_eq!(name(&cells[..1], Some("train")).as_deref(), Some("train@a"));
        assert_eq!(name(&cells, Some("train@a")).as_deref(), Some("train@a"));
        assert_eq!(name(&[], None), None);
    }
}
