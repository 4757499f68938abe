//! `devboot why`: for each stage, why it ran last time, and whether it would run now.

use std::path::PathBuf;

use serde_json::json;

use super::run::{reason_json, reason_words};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::base::time::ago;
use crate::cli::command::history;
use crate::cli::context::Context;
use crate::cli::{project_load, run_view, view};
use crate::history::Filter;
use crate::run::event::Trigger;
use crate::session::{Access, Asked};
use crate::sys::clock;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot why\n  devboot why train --json")]
pub struct Args {
    /// The stages; all when not given
    stages: Vec<String>,
    /// The project; where you are when not given
    #[arg(short = 'C', long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Says why.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let project = project_load::project(context, args.dir.as_deref())?;
    let stages = project.stages(&args.stages)?;
    let root = project.root.clone();
    let session = project.session(context, Access::Read)?;
    let store = history::open(context)?;
    let asked = Asked { trigger: Trigger::Change, force: false };
    let mut found = Vec::new();
    for reason in session.reasons(&stages, asked) {
        let filter = Filter {
            root: Some(root.clone()),
            stage: Some(reason.stage.clone()),
            limit: 1,
            ..Filter::default()
        };
        let last = match &store {
            Some(store) => store.runs(&filter)?.pop(),
            None => None,
        };
        let ended = match (&store, &last) {
            (Some(store), Some(run)) => {
                store.stages(&root, run.run)?.into_iter().find(|stage| stage.stage == reason.stage)
            }
            _ => None,
        };
        found.push((reason, last.zip(ended)));
    }
    if context.global.json {
        let stages: Vec<_> = found
            .iter()
            .map(|(reason, last)| {
                let last = last.as_ref().map(|(run, stage)| json!({ "run": run.run, "started": run.started, "why": stage.why, "end": stage.end }));
                json!({ "now": reason_json(reason), "last": last })
            })
            .collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "stages": stages }))?;
        return Ok(Exit::Done);
    }
    for (reason, last) in &found {
        let mut text = format!("{}\n", printable(&reason.stage.0));
        match last {
            Some((run, stage)) => {
                let word = stage.end.as_ref().map_or("running", |end| run_view::word(end.verdict).1);
                let (number, when) = (run.run.0, ago(run.started, clock::now()));
                let why = printable(stage.why.as_deref().unwrap_or("it is not known why"));
                text.push_str(&format!("  last  {word} in run {number}, {when}: {why}\n"));
            }
            None => text.push_str("  last  it has not run yet\n"),
        }
        let (style, word, why) = reason_words(reason);
        text.push_str(&format!("  now   {}: {why}\n", context.printer.paint_data(style, word)));
        context.printer.data(&text)?;
    }
    Ok(Exit::Done)
}
