//! `devboot cloud remove`.

use serde_json::json;

use super::show::known;
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::desk::sealed_names;
use crate::cloud::profiles;
use crate::ipc::cloud::{CloudRequest, Forget, Names};
use crate::ui::prompt;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The profile
    name: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// Removes a profile, and from the vault what no other profile uses.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let mut all = cloud_link::profiles(context)?;
    known(&all, &args.name)?;
    if !args.yes
        && !prompt::confirm(
            &format!("Remove the profile '{}' and what is sealed for it?", args.name),
            "--yes",
        )?
    {
        return Ok(Exit::Interrupted);
    }
    let gone = all.remove(&args.name).map(|profile| sealed_names(&profile)).unwrap_or_default();
    let used: Vec<String> = all.values().flat_map(sealed_names).collect();
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    let gone: Vec<String> = gone.into_iter().filter(|name| !used.contains(name)).collect();
    if status.open && gone.iter().any(|name| status.names.contains(name)) {
        cloud_link::vault(context, CloudRequest::Unseal(Names { names: gone.clone() }))?;
    } else if status.exists && !status.open && !gone.is_empty() {
        context.printer.warn("the vault is locked: what is sealed for it, if anything, stays in it");
    }
    profiles::write(&context.system, &context.dirs.config, &all)?;
    cloud_link::vault(context, CloudRequest::Forget(Forget { profile: Some(args.name.clone()) }))?;
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "removed": args.name }))?;
    } else {
        context.printer.say(&format!("removed '{}'", args.name));
    }
    Ok(Exit::Done)
}
