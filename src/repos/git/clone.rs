//! One clone: fetched beside its place, checked, checked out, and only then given its name.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use git2::build::CheckoutBuilder;
use git2::{Oid, Repository, RepositoryInitOptions};

use super::checkout;
use super::config::{Place, Settings};
use super::failure::LinkError;
use super::fetch::{Fetch, History, Received};
use super::inspect::{self, Found};
use super::link::Link;
use super::memory;
use super::nested::{self, Placed};
use super::reference::{self, Want};
use super::submodule::SubmoduleError;
use super::tree_check::{self, Extent, TreeError};
use super::url::{BadUrl, GitUrl};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::{printable, size};
use crate::sys::lock::{Lock, LockError};
use crate::sys::real::RealSystem;
use crate::sys::stream::Patience;
use crate::sys::system::{FileKind, Meta, ReadSystem, WriteSystem};
use crate::sys::{env, signal, tree};

/// Why a repository was not cloned. Nothing is left behind under its name.
#[derive(Debug)]
pub enum CloneError {
    /// The name is not one for a folder.
    Name(String),
    /// The address is none.
    Url(BadUrl),
    /// git's own configuration cannot be read, in libgit2's words.
    Settings(String),
    /// The server could not be talked to.
    Link(LinkError),
    /// libgit2 failed, in its words.
    Git(String),
    /// The server's pack is damaged or no pack, with what is wrong.
    Pack(String),
    /// An object is too large to be held in memory.
    Object,
    /// It took longer than it may.
    Time,
    /// Another process is cloning to the same place.
    Busy,
    /// The branch, tag or commit is not there.
    NoReference(String),
    /// The repository has no commit yet.
    Empty,
    /// The files must not be written.
    Tree(TreeError),
    /// Its submodules are not ones that may be cloned.
    Submodule(SubmoduleError),
    /// The disk: what was done, to which path.
    Io(&'static str, PathBuf, io::Error),
    /// Stopped on request.
    Interrupted,
}

impl fmt::Display for CloneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "'{}' is not a name for a folder", printable(name)),
            Self::Url(error) => write!(f, "{error}"),
            Self::Settings(words) => write!(f, "git's configuration cannot be read: {words}"),
            Self::Link(error) => write!(f, "{error}"),
            Self::Git(words) => write!(f, "git failed: {words}"),
            Self::Pack(words) => write!(f, "the server's pack cannot be used: {words}"),
            Self::Object => {
                write!(f, "the repository has an object larger than {}", size(memory::LARGEST as u64))
            }
            Self::Time => f.write_str("it took longer than it may"),
            Self::Busy => f.write_str("another process is cloning it"),
            Self::NoReference(name) => write!(f, "the repository has no '{}'", printable(name)),
            Self::Empty => f.write_str("the repository is empty"),
            Self::Tree(error) => write!(f, "{error}"),
            Self::Submodule(error) => write!(f, "{error}"),
            Self::Io(act, path, _) => write!(f, "cannot {act} {}", printable(&path.to_string_lossy())),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for CloneError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Io(_, _, error) = self { Some(error) } else { None }
    }
}

impl Diagnose for CloneError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(_) | Self::Url(_) => ErrorKind::Usage,
            Self::Link(error) => error.kind(),
            Self::Tree(error) => error.kind(),
            Self::Submodule(error) => error.kind(),
            Self::Object => ErrorKind::Refused,
            Self::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Link(error) => error.hints(),
            Self::Submodule(error) => error.hints(),
            Self::Busy => vec!["wait for it to end, then try again".into()],
            Self::NoReference(name) if reference::looks_like_commit(name) && name.len() < 40 => {
                vec!["a commit is named by all of its 40 digits".into()]
            }
            Self::NoReference(_) => vec!["check the branch, tag or commit in the profile".into()],
            _ => Vec::new(),
        }
    }
}

/// What bounds a clone.
#[derive(Clone, Copy, Debug)]
pub struct CloneLimits {
    /// The most files.
    pub files: usize,
    /// The most bytes, both received and written.
    pub bytes: u64,
    /// The longest silence of the server.
    pub stall: Duration,
    /// The longest time for the whole.
    pub time: Duration,
}

impl Default for CloneLimits {
    fn default() -> Self {
        let (stall, time) = (Duration::from_secs(30), Duration::from_secs(30 * 60));
        Self { files: 100_000, bytes: 1 << 30, stall, time }
    }
}

/// A repository to have.
#[derive(Clone, Debug)]
pub struct CloneSpec {
    /// What it is called in events and messages.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// A branch, a tag, or a commit's 40 digits; `None` is the default branch.
    pub reference: Option<String>,
    /// How much of its history.
    pub history: History,
    /// Whether its submodules come along.
    pub submodules: bool,
    /// The folder that it becomes.
    pub dest: PathBuf,
    /// Its bounds.
    pub limits: CloneLimits,
}

