//! What an existing folder is, without the network: a clone of which address, at which commit, changed or not.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use git2::{ErrorCode, Oid, Repository, RepositoryOpenFlags, Status, StatusOptions};

use super::url::GitUrl;
use crate::base::digest::Digest;
use crate::base::text::printable;
use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, ReadSystem};

/// What stands where a clone should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A clone of the address we want, and its commit; `None` before its first one.
    Clone(Option<String>),
    /// A clone of something else, or no clone at all; why it is kept.
    Other(String),
}

/// Opens exactly this folder, never one above it.
pub(super) fn open(path: &Path) -> Result<Repository, git2::Error> {
    Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, &[] as &[&Path])
}

/// The commit that a clone stands at, as 40 digits; `None` when it is no clone or has no commit.
pub fn head(path: &Path) -> Option<String> {
    let repo = open(path).ok()?;
    let commit = repo.head().ok()?.peel_to_commit().ok()?;
    Some(commit.id().to_string())
}

/// The branch that a clone stands on; `None` when it stands at a bare commit, or is no clone.
pub fn branch(path: &Path) -> Option<String> {
    let repo = open(path).ok()?;
    let head = repo.head().ok().filter(git2::Reference::is_branch)?;
    head.shorthand().ok().map(str::to_owned)
}

/// Looks at an existing folder.
pub fn look(path: &Path, wanted: &GitUrl) -> Found {
    let repo = match open(path) {
        Ok(repo) => repo,
        Err(error) if error.code() == ErrorCode::NotFound => {
            return Found::Other("the folder is there and is no clone".into());
        }
        Err(error) => return Found::Other(printable(error.message())),
    };
    // As it is written; a remote's own word is what `insteadOf` makes of it.
    let config = repo.config().and_then(|mut config| config.snapshot());
    let origin = config.and_then(|config| config.get_string("remote.origin.url"));
    match origin.as_deref().map(GitUrl::parse) {
        Ok(Ok(url)) if url.is_same_as(wanted) => Found::Clone(head(path)),
        Ok(Ok(url)) => Found::Other(format!("the folder is a clone of {}", url.shown())),
        _ => Found::Other("the folder is a repository of another origin".into()),
    }
}

/// Whether a clone has nothing that a person would miss: tracked files unchanged, no untracked or ignored
/// files but what tools drop, no stash, no commits of its own besides HEAD. Compare [`head`] with the
/// recorded commit as well.
pub fn is_pristine(path: &Path) -> Result<bool, git2::Error> {
    is_pristine_but_for(path, is_dropping)
}

/// The same for a clone that a shell or an editor is loaded from: what these write into it by themselves does
/// not count either.
pub fn is_pristine_kit(path: &Path) -> Result<bool, git2::Error> {
    is_pristine_but_for(path, |name| is_dropping(name) || is_kit_dropping(name))
}

fn is_pristine_but_for(path: &Path, dropping: fn(&[u8]) -> bool) -> Result<bool, git2::Error> {
    repo_is_pristine(&open(path)?, dropping)
}

