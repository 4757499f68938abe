//! `devboot doctor`: each check with verdict, evidence and fix.

pub(super) mod cloud;

use std::collections::BTreeMap;

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::{counted, printable};
use crate::cli::args::ProfileArgs;
use crate::cli::context::Context;
use crate::cli::{home_run, view};
use crate::home::Plan;
use crate::home::check::{Judgement, judge};
use crate::host::checks::{Check, Verdict, checks};
use crate::host::{capability, startup};
use crate::sys::env;
use crate::sys::system::ReadSystem;
use crate::ui::{Style, table};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot doctor\n  devboot doctor --fix\n  devboot doctor --json\n\nExits with 2 if a check \
                        is bad."
)]
pub struct Args {
    /// Mend what can be mended safely: settle runs that were cut short, write devboot's own files anew
    #[arg(long)]
    fix: bool,
    /// How often each shell is started to measure it; 0 does not measure
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
}

/// A shell start may grow by this much, in milliseconds, before it is worth a word.
const SLOW: f64 = 5.0;

/// Checks host, home and shells, and says whose credentials the SDKs of clouds take.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let facts = context.facts()?;
    let can = capability::probe(&context.system, &context.dirs.home);
    let mut found = checks(&facts, &can, &env::var("PATH").unwrap_or_default());
    let pending = context.home.store.pending(&context.system)?;
    if args.fix && !pending.is_empty() {
        drop(context.write_lock()?);
    }
    found.push(if pending.is_empty() {
        Check::good("runs", "none was cut short")
    } else if args.fix {
        Check::good("runs", "one was cut short; it is settled now")
    } else {
        let evidence = format!("{} cut short", counted(pending.len(), "run"));
        Check::not("runs", Verdict::Bad, evidence, "devboot doctor --fix")
    });
    home(context, args, &mut found)?;
    let ledger = context.home.store.ledger(&context.system)?;
    for shell in can.shells.iter().filter(|shell| args.runs > 0 && is_set_up(&ledger, shell)) {
        found.push(start(context, shell, args.runs));
    }
    let (chains, switched) = cloud::chains(context);
    found.extend(cloud::checks(&chains, switched.as_ref()));
    let worst = found.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Good);
    let exit = if worst == Verdict::Bad { Exit::Differs } else { Exit::Done };
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA, "host": facts.kind.name(), "checks": found, "cloud": cloud::as_json(&chains),
        }))?;
        return Ok(exit);
    }
    print(context, &found)?;
    Ok(exit)
}

fn print(context: &Context, found: &[Check]) -> Result<(), Fault> {
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|check| {
            let (style, word) = match check.verdict {
                Verdict::Good => (Style::Good, "good"),
                Verdict::Warn => (Style::Warn, "look"),
                Verdict::Bad => (Style::Bad, "bad"),
            };
            vec![context.printer.paint_data(style, word), printable(&check.name), printable(&check.evidence)]
        })
        .collect();
    for (check, line) in found.iter().zip(table::columns(&rows)) {
        context.printer.data(&format!("{line}\n"))?;
        if let Some(fix) = &check.fix {
            context.printer.data(&format!("      next: {}\n", printable(fix)))?;
        }
    }
    Ok(())
}

