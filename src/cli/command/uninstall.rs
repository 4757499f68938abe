//! `devboot uninstall`: the home is as it was before devboot.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::HomePath;
use crate::base::text::{counted, printable};
use crate::cli::context::Context;
use crate::cli::{home_run, view};
use crate::cloud::desk::VAULT;
use crate::cloud::profiles;
use crate::home::prepare::{discard_preparation, own_dirs};
use crate::repos::git::clone::partial_path;
use crate::setup::ours;
use crate::setup::record::Record;
use crate::sys::system::{ReadSystem, WriteSystem};
use crate::sys::tree;
use crate::ui::Style;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot uninstall --dry-run\n  devboot uninstall\n\nRemoves blocks, files, clones, starters \
                        and Python environments that are as devboot made them; what you changed stays and is named."
)]
pub struct Args {
    /// Show what would go and what would stay
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do not ask whether to go on
    #[arg(short, long)]
    yes: bool,
}

/// What setup made besides the home's entries.
#[derive(Default)]
struct Made {
    /// Halves of clones and starters that a killed run left beside their places.
    partial: Vec<PathBuf>,
    gone: Vec<(HomePath, PathBuf)>,
    kept: Vec<(HomePath, String)>,
}

/// Takes everything back.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let there = context.system.meta(&context.dirs.state).map_err(unusable(&context.dirs.state))?;
    if there.is_none() {
        if !args.dry_run {
            discard_preparation(&context.system, &context.home)?;
        }
        if context.global.json {
            context.printer.json(&json!({ "schema": view::SCHEMA, "removed": [], "kept": [] }))?;
        }
        context.printer.say("devboot has not set this home up; nothing to do");
        return Ok(Exit::Done);
    }
    let lock = if args.dry_run { None } else { Some(context.write_lock()?) };
    let record = context.record()?;
    let mut made = made(context, &record);
    let plan = context.home.plan_uninstall(&context.system)?;
    if !context.global.json {
        home_run::show(context, &plan);
        for (dir, _) in &made.gone {
            context.printer.say(&format!("  {} {dir}", context.printer.paint(Style::Bad, "remove")));
        }
        for path in record.service.iter().flat_map(|service| service.links.keys().chain(service.files.keys()))
        {
            context.printer.say(&format!("  {} {path}", context.printer.paint(Style::Bad, "remove")));
        }
        for (dir, why) in &made.kept {
            context.printer.say(&format!("  {} {dir}: {why}", context.printer.paint(Style::Warn, "stays:")));
        }
    }
    if args.dry_run {
        if context.global.json {
            json(context, &made, &plan)?;
        }
        context.printer.say("nothing was written");
        return Ok(Exit::Done);
    }
    if !home_run::agreed(
        args.yes,
        &format!("Remove {}?", counted(plan.steps.len() + made.gone.len(), "thing")),
    )? {
        context.printer.say("nothing was changed");
        return Ok(Exit::Done);
    }
    let mut record = record;
    for path in super::daemon::uninstall::take_away(context, &mut record)? {
        made.kept.push((path, "you changed it".into()));
    }
    for path in &made.partial {
        tree::remove(path).map_err(unusable(path))?;
    }
    for (_, path) in &made.gone {
        ours::remove_whole(path).map_err(unusable(path))?;
    }
    let outcome = home_run::carry_out(context, plan, "uninstall", None)?;
    if !outcome.plan.conflicts.is_empty() {
        // The ledger still knows what is left, so a second uninstall can finish.
        context.printer.say("some things need you first; run devboot uninstall again afterwards");
        return Ok(Exit::NeedsUser);
    }
    purge(context, &record)?;
    drop(lock);
    if record.clones.values().any(|clone| clone.kit) {
        say_what_programs_wrote(context);
    }
    if context.global.json {
        json(context, &made, &outcome.plan)?;
    }
    context.printer.say("devboot is gone from this home; open shells keep what they have loaded");
    Ok(Exit::Done)
}

