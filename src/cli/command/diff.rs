//! `devboot diff`: what `apply` would change.

use std::collections::BTreeMap;

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::args::ProfileArgs;
use crate::cli::context::Context;
use crate::cli::{home_run, view};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot diff\n  devboot diff --profile mlops\n\nSecrets are masked. Exits with 2 if \
                        something differs."
)]
pub struct Args {
    #[command(flatten)]
    profile: ProfileArgs,
}

/// Prints the difference.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let target = context.target(context.sources(&args.profile)?, args.profile.trust.as_deref())?;
    let plan = home_run::planned(context, &target.entries, &BTreeMap::new())?;
    let differs = !(plan.steps.is_empty() && plan.conflicts.is_empty() && plan.drifts.is_empty());
    if context.global.json {
        let plan = view::plan_json(&plan);
        context.printer.json(&json!({ "schema": view::SCHEMA, "differs": differs, "plan": plan }))?;
    } else {
        context.printer.data(&view::plan_diff(&plan, context.printer.out_colours()))?;
        home_run::leftovers(context, &plan);
        if !differs {
            context.printer.say("nothing differs");
        }
    }
    Ok(if differs { Exit::Differs } else { Exit::Done })
}