/// The home against its profile, and every rc file against its shell.
fn home(context: &Context, args: &Args, found: &mut Vec<Check>) -> Result<(), Fault> {
    let ledger = context.home.store.ledger(&context.system)?;
    if ledger.records.is_empty() {
        found.push(Check::not("setup", Verdict::Warn, "devboot has not set this home up", "devboot setup"));
        return Ok(());
    }
    let target = match context.target(context.sources(&ProfileArgs::default())?, None) {
        Ok(target) => target,
        Err(fault) => {
            found.push(Check::not("profile", Verdict::Bad, fault.one_line(), "devboot profile check"));
            return Ok(());
        }
    };
    let plan = context.home.plan(&context.system, &target.entries, &BTreeMap::new())?;
    let own: Vec<_> = plan.steps.iter().filter(|step| step.generated).collect();
    if !own.is_empty() && args.fix {
        let count = own.len();
        let entries: Vec<_> = target.entries.iter().filter(|entry| entry.generated).cloned().collect();
        rewrite(context, &entries)?;
        found.push(Check::good("devboot's files", format!("{} written anew", counted(count, "file"))));
    } else if own.is_empty() {
        found.push(Check::good("devboot's files", "as they were written"));
    } else {
        let evidence = format!("{} missing or changed", counted(own.len(), "file"));
        found.push(Check::not("devboot's files", Verdict::Bad, evidence, "devboot doctor --fix"));
    }
    found.push(wishes(&plan));
    for entry in target.entries.iter().filter(|entry| !entry.check.is_empty() && !entry.generated) {
        let path = entry.path.under(&context.dirs.home);
        let Ok(bytes) = context.system.read(&path, crate::home::actual::LARGEST) else { continue };
        if let Judgement::Bad(why) = judge(&entry.check, &bytes) {
            let name = entry.path.to_string();
            found.push(Check::not(
                &name,
                Verdict::Bad,
                format!("syntax error: {why}"),
                format!("edit {name}"),
            ));
        }
    }
    Ok(())
}

/// Writes devboot's own files; every other entry stays as the ledger has it.
fn rewrite(context: &Context, entries: &[crate::home::Entry]) -> Result<(), Fault> {
    let _lock = context.write_lock()?;
    let mut plan = context.home.plan(&context.system, entries, &BTreeMap::new())?;
    // The plan for some entries would retire all others; doctor takes nothing away.
    plan.steps.retain(|step| step.generated && entries.iter().any(|entry| entry.path == step.path));
    plan.records.retain(|change| change.after.is_some());
    home_run::carry_out(context, plan, "doctor", None).map(drop)
}

fn wishes(plan: &Plan) -> Check {
    let name = "home";
    let waiting = plan.steps.iter().filter(|step| !step.generated).count();
    if !plan.conflicts.is_empty() {
        let (first, next) = view::conflict(&plan.conflicts[0]);
        let evidence = format!("{}: {first}", counted(plan.conflicts.len(), "conflict"));
        return Check::not(name, Verdict::Bad, evidence, next);
    }
    if waiting > 0 {
        return Check::not(
            name,
            Verdict::Warn,
            format!("{} to be made", counted(waiting, "change")),
            "devboot apply",
        );
    }
    if !plan.drifts.is_empty() {
        let evidence = format!("{} changed by you", counted(plan.drifts.len(), "entry"));
        return Check::not(
            name,
            Verdict::Warn,
            evidence,
            "devboot status; devboot apply --take-new goes back",
        );
    }
    Check::good(name, format!("{} as written", counted(plan.unchanged, "entry")))
}

/// Whether devboot has a block in an rc file of this shell: only then has its start a cost, and a shell that is
/// started for the first time may write into the home.
fn is_set_up(ledger: &crate::home::ledger::Ledger, shell: &str) -> bool {
    let file = match shell {
        "bash" => ".bashrc",
        "zsh" => ".zshrc",
        _ => "config.fish",
    };
    let ours = |path: &str| path.rsplit('/').next() == Some(file);
    ledger.records.keys().any(|key| key.block.is_some() && ours(key.path.as_str()))
}

fn start(context: &Context, shell: &str, runs: usize) -> Check {
    let name = format!("start of {shell}");
    let Some(measured) = startup::measure(shell, &context.dirs.home, runs) else {
        let fix = format!("start it by hand: {shell} -ic exit");
        return Check::not(&name, Verdict::Bad, "it does not start", fix);
    };
    let cost = measured.with_ms - measured.without_ms;
    let evidence = format!("{:.1} ms, {:.1} ms without devboot", measured.with_ms, measured.without_ms);
    if cost > SLOW {
        return Check::not(&name, Verdict::Warn, evidence, "a kit costs most of it: devboot profile show");
    }
    Check::good(&name, evidence)
}
