//! Bringing an existing clone up to date: only a fast-forward, only over files that nobody has changed.
//!
//! A note in git's own folder says what is being done from before the first file is written until the branch has
//! moved. A run that is killed in between leaves the branch at its old commit and files of both; the next update finds
//! the note, makes sure that every file is the old one, the new one, or the beginning of the new one, and finishes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use git2::build::CheckoutBuilder;
use git2::{
    CheckoutNotificationType, Delta, DiffOptions, ErrorCode, Oid, Repository, RepositoryState, StatusOptions,
};

use super::along::Forward;
use super::batch;
use super::clone::{CloneError, CloneSpec, git};
use super::config::{Place, Settings};
use super::failure::LinkError;
use super::fetch::{Fetch, Received};
use super::inspect::{self, Found};
use super::link::Link;
use super::url::GitUrl;
use super::{along, nested, reference, tree_check};
use crate::base::error::Fault;
use crate::base::text::printable;
use crate::sys::env;
use crate::sys::real::RealSystem;
use crate::sys::stream::Patience;
use crate::sys::system::{self, ReadSystem, WriteSystem};

/// What became of a clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// It went forward.
    Updated {
        /// The commit it stood at.
        from: String,
        /// The commit it stands at.
        to: String,
        /// How many commits lie between, the new one included.
        commits: usize,
        /// The submodules that did not go along: their path, and why.
        left_out: Vec<String>,
    },
    /// There was nothing new.
    UpToDate {
        /// The commit it stands at.
        commit: String,
    },
    /// It stays as it is, for it is not ours alone.
    Left {
        /// What is in the way.
        why: String,
    },
    /// It waits for the network.
    Postponed {
        /// What is missing.
        why: String,
    },
    /// It failed; the clone stands where it stood.
    Failed(Fault),
}

/// The note of an update under way, below git's own folder.
const NOTE: &str = "devboot-update";
/// How many names a sentence has.
const NAMED: usize = 3;

enum Stop {
    Left(String),
    Postponed(String),
    Failed(CloneError),
}

impl From<CloneError> for Stop {
    fn from(error: CloneError) -> Self {
        match error {
            CloneError::Link(LinkError::Unreachable(why)) => Self::Postponed(why),
            error => Self::Failed(error),
        }
    }
}

impl From<git2::Error> for Stop {
    fn from(error: git2::Error) -> Self {
        match error.code() {
            ErrorCode::Locked => Self::Left(format!(
                "another git is at work in it, or was killed and left a lock: {}",
                printable(error.message())
            )),
            _ => Self::Failed(git(error)),
        }
    }
}

fn left<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Left(why.into()))
}

/// Updates the clone at the place that `spec` names. Shallow clones stay shallow. The caller holds the home's lock.
pub fn update(spec: &CloneSpec, progress: &dyn Fn(Received)) -> UpdateOutcome {
    match run(spec, progress) {
        Ok(outcome) => outcome,
        Err(Stop::Left(why)) => UpdateOutcome::Left { why },
        Err(Stop::Postponed(why)) => UpdateOutcome::Postponed { why },
        Err(Stop::Failed(error)) => UpdateOutcome::Failed(batch::named("update", spec, error)),
    }
}

/// Where a clone stands.
struct Standing {
    /// The full name of its branch.
    branch: String,
    /// The name of the branch that it follows, on the server.
    follows: String,
    commit: Oid,
}

fn run(spec: &CloneSpec, progress: &dyn Fn(Received)) -> Result<UpdateOutcome, Stop> {
    let given = GitUrl::parse(&spec.url).map_err(CloneError::Url)?;
    let commit = match inspect::look(&spec.dest, &given) {
        Found::Other(why) => return left(why),
        Found::Clone(None) => return left("the clone has no commit"),
        Found::Clone(Some(commit)) => commit,
    };
    if spec.reference.as_deref().is_some_and(|pin| pin.eq_ignore_ascii_case(&commit)) {
        return Ok(UpdateOutcome::UpToDate { commit });
    }
    let repo = inspect::open(&spec.dest)?;
    let before = standing(&repo, spec)?;
    finish(&repo, spec, &before)?;
    let now = standing(&repo, spec)?;
    if let Some(names) = changed(&repo)? {
        return left(format!("files were changed in it: {names}"));
    }
    let settings = Settings::read(env::var).map_err(CloneError::Settings)?;
    let place = settings.place(&spec.url).map_err(CloneError::Url)?;
    if let Some(why) = batch::closed(&place.real, &settings) {
        return Err(Stop::Postponed(why));
    }
    let to = newest(&repo, spec, &place, &settings, &now, progress)?;
    if to != now.commit && !repo.graph_descendant_of(now.commit, to)? {
        if !repo.graph_descendant_of(to, now.commit)? {
            return left("its branch and the server's have gone different ways");
        }
        forward(&repo, spec, &now, to)?;
    }
    let (from, to) = (before.commit, standing(&repo, spec)?.commit);
    if from == to {
        return Ok(UpdateOutcome::UpToDate { commit: to.to_string() });
    }
    let left_out = along::bring(&Forward {
        repo: &repo,
        spec,
        place: &place,
        settings: &settings,
        from,
        to,
        progress,
        depth: 0,
    })?;
    let commits = between(&repo, from, to)?;
    Ok(UpdateOutcome::Updated { from: from.to_string(), to: to.to_string(), commits, left_out })
}

