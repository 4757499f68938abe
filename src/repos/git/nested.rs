//! The submodules of a clone: each brought at exactly its commit by the same way as the clone itself, within what is
//! left of its limits, and laid out as git does, so that git goes on with them.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use git2::{Config, Oid, Repository};

use super::clone::{CloneError, CloneLimits, CloneSpec, Cloned, Job, build, git};
use super::submodule::{self, Declared};
use super::tree_check::{self, Extent, Pinned};
use super::url::GitUrl;
use crate::base::error::Fault;
use crate::base::text::printable;
use crate::sys::real::RealSystem;
use crate::sys::system::{Attributes, FileKind, ReadSystem, WriteSystem};
use crate::sys::{signal, tree};

/// How deep submodules may have submodules.
pub const DEEPEST: usize = 4;
/// How many submodules a clone may have in all.
pub const MOST: usize = 64;

/// A submodule that is there, and those inside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placed {
    path: String,
    name: String,
    inner: Vec<Placed>,
}

/// Clones the submodules of the commit that is checked out in `at`, and adds to `cloned` what they amount to and
/// which were left out.
pub(super) fn bring(
    job: &Job<'_>,
    at: &Path,
    repo: &Repository,
    cloned: &mut Cloned,
) -> Result<Vec<Placed>, CloneError> {
    let head = repo.head().and_then(|head| head.peel_to_commit()).map_err(git)?;
    let pinned = tree_check::submodules(repo, head.tree_id()).map_err(CloneError::Tree)?;
    let declared = declared(repo, head.id())?;
    let mut names = BTreeSet::new();
    let mut placed = Vec::new();
    for one in pinned {
        let found = declared.iter().find(|declared| declared.path == one.path);
        let result = match found {
            None => Err(Skip::Left("its repository does not say where it is from".into())),
            Some(found) => one_of(job, at, repo, found, &one, cloned, &mut names),
        };
        match result {
            Ok(done) => placed.push(done),
            Err(Skip::Left(why)) => cloned.left_out.push(format!("{}: {why}", printable(&one.path))),
            Err(Skip::Stop(error)) => return Err(*error),
        }
    }
    cloned.extent.submodules = cloned.left_out.len();
    Ok(placed)
}

/// Why a submodule is not there.
enum Skip {
    /// The clone goes on without it.
    Left(String),
    /// The clone is over.
    Stop(Box<CloneError>),
}

impl From<CloneError> for Skip {
    fn from(error: CloneError) -> Self {
        Self::Stop(Box::new(error))
    }
}

/// What the `.gitmodules` of a commit says, or why it is refused: libgit2 reads it, too, as soon as it checks out.
pub(super) fn declared(repo: &Repository, commit: Oid) -> Result<Vec<Declared>, CloneError> {
    let refused = CloneError::Submodule(submodule::SubmoduleError::File);
    let tree = repo.find_commit(commit).and_then(|commit| commit.tree()).map_err(git)?;
    let Some(entry) = tree.get_name(".gitmodules") else { return Ok(Vec::new()) };
    if !matches!(entry.filemode(), 0o100_644 | 0o100_755) {
        return Err(refused);
    }
    let (length, _) = repo.odb().and_then(|odb| odb.read_header(entry.id())).map_err(git)?;
    if length > submodule::LARGEST {
        return Err(refused);
    }
    let blob = repo.find_blob(entry.id()).map_err(git)?;
    submodule::read(blob.content()).map_err(CloneError::Submodule)
}

fn one_of(
    job: &Job<'_>,
    at: &Path,
    repo: &Repository,
    found: &Declared,
    pinned: &Pinned,
    cloned: &mut Cloned,
    names: &mut BTreeSet<String>,
) -> Result<Placed, Skip> {
    let left = |why: &str| Err(Skip::Left(why.to_owned()));
    if !job.spec.submodules {
        return left("submodules were not asked for");
    }
    let base_is_local = matches!(job.place.real, GitUrl::Local(_));
    let url = submodule::address(found, &job.spec.url, base_is_local).map_err(CloneError::Submodule)?;
    if found.idle {
        return left("its repository does not want it by itself");
    }
    if job.depth >= DEEPEST {
        return left("it is nested too deeply");
    }
    if job.left.get() == 0 {
        return left("there are too many");
    }
    if !is_free(&found.name, names) {
        return left("its name is within that of another one");
    }
    job.left.set(job.left.get() - 1);
    let folder = free_folder(at, &found.path)?;
    let limits = rest(&job.spec.limits, job, cloned);
    let spec = CloneSpec {
        name: format!("{}/{}", job.spec.name, found.path),
        url,
        reference: Some(pinned.commit.to_string()),
        dest: folder.clone(),
        limits,
        ..job.spec.clone()
    };
    match one_clone(job, &spec, &folder) {
        Ok((inner, more)) => {
            let mut config = local_config(repo)?;
            let mut set = |key: &str, value: &str| {
                config.set_str(&format!("submodule.{}.{key}", found.name), value).map_err(git)
            };
            set("url", &more.1)?;
            set("active", "true")?;
            add(cloned, more.0, &found.path);
            Ok(Placed { path: found.path.clone(), name: found.name.clone(), inner })
        }
        Err(error) => {
            // git expects an empty folder in its place.
            tree::remove(&folder).map_err(io_error("remove", &folder))?;
            tree::create(&folder).map_err(io_error("create", &folder))?;
            match error {
                CloneError::Interrupted => Err(error.into()),
                _ if signal::interrupted() => Err(CloneError::Interrupted.into()),
                error => Err(Skip::Left(Fault::from(error).one_line())),
            }
        }
    }
}

