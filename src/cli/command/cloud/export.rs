//! `devboot cloud export` and `import-sealed`: the vault's secrets in a file of their own, and back.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::recorded::recorded;
use super::{KeyArgs, NewKeyArgs};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::{counted, printable};
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::desk::VAULT;
use crate::cloud::vault::{self, Key, Sealed, VaultError, Wrap};
use crate::ipc::cloud::{CloudRequest, Hidden, Seal};
use crate::sys::system::{Attributes, ReadSystem, WriteSystem};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// Options of `export`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud export vault.sealed\n  devboot cloud export vault.sealed --recipient age1…       opened with an age identity\n  \
                  devboot cloud export vault.sealed --identity id.txt --new-passphrase-command 'pass show carry'\n\n\
                  The file is sealed with something of its own; its form is age's. With --passphrase-stdin two lines are read: the vault's passphrase, \
                  then the file's."
)]
pub struct Args {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    new: NewKeyArgs,
}

/// Options of `import-sealed`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud import-sealed vault.sealed\n  devboot cloud import-sealed vault.sealed --identity id.txt\n\n\
                  The key is the file's own. What the vault has already under a name stays as it is."
)]
pub struct ImportArgs {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    key: KeyArgs,
}

/// Writes every secret of the vault into a sealed file.
pub fn export(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let sealed = vault::file::read(&context.system, &context.dirs.data.join(VAULT))?;
    let (own, new) = keys(context, args, &sealed)?;
    super::warn_short(context, &new);
    let shown = printable(&args.file.to_string_lossy());
    let count = recorded(context, "export", Some(&shown), || {
        let contents = sealed.unlock(&own)?.contents()?;
        write(context, &args.file, &vault::export(&contents, &new)?)?;
        Ok(contents.len())
    })?;
    done(context, &format!("{} in {shown}", counted(count, "sealed secret")), count, &[])
}

fn write(context: &Context, file: &Path, text: &str) -> Result<(), Fault> {
    let attributes = Attributes { mode: 0o600, ..Attributes::default() };
    let written = context.system.write_new(file, text.as_bytes(), &attributes);
    written.and_then(|()| context.system.sync(file)).map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        if !exists {
            let _ = context.system.remove_file(file);
        }
        let shown = printable(&file.to_string_lossy());
        Fault::new(ErrorKind::Failed, format!("cannot write {shown}")).cause(error)
    })
}

/// What opens the vault, and what the file is sealed with.
fn keys(context: &Context, args: &Args, sealed: &Sealed) -> Result<(Key, Wrap), Fault> {
    let given = args.new.given()?;
    if args.key.passphrase_stdin {
        let (own, new) = super::two_lines()?;
        let new = given.or(new.map(Wrap::Passphrase)).ok_or_else(|| {
            Fault::new(ErrorKind::Usage, "standard input has no second line with the file's passphrase")
        })?;
        return Ok((Key::Passphrase(own), new));
    }
    let own = args.key.key(context, sealed, "vault")?;
    let new = given.map_or_else(|| super::new_passphrase("file"), Ok)?;
    Ok((own, new))
}

/// Takes the secrets of such a file into the vault. What is there already stays.
pub fn import(context: &Context, args: &ImportArgs) -> Result<Exit, Fault> {
    let shown = printable(&args.file.to_string_lossy());
    let bytes = context
        .system
        .read(&args.file, LARGEST)
        .map_err(|error| Fault::new(ErrorKind::Failed, format!("cannot read {shown}")).cause(error))?;
    let sealed = Sealed::read(&bytes).map_err(|error| of_file(&shown, error))?;
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    if !status.open {
        let hint = if status.exists { "devboot cloud unlock" } else { "devboot cloud init" };
        return Err(Fault::new(ErrorKind::NeedsUser, "the vault is not open").hint(hint));
    }
    let key = args.key.key(context, &sealed, "file")?;
    let (new, kept) = recorded(context, "import-sealed", Some(&shown), || {
        let contents = sealed.unlock(&key).and_then(|open| open.contents());
        let contents = contents.map_err(|error| of_file(&shown, error))?;
        let (there, new): (Vec<_>, Vec<_>) =
            contents.iter().partition(|(name, _)| status.names.iter().any(|other| other == name));
        for (name, entry) in &new {
            let secret = Hidden::new(entry.secret.expose().as_str());
            cloud_link::vault(context, CloudRequest::Seal(Seal { name: (*name).to_owned(), secret }))?;
        }
        Ok((new.len(), there.into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<String>>()))
    })?;
    for name in &kept {
        context.printer.warn(&format!("'{}' is there already and stays as it is", printable(name)));
    }
    done(context, &format!("{} taken in", counted(new, "secret")), new, &kept)
}

/// What is wrong with the file, which is not the vault: that one is as it was.
fn of_file(shown: &str, error: VaultError) -> Fault {
    let why = match &error {
        VaultError::Truncated => "it ends in the middle".to_owned(),
        VaultError::Corrupt(what) => format!("it is damaged: {what}"),
        VaultError::Foreign => "devboot has not written it".to_owned(),
        VaultError::Mixed => "someone changed it who could not open it".to_owned(),
        VaultError::TooLarge | VaultError::Newer(_) => error.to_string(),
        _ => return error.into(),
    };
    Fault::new(ErrorKind::Refused, format!("{shown} cannot be taken in"))
        .cause(why)
        .hint("copy it again, or make it anew with devboot cloud export; the vault here is as it was")
}

fn done(context: &Context, words: &str, count: usize, kept: &[String]) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "secrets": count, "kept": kept }))?;
    } else {
        context.printer.say(words);
    }
    Ok(Exit::Done)
}
