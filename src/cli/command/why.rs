//! `devboot why`: for each stage, why it ran last time, and whether it would run now.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::run::{reason_json, reason_words};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::{counted, printable};
use crate::base::time::{ago, span};
use crate::cli::command::history;
use crate::cli::context::Context;
use crate::cli::project_load::Project;
use crate::cli::{project_load, run_view, view};
use crate::history::{Filter, Run, Stage as Ended, Test};
use crate::project::model::{Action, Stage};
use crate::run::event::Trigger;
use crate::session::{Access, Asked, Reason};
use crate::sys::clock;
use crate::ui::Style;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot why\n  devboot why train --json\n  devboot why tests/test_app.py::test_home    the way from a test to what changed"
)]
pub struct Args {
    /// The stages, or test files and node ids; all stages when not given
    stages: Vec<String>,
    /// The project; where you are when not given
    #[arg(short = 'C', long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Says why.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let project = project_load::project(context, args.dir.as_deref())?;
    let is_stage = |name: &&String| project.pipeline.stages.iter().any(|stage| stage.id.0 == **name);
    let is_test = |name: &&String| !is_stage(name) && (name.contains('/') || name.contains(".py"));
    let tests: Vec<String> = args.stages.iter().filter(is_test).cloned().collect();
    if !tests.is_empty() {
        if tests.len() < args.stages.len() {
            return Err(Fault::new(ErrorKind::Usage, "ask for stages or for tests, not for both at once"));
        }
        return why_tests(context, project, &tests);
    }
    let stages = project.stages(&args.stages)?;
    let root = project.root.clone();
    let session = project.session(context, Access::Read)?;
    let store = history::open(context)?;
    let asked = Asked { trigger: Trigger::Change, force: false };
    let mut found = Vec::new();
    let is_meant = |reason: &Reason| stages.is_empty() || stages.contains(&reason.stage);
    for reason in session.reasons(&stages, asked).into_iter().filter(is_meant) {
        let filter = Filter {
            root: Some(root.clone()),
            stage: Some(reason.stage.clone()),
            limit: 1,
            ..Filter::default()
        };
        let find = |whole: bool| match &store {
            Some(store) => store.runs(&Filter { whole, ..filter.clone() }).map(|mut runs| runs.pop()),
            None => Ok(None),
        };
        let last = find(true)?;
        // What came of some tests says nothing of the stage, and nobody should wonder where it has gone.
        let some = find(false)?.filter(|run| last.as_ref().is_none_or(|last| last.run < run.run));
        let of = |run: Option<Run>| -> Result<_, Fault> {
            let (Some(store), Some(run)) = (&store, run) else { return Ok(None) };
            let mut stages = store.stages(&root, run.run)?.into_iter();
            Ok(stages.find(|stage| stage.stage == reason.stage).map(|stage| (run, stage)))
        };
        let (last, some) = (of(last)?, of(some)?);
        found.push((reason, last, some));
    }
    if context.global.json {
        let stages: Vec<_> = found
            .iter()
            .map(|(reason, last, some)| {
                let told = |told: &Option<(Run, Ended)>| {
                    told.as_ref().map(|(run, stage)| json!({ "run": run.run, "started": run.started, "part": run.part, "why": stage.why, "end": stage.end }))
                };
                json!({ "now": reason_json(reason), "last": told(last), "some": told(some) })
            })
            .collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "stages": stages }))?;
        return Ok(Exit::Done);
    }
    for (reason, last, some) in &found {
        let mut text = format!("{}\n", printable(&reason.stage.0));
        match last {
            Some((run, stage)) => {
                let why = printable(stage.why.as_deref().unwrap_or("it is not known why"));
                text.push_str(&format!("  last  {}: {why}\n", ended(run, stage)));
            }
            None if some.is_some() => text.push_str("  last  it has not run as a whole yet\n"),
            None => text.push_str("  last  it has not run yet\n"),
        }
        if let Some((run, stage)) = some {
            let of = run.part.as_ref().map_or_else(|| "only some tests".into(), run_view::only);
            text.push_str(&format!("  part  {}: {of}\n", ended(run, stage)));
        }
        let (style, word, why) = reason_words(reason);
        text.push_str(&format!("  now   {}: {why}\n", context.printer.paint_data(style, word)));
        context.printer.data(&text)?;
    }
    Ok(Exit::Done)
}