fn standing(repo: &Repository, spec: &CloneSpec) -> Result<Standing, Stop> {
    if repo.state() != RepositoryState::Clean {
        return left("a merge, rebase or the like is under way in it");
    }
    let head = repo.head()?;
    let Some(branch) = head.name().ok().filter(|_| head.is_branch()).map(str::to_owned) else {
        return left("it is on no branch");
    };
    let short = branch.trim_start_matches("refs/heads/");
    if let Some(wanted) = spec.reference.as_deref().filter(|wanted| *wanted != short) {
        return left(match reference::is_full_commit(wanted) {
            true => format!("it is on the branch {}, not at {}", printable(short), &wanted[..12]),
            false => format!("it is on the branch {}, not on {}", printable(short), printable(wanted)),
        });
    }
    let upstream = repo.branch_upstream_name(&branch).ok();
    let upstream = upstream.as_ref().and_then(|name| std::str::from_utf8(name).ok());
    let Some(follows) = upstream.and_then(|name| name.strip_prefix("refs/remotes/origin/")) else {
        return left(format!("its branch {} follows none of the server's", printable(short)));
    };
    Ok(Standing { follows: follows.to_owned(), commit: head.peel_to_commit()?.id(), branch })
}

/// The tracked files that are not as they were committed, the first few by name.
pub(super) fn changed(repo: &Repository) -> Result<Option<String>, git2::Error> {
    let mut options = StatusOptions::new();
    options.include_untracked(false).include_ignored(false).exclude_submodules(true);
    let statuses = repo.statuses(Some(&mut options))?;
    let names: Vec<String> =
        statuses.iter().map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned()).collect();
    Ok(some_of(&names))
}

