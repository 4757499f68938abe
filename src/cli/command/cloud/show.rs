//! `devboot cloud show`.

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::nearest;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::profiles::{self, CredentialProfile, Profiles};

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot cloud show dev\n  devboot cloud show dev --json")]
pub struct Args {
    /// The profile
    name: String,
}

/// Shows a profile as it stands in the file.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let all = cloud_link::profiles(context)?;
    let profile = known(&all, &args.name)?.clone();
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "name": args.name, "profile": profile }))?;
    } else {
        let text = profiles::render(&Profiles::from([(args.name.clone(), profile)]));
        let body = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        context.printer.data(&format!("{}\n", body.trim_start_matches('\n')))?;
    }
    Ok(Exit::Done)
}

/// A profile that must be there.
pub(super) fn known<'a>(all: &'a Profiles, name: &str) -> Result<&'a CredentialProfile, Fault> {
    profiles::check_name(name)?;
    all.get(name).ok_or_else(|| {
        let fault = Fault::new(ErrorKind::Usage, format!("there is no credential profile '{name}'"));
        match nearest(name, all.keys().map(String::as_str)) {
            Some(near) => fault.hint(format!("did you mean '{near}'?")),
            None => fault.hint("devboot cloud list shows those there are"),
        }
    })
}