/// How a stage ended, and when.
fn ended(run: &Run, stage: &Ended) -> String {
    let word = stage.end.as_ref().map_or("running", |end| run_view::word(end.verdict).1);
    format!("{word} in run {}, {}", run.run.0, ago(run.started, clock::now()))
}

/// For each test: what came of it last, and why it would run now.
fn why_tests(context: &Context, project: Project, tests: &[String]) -> Result<Exit, Fault> {
    let is_pytest = |stage: &&Stage| matches!(stage.action, Action::Pytest(_));
    let stages: Vec<Stage> = project.pipeline.stages.iter().filter(is_pytest).cloned().collect();
    if stages.is_empty() {
        return Err(Fault::new(ErrorKind::Usage, "no stage of the project is pytest's"));
    }
    let root = project.root.clone();
    let session = project.session(context, Access::Read)?;
    let known = history::open(context)?.map(|store| store.tests(&root, 0)).transpose()?.unwrap_or_default();
    let runtime = super::run::runtime()?;
    let mut out = Vec::new();
    for stage in &stages {
        let explained = runtime
            .block_on(session.explain(stage, tests))
            .map_err(|why| Fault::new(ErrorKind::Failed, printable(&why)))?;
        for (name, explained) in tests.iter().zip(explained) {
            let of_file = |test: &&Test| test.stage == stage.id && test.file == explained.file;
            let own = |test: &&Test| name == &explained.file || &test.name == name;
            let last: Vec<Test> = known.iter().filter(of_file).filter(own).cloned().collect();
            out.push((stage.id.clone(), name, explained, last));
        }
    }
    let is_there = |name: &String| {
        out.iter().any(|(_, of, explained, last)| *of == name && (explained.is_there || !last.is_empty()))
    };
    if let Some(name) = tests.iter().find(|name| !is_there(name)) {
        let file = printable(name.split("::").next().unwrap_or(name));
        let stages: Vec<String> = stages.iter().map(|stage| printable(&stage.id.0)).collect();
        let message = format!("there is no {file} among the files of {}", stages.join(" and "));
        let hint =
            "name test files from the project's root; `devboot history --tests` has all tests that ran";
        return Err(Fault::new(ErrorKind::Usage, message).hint(hint));
    }
    if context.global.json {
        let tests: Vec<_> = out
            .iter()
            .map(|(stage, name, explained, last)| {
                json!({ "stage": stage, "test": name, "file": explained.file, "runs": explained.runs, "why": explained.why, "last": last })
            })
            .collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "tests": tests }))?;
        return Ok(Exit::Done);
    }
    for (stage, name, explained, last) in &out {
        let mut text = format!("{} of {}\n", printable(name), printable(&stage.0));
        match last.as_slice() {
            [] => text.push_str("  last  it has not run yet\n"),
            [test] => text.push_str(&format!("  last  {}\n", of_test(test))),
            all => {
                let failed = all.iter().filter(|test| test.outcome.is_failure()).count();
                let count = counted(all.len(), "test");
                let micros: u64 = all.iter().map(|test| test.microseconds).sum();
                let time = span(Duration::from_micros(micros));
                text.push_str(&format!("  last  {count}, {failed} failed, {time}\n"));
            }
        }
        let word = if explained.runs { "would run" } else { "holds" };
        let style = if explained.runs { Style::Heading } else { Style::Faint };
        let word = context.printer.paint_data(style, word);
        text.push_str(&format!("  now   {word}: {}\n", printable(&explained.why)));
        context.printer.data(&text)?;
    }
    Ok(Exit::Done)
}

fn of_test(test: &Test) -> String {
    let word = run_view::outcome(test.outcome);
    let time = span(Duration::from_micros(test.microseconds));
    let mut text =
        format!("{word} in run {}, {time}; {} in all", test.run.0, counted(test.runs as usize, "run"));
    if test.failures > 0 {
        text.push_str(&format!(", {} failed", test.failures));
    }
    if test.flips > 0 {
        text.push_str(&format!(", {} times another outcome at the same bytes", test.flips));
    }
    text
}
