//! `devboot cloud remove`.

use serde_json::json;

use super::book::Book;
use super::show::known;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::desk::sealed_names;
use crate::cloud::orphans::meant;
use crate::cloud::profiles::Profiles;
use crate::ipc::cloud::{CloudRequest, Forget, Names};
use crate::ui::prompt;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud remove dev\n  devboot cloud remove aws/dev --yes       a secret that no profile names; devboot cloud status \
                  shows its name"
)]
pub struct Args {
    /// The profile, or the name of a secret that no profile names
    name: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Removes a profile, and from the vault what no other profile uses; or what is sealed without a profile.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    if !cloud_link::profiles(context)?.contains_key(&args.name) {
        return without_profile(context, args);
    }
    let question = format!("Remove the profile '{}' and what is sealed for it?", args.name);
    if !args.yes && !prompt::confirm(&question, "--yes")? {
        return Ok(Exit::Interrupted);
    }
    let (book, mut all) = Book::open(context)?;
    let gone = all.remove(&args.name).map(|profile| sealed_names(&profile)).unwrap_or_default();
    let used: Vec<String> = all.values().flat_map(sealed_names).collect();
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    let gone: Vec<String> = gone.into_iter().filter(|name| !used.contains(name)).collect();
    // A profile that names what is not there any more would be worse than a secret without a profile.
    book.write(context, &all)?;
    if status.open && gone.iter().any(|name| status.names.contains(name)) {
        cloud_link::vault(context, CloudRequest::Unseal(Names { names: gone.clone() })).map_err(|fault| {
            fault.hint(format!(
                "the profile is removed; for what is sealed: devboot cloud remove {}",
                args.name
            ))
        })?;
    } else if status.exists && !status.open && !gone.is_empty() {
        let later = format!("devboot cloud remove {}, once it is open, removes it", args.name);
        context
            .printer
            .warn(&format!("the vault is locked: what is sealed for it, if anything, stays in it; {later}"));
    }
    drop(book);
    cloud_link::vault(context, CloudRequest::Forget(Forget { profile: Some(args.name.clone()) }))?;
    told(context, &args.name, &gone)
}

/// There is no such profile: what is sealed under its name is of no use, or left by a run that was cut short.
fn without_profile(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    let unknown = |all: &Profiles| match known(all, &args.name) {
        Err(fault) if status.exists && !status.open => {
            fault.hint("the vault is locked; what is sealed under a name can be removed once it is open")
        }
        Err(fault) => fault,
        Ok(_) => Fault::new(ErrorKind::Failed, "the profile was made just now").hint("run it again"),
    };
    let all = cloud_link::profiles(context)?;
    let (free, used) = meant(&status.names, &all, &args.name);
    if let (true, Some(used)) = (free.is_empty(), used.first()) {
        let names = all.iter().filter(|(_, profile)| sealed_names(profile).iter().any(|name| name == used));
        let names: Vec<String> = names.map(|(name, _)| format!("'{name}'")).collect();
        let words = format!("{} is used by {}", printable(used), names.join(" and "));
        return Err(Fault::new(ErrorKind::Usage, words).hint("remove the profile, and it goes with it"));
    }
    if free.is_empty() {
        return Err(unknown(&all));
    }
    let shown: Vec<String> = free.iter().map(|name| printable(name)).collect();
    let question = format!("Remove {} from the vault? No profile names it", shown.join(" and "));
    if !args.yes && !prompt::confirm(&question, "--yes")? {
        return Ok(Exit::Interrupted);
    }
    // A profile may have been made meanwhile.
    let (_book, all) = Book::open(context)?;
    let (free, _) = meant(&status.names, &all, &args.name);
    if free.is_empty() {
        return Err(unknown(&all));
    }
    let names: Vec<String> = free.into_iter().map(str::to_owned).collect();
    cloud_link::vault(context, CloudRequest::Unseal(Names { names: names.clone() }))?;
    told(context, &args.name, &names)
}

fn told(context: &Context, name: &str, sealed: &[String]) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "removed": name, "sealed": sealed }))?;
    } else {
        context.printer.say(&format!("removed '{}'", printable(name)));
    }
    Ok(Exit::Done)
}
