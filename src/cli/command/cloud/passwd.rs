//! `devboot cloud passwd` and `rotate`: another passphrase, another key.

use serde_json::json;

use super::recorded::recorded;
use super::{KeyArgs, NewKeyArgs};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::desk::VAULT;
use crate::cloud::vault::key::Unlock as UnlockWith;
use crate::cloud::vault::{self, Key, Sealed, Unlocked, Wrap};
use crate::ipc::cloud::{CloudRequest, Hidden, Unlock};

/// Options of `passwd`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud passwd\n  printf 'old\\nnew\\n' | devboot cloud passwd --passphrase-stdin\n  \
                  devboot cloud passwd --recipient age1…        from now on opened with an age identity\n  \
                  devboot cloud passwd --identity id.txt --new-passphrase-command 'pass show devboot'      and back\n\n\
                  When the key of the vault may be known to others: devboot cloud rotate"
)]
pub struct Args {
    #[command(flatten)]
    pub keys: Keys,
}

/// Options of `rotate`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud rotate\n  pass show devboot | devboot cloud rotate --passphrase-stdin       the passphrase stays\n  \
                  devboot cloud rotate --passphrase-command 'pass show devboot'\n  \
                  devboot cloud rotate --identity id.txt\n\n\
                  Everything in the vault is sealed anew for a new key, so that who knew the old one can open no later version. Copies of before still open \
                  with what they did."
)]
pub struct RotateArgs {
    #[command(flatten)]
    pub keys: Keys,
}

/// What opens the vault now, and what will.
#[derive(clap::Args, Debug)]
pub struct Keys {
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    new: NewKeyArgs,
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
pub fn run(context: &Context, args: &Keys, change: Change) -> Result<Exit, Fault> {
    context.own_home()?;
    let path = context.dirs.data.join(VAULT);
    let sealed = vault::file::read(&context.system, &path)?;
    let (old, new) = keys(context, args, &sealed, change)?;
    super::warn_short(context, &new);
    let event = if change == Change::Key { "rotate" } else { "passwd" };
    let (open, was_open) = recorded(context, event, None, || {
        let mut open = sealed.unlock(&old)?;
        let was_open = cloud_link::vault(context, CloudRequest::Vault)?.open;
        match change {
            Change::Passphrase => vault::file::passwd(&context.system, &path, &mut open, &new)?,
            Change::Key => vault::file::rotate(&context.system, &path, &mut open, &new)?,
        }
        Ok((open, was_open))
    })?;
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
fn keys(context: &Context, args: &Keys, sealed: &Sealed, change: Change) -> Result<(Key, Wrap), Fault> {
    let given = args.new.given()?;
    let rotates = change == Change::Key;
    if args.key.passphrase_stdin {
        let (old, new) = super::two_lines()?;
        let new = match (given, new) {
            (Some(given), _) => given,
            (None, Some(new)) => Wrap::Passphrase(new),
            // A new key may go on with the old passphrase.
            (None, None) if rotates => Wrap::Passphrase(old.clone()),
            (None, None) => {
                return Err(Fault::new(
                    ErrorKind::Usage,
                    "standard input has no second line with the new passphrase",
                ));
            }
        };
        return Ok((Key::Passphrase(old), new));
    }
    let old = args.key.key(context, sealed, "vault")?;
    let new = match (given, sealed.unlock_with(), &old) {
        (Some(given), ..) => given,
        // With what opens it now, where nobody is there who could type another.
        (None, UnlockWith::Recipient(recipient), _) if rotates => Wrap::Recipient(recipient.clone()),
        (None, _, Key::Passphrase(old)) if rotates && args.key.passphrase_command.is_some() => {
            Wrap::Passphrase(old.clone())
        }
        _ => super::new_passphrase("vault")?,
    };
    Ok((old, new))
}
