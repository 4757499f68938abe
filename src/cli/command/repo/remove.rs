//! `devboot repo remove`.

use serde_json::json;

use super::{catalog, finder, folder};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cli::{home_run, view};
use crate::setup::ours;
use crate::setup::record::{CloneRecord, Record};
use crate::setup::work::WantedClone;
use crate::sys::tree;
use crate::ui::Style;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot repo remove or\n  devboot repo remove or --force      although you changed it\n\n\
                        Only clones that devboot made are removed."
)]
pub struct Args {
    /// Names of clones
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Remove clones with changes of yours too: these are lost
    #[arg(long)]
    force: bool,
    /// Show what would go and what would stay
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do not ask whether to go on
    #[arg(short, long)]
    yes: bool,
}

/// Removes clones, their environments and what is remembered of them.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let _lock = if args.dry_run { None } else { Some(context.write_lock()?) };
    let catalog = catalog(context)?;
    let record = context.record()?;
    let wanted = finder(context, &catalog, &record, folder(None, context)?).here(&args.names)?;
    let mut gone = Vec::new();
    let mut kept = Vec::new();
    for clone in &wanted.repos {
        let Some(known) = record.clones.get(&clone.dir) else { continue };
        match ours::clone_is_ours(&context.system, &clone.spec.dest, known) {
            Ok(_) => gone.push((clone, known)),
            Err(_) if args.force => gone.push((clone, known)),
            Err(why) => kept.push((clone, why)),
        }
    }
    if !context.global.json {
        let printer = &context.printer;
        for (clone, _) in &gone {
            printer.say(&format!("  {} {}", printer.paint(Style::Bad, "remove"), clone.dir));
        }
        for (clone, why) in &kept {
            printer.say(&format!("  {} {}: {why}", printer.paint(Style::Warn, "stays:"), clone.dir));
        }
    }
    let exit = if kept.is_empty() { Exit::Done } else { Exit::NeedsUser };
    if args.dry_run || gone.is_empty() {
        return report(context, &gone, &kept, exit);
    }
    if !home_run::agreed(args.yes, "Go on?")? {
        context.printer.say("nothing was changed");
        return Ok(Exit::Done);
    }
    let mut left = record.clone();
    for (clone, _) in &gone {
        forget(context, &mut left, clone)?;
    }
    left.save(&context.system, &context.dirs.state, &record)?;
    report(context, &gone, &kept, exit)
}

fn forget(context: &Context, record: &mut Record, clone: &WantedClone) -> Result<(), Fault> {
    let failed = |path: &std::path::Path, error: std::io::Error| {
        let path = printable(&path.to_string_lossy());
        Fault::new(ErrorKind::Failed, format!("cannot remove {path}")).cause(error)
    };
    let (name, dest) = (&clone.spec.name, &clone.spec.dest);
    ours::remove_whole(dest).map_err(|error| failed(dest, error))?;
    record.clones.remove(&clone.dir);
    record.tests.remove(name);
    for label in [name.clone(), format!("python of {name}"), format!("tests of {name}")] {
        record.postponed.remove(&label);
        record.failed.remove(&label);
    }
    let Some(environment) = record.environments.remove(name) else { return Ok(()) };
    if let Some(link) = &environment.link {
        let link = link.under(&context.dirs.home);
        tree::remove(&link).map_err(|error| failed(&link, error))?;
    }
    // Repositories that need the same share one.
    let is_shared = record.environments.values().any(|other| other.dir == environment.dir);
    if !is_shared && environment.dir.starts_with(context.dirs.data.join("envs")) {
        tree::remove(&environment.dir).map_err(|error| failed(&environment.dir, error))?;
    }
    Ok(())
}

fn report(
    context: &Context,
    gone: &[(&WantedClone, &CloneRecord)],
    kept: &[(&WantedClone, String)],
    exit: Exit,
) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "removed": gone.iter().map(|(clone, known)| json!({ "name": known.name, "dir": clone.dir })).collect::<Vec<_>>(),
            "kept": kept.iter().map(|(clone, why)| json!({ "name": clone.spec.name, "dir": clone.dir, "why": why })).collect::<Vec<_>>(),
        }))?;
    } else if !kept.is_empty() {
        context.printer.say("look at what stays with `devboot repo status`; --force removes it all the same");
    }
    Ok(exit)
}
