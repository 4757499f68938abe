//! `devboot cloud export` and `import-sealed`: the vault's secrets in a file of their own, and back.

use std::path::PathBuf;

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::{counted, printable};
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::desk::VAULT;
use crate::cloud::vault;
use crate::ipc::cloud::{CloudRequest, Hidden, Seal};
use crate::sys::system::{Attributes, ReadSystem, WriteSystem};
use crate::ui::prompt;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud export vault.sealed\n  devboot cloud import-sealed vault.sealed       on another machine\n\n\
                  The file is sealed with a passphrase of its own; its form is age's. Without a terminal `export` reads two lines: the vault's passphrase, \
                  then the file's; `import-sealed` reads the file's."
)]
pub struct Args {
    /// The file
    file: PathBuf,
    /// Read passphrases from standard input, one a line
    #[arg(long)]
    passphrase_stdin: bool,
}

/// Writes every secret of the vault into a sealed file.
pub fn export(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let sealed = vault::file::read(&context.system, &context.dirs.data.join(VAULT))?;
    let (own, new) = if args.passphrase_stdin {
        let text = super::stdin()?;
        let mut lines = text.lines();
        let mut next = |what: &str| {
            let words = format!("standard input has no line with {what}");
            lines
                .next()
                .map(|line| crate::base::secret::Secret::new(line.to_owned()))
                .ok_or(Fault::new(ErrorKind::Usage, words))
        };
        (next("the vault's passphrase")?, next("the file's passphrase")?)
    } else {
        let own = prompt::secret("Passphrase of the vault", "--passphrase-stdin")?;
        (own, prompt::new_secret("New passphrase of the file", "--passphrase-stdin")?)
    };
    let contents = sealed.unlock(&vault::Key::Passphrase(own))?.contents()?;
    let text = vault::export(&contents, new)?;
    let shown = printable(&args.file.to_string_lossy());
    let attributes = Attributes { mode: 0o600, ..Attributes::default() };
    let written = context.system.write_new(&args.file, text.as_bytes(), &attributes);
    written.and_then(|()| context.system.sync(&args.file)).map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        if !exists {
            let _ = context.system.remove_file(&args.file);
        }
        Fault::new(ErrorKind::Failed, format!("cannot write {shown}")).cause(error)
    })?;
    done(context, &format!("{} in {shown}", counted(contents.len(), "sealed secret")), contents.len(), &[])
}

/// Takes the secrets of such a file into the vault. What is there already stays.
pub fn import(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let shown = printable(&args.file.to_string_lossy());
    let bytes = context
        .system
        .read(&args.file, LARGEST)
        .map_err(|error| Fault::new(ErrorKind::Failed, format!("cannot read {shown}")).cause(error))?;
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    if !status.open {
        let hint = if status.exists { "devboot cloud unlock" } else { "devboot cloud init" };
        return Err(Fault::new(ErrorKind::NeedsUser, "the vault is not open").hint(hint));
    }
    let passphrase = match args.passphrase_stdin {
        true => super::passphrase_of_input()?,
        false => prompt::secret("Passphrase of the file", "--passphrase-stdin")?,
    };
    let contents = vault::import(&bytes, passphrase)?;
    let (there, new): (Vec<_>, Vec<_>) =
        contents.iter().partition(|(name, _)| status.names.iter().any(|other| other == name));
    for (name, entry) in &new {
        let secret = Hidden::new(entry.secret.expose().as_str());
        cloud_link::vault(context, CloudRequest::Seal(Seal { name: (*name).to_owned(), secret }))?;
    }
    let kept: Vec<&str> = there.into_iter().map(|(name, _)| name).collect();
    for name in &kept {
        context.printer.warn(&format!("'{}' is there already and stays as it is", printable(name)));
    }
    done(context, &format!("{} taken in", counted(new.len(), "secret")), new.len(), &kept)
}

fn done(context: &Context, words: &str, count: usize, kept: &[&str]) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "secrets": count, "kept": kept }))?;
    } else {
        context.printer.say(words);
    }
    Ok(Exit::Done)
}
