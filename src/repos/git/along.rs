//! The submodules of a clone that went forward: one that is there, stands where the old commit had it and has no changes
//! goes along to where the new commit has it. Any other stays, and is named with what to do.

use std::path::{Path, PathBuf};
use std::time::Instant;

use git2::build::CheckoutBuilder;
use git2::{ErrorCode, Oid, Repository, RepositoryState};

use super::clone::{CloneError, CloneSpec, git};
use super::config::{Place, Settings};
use super::fetch::{Fetch, History, Received};
use super::link::Link;
use super::nested::{self, DEEPEST};
use super::submodule;
use super::tree_check::{self, Pinned};
use super::url::GitUrl;
use super::{batch, inspect, update};
use crate::base::error::Fault;
use crate::base::text::printable;
use crate::sys::env;
use crate::sys::real::RealSystem;
use crate::sys::signal;
use crate::sys::stream::Patience;
use crate::sys::system::{FileKind, ReadSystem};

/// A clone that went forward, or a submodule of it.
pub(super) struct Forward<'a> {
    pub(super) repo: &'a Repository,
    pub(super) spec: &'a CloneSpec,
    pub(super) place: &'a Place,
    pub(super) settings: &'a Settings,
    pub(super) from: Oid,
    pub(super) to: Oid,
    pub(super) progress: &'a dyn Fn(Received),
    /// How many repositories this one is inside of.
    pub(super) depth: usize,
}

/// Why a submodule stays.
enum Stay {
    /// In words; `git submodule update` would not do it either, or do harm.
    Why(String),
    /// It is for git to bring it.
    New,
}

impl From<CloneError> for Stay {
    fn from(error: CloneError) -> Self {
        Self::Why(Fault::from(error).one_line())
    }
}

impl From<git2::Error> for Stay {
    fn from(error: git2::Error) -> Self {
        git(error).into()
    }
}

fn stays<T>(why: &str) -> Result<T, Stay> {
    Err(Stay::Why(why.to_owned()))
}

/// Moves what can be moved; the answer is what stayed: the path, and why.
pub(super) fn bring(forward: &Forward<'_>) -> Result<Vec<String>, CloneError> {
    let pins = |commit: Oid| {
        let tree = forward.repo.find_commit(commit).map_err(git)?.tree_id();
        tree_check::submodules(forward.repo, tree).map_err(CloneError::Tree)
    };
    let before = pins(forward.from)?;
    let mut left = Vec::new();
    for pin in pins(forward.to)?.into_iter().filter(|pin| !before.contains(pin)) {
        let path = printable(&pin.path);
        let old = before.iter().find(|old| old.path == pin.path && !signal::interrupted());
        match one(forward, &pin, old) {
            Ok(inner) => left.extend(inner.into_iter().map(|inner| format!("{path}/{inner}"))),
            Err(Stay::Why(why)) => left.push(format!("{path}: {why}")),
            Err(Stay::New) => left.push(format!("{path}: 'git submodule update --init' brings it")),
        }
    }
    Ok(left)
}

fn one(forward: &Forward<'_>, pin: &Pinned, old: Option<&Pinned>) -> Result<Vec<String>, Stay> {
    let Forward { spec, settings, .. } = *forward;
    let (Some(old), true) = (old, spec.submodules) else { return Err(Stay::New) };
    let work = forward.repo.workdir().and_then(|work| folder(work, &pin.path));
    let Some(inner) = work.as_ref().and_then(|work| inspect::open(work).ok()) else { return Err(Stay::New) };
    let head = inner.head().ok().and_then(|head| head.target());
    if head == Some(pin.commit) {
        return Ok(Vec::new());
    }
    if head != Some(old.commit) || inner.state() != RepositoryState::Clean {
        return stays("it does not stand where it was left");
    }
    if let Some(names) = update::changed(&inner)? {
        return stays(&format!("files were changed in it: {names}"));
    }
    if forward.depth >= DEEPEST {
        return stays("it is nested too deeply");
    }
    let declared = nested::declared(forward.repo, forward.to)?;
    let Some(declared) = declared.iter().find(|one| one.path == pin.path) else {
        return stays("its repository does not say where it is from");
    };
    if declared.idle {
        return stays("its repository does not want it by itself");
    }
    let base_is_local = matches!(forward.place.real, GitUrl::Local(_));
    let url = submodule::address(declared, &spec.url, base_is_local).map_err(CloneError::Submodule)?;
    let place = settings.place(&url).map_err(CloneError::Url)?;
    if let Some(why) = batch::closed(&place.real, settings) {
        return stays(&why);
    }
    let spec = CloneSpec { url, dest: work.unwrap_or_default(), ..spec.clone() };
    let inside = Forward {
        repo: &inner,
        spec: &spec,
        place: &place,
        from: old.commit,
        to: pin.commit,
        depth: forward.depth + 1,
        ..*forward
    };
    receive(&inside)?;
    check_out(&inside)?;
    Ok(bring(&inside)?)
}

/// The submodule's folder, with no link on the way to it.
fn folder(work: &Path, path: &str) -> Option<PathBuf> {
    let mut folder = work.to_path_buf();
    for part in path.split('/') {
        folder.push(part);
        let meta = RealSystem.meta(&folder).ok().flatten()?;
        if meta.kind != FileKind::Dir {
            return None;
        }
    }
    Some(folder)
}

fn receive(forward: &Forward<'_>) -> Result<(), CloneError> {
    if forward.repo.find_commit(forward.to).is_ok() {
        return Ok(());
    }
    let limits = &forward.spec.limits;
    let deadline = Instant::now() + limits.time;
    let patience = Patience { stall: limits.stall, deadline: Some(deadline) };
    let real = &forward.place.real;
    let link = Link::open(real, forward.settings, patience, limits.bytes, env::var).map_err(git)?;
    let fetch = Fetch::new(forward.repo, real, link.as_ref(), limits.bytes, deadline, forward.progress);
    let history = if forward.repo.is_shallow() { History::Depth(1) } else { History::Full };
    fetch.more(&forward.to.to_string(), history)
}

fn check_out(forward: &Forward<'_>) -> Result<(), Stay> {
    let (repo, limits) = (forward.repo, &forward.spec.limits);
    let commit = repo.find_commit(forward.to)?;
    tree_check::check(repo, commit.tree_id(), limits.files, limits.bytes).map_err(CloneError::Tree)?;
    nested::declared(repo, forward.to)?;
    let mut checkout = CheckoutBuilder::new();
    checkout.safe().overwrite_ignored(false);
    match repo.checkout_tree(commit.as_object(), Some(&mut checkout)) {
        Ok(()) => Ok(repo.set_head_detached(forward.to)?),
        Err(error) if error.code() == ErrorCode::Conflict => {
            stays("files of yours are where new ones belong")
        }
        Err(error) => Err(error.into()),
    }
}