type Whole = (Vec<Placed>, (Cloned, String));

fn one_clone(job: &Job<'_>, spec: &CloneSpec, folder: &Path) -> Result<Whole, CloneError> {
    let place = job.settings.place(&spec.url).map_err(CloneError::Url)?;
    let job = Job { spec, place: &place, depth: job.depth + 1, started: Instant::now(), ..*job };
    let (cloned, inner) = build(&job, folder)?;
    Ok((inner, (cloned, place.origin)))
}

/// What is left of the limits.
fn rest(limits: &CloneLimits, job: &Job<'_>, cloned: &Cloned) -> CloneLimits {
    CloneLimits {
        files: limits.files.saturating_sub(cloned.extent.files),
        bytes: limits.bytes.saturating_sub(cloned.bytes.max(cloned.extent.bytes)),
        stall: limits.stall,
        time: limits.time.saturating_sub(job.started.elapsed()),
    }
}

fn add(cloned: &mut Cloned, more: Cloned, path: &str) {
    cloned.bytes += more.bytes;
    let Extent { files, bytes, .. } = more.extent;
    cloned.extent.files += files;
    cloned.extent.bytes += bytes;
    cloned.left_out.extend(more.left_out.into_iter().map(|inner| format!("{}/{inner}", printable(path))));
}

/// Takes a name, unless git's data of one submodule would lie in that of another, on a file system without letter
/// case too.
fn is_free(name: &str, names: &mut BTreeSet<String>) -> bool {
    let name = format!("{}/", name.to_lowercase());
    let free = !names.iter().any(|other| other.starts_with(&name) || name.starts_with(other.as_str()));
    free && names.insert(name)
}

/// The empty folder that the checkout has left for a submodule; whatever else is there, a link on the way to it
/// above all, is no place for one.
fn free_folder(at: &Path, path: &str) -> Result<PathBuf, CloneError> {
    let mut folder = at.to_path_buf();
    for part in path.split('/') {
        folder.push(part);
        match RealSystem.meta(&folder).map_err(io_error("look at", &folder))? {
            Some(meta) if meta.kind == FileKind::Dir => {}
            _ => return Err(CloneError::Submodule(submodule::SubmoduleError::Path(path.to_owned()))),
        }
    }
    match RealSystem.list(&folder).map_err(io_error("look at", &folder))?.is_empty() {
        true => Ok(folder),
        false => Err(CloneError::Submodule(submodule::SubmoduleError::Path(path.to_owned()))),
    }
}

fn local_config(repo: &Repository) -> Result<Config, CloneError> {
    repo.config().and_then(|config| config.open_level(git2::ConfigLevel::Local)).map_err(git)
}

fn io_error(act: &'static str, path: &Path) -> impl Fn(io::Error) -> CloneError + use<> {
    let path = path.to_path_buf();
    move |error| CloneError::Io(act, path.clone(), error)
}

/// Moves git's data of all submodules below that of their repository, where git keeps it, and ties the two by
/// relative paths, so that the whole can be renamed.
pub(super) fn gather(work: &Path, data: &Path, placed: &[Placed]) -> Result<(), CloneError> {
    for one in placed {
        let (inner_work, inner_data) = (work.join(&one.path), data.join("modules").join(&one.name));
        if let Some(parent) = inner_data.parent() {
            tree::create(parent).map_err(io_error("create", parent))?;
        }
        let tie = inner_work.join(".git");
        RealSystem.rename(&tie, &inner_data).map_err(io_error("move", &tie))?;
        let to_data = format!("gitdir: {}\n", relative(&inner_work, &inner_data));
        let attributes = Attributes { mode: 0o644, ..Attributes::default() };
        RealSystem.write_new(&tie, to_data.as_bytes(), &attributes).map_err(io_error("write", &tie))?;
        let mut config = Config::open(&inner_data.join("config")).map_err(git)?;
        config.set_str("core.worktree", &relative(&inner_data, &inner_work)).map_err(git)?;
        gather(&inner_work, &inner_data, &one.inner)?;
    }
    Ok(())
}

/// The way from one folder to another, both absolute and without links below what they share.
fn relative(from: &Path, to: &Path) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from.iter().skip(shared).map(|_| "..".to_owned());
    let down = to.iter().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// How many submodules may still come.
pub(super) fn allowance() -> Cell<usize> {
    Cell::new(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_relative() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(way("/h/x/lib/a", "/h/x/.git/modules/a"), "../../.git/modules/a");
        assert_eq!(way("/h/x/.git/modules/n/m", "/h/x/lib"), "../../../../lib");
    }

    #[test]
    fn a_name_within_another_is_not_free() {
        let mut names = BTreeSet::new();
        assert!(is_free("lib/a", &mut names) && is_free("lib/ab", &mut names));
        assert!(!is_free("LIB/A/modules/b", &mut names) && !is_free("lib", &mut names));
    }
}
