//! `devboot cloud passwd` and `rotate`: another passphrase, another key.

use serde_json::json;

use super::KeyArgs;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::secret::Secret;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::desk::VAULT;
use crate::cloud::vault::{self, Key, Unlocked, Wrap};
use crate::ipc::cloud::{CloudRequest, Hidden, Unlock};
use crate::ui::prompt;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud passwd\n  devboot cloud passwd --recipient age1…        from now on opened with an age identity\n  \
                  printf 'old\\nnew\\n' | devboot cloud passwd --passphrase-stdin\n\n\
                  `rotate` gives the vault a new key as well, and seals everything anew: for when the old key may be known."
)]
pub struct Args {
    #[command(flatten)]
    key: KeyArgs,
    /// Seal it for this age recipient from now on
    #[arg(long, value_name = "AGE1…")]
    recipient: Option<String>,
}

/// What is done to the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another passphrase; the key stays.
    Passphrase,
    /// Another key, and everything sealed anew.
    Key,
}

/// Changes how the vault is opened.
pub fn run(context: &Context, args: &Args, change: Change) -> Result<Exit, Fault> {
    context.own_home()?;
    let path = context.dirs.data.join(VAULT);
    let sealed = vault::file::read(&context.system, &path)?;
    let (old, new) = keys(context, args, change)?;
    let mut open = sealed.unlock(&old)?;
    let was_open = cloud_link::vault(context, CloudRequest::Vault)?.open;
    match change {
        Change::Passphrase => vault::file::passwd(&context.system, &path, &mut open, &new)?,
        Change::Key => vault::file::rotate(&context.system, &path, &mut open, &new)?,
    }
    if change == Change::Key {
        reopen(context, &open, was_open)?;
    }
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "rotated": change == Change::Key }))?;
    } else {
        context.printer.say(match change {
            Change::Passphrase => "the vault is opened with the new one from now on",
            Change::Key => "the vault has a new key, and everything in it is sealed anew",
        });
    }
    Ok(Exit::Done)
}

/// The service holds a key that opens nothing any more.
fn reopen(context: &Context, open: &Unlocked, was_open: bool) -> Result<(), Fault> {
    cloud_link::vault(context, CloudRequest::Lock)?;
    if was_open {
        let identity = Hidden::new(open.identity().expose().as_str());
        cloud_link::vault(context, CloudRequest::Unlock(Unlock { identity, seconds: None, idle: None }))?;
    }
    Ok(())
}

/// What opens it now, and what will.
fn keys(context: &Context, args: &Args, change: Change) -> Result<(Key, Wrap), Fault> {
    if args.key.passphrase_stdin {
        let text = Secret::new(super::stdin()?);
        let mut lines = text.expose().lines();
        let old = lines.next().unwrap_or_default();
        let new = match (lines.next(), change) {
            (Some(new), _) => new,
            // A new key may go on with the old passphrase.
            (None, Change::Key) => old,
            (None, Change::Passphrase) if args.recipient.is_some() => old,
            (None, Change::Passphrase) => {
                return Err(Fault::new(
                    ErrorKind::Usage,
                    "standard input has no second line with the new passphrase",
                ));
            }
        };
        let passphrase = |text: &str| Secret::new(text.to_owned());
        let wrap = match &args.recipient {
            Some(recipient) => Wrap::Recipient(recipient.clone()),
            None => Wrap::Passphrase(passphrase(new)),
        };
        return Ok((Key::Passphrase(passphrase(old)), wrap));
    }
    let old = args.key.key(context)?;
    let new = match (&args.recipient, &args.key.identity, change) {
        (Some(recipient), _, _) => Wrap::Recipient(recipient.clone()),
        (None, Some(file), Change::Key) => vault::wrap_for(&super::identities(context, file)?)?,
        _ => Wrap::Passphrase(prompt::new_secret(
            "New passphrase of the vault",
            "--passphrase-stdin, or --recipient AGE1…",
        )?),
    };
    Ok((old, new))
}
