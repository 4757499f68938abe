//! Profiles from git addresses on their way in: fetched into a directory outside the home, so that looking at one
//! changes nothing there, and kept in the cache once a person has approved them and the home is being changed.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use super::context::Context;
use crate::base::digest::Digest;
use crate::base::error::{ErrorKind, Fault};
use crate::base::path::HomePath;
use crate::base::redact;
use crate::profile::trust::Bundle;
use crate::repos::git::{BatchOptions, CloneLimits, CloneOutcome, CloneSpec, History, clone_all};
use crate::sys::system::{ReadSystem, replace};
use crate::sys::{env, tree};

/// How a command uses profiles from git addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Fetch, and remember nothing.
    Look,
    /// What was kept last time will do: the command is about the home as it is.
    Kept,
    /// Fetch; approvals are remembered.
    Change,
    /// Touch no network; approvals are remembered.
    ChangeOffline,
}

impl Use {
    /// Whether approvals are remembered.
    pub fn changes(self) -> bool {
        matches!(self, Use::Change | Use::ChangeOffline)
    }
}

/// A directory for what is fetched, gone when dropped.
#[derive(Debug, Default)]
pub struct Scratch(OnceCell<PathBuf>);

impl Scratch {
    fn dir(&self) -> std::io::Result<&Path> {
        if self.0.get().is_none() {
            let made = tree::private(&env::temp_dir(), "devboot-profile-")?;
            let _ = self.0.set(made);
        }
        Ok(self.0.get().map_or(Path::new(""), PathBuf::as_path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(dir) = self.0.get() {
            // It is below the system's temporary directory, and nothing is left to be told about it.
            let _ = tree::remove(dir);
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(ErrorKind::Failed, format!("cannot use {}", path.display())).cause(error)
}

fn kept(context: &Context, url: &str) -> PathBuf {
    context.dirs.cache.join("profiles").join(Digest::of(url.as_bytes()).short())
}

/// Brings a profile from a git address here and returns where it is.
pub fn fetch(context: &Context, url: &str) -> Result<PathBuf, Fault> {
    let dest = kept(context, url);
    let is_kept = matches!(context.system.meta(&dest), Ok(Some(_)));
    let offline = matches!(context.profiles, Use::Kept | Use::ChangeOffline);
    if is_kept && offline {
        return Ok(dest);
    }
    let shown = redact::url(url);
    let temp = env::temp_dir();
    let scratch = context.scratch.dir().map_err(|error| unusable(&temp, &error))?;
    let fresh = scratch.join(Digest::of(url.as_bytes()).short());
    let spec = CloneSpec {
        name: shown.clone(),
        url: url.to_owned(),
        reference: None,
        history: History::Depth(1),
        submodules: true,
        dest: fresh.clone(),
        limits: CloneLimits::default(),
    };
    let offline = context.profiles == Use::ChangeOffline;
    match clone_all(&[spec], BatchOptions { jobs: 1, offline }, &|_| {}).pop() {
        Some(CloneOutcome::Cloned { .. } | CloneOutcome::Present { .. }) => Ok(fresh),
        Some(CloneOutcome::Failed(fault)) => Err(fault),
        // Without network, what was kept last time will do; it is still held against what was approved.
        _ if is_kept => Ok(dest),
        Some(CloneOutcome::Postponed { why } | CloneOutcome::Kept { why }) => {
            Err(Fault::new(ErrorKind::Failed, format!("cannot fetch the profile {shown}")).cause(why))
        }
        None => Err(Fault::new(ErrorKind::Failed, "the profile was not fetched")),
    }
}

/// Keeps approved profiles for the times without network. The caller holds the lock, and the home phase has made
/// the cache directory; without it nothing is kept.
pub fn keep(context: &Context, bundles: &[Bundle]) -> Result<(), Fault> {
    for bundle in bundles {
        let dest = kept(context, &bundle.url);
        if !matches!(context.system.meta(&context.dirs.cache), Ok(Some(_))) || is_same(context, bundle, &dest)
        {
            continue;
        }
        let fresh = dest.with_extension("new");
        let done = tree::remove(&fresh).and_then(|()| {
            for (name, bytes) in &bundle.files {
                // The names were checked when the files were read; a bad one is not worth a failure here.
                let Ok(name) = HomePath::parse(name) else { continue };
                let path = name.under(&fresh);
                tree::create(path.parent().unwrap_or(&fresh))?;
                replace(&context.system, &path, bytes, 0o600)?;
            }
            tree::remove(&dest)?;
            crate::sys::system::WriteSystem::rename(&context.system, &fresh, &dest)
        });
        done.map_err(|error| unusable(&dest, &error))?;
    }
    Ok(())
}

fn is_same(context: &Context, bundle: &Bundle, dest: &Path) -> bool {
    bundle.files.iter().all(|(name, bytes)| {
        context.system.read(&dest.join(name), bytes.len() as u64).is_ok_and(|kept| kept == *bytes)
    })
}