/// A clone that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloned {
    /// The commit that was checked out.
    pub commit: String,
    /// The bytes received, with its submodules.
    pub bytes: u64,
    /// What was written, with its submodules.
    pub extent: Extent,
    /// The submodules that are not there: their path, and why.
    pub left_out: Vec<String>,
}

const ATTEMPTS: usize = 10;

/// Where a clone is built: beside its place, so that giving it its name is one rename.
pub fn partial_path(dest: &Path) -> Option<PathBuf> {
    let name = dest.file_name()?.to_str()?;
    Some(dest.with_file_name(format!(".{name}.devboot-partial")))
}

/// What is there already; `None` when the place is free. Needs no network.
pub fn present(spec: &CloneSpec, url: &GitUrl) -> Result<Option<Result<String, String>>, CloneError> {
    let failed = |error| CloneError::Io("look at", spec.dest.clone(), error);
    match RealSystem.meta(&spec.dest).map_err(failed)? {
        None => return Ok(None),
        Some(meta) if meta.kind != FileKind::Dir => {
            return Ok(Some(Err("something that is no folder has its name".into())));
        }
        Some(_) if RealSystem.list(&spec.dest).map_err(failed)?.is_empty() => return Ok(None),
        Some(_) => {}
    }
    Ok(Some(match inspect::look(&spec.dest, url) {
        Found::Other(why) => Err(why),
        Found::Clone(None) => Err("the clone has no commit".into()),
        Found::Clone(Some(commit)) => match &spec.reference {
            Some(pin) if reference::is_full_commit(pin) && !pin.eq_ignore_ascii_case(&commit) => {
                Err(format!("the clone is at {}, not at {}", &commit[..12], &pin[..12]))
            }
            _ => Ok(commit),
        },
    }))
}

/// Fetches, checks and checks out. The place must be free; leftovers beside it that nobody holds are of a run that was
/// killed.
pub fn clone(
    spec: &CloneSpec,
    place: &Place,
    settings: &Settings,
    progress: &dyn Fn(Received),
) -> Result<Cloned, CloneError> {
    let partial = check_name(spec)?;
    let io = |act, path: &Path| {
        let path = path.to_path_buf();
        move |error| CloneError::Io(act, path, error)
    };
    if let Some(parent) = spec.dest.parent() {
        tree::create(parent).map_err(io("create", parent))?;
    }
    let _lock = hold(&partial)?;
    for left in RealSystem.list(&partial).map_err(io("look at", &partial))? {
        let left = partial.join(left);
        tree::remove(&left).map_err(io("remove", &left))?;
    }
    let left = nested::allowance();
    let job = Job { spec, place, settings, progress, started: Instant::now(), depth: 0, left: &left };
    let result = build(&job, &partial).and_then(|(cloned, placed)| {
        nested::gather(&partial, &partial.join(".git"), &placed)?;
        RealSystem.rename(&partial, &spec.dest).map_err(io("give its name to", &partial))?;
        Ok(cloned)
    });
    if result.is_err() {
        // The failure is what matters; the next run removes what could not be removed now.
        let _ = tree::remove(&partial);
    }
    match result {
        Err(_) if signal::interrupted() => Err(CloneError::Interrupted),
        result => result,
    }
}

/// Makes the folder that a clone is built in and takes it for us alone; `None` where folders cannot be locked.
fn hold(partial: &Path) -> Result<Option<Lock>, CloneError> {
    let failed = |act| move |error| CloneError::Io(act, partial.to_path_buf(), error);
    let is_dir = |meta: Option<Meta>| meta.is_some_and(|meta| meta.kind == FileKind::Dir);
    // Whoever held it before may remove it while we wait for it.
    for _ in 0..ATTEMPTS {
        if !is_dir(RealSystem.meta(partial).map_err(failed("look at"))?) {
            tree::remove(partial).map_err(failed("remove"))?;
            tree::create(partial).map_err(failed("create"))?;
        }
        match Lock::try_dir(partial) {
            Ok(Some(lock)) if !lock.is_still_at(partial) => {}
            Ok(lock) => return Ok(lock),
            Err(LockError::Held(_)) => return Err(CloneError::Busy),
            Err(LockError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(LockError::Io(error)) => return Err(failed("lock")(error)),
        }
    }
    Err(CloneError::Busy)
}

fn check_name(spec: &CloneSpec) -> Result<PathBuf, CloneError> {
    let bad = || CloneError::Name(spec.dest.to_string_lossy().into_owned());
    let name = spec.dest.file_name().ok_or_else(bad)?;
    let text = name.to_str().filter(|_| spec.dest.is_absolute()).ok_or_else(bad)?;
    if tree_check::bad_name(text.as_bytes()).is_some() {
        return Err(bad());
    }
    partial_path(&spec.dest).ok_or_else(bad)
}

pub(super) fn git(error: git2::Error) -> CloneError {
    match error.class() {
        git2::ErrorClass::NoMemory => CloneError::Object,
        // libgit2 has a limit of its own, four times ours.
        _ if error.message().contains("overly large object") => CloneError::Object,
        _ => CloneError::Git(printable(error.message())),
    }
}

/// A clone or one of its submodules being made.
#[derive(Clone, Copy)]
pub(super) struct Job<'a> {
    pub(super) spec: &'a CloneSpec,
    pub(super) place: &'a Place,
    pub(super) settings: &'a Settings,
    pub(super) progress: &'a dyn Fn(Received),
    /// When it began.
    pub(super) started: Instant,
    /// How many repositories this one is inside of.
    pub(super) depth: usize,
    /// How many submodules may still come.
    pub(super) left: &'a Cell<usize>,
}

