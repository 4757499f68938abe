//! Taking secrets that are sealed now out of the files in which they stand in plain text. Each file is sealed as a whole first.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::base::error::Fault;
use crate::base::path::display;
use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::cloud::aws::config::{keys_in_comments, without_keys};
use crate::cloud::import::backup::{self, Backup};
use crate::cloud::import::files::{Seen, is_same, stays, write};
use crate::cloud::import::gather::Gathered;
use crate::cloud::import::placing::Placed;
use crate::cloud::import::{Plain, aws};
use crate::ipc::cloud::{CloudRequest, Hidden, Seal};
use crate::sys::clock;
use crate::sys::system::WriteSystem;
use crate::ui::prompt;

/// What has become of a secret's plain text.
pub struct Gone {
    /// The file, as it is shown; the variables, for an environment.
    place: String,
    /// The name in the vault of the file as it was; `None` where the plain text is still there.
    backup: Option<String>,
    /// Why it is still there, or what else should be known.
    note: Option<String>,
}

impl Gone {
    fn stays(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self { place: place.into(), backup: None, note: Some(why.into()) }
    }

    /// Says it.
    pub fn tell(&self, context: &Context) {
        let note = self.note.as_deref().unwrap_or_default();
        match &self.backup {
            Some(backup) => {
                let name = backup.strip_prefix(backup::PREFIX).unwrap_or(backup);
                let place = &self.place;
                context.printer.say(&format!(
                    "the plain text is out of {place}, and tools get the keys by devboot use; as it was: devboot cloud restore {name}"
                ));
                if !note.is_empty() {
                    context.printer.warn(note);
                }
            }
            None => context.printer.warn(&format!("the plain text stays in {}: {note}", self.place)),
        }
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({ "place": self.place, "backup": self.backup, "note": self.note })
    }
}

/// Takes the plain text of what has been sealed away, as far as that may be done. `wanted` is what the command line says: do
/// not ask, and leave it.
pub fn remove(
    context: &Context,
    (yes, keep): (bool, bool),
    all: &Gathered,
    placed: &[Placed],
    sealed: &[String],
) -> Result<Vec<Gone>, Fault> {
    let is_sealed = |one: &&Placed| one.sealed.as_ref().is_some_and(|name| sealed.contains(name));
    let now: Vec<&Placed> = placed.iter().filter(is_sealed).collect();
    let mut gone = Vec::new();
    let profiles = aws::key_profiles(now.iter().map(|one| &one.found));
    for seen in all.aws.iter().filter(|_| !profiles.is_empty() && !keep) {
        gone.extend(keys(context, yes, seen, &profiles)?);
    }
    for one in now {
        match &one.found.plain {
            Some(Plain::KeyFile(path)) if !keep => {
                let seen = all.key_files.iter().find(|seen| seen.path == *path);
                gone.extend(seen.map(|seen| key_file(context, yes, seen)).transpose()?);
            }
            Some(Plain::Variables(names)) => {
                let why = "remove it from what sets it, and start a new shell";
                gone.push(Gone::stays(format!("{} of this shell", names.join(" and ")), why));
            }
            _ => {}
        }
    }
    Ok(gone)
}

fn keys(
    context: &Context,
    yes: bool,
    seen: &Seen,
    profiles: &BTreeSet<String>,
) -> Result<Option<Gone>, Fault> {
    let shown = display(&seen.path, &context.dirs.home);
    // It was read as text before.
    let Ok(text) = std::str::from_utf8(seen.bytes.expose()) else { return Ok(None) };
    let rest = without_keys(text, profiles);
    if rest == text {
        return Ok(None);
    }
    if let Some(why) = stays(seen, crate::sys::process::owner().0) {
        return Ok(Some(Gone::stays(shown, why)));
    }
    let question = format!("Take the sealed keys out of {shown}? Tools get them by `devboot use` then");
    if !yes && !prompt::confirm(&question, "--yes, or --keep-plain")? {
        return Ok(Some(Gone::stays(shown, "you wanted it so")));
    }
    let name = match sealed(context, seen, text)? {
        Ok(name) => name,
        Err(why) => return Ok(Some(Gone::stays(shown, why))),
    };
    write(&context.system, &seen.path, rest.as_bytes(), seen.meta.mode, Some(&seen.meta))
        .map_err(|error| failed(&shown, &error))?;
    let lines = keys_in_comments(&rest);
    let note = lines.first().map(|line| format!("{shown}:{line} is a comment in which a key seems to stand"));
    Ok(Some(Gone { place: shown, backup: Some(name), note }))
}

/// A key file goes only when a person at the terminal says so: other programs may use it.
fn key_file(context: &Context, yes: bool, seen: &Seen) -> Result<Gone, Fault> {
    let shown = display(&seen.path, &context.dirs.home);
    if let Some(why) = stays(seen, crate::sys::process::owner().0) {
        return Ok(Gone::stays(shown, why));
    }
    let question = format!("Remove the key file {shown}? Whatever is pointed at it will not work any more");
    if yes || !prompt::confirm(&question, "--yes, which leaves it")? {
        return Ok(Gone::stays(shown, "other programs may use it; remove it when none does"));
    }
    let Ok(text) = std::str::from_utf8(seen.bytes.expose()) else {
        return Ok(Gone::stays(shown, "it is not UTF-8 text"));
    };
    match sealed(context, seen, text)? {
        Ok(name) => {
            context.system.remove_file(&seen.path).map_err(|error| failed(&shown, &error))?;
            Ok(Gone { place: shown, backup: Some(name), note: None })
        }
        Err(why) => Ok(Gone::stays(shown, why)),
    }
}

/// Seals a file as it was, and looks whether it still is so.
fn sealed(context: &Context, seen: &Seen, text: &str) -> Result<Result<String, &'static str>, Fault> {
    let Some(secret) = Backup::new(&seen.path, seen.meta.mode, text).sealed() else {
        return Ok(Err("its path is not UTF-8 text"));
    };
    let names = cloud_link::vault(context, CloudRequest::Vault)?.names;
    let name = backup::name(&seen.path, clock::now(), &|name| names.iter().any(|known| known == name));
    let seal = Seal { name: name.clone(), secret: Hidden::new(secret.expose().as_str()) };
    cloud_link::vault(context, CloudRequest::Seal(seal))?;
    if is_same(&context.system, seen) {
        Ok(Ok(name))
    } else {
        Ok(Err("another program has changed it meanwhile: import again with --replace"))
    }
}

fn failed(shown: &str, error: &std::io::Error) -> Fault {
    Fault::new(crate::base::error::ErrorKind::Failed, format!("cannot change {shown}"))
        .cause(error)
        .hint("the secrets are sealed and the file is as it was; import again with --replace")
}
