//! `devboot history`: the runs of a project, the latest first, and the stages of one of them.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path;
use crate::base::text::printable;
use crate::base::time::{Timestamp, ago, parse_span, span};
use crate::cli::context::Context;
use crate::cli::{project_dir, run_view, view};
use crate::history::{Filter, Run, Stage, Store};
use crate::project::model::StageId;
use crate::run::event::{RunId, Trigger};
use crate::sys::clock;
use crate::ui::{Style, table};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot history\n  devboot history 12             the stages of run 12\n  \
                        devboot history --failed --since 7d\n  devboot history --all --json\n  devboot history --tests        \
                        the slowest tests, and how often they failed"
)]
pub struct Args {
    /// The number of one run: its stages
    run: Option<u64>,
    /// The project; where you are when not given
    #[arg(short = 'C', long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The runs of every project
    #[arg(long, conflicts_with_all = ["dir", "run"])]
    all: bool,
    /// Only runs in which this stage ran
    #[arg(long, value_name = "STAGE", conflicts_with = "run")]
    stage: Option<String>,
    /// Only runs that did not succeed
    #[arg(long, conflicts_with = "run")]
    failed: bool,
    /// Only runs since then: a span such as 90m, 12h or 7d, or a day such as 2026-11-01
    #[arg(long, value_name = "SPAN|DAY", conflicts_with = "run")]
    since: Option<String>,
    /// At most so many; 0 for all
    #[arg(short = 'n', long, default_value_t = 20, value_name = "COUNT")]
    limit: u32,
    /// The tests as they ran last, the slowest first; with --failed those that have ever failed
    #[arg(long, conflicts_with_all = ["all", "run", "stage", "since"])]
    tests: bool,
}

/// Shows what happened.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let Some(store) = open(context)? else {
        if context.global.json {
            context.printer.json(&json!({ "schema": view::SCHEMA, "runs": [] }))?;
        } else {
            context.printer.say("nothing has run yet; `devboot run` and `devboot watch` write the history");
        }
        return Ok(Exit::Done);
    };
    let root = if args.all { None } else { Some(project_dir::root(args.dir.as_deref())?) };
    if let (true, Some(root)) = (args.tests, &root) {
        return tests(context, &store, root, args);
    }
    match (args.run, root) {
        (Some(number), Some(root)) => {
            let filter = Filter { root: Some(root.clone()), ..Filter::default() };
            let runs = store.runs(&filter)?;
            let Some(run) = runs.into_iter().find(|run| run.run == RunId(number)) else {
                let what = format!("there is no run {number} of {}", root.display());
                return Err(Fault::new(ErrorKind::Usage, what).hint("devboot history lists them"));
            };
            one(context, &run, &store.stages(&root, run.run)?)
        }
        (_, root) => {
            let since = args.since.as_deref().map(|text| moment(text, clock::now())).transpose()?;
            let stage = args.stage.clone().map(StageId);
            let filter = Filter { root, stage, whole: false, failed: args.failed, since, limit: args.limit };
            list(context, &store.runs(&filter)?, args.all)
        }
    }
}

/// The history; `None` when there is none yet: reading does not begin one.
pub fn open(context: &Context) -> Result<Option<Store>, Fault> {
    let path = Store::path(&context.dirs.state);
    if crate::sys::system::ReadSystem::meta(&context.system, &path).ok().flatten().is_none() {
        return Ok(None);
    }
    let (store, said) = Store::open_to_read(&context.system, &path)?;
    said.iter().for_each(|said| context.printer.warn(said));
    Ok(Some(store))
}

