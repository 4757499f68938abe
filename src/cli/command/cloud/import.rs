//! `devboot cloud import`.

use std::collections::btree_map::Entry;

use serde_json::{Value, json};

use super::book::Book;
use super::plain::{self, Gone};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::counted;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::import::gather::{Around, Gathered, gather};
use crate::cloud::import::placing::{Placed, place};
use crate::cloud::import::{InVault, SOURCES, Source};
use crate::ipc::cloud::{CloudRequest, Forget, Hidden, Seal, VaultStatus};
use crate::sys::{env, hardening, process};
use crate::ui::{Style, prompt, table};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud import -n                    what there is; nothing is changed\n  devboot cloud import\n  \
                  devboot cloud import --from aws --yes      seals the keys of ~/.aws, and takes them out of its files\n  \
                  devboot cloud import --yes --keep-plain    seals them, and leaves the files as they are\n\n\
                  A profile that is there is never replaced. Before keys are taken out of a file, the whole file is sealed in the vault: \
                  devboot cloud restore gives it back."
)]
pub struct Args {
    /// Where to look; everywhere unless you say. 'env' is this shell's variables, Terraform's ARM_… among them
    #[arg(long, value_name = "SOURCE", value_parser = ["aws", "gcp", "azure", "env"])]
    from: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Leave sealed keys in AWS's files too
    #[arg(long)]
    keep_plain: bool,
    /// Seal again what is sealed already
    #[arg(long)]
    replace: bool,
    /// Only show what there is
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// What was done.
#[derive(Default)]
struct Done {
    sealed: Vec<String>,
    /// Sealed earlier, and not looked at again.
    sealed_before: Vec<String>,
    written: Vec<String>,
    gone: Vec<Gone>,
}

/// Takes over what there is.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    context.own_home()?;
    if let Some(name) = env::var("DEVBOOT_CLOUD") {
        let name = crate::base::text::printable(&name);
        let words = format!("this shell is switched to '{name}', so its variables are devboot's own");
        return Err(Fault::new(ErrorKind::Usage, words).hint("devboot use --off, then again"));
    }
    let sources: Vec<Source> = SOURCES
        .into_iter()
        .filter(|source| args.from.is_empty() || args.from.iter().any(|word| word == source.word()))
        .collect();
    let var = |name: &str| env::var(name);
    let in_vault = || {
        let status = cloud_link::vault(context, CloudRequest::Vault).unwrap_or_default();
        InVault { is_locked: status.exists && !status.open, names: status.names }
    };
    let around = Around {
        system: &context.system,
        home: &context.dirs.home,
        uid: process::owner().0,
        vault: &in_vault,
        var: &var,
    };
    hardening::close();
    let mut all = gather(&around, &sources);
    let there = cloud_link::profiles(context)?;
    let placed = place(std::mem::take(&mut all.findings.found), &there);
    if !context.global.json {
        show(context, &placed, &all)?;
    }
    let mut done = Done::default();
    if !args.dry_run && !placed.is_empty() {
        let status = vault(context, &placed)?;
        if !args.yes && !prompt::confirm(&question(&placed), "--yes")? {
            return Ok(Exit::Interrupted);
        }
        write(context, args, &placed, &status, &mut done)?;
        done.gone = plain::remove(context, (args.yes, args.keep_plain), &all, &placed, &done.sealed)?;
    }
    if context.global.json {
        context.printer.json(&as_json(args, &placed, &all, &done))?;
    } else if !args.dry_run && !placed.is_empty() {
        tell(context, &done);
    }
    Ok(Exit::Done)
}

/// The vault, which has to be open when there is something to seal.
fn vault(context: &Context, placed: &[Placed]) -> Result<VaultStatus, Fault> {
    if placed.iter().all(|one| one.sealed.is_none()) {
        return Ok(VaultStatus::default());
    }
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    match (status.exists, status.open) {
        (_, true) => Ok(status),
        (false, _) => Err(Fault::new(ErrorKind::NeedsUser, "there is no vault yet to seal secrets in")
            .hint("devboot cloud init makes one; then devboot cloud unlock, and import again")),
        (true, false) => {
            Err(Fault::new(ErrorKind::NeedsUser, "the vault is locked").hint("devboot cloud unlock"))
        }
    }
}

fn question(placed: &[Placed]) -> String {
    let new = placed.iter().filter(|one| !one.is_there).count();
    let secrets = placed.iter().filter(|one| one.sealed.is_some()).count();
    format!("Make {} and seal {}?", counted(new, "profile"), counted(secrets, "secret"))
}