/// Makes the whole of it at `partial`, and says which submodules are there.
pub(super) fn build(job: &Job<'_>, partial: &Path) -> Result<(Cloned, Vec<Placed>), CloneError> {
    let Job { spec, place, settings, progress, .. } = *job;
    // What is read here was received here: the indexer has hashed every object of the pack, collisions looked
    // for, before the pack got its name. To hash it again with each reading protects from nobody.
    git2::opts::strict_hash_verification(false);
    let mut options = RepositoryInitOptions::new();
    // A template could bring hooks.
    options.external_template(false).no_reinit(true).mkdir(true);
    let repo = Repository::init_opts(partial, &options).map_err(git)?;
    let mut config =
        repo.config().and_then(|config| config.open_level(git2::ConfigLevel::Local)).map_err(git)?;
    for name in ["core.protectHFS", "core.protectNTFS"] {
        config.set_bool(name, true).map_err(git)?;
    }
    repo.remote("origin", &place.origin).map_err(git)?;
    let deadline = Instant::now() + spec.limits.time;
    let patience = Patience { stall: spec.limits.stall, deadline: Some(deadline) };
    let link = Link::open(&place.real, settings, patience, spec.limits.bytes, env::var).map_err(git)?;
    let fetch = Fetch::new(&repo, &place.real, link.as_ref(), spec.limits.bytes, deadline, progress);
    let (want, commit) = fetch.bring(spec.reference.as_deref(), spec.history)?;
    nested::declared(&repo, commit)?;
    let extent = check_out(&repo, &want, commit, &spec.limits)?;
    let (commit, bytes) = (commit.to_string(), fetch.received());
    let mut cloned = Cloned { commit, bytes, extent, left_out: Vec::new() };
    let placed = match extent.submodules {
        0 => Vec::new(),
        _ => nested::bring(job, partial, &repo, &mut cloned)?,
    };
    Ok((cloned, placed))
}

fn check_out(
    repo: &Repository,
    want: &Want,
    commit: Oid,
    limits: &CloneLimits,
) -> Result<Extent, CloneError> {
    let found = repo.find_commit(commit).map_err(git)?;
    let (extent, files) =
        tree_check::check(repo, found.tree_id(), limits.files, limits.bytes).map_err(CloneError::Tree)?;
    if signal::interrupted() {
        return Err(CloneError::Interrupted);
    }
    if extent.submodules == 0 && checkout::is_plain(repo, &files).map_err(git)? {
        checkout::write(repo, &files)?;
    } else {
        repo.checkout_tree(found.as_object(), Some(CheckoutBuilder::new().force())).map_err(git)?;
    }
    let branch = match want {
        Want::Branch(name) => Some(name.clone()),
        // A pinned commit at the tip of its branch is on that branch: it can be worked on, and go forward.
        Want::Commit(_) => branch_at(repo, commit),
        Want::Tag(_) => None,
    };
    match branch {
        Some(name) => {
            let local = format!("refs/heads/{name}");
            repo.reference(&local, commit, true, "clone").map_err(git)?;
            repo.set_head(&local).map_err(git)?;
            let mut branch = repo.find_branch(&name, git2::BranchType::Local).map_err(git)?;
            branch.set_upstream(Some(&format!("origin/{name}"))).map_err(git)?;
        }
        None => repo.set_head_detached(commit).map_err(git)?,
    }
    Ok(extent)
}

/// The one branch of the origin that was fetched, if its tip is this commit.
fn branch_at(repo: &Repository, commit: Oid) -> Option<String> {
    let mut tips = repo.references_glob("refs/remotes/origin/*").ok()?.flatten();
    let (tip, other) = (tips.next()?, tips.next());
    let name = tip.name().ok()?.strip_prefix("refs/remotes/origin/")?.to_owned();
    (tip.target() == Some(commit) && other.is_none()).then_some(name)
}