fn some_of(names: &[String]) -> Option<String> {
    let shown: Vec<String> = names.iter().take(NAMED).map(|name| printable(name)).collect();
    let more = names.len().saturating_sub(NAMED);
    match more {
        _ if names.is_empty() => None,
        0 => Some(shown.join(", ")),
        more => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

/// Asks the server for the branch's newest commit and brings it here.
fn newest(
    repo: &Repository,
    spec: &CloneSpec,
    place: &Place,
    settings: &Settings,
    now: &Standing,
    progress: &dyn Fn(Received),
) -> Result<Oid, Stop> {
    let deadline = Instant::now() + spec.limits.time;
    let patience = Patience { stall: spec.limits.stall, deadline: Some(deadline) };
    let link = Link::open(&place.real, settings, patience, spec.limits.bytes, env::var)?;
    let fetch = Fetch::new(repo, &place.real, link.as_ref(), spec.limits.bytes, deadline, progress);
    let kept = format!("refs/remotes/origin/{}", now.follows);
    fetch.follow(&[format!("+refs/heads/{}:{kept}", now.follows)])?;
    let found = repo.find_reference(&kept).and_then(|reference| reference.peel_to_commit());
    match found {
        Ok(commit) => Ok(commit.id()),
        Err(_) => left(format!("the server has no branch {}", printable(&now.follows))),
    }
}

/// Writes the files of the new commit and moves the branch.
fn forward(repo: &Repository, spec: &CloneSpec, now: &Standing, to: Oid) -> Result<(), Stop> {
    examine(repo, spec, to)?;
    let note = repo.path().join(NOTE);
    let text = format!("{} {to} {}\n", now.commit, now.branch);
    let io = |act, error| CloneError::Io(act, note.clone(), error);
    system::replace(&RealSystem, &note, text.as_bytes(), 0o600).map_err(|error| io("write", error))?;
    let mut in_the_way = Vec::new();
    let written = {
        let mut checkout = CheckoutBuilder::new();
        checkout.safe().overwrite_ignored(false).notify_on(CheckoutNotificationType::CONFLICT).notify(
            |_, path, _, _, _| {
                in_the_way.extend(path.map(|path| path.to_string_lossy().into_owned()));
                true
            },
        );
        repo.checkout_tree(repo.find_commit(to)?.as_object(), Some(&mut checkout))
    };
    match written {
        Ok(()) => settle(repo, now, to),
        Err(error) if error.code() == ErrorCode::Conflict => {
            RealSystem.remove_file(&note).map_err(|error| io("remove", error))?;
            let names = some_of(&in_the_way).unwrap_or_else(|| printable(error.message()));
            left(format!("files of yours are where new ones belong: {names}"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the files of a commit may be written at all.
fn examine(repo: &Repository, spec: &CloneSpec, commit: Oid) -> Result<(), Stop> {
    let tree = repo.find_commit(commit)?.tree_id();
    tree_check::check(repo, tree, spec.limits.files, spec.limits.bytes).map_err(CloneError::Tree)?;
    nested::declared(repo, commit)?;
    Ok(())
}

/// Moves the branch, now that the files are there, and takes the note away.
fn settle(repo: &Repository, now: &Standing, to: Oid) -> Result<(), Stop> {
    repo.reference_matching(&now.branch, to, true, now.commit, "devboot: fast-forward")?;
    let note = repo.path().join(NOTE);
    RealSystem.remove_file(&note).map_err(|error| CloneError::Io("remove", note, error))?;
    Ok(())
}

/// Finishes an update that was killed.
fn finish(repo: &Repository, spec: &CloneSpec, now: &Standing) -> Result<(), Stop> {
    let note = repo.path().join(NOTE);
    let io = |act, error| CloneError::Io(act, note.clone(), error);
    if RealSystem.meta(&note).map_err(|error| io("look at", error))?.is_none() {
        return Ok(());
    }
    let bytes = RealSystem.read(&note, 4096).map_err(|error| io("read", error))?;
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    let to = match words[..] {
        [from, to, branch] if from == now.commit.to_string() && branch == now.branch => {
            Oid::from_str(to).ok()
        }
        _ => None,
    };
    // The branch has moved, by us or by the user: what the note is about is over.
    let Some(to) = to else {
        return Ok(RealSystem.remove_file(&note).map_err(|error| io("remove", error))?);
    };
    examine(repo, spec, to)?;
    let edited = neither_old_nor_new(repo, &spec.dest, now.commit, to)?;
    if let Some(names) = some_of(&edited) {
        return left(format!("an update of it was cut short, and files were changed since: {names}"));
    }
    repo.checkout_tree(repo.find_commit(to)?.as_object(), Some(CheckoutBuilder::new().force()))?;
    settle(repo, now, to)
}

/// The files that are neither those of the one commit nor those of the other, nor a beginning of the latter.
fn neither_old_nor_new(repo: &Repository, work: &Path, old: Oid, new: Oid) -> Result<Vec<String>, Stop> {
    let (old, new) = (repo.find_commit(old)?.tree()?, repo.find_commit(new)?.tree()?);
    let mut options = DiffOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .include_ignored(true)
        .recurse_ignored_dirs(true);
    options.ignore_submodules(true);
    let from_old = repo.diff_tree_to_workdir(Some(&old), Some(&mut options))?;
    let path = |delta: &git2::DiffDelta<'_>| delta.new_file().path().map(Path::to_path_buf);
    let not_old: BTreeSet<PathBuf> = from_old.deltas().filter_map(|delta| path(&delta)).collect();
    let mut options = DiffOptions::new();
    options.ignore_submodules(true);
    let from_new = repo.diff_tree_to_workdir(Some(&new), Some(&mut options))?;
    let mut edited = Vec::new();
    for delta in from_new.deltas() {
        let Some(path) = path(&delta).filter(|path| not_old.contains(path)) else { continue };
        let is_ours = match delta.status() {
            Delta::Deleted => true,
            Delta::Modified => {
                let blob = repo.find_blob(delta.old_file().id())?;
                let written = RealSystem.read(&work.join(&path), blob.size() as u64);
                written.is_ok_and(|written| blob.content().starts_with(&written))
            }
            _ => false,
        };
        if !is_ours {
            edited.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(edited)
}

/// How many commits lead from one to the other, the last included.
fn between(repo: &Repository, from: Oid, to: Oid) -> Result<usize, Stop> {
    let mut walk = repo.revwalk()?;
    walk.push(to)?;
    walk.hide(from)?;
    Ok(walk.count())
}
