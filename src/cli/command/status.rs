//! `devboot status`: what has changed since devboot wrote it, what is postponed, how much it takes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::{counted, printable, size};
use crate::cli::args::ProfileArgs;
use crate::cli::command::project::say_set_aside;
use crate::cli::context::Context;
use crate::cli::{home_run, view};
use crate::sys::tree;
use crate::ui::{Style, table};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot status\n  devboot status --json\n\nExits with 0 when everything is as devboot \
                        wrote it, and with 2 when something differs."
)]
pub struct Args {
    #[command(flatten)]
    profile: ProfileArgs,
}

/// Shows the state of the home.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    if !context.global.json {
        say_set_aside(context);
    }
    let record = context.record()?;
    let ledger = context.home.store.ledger(&context.system)?;
    let pending = context.home.store.pending(&context.system)?;
    if ledger.records.is_empty() && record.finished.is_none() && pending.is_empty() {
        if context.global.json {
            context.printer.json(&json!({ "schema": view::SCHEMA, "installed": false, "differs": false }))?;
        } else {
            context.printer.say("devboot has not set this home up; `devboot setup` does");
        }
        return Ok(Exit::Done);
    }
    let target = context.target(context.sources(&args.profile)?, args.profile.trust.as_deref())?;
    let plan = home_run::planned(context, &target.entries, &BTreeMap::new())?;
    let differs =
        !(plan.steps.is_empty() && plan.conflicts.is_empty() && plan.drifts.is_empty() && pending.is_empty());
    let exit = if differs { Exit::Differs } else { Exit::Done };
    let sizes = [
        ("state", tree::size(&context.dirs.state)),
        ("environments and kits", tree::size(&context.dirs.data)),
        ("cache", tree::size(&context.dirs.cache)),
    ];
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "installed": true,
            "version": env!("CARGO_PKG_VERSION"),
            "differs": differs,
            "profiles": target.sources.iter().map(|source| crate::base::redact::url(source)).collect::<Vec<_>>(),
            "profile_digest": target.resolved.profile.digest(),
            "sources": target.resolved.files,
            "managed": ledger.records.keys().map(|key| key.path.under(&context.dirs.home)).collect::<BTreeSet<_>>(),
            "plan": view::plan_json(&plan),
            "interrupted_runs": pending,
            "clones": record.clones,
            "tests": record.tests.iter().map(|(name, test)| (name, (&test.verdict, &test.summary))).collect::<BTreeMap<_, _>>(),
            "postponed": record.postponed,
            "failed": record.failed,
            "bytes": sizes.iter().copied().collect::<BTreeMap<_, _>>(),
        }))?;
        return Ok(exit);
    }
    let printer = &context.printer;
    let sources: Vec<String> =
        target.sources.iter().map(|source| printable(&crate::base::redact::url(source))).collect();
    printer.data(&format!("devboot {}, profile {}\n", env!("CARGO_PKG_VERSION"), sources.join(", ")))?;
    let mut rows = vec![vec!["home".to_owned(), format!("{} as written", counted(plan.unchanged, "entry"))]];
    rows.extend(record.clones.iter().map(|(dir, clone)| {
        vec![
            "clone".into(),
            match &clone.commit {
                Some(commit) => {
                    format!("{}: {dir} at {}", printable(&clone.name), commit.get(..12).unwrap_or(""))
                }
                None => format!("{}: {dir} was begun; `devboot setup` finishes it", printable(&clone.name)),
            },
        ]
    }));
    rows.extend(record.tests.iter().map(|(name, test)| {
        vec!["tests".into(), format!("{}: {}", printable(name), printable(&test.summary))]
    }));
    rows.extend(
        record
            .postponed
            .iter()
            .map(|(name, why)| vec!["postponed".into(), format!("{}: {}", printable(name), printable(why))]),
    );
    rows.extend(
        record
            .failed
            .iter()
            .map(|(name, why)| vec!["failed".into(), format!("{}: {}", printable(name), printable(why))]),
    );
    let used = sizes.iter().map(|(name, bytes)| format!("{name} {}", size(*bytes))).collect::<Vec<_>>();
    rows.push(vec!["space".into(), used.join(", ")]);
    for line in table::columns(&rows) {
        printer.data(&format!("{line}\n"))?;
    }
    for run in &pending {
        printer.say(&format!(
            "  run {run} was cut short; `devboot apply` finishes it, `devboot undo` goes back"
        ));
    }
    home_run::leftovers(context, &plan);
    if !plan.steps.is_empty() {
        printer.say(&format!("{} to be made by `devboot apply`:", counted(plan.steps.len(), "change")));
        for line in view::steps(printer, &plan) {
            printer.say(&line);
        }
    }
    if !differs {
        printer.say(&printer.paint(Style::Good, "everything is as devboot wrote it"));
    }
    Ok(exit)
}