/// Submodules that are there stand at their commit, and nothing of a person's is inside.
fn submodules_are_pristine(repo: &Repository, dropping: fn(&[u8]) -> bool) -> Result<bool, git2::Error> {
    for one in repo.submodules()? {
        let Ok(inner) = one.open() else { continue };
        let stands = inner.head().ok().and_then(|head| head.target());
        if stands.is_some() && stands != one.index_id() || !repo_is_pristine(&inner, dropping)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn repo_is_pristine(repo: &Repository, dropping: fn(&[u8]) -> bool) -> Result<bool, git2::Error> {
    if !submodules_are_pristine(repo, dropping)? {
        return Ok(false);
    }
    if repo.find_reference("refs/stash").is_ok() || has_own_commits(repo)? {
        return Ok(false);
    }
    let mut options = StatusOptions::new();
    options
        .include_untracked(true)
        .recurse_untracked_dirs(true)
        .include_ignored(true)
        .recurse_ignored_dirs(false)
        .exclude_submodules(true);
    let statuses = repo.statuses(Some(&mut options))?;
    let kept = statuses.iter().any(|entry| match entry.status() {
        Status::CURRENT => false,
        status if status.intersects(Status::WT_NEW | Status::IGNORED) => {
            let link = || repo.workdir().is_some_and(|dir| is_link(&dir.join(".venv")));
            !(dropping(entry.path_bytes()) || entry.path_bytes() == b".venv" && link())
        }
        _ => true,
    });
    Ok(!kept)
}

/// The files of a clone that are not as its commit has them, by path, with a digest of what they are now; what
/// tools drop and what is ignored is left out. Empty when it is no clone.
pub fn changes(path: &Path) -> BTreeMap<String, Digest> {
    let mut options = StatusOptions::new();
    options.include_untracked(true).recurse_untracked_dirs(true).exclude_submodules(true);
    let Ok(repo) = open(path) else { return BTreeMap::new() };
    let Ok(statuses) = repo.statuses(Some(&mut options)) else { return BTreeMap::new() };
    let own = statuses.iter().filter(|one| one.status() != Status::CURRENT && !is_dropping(one.path_bytes()));
    own.map(|one| {
        let name = String::from_utf8_lossy(one.path_bytes()).into_owned();
        let digest = digest_of(&path.join(OsStr::from_bytes(one.path_bytes())));
        (name, digest)
    })
    .collect()
}

/// Of its bytes, or of what is known of it when it is no file or a large one.
fn digest_of(path: &Path) -> Digest {
    let meta = RealSystem.meta(path).ok().flatten();
    let is_file = meta.as_ref().is_some_and(|meta| meta.kind == FileKind::File);
    match RealSystem.read(path, LARGE).ok().filter(|_| is_file) {
        Some(bytes) => Digest::of(&bytes),
        None => {
            Digest::of(format!("{:?}", meta.map(|meta| (meta.kind, meta.size, meta.modified))).as_bytes())
        }
    }
}

/// Larger files are not read to see whether they have changed.
const LARGE: u64 = 16 << 20;

fn has_own_commits(repo: &Repository) -> Result<bool, git2::Error> {
    let head = repo.head().ok().and_then(|head| head.target());
    let (mut local, mut known): (Vec<Oid>, Vec<Oid>) = (Vec::new(), head.into_iter().collect());
    for reference in repo.references()? {
        let reference = reference?;
        let Some(tip) = reference.target() else { continue };
        if reference.is_branch() { local.push(tip) } else { known.push(tip) }
    }
    Ok(local.iter().any(|tip| !known.contains(tip)))
}

/// Whether a path is a symbolic link: a folder `.venv` is the user's, a link of that name leads editors to an
/// environment.
fn is_link(path: &Path) -> bool {
    matches!(RealSystem.meta(path), Ok(Some(meta)) if matches!(meta.kind, FileKind::Symlink(_)))
}

/// Whether a path (folders end with `/`) is what Python, pytest or devboot leaves behind.
fn is_dropping(path: &[u8]) -> bool {
    let text = String::from_utf8_lossy(path);
    let folder = |part: &str| {
        matches!(part, "__pycache__" | ".pytest_cache" | ".devboot") || part.ends_with(".egg-info")
    };
    let mut parts: Vec<&str> = text.split('/').collect();
    // Empty for a folder, and then all parts are folders.
    let file = parts.pop().unwrap_or_default();
    parts.into_iter().any(folder) || file.ends_with(".pyc") || file == ".coverage"
}

/// Whether a path is what zsh or vim write into oh-my-zsh, awesome vim and their like: compiled scripts, caches,
/// the index of help texts, undo files.
fn is_kit_dropping(path: &[u8]) -> bool {
    let text = String::from_utf8_lossy(path);
    let parts: Vec<&str> = text.split('/').collect();
    let name = parts.last().copied().unwrap_or_default();
    let in_help = parts.len() > 1 && parts[parts.len() - 2] == "doc";
    // Only at the top: further down, folders of these names may be anyone's.
    parts.len() > 1 && matches!(parts[0], "cache" | "log" | "temp_dirs")
        || in_help && (name == "tags" || name.starts_with("tags-"))
        || [".zwc", ".zwc.old"].iter().any(|end| name.ends_with(end))
        || name == ".netrwhist"
        || name.starts_with(".zcompdump")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn droppings_are_known_by_name() {
        for path in ["a/__pycache__/x.pyc", "__pycache__/", "x.egg-info/PKG-INFO", ".coverage", "b.pyc"] {
            assert!(is_dropping(path.as_bytes()), "{path}");
        }
        for path in [".env", "notes/", "src/__pycache__.py", "data/x.csv", "pytest_cache"] {
            assert!(!is_dropping(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn what_kits_write_into_themselves_is_known() {
        for path in [
            "cache/",
            "cache/grep-alias",
            "log/update.lock",
            "temp_dirs/undodir/%home%me%x.py",
            "sources_non_forked/ale/doc/tags",
            "sources_non_forked/ctrlp.vim/doc/tags-cn",
            "oh-my-zsh.sh.zwc",
        ] {
            assert!(is_kit_dropping(path.as_bytes()), "{path}");
        }
        for path in ["custom/", "custom/x.zsh", "my_configs.vim", "my_plugins/x/", "plugins/cache/", "tags"] {
            assert!(!is_kit_dropping(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn an_address_is_the_same_with_and_without_user_and_ending() {
        let url = |text| GitUrl::parse(text).unwrap();
        assert!(url("https://t:x@h/a/b.git").is_same_as(&url("https://h/a/b")));
        assert!(!url("https://h/a/b").is_same_as(&url("https://h/a/c")));
    }
}
