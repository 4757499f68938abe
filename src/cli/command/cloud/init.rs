//! `devboot cloud init`.

use serde_json::json;

use super::KeyArgs;
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::cli::context::Context;
use crate::cli::view;
use crate::cloud::desk::VAULT;
use crate::cloud::vault::{self, Wrap};
use crate::ui::prompt;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud init\n  pass show devboot | devboot cloud init --passphrase-stdin\n  \
                  devboot cloud init --recipient age1…       opened with an age identity of your own\n\n\
                  The passphrase cannot be found again: without it the vault stays closed."
)]
pub struct Args {
    #[command(flatten)]
    key: KeyArgs,
    /// Seal it for this age recipient, in the place of a passphrase
    #[arg(long, value_name = "AGE1…", conflicts_with_all = ["passphrase_stdin", "passphrase_command", "identity"])]
    recipient: Option<String>,
}

/// Makes the vault.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    context.own_home()?;
    let path = context.dirs.data.join(VAULT);
    let wrap = match (&args.recipient, &args.key.identity) {
        (Some(recipient), _) => Wrap::Recipient(recipient.clone()),
        (None, Some(file)) => vault::wrap_for(&super::identities(context, file)?)?,
        (None, None) => match args.key.given()? {
            Some(passphrase) => Wrap::Passphrase(passphrase),
            None => {
                let flag =
                    "--passphrase-stdin, --passphrase-command COMMAND, --identity FILE or --recipient AGE1…";
                Wrap::Passphrase(prompt::new_secret("New passphrase of the vault", flag)?)
            }
        },
    };
    super::warn_short(context, &wrap);
    context.prepare_state()?;
    super::make(&context.dirs.data)?;
    vault::file::create(&context.system, &path, &wrap)?;
    let shown = display(&path, &context.dirs.home);
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "vault": path }))?;
    } else {
        context.printer.say(&format!("the vault is in {shown}; open it with: devboot cloud unlock"));
    }
    Ok(Exit::Done)
}
