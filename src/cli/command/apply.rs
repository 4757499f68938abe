//! `devboot apply`: files, blocks and links as the profile says.

use std::collections::BTreeMap;

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::counted;
use crate::cli::args::{ConflictArgs, ProfileArgs};
use crate::cli::command::daemon;
use crate::cli::context::{Context, Target};
use crate::cli::home_run::{self, Outcome};
use crate::cli::{fetched, view};
use crate::home::entry::Key;
use crate::home::plan::{Plan, Resolution};
use crate::setup::record::Record;
use crate::sys::terminal;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot apply --dry-run\n  devboot apply --yes\n  devboot apply --take-new    \
                        replace what you changed with devboot's version"
)]
pub struct Args {
    #[command(flatten)]
    profile: ProfileArgs,
    #[command(flatten)]
    conflicts: ConflictArgs,
    /// Show the plan and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Only devboot's own generated files, without a question; what touches yours waits for the next `apply`
    #[arg(long, conflicts_with_all = ["keep_mine", "take_new"])]
    generated: bool,
    /// Do not ask whether to go on
    #[arg(short, long)]
    yes: bool,
}

impl Args {
    /// Whether nothing is to be written.
    pub fn is_dry(&self) -> bool {
        self.dry_run
    }
}

/// Brings the home to what the profile says.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let target = context.target(context.sources(&args.profile)?, args.profile.trust.as_deref())?;
    for warning in &target.resolved.warnings {
        context.printer.warn(&warning.to_string());
    }
    if args.generated {
        return generated(context, args, &target);
    }
    let (plan, answers) = settled(context, &target, &args.conflicts, !args.yes && !args.dry_run)?;
    let new_profiles = context.record()?.profiles != target.sources;
    if args.dry_run || plan.is_empty() && !new_profiles {
        return shown(context, args, Outcome { run: None, plan });
    }
    if !context.global.json {
        home_run::show(context, &plan);
    }
    // An explicit `--take-new` or `--keep-mine` is an answer too, but not to this question.
    if !plan.steps.is_empty() && !home_run::agreed(args.yes, &format!("Make {}?", view::summary(&plan)))? {
        context.printer.say("nothing was changed");
        return Ok(Exit::Done);
    }
    let _lock = context.write_lock()?;
    // Another devboot may have been at work while we asked.
    let plan = home_run::planned(context, &target.entries, &answers)?;
    let outcome = home_run::carry_out(context, plan, "apply", None)?;
    fetched::keep(context, &target.resolved.bundles)?;
    remember(context, &target.sources)?;
    daemon::home_changed(context);
    if !context.global.json {
        home_run::report(context, &outcome);
    }
    finish(context, &outcome)
}

/// Brings devboot's own files up to date and says what waits.
fn generated(context: &Context, args: &Args, target: &Target) -> Result<Exit, Fault> {
    let planned = || home_run::planned(context, &target.entries, &BTreeMap::new()).map(Plan::divided);
    let (own, waiting) = planned()?;
    let (outcome, waiting) = if args.dry_run || own.steps.is_empty() {
        (Outcome { run: None, plan: own }, waiting)
    } else {
        let _lock = context.write_lock()?;
        // Another devboot may have been at work meanwhile.
        let (own, waiting) = planned()?;
        (home_run::carry_out(context, own, "apply --generated", None)?, waiting)
    };
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "run": outcome.run.as_ref().map(ToString::to_string),
            "plan": view::plan_json(&outcome.plan),
            "waiting": view::plan_json(&waiting),
        }))?;
        return Ok(Exit::Done);
    }
    home_run::show(context, &outcome.plan);
    home_run::report(context, &outcome);
    if !waiting.steps.is_empty() || !waiting.conflicts.is_empty() {
        let count = counted(waiting.steps.len() + waiting.conflicts.len(), "change");
        context.printer.say(&format!("{count} to your own files: `devboot apply` makes them"));
    }
    Ok(Exit::Done)
}

/// The plan with the answers to its conflicts.
pub fn settled(
    context: &Context,
    target: &Target,
    conflicts: &ConflictArgs,
    ask: bool,
) -> Result<(Plan, BTreeMap<Key, Resolution>), Fault> {
    let plan = home_run::planned(context, &target.entries, &BTreeMap::new())?;
    let answers = home_run::answers(context, &plan, conflicts, ask && terminal::can_ask())?;
    if answers.is_empty() {
        return Ok((plan, answers));
    }
    Ok((home_run::planned(context, &target.entries, &answers)?, answers))
}

/// Remembers the profiles for the next time.
fn remember(context: &Context, sources: &[String]) -> Result<(), Fault> {
    let before = context.record()?;
    let record = Record { profiles: sources.to_vec(), ..before.clone() };
    Ok(record.save(&context.system, &context.dirs.state, &before)?)
}

fn shown(context: &Context, args: &Args, outcome: Outcome) -> Result<Exit, Fault> {
    if !context.global.json {
        if outcome.plan.steps.is_empty() {
            home_run::leftovers(context, &outcome.plan);
            context.printer.say("nothing to do");
        } else {
            home_run::show(context, &outcome.plan);
            context.printer.say(&format!("{}; nothing was written", view::summary(&outcome.plan)));
        }
        return Ok(if args.dry_run { Exit::Done } else { outcome.exit() });
    }
    finish(context, &outcome)
}

fn finish(context: &Context, outcome: &Outcome) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "run": outcome.run.as_ref().map(ToString::to_string),
            "plan": view::plan_json(&outcome.plan),
        }))?;
    }
    Ok(outcome.exit())
}