/// What zsh and vim write into any home by themselves: devboot did not make it, so it stays, and is said.
fn say_what_programs_wrote(context: &Context) {
    let names = context.system.list(&context.dirs.home).unwrap_or_default();
    let theirs: Vec<String> = names
        .iter()
        .filter_map(|name| name.to_str())
        .filter(|name| matches!(*name, ".viminfo" | ".zsh_history") || name.starts_with(".zcompdump"))
        .map(|name| format!("~/{}", printable(name)))
        .collect();
    if !theirs.is_empty() {
        let label = context.printer.paint(Style::Faint, "left as it is:");
        context
            .printer
            .say(&format!("  {label} {}: written by zsh or vim, not by devboot", theirs.join(", ")));
    }
}

fn json(context: &Context, made: &Made, plan: &crate::home::Plan) -> Result<(), Fault> {
    context.printer.json(&json!({
        "schema": view::SCHEMA,
        "plan": view::plan_json(plan),
        "removed": made.gone.iter().map(|(dir, _)| dir.to_string()).collect::<Vec<_>>(),
        "kept": made.kept.iter().map(|(dir, why)| json!({ "path": dir.to_string(), "why": why })).collect::<Vec<_>>(),
    }))
}

fn unusable(path: &Path) -> impl FnOnce(std::io::Error) -> Fault + '_ {
    move |error| Fault::new(ErrorKind::Failed, format!("cannot remove {}", path.display())).cause(error)
}

fn made(context: &Context, record: &Record) -> Made {
    let mut made = Made::default();
    let home = &context.dirs.home;
    let halves = record.clones.keys().chain(record.starters.keys());
    made.partial = halves
        .filter_map(|dir| partial_path(&dir.under(home)))
        .filter(|path| matches!(context.system.meta(path), Ok(Some(_))))
        .collect();
    // A sealed secret has no other copy, perhaps.
    for (path, why) in [
        (context.dirs.data.join(VAULT), "your sealed secrets; remove it by hand if it is to go"),
        (context.dirs.config.join(profiles::FILE), "your credential profiles"),
    ] {
        let there = matches!(context.system.meta(&path), Ok(Some(_)));
        let below =
            path.strip_prefix(home).ok().and_then(|below| HomePath::parse(&below.to_string_lossy()).ok());
        made.kept.extend(below.filter(|_| there).map(|below| (below, why.to_owned())));
    }
    for (dir, clone) in &record.clones {
        let path = dir.under(home);
        match ours::clone_is_ours(&context.system, &path, clone) {
            Ok(true) => made.gone.push((dir.clone(), path)),
            Ok(false) => {}
            Err(why) => made.kept.push((dir.clone(), why)),
        }
    }
    for (dir, starter) in &record.starters {
        let path = dir.under(home);
        match ours::starter_is_ours(&context.system, &path, starter) {
            Ok(true) => made.gone.push((dir.clone(), path)),
            Ok(false) => {}
            Err(why) => made.kept.push((dir.clone(), why)),
        }
    }
    made
}

/// The last act: devboot's own directories, then those that were made for them, where they are empty.
fn purge(context: &Context, record: &Record) -> Result<(), Fault> {
    let dirs = own_dirs(&context.system, &context.home)?;
    let config = &context.dirs.config;
    let notice = config.join(crate::setup::desired::NOTICE);
    tree::remove(&notice).map_err(unusable(&notice))?;
    for path in [context.dirs.data.join("envs"), context.dirs.data.join("venvs"), context.dirs.cache.clone()]
    {
        tree::remove(&path).map_err(unusable(&path))?;
    }
    let lock = context.dirs.data.join(format!("{VAULT}.lock"));
    context.system.remove_file(&lock).map_err(unusable(&lock))?;
    for path in ["kits", ""] {
        let path = context.dirs.data.join(path);
        // A kit that the user changed stays, and so does what holds it.
        let _ = context.system.remove_dir(&path);
    }
    for path in [config.join("profiles"), config.clone()] {
        // Profiles of the user's own stay.
        let _ = context.system.remove_dir(&path);
    }
    // The state directory goes last of devboot's own: until then a second uninstall can finish.
    tree::remove(&context.dirs.state).map_err(unusable(&context.dirs.state))?;
    // The deepest first; what still holds something of the user's stays.
    for dir in record.dirs.iter().rev().chain(&dirs) {
        let _ = context.system.remove_dir(&dir.under(&context.dirs.home));
    }
    Ok(())
}
