//! `devboot cloud restore`.

use std::path::PathBuf;

use serde_json::json;

use super::KeyArgs;
use super::recorded::recorded;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::base::text::nearest;
use crate::cli::context::{Context, current_dir};
use crate::cli::{cloud_link, view};
use crate::cloud::desk::VAULT;
use crate::cloud::import::backup::{Backup, PREFIX};
use crate::cloud::import::files::{look, write};
use crate::cloud::vault;
use crate::ipc::cloud::CloudRequest;
use crate::ui::prompt;

/// The most that a file with secrets is open to.
const OWN: u32 = 0o600;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud restore                                       which there are\n  \
                  devboot cloud restore credentials@20261123T163133Z\n  \
                  devboot cloud restore credentials@20261123T163133Z --to /dev/shm/look"
)]
pub struct Args {
    /// Which; without one, those there are
    name: Option<String>,
    /// Write it there, instead of where it was
    #[arg(long, value_name = "FILE", requires = "name")]
    to: Option<PathBuf>,
    /// Do not ask before a file that is there is replaced
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    key: KeyArgs,
}

/// Lists the files that `devboot cloud import` has sealed, or gives one back. A file leaves the vault only for who has its key.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    context.own_home()?;
    let Some(name) = &args.name else { return list(context) };
    let sealed = vault::file::read(&context.system, &context.dirs.data.join(VAULT))?;
    let key = args.key.key(context, &sealed, "vault")?;
    let full = if name.starts_with(PREFIX) { name.clone() } else { format!("{PREFIX}{name}") };
    let contents = match sealed.unlock(&key).and_then(|open| open.contents()) {
        Ok(contents) => contents,
        Err(error) => return recorded(context, "restore", Some(&full), || Err(error.into())),
    };
    let Some(entry) = contents.get(&full) else {
        let shown = crate::base::text::printable(name);
        let fault = Fault::new(ErrorKind::Usage, format!("there is no sealed file '{shown}'"));
        let names = contents.iter().filter_map(|(name, _)| name.strip_prefix(PREFIX));
        return Err(match nearest(name, names) {
            Some(near) => fault.hint(format!("did you mean '{near}'?")),
            None => fault.hint("devboot cloud restore shows those there are"),
        });
    };
    let backup = Backup::read(&entry.secret)
        .ok_or_else(|| Fault::new(ErrorKind::Failed, "what is sealed under this name is no file"))?;
    let path = match &args.to {
        Some(path) => current_dir()?.join(path),
        None => backup.path.clone(),
    };
    let shown = display(&path, &context.dirs.home);
    let failed =
        |error: std::io::Error| Fault::new(ErrorKind::Failed, format!("cannot write {shown}")).cause(error);
    let there = look(&context.system, &path).map_err(failed)?;
    if there.as_ref().is_some_and(|there| there.link.is_some()) {
        return Err(
            Fault::new(ErrorKind::Refused, format!("{shown} is a link")).hint("name another file with --to")
        );
    }
    let same = there.as_ref().is_some_and(|there| there.bytes.expose() == backup.bytes());
    if there.is_some() && !same && !args.yes {
        let question = format!("Replace {shown}, and all that was changed in it since?");
        if !prompt::confirm(&question, "--yes, or --to FILE")? {
            return Ok(Exit::Interrupted);
        }
    }
    let like = there.as_ref().map(|there| &there.meta);
    // Whatever the file was open to, its keys are for its owner alone.
    let mode = backup.mode & like.map_or(OWN, |meta| meta.mode) & OWN;
    recorded(context, "restore", Some(&full), || match same && like.is_none_or(|meta| meta.mode == mode) {
        true => Ok(()),
        false => write(&context.system, &path, backup.bytes(), mode, like).map_err(failed),
    })?;
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA, "restored": path, "name": full, "mode": format!("{mode:o}"),
        }))?;
    } else {
        context.printer.say(&format!("{shown} is as it was; its keys are in plain text again"));
        if mode != backup.mode {
            context.printer.say(&format!(
                "others could use it before (mode {:o}); now only you can (mode {mode:o})",
                backup.mode
            ));
        }
    }
    Ok(Exit::Done)
}

fn list(context: &Context) -> Result<Exit, Fault> {
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    if status.exists && !status.open {
        return Err(Fault::new(ErrorKind::NeedsUser, "the vault is locked").hint("devboot cloud unlock"));
    }
    let names: Vec<&str> = status.names.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "files": names }))?;
        return Ok(Exit::Done);
    }
    if names.is_empty() {
        context.printer.say("no file is sealed");
    }
    for name in names {
        context.printer.data(&format!("{}\n", crate::base::text::printable(name)))?;
    }
    Ok(Exit::Done)
}