fn tests(context: &Context, store: &Store, root: &std::path::Path, args: &Args) -> Result<Exit, Fault> {
    let mut tests = store.tests(root, if args.failed { 0 } else { args.limit })?;
    if args.failed {
        tests.retain(|test| test.failures > 0);
        tests.truncate(if args.limit == 0 { usize::MAX } else { args.limit as usize });
    }
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "tests": tests }))?;
        return Ok(Exit::Done);
    }
    if tests.is_empty() {
        context.printer.say("no test fits");
        return Ok(Exit::Done);
    }
    let mut rows = vec![["test", "outcome", "time", "runs", "failed", "flaky"].map(str::to_owned).to_vec()];
    rows.extend(tests.iter().map(|test| {
        let style = if test.outcome.is_failure() { Style::Bad } else { Style::Good };
        let outcome = run_view::outcome(test.outcome);
        vec![
            printable(&test.name),
            context.printer.paint_data(style, outcome),
            span(Duration::from_micros(test.microseconds)),
            test.runs.to_string(),
            test.failures.to_string(),
            test.flips.to_string(),
        ]
    }));
    for line in table::columns(&rows) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(Exit::Done)
}

fn moment(text: &str, now: Timestamp) -> Result<Timestamp, Fault> {
    let back =
        parse_span(text).map(|span| Timestamp(now.0 - i64::try_from(span.as_secs()).unwrap_or(i64::MAX)));
    back.or_else(|_| Timestamp::parse(text)).map_err(|_| {
        Fault::new(ErrorKind::Usage, format!("'{}' is no span and no day", printable(text)))
            .hint("write 90m, 12h, 7d, or a day such as 2026-11-01")
    })
}

fn list(context: &Context, runs: &[Run], all: bool) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "runs": runs }))?;
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        context.printer.say("no run fits");
        return Ok(Exit::Done);
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for run in runs {
        let mut row = vec![
            run.run.0.to_string(),
            ago(run.started, clock::now()),
            verdict(context, run),
            run.milliseconds.map_or_else(|| "-".into(), |ms| span(Duration::from_millis(ms))),
            reason(run),
        ];
        if all {
            row.insert(0, path::display(&run.project, &context.dirs.home));
        }
        rows.push(row);
    }
    let mut head: Vec<String> = ["run", "when", "verdict", "time", "because of"].map(str::to_owned).into();
    if all {
        head.insert(0, "project".into());
    }
    rows.insert(0, head);
    for line in table::columns(&rows) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(Exit::Done)
}

fn verdict(context: &Context, run: &Run) -> String {
    match run.verdict {
        Some(verdict) => {
            let (style, word) = run_view::word(verdict);
            context.printer.paint_data(style, word)
        }
        None => context.printer.paint_data(Style::Heading, "running"),
    }
}

fn reason(run: &Run) -> String {
    match run.trigger {
        Trigger::Change => run_view::changed(&run.changed, run.changes),
        Trigger::Start => "the service started".into(),
        Trigger::Request => match &run.part {
            Some(part) => format!("asked for, {}", run_view::only(part)),
            None => "asked for".into(),
        },
    }
}

fn one(context: &Context, run: &Run, stages: &[Stage]) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "run": run, "stages": stages }))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = stages
        .iter()
        .map(|stage| {
            let why = printable(stage.why.as_deref().unwrap_or("-"));
            let name = printable(&stage.stage.0);
            let Some(end) = &stage.end else {
                return vec![name, "-".into(), String::new(), String::new(), why];
            };
            let (style, word) = run_view::word(end.verdict);
            let word = if end.replayed { format!("{word} (unchanged)") } else { word.to_owned() };
            let time = span(Duration::from_millis(end.milliseconds));
            vec![name, context.printer.paint_data(style, &word), time, run_view::tests(end.tests), why]
        })
        .collect();
    context.printer.data(&format!(
        "run {} of {}, {}, {}: {}\n",
        run.run.0,
        path::display(&run.project, &context.dirs.home),
        run.started,
        verdict(context, run),
        reason(run)
    ))?;
    for line in table::columns(&rows) {
        context.printer.data(&format!("  {line}\n"))?;
    }
    for failure in stages.iter().filter_map(|stage| stage.end.as_ref()).flat_map(|end| &end.failures) {
        context.printer.data(&format!("  {}\n", run_view::failure(failure)))?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_days_are_moments() {
        let now = Timestamp(1_000_000);
        assert_eq!(moment("1h", now).unwrap(), Timestamp(996_400));
        assert_eq!(moment("1970-01-02", now).unwrap(), Timestamp(86_400));
        assert!(moment("yesterday", now).is_err());
    }
}