/// Seals the secrets and writes the profiles. They are read again: another devboot may have changed them while a person was
/// asked. What would have a name that is taken meanwhile is left for the next time.
fn write(
    context: &Context,
    args: &Args,
    placed: &[Placed],
    status: &VaultStatus,
    done: &mut Done,
) -> Result<(), Fault> {
    let (book, mut all) = Book::open(context)?;
    let mut seals = Vec::new();
    for one in placed {
        if !one.is_there {
            let Entry::Vacant(free) = all.entry(one.name.clone()) else { continue };
            free.insert(one.found.profile.clone());
            done.written.push(one.name.clone());
        }
        let (Some(name), Some(secret)) = (&one.sealed, &one.found.secret) else { continue };
        if status.names.contains(name) && !args.replace {
            done.sealed_before.push(name.clone());
            continue;
        }
        seals.push(Seal { name: name.clone(), secret: Hidden::new(secret.expose().as_str()) });
        done.sealed.push(name.clone());
    }
    if done.written.is_empty() && seals.is_empty() {
        return Ok(());
    }
    book.save(context, &all, seals)?;
    drop(book);
    if !done.sealed.is_empty() {
        cloud_link::vault(context, CloudRequest::Forget(Forget { profile: None }))?;
    }
    Ok(())
}

fn show(context: &Context, placed: &[Placed], all: &Gathered) -> Result<(), Fault> {
    if placed.is_empty() {
        context.printer.say("nothing was found that can be a profile");
    }
    let rows: Vec<Vec<String>> = placed
        .iter()
        .map(|one| {
            let found = &one.found;
            let fate = match (one.is_there, &one.sealed) {
                (true, None) => "is there",
                (_, Some(_)) => "to be sealed",
                (false, None) => "no secret in it",
            };
            let name = context.printer.paint_data(Style::Heading, &one.name);
            vec![
                name,
                found.source.word().to_owned(),
                found.place.clone(),
                found.what.clone(),
                fate.to_owned(),
            ]
        })
        .collect();
    for (one, line) in placed.iter().zip(table::columns(&rows)) {
        context.printer.data(&format!("{line}\n"))?;
        if one.is_renamed() {
            let wished = &one.found.wished;
            context.printer.data(&format!("    there is another '{wished}', which stays as it is\n"))?;
        }
        if let Some(note) = &one.found.note {
            context.printer.data(&format!("    {note}\n"))?;
        }
    }
    for passed in &all.findings.passed {
        context.printer.say(&format!("passed over: {}: {}", passed.place, passed.why));
    }
    if all.findings.more > 0 {
        context.printer.say(&format!("passed over: {} more", all.findings.more));
    }
    for line in &all.unusual {
        context.printer.warn(line);
    }
    Ok(())
}

fn tell(context: &Context, done: &Done) {
    let say = |text: &str| context.printer.say(text);
    if !done.sealed.is_empty() {
        say(&format!("sealed {}", counted(done.sealed.len(), "secret")));
    }
    match done.sealed_before.as_slice() {
        [] => {}
        [name] => {
            say(&format!(
                "{name} is sealed already and was left so, its plain text too: --replace seals it anew"
            ));
        }
        [name, ..] => {
            let count = counted(done.sealed_before.len(), "secret");
            say(&format!(
                "{count}, {name} the first, are sealed already and were left so, their plain text too: --replace seals them anew"
            ));
        }
    }
    match done.written.first() {
        Some(first) => {
            say(&format!("{} made; try: devboot use {first}", counted(done.written.len(), "profile")));
        }
        None => say("no profile is new"),
    }
    done.gone.iter().for_each(|gone| gone.tell(context));
}

fn as_json(args: &Args, placed: &[Placed], all: &Gathered, done: &Done) -> Value {
    let found = placed.iter().map(|one| {
        json!({
            "name": one.name, "source": one.found.source.word(), "place": one.found.place, "what": one.found.what,
            "is_there": one.is_there, "sealed_as": one.sealed, "note": one.found.note, "profile": one.found.profile,
        })
    });
    let passed = all.findings.passed.iter().map(|passed| json!({ "place": passed.place, "why": passed.why }));
    json!({
        "schema": view::SCHEMA, "dry_run": args.dry_run, "found": found.collect::<Vec<_>>(),
        "passed_over": passed.collect::<Vec<_>>(), "more_passed_over": all.findings.more, "unusual": all.unusual,
        "sealed": done.sealed, "sealed_before": done.sealed_before, "written": done.written,
        "plain": done.gone.iter().map(Gone::json).collect::<Vec<_>>(),
    })
}
