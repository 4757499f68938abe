//! `devboot undo`: take back one run.

use std::collections::BTreeMap;

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::{counted, printable};
use crate::cli::args::ConflictArgs;
use crate::cli::command::daemon;
use crate::cli::context::Context;
use crate::cli::{home_run, view};
use crate::home::journal::{Journal, RunId};
use crate::home::prepare::discard_preparation;
use crate::home::recover::recover;
use crate::ui::table;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot undo --list\n  devboot undo                      the last run\n  \
                        devboot undo 20261123T021500Z     that run; naming an undo takes the undo back\n\n\
                        Clones, starters and Python environments stay; `devboot uninstall` takes those away."
)]
pub struct Args {
    /// Which run; the last one that is not taken back already
    run: Option<String>,
    /// List the runs that can be taken back
    #[arg(short, long, conflicts_with = "run")]
    list: bool,
    #[command(flatten)]
    conflicts: ConflictArgs,
    /// Show the plan and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do not ask whether to go on
    #[arg(short, long)]
    yes: bool,
}

/// Takes back one run.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    if args.list {
        return list(context);
    }
    let known = crate::sys::system::ReadSystem::meta(&context.system, &context.dirs.state);
    if !matches!(known, Ok(Some(_))) {
        if !args.dry_run {
            discard_preparation(&context.system, &context.home)?;
        }
        return match &args.run {
            Some(name) => Err(no_run(name)),
            None => nothing(context),
        };
    }
    let lock = if args.dry_run { None } else { Some(context.write_lock()?) };
    if lock.is_some() {
        recover(&context.system, &context.home)?;
    }
    let Some(journal) = chosen(context, args)? else {
        return nothing(context);
    };
    let mut plan = context.home.plan_undo(&context.system, &journal, &BTreeMap::new())?;
    let answers = home_run::answers(context, &plan, &args.conflicts, !args.yes && !args.dry_run)?;
    if !answers.is_empty() {
        plan = context.home.plan_undo(&context.system, &journal, &answers)?;
    }
    if !context.global.json {
        context.printer.say(&format!("taking back {} of {}:", journal.command, journal.started));
        home_run::show(context, &plan);
    }
    if args.dry_run {
        if context.global.json {
            context.printer.json(&json!({ "schema": view::SCHEMA, "plan": view::plan_json(&plan) }))?;
        }
        return Ok(Exit::Done);
    }
    if !home_run::agreed(args.yes, &format!("Take back {}?", counted(plan.steps.len(), "change")))? {
        context.printer.say("nothing was changed");
        return Ok(Exit::Done);
    }
    let outcome = home_run::carry_out(context, plan, "undo", Some(journal.id))?;
    daemon::home_changed(context);
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "run": outcome.run.as_ref().map(ToString::to_string),
            "plan": view::plan_json(&outcome.plan),
        }))?;
    } else {
        home_run::report(context, &outcome);
    }
    Ok(outcome.exit())
}

fn chosen(context: &Context, args: &Args) -> Result<Option<Journal>, Fault> {
    let Some(name) = &args.run else { return Ok(context.home.last_undoable(&context.system)?) };
    let id = RunId::parse(name);
    let journal = match &id {
        Some(id) => context.home.store.journal(&context.system, id, false)?,
        None => None,
    };
    journal.map(Some).ok_or_else(|| no_run(name))
}

fn no_run(name: &str) -> Fault {
    Fault::new(ErrorKind::Usage, format!("there is no run '{}'", printable(name)))
        .hint("devboot undo --list shows them")
}

fn nothing(context: &Context) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "run": null, "plan": null }))?;
    }
    context.printer.say("nothing to undo");
    Ok(Exit::Done)
}

fn list(context: &Context) -> Result<Exit, Fault> {
    let store = &context.home.store;
    let mut journals = Vec::new();
    for id in store.runs(&context.system)?.into_iter().rev() {
        journals.extend(store.journal(&context.system, &id, false)?);
    }
    if context.global.json {
        let runs: Vec<_> = journals
            .iter()
            .map(|j| {
                json!({ "run": j.id, "started": j.started.to_string(), "command": j.command,
                             "changes": j.steps.len(), "undoes": j.undoes })
            })
            .collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "runs": runs }))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = journals
        .iter()
        .map(|j| {
            let what = j.undoes.as_ref().map_or_else(|| j.command.clone(), |of| format!("undo of {of}"));
            vec![j.id.to_string(), what, counted(j.steps.len(), "change")]
        })
        .collect();
    if rows.is_empty() {
        context.printer.say("nothing to undo");
    }
    for line in table::columns(&rows) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(Exit::Done)
}
