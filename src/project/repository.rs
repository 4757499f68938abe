//! The git repository that a project is in: where its work tree begins, and where git keeps what belongs to it.

use std::path::{Path, PathBuf};

use crate::sys::content::{self, Look};
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;

/// Where the work tree begins that a directory is in, which may be the directory itself.
pub fn top(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|dir| is_top(dir))
}

/// Whether a work tree begins here.
pub fn is_top(dir: &Path) -> bool {
    !matches!(content::look(&dir.join(".git")), Ok(Look::Absent) | Err(_))
}

/// Where git keeps its index for the work tree that begins here.
pub fn git_dir(top: &Path) -> Option<PathBuf> {
    let git = top.join(".git");
    if is_dir(&git) {
        return Some(git);
    }
    // A work tree of its own, or a submodule: the file says where.
    let dir = top.join(line(&git)?.strip_prefix("gitdir:")?.trim());
    is_dir(&dir).then_some(dir)
}

/// The list of what is ignored in this repository alone; it need not be there. All its work trees have the same.
pub fn exclude(git_dir: &Path) -> PathBuf {
    common(git_dir).join("info/exclude")
}

/// The settings of this repository alone, those of one work tree last; none need be there.
pub fn settings(git_dir: &Path) -> [PathBuf; 2] {
    [common(git_dir).join("config"), git_dir.join("config.worktree")]
}

/// The list of what is ignored that the repository's own settings name in place of the user's (`core.excludesFile` in
/// git-config(1)); it need not be there.
pub fn named_list(top: &Path) -> Option<PathBuf> {
    let mut all = git2::Config::new().ok()?;
    let levels = [git2::ConfigLevel::Local, git2::ConfigLevel::Worktree];
    for (file, level) in settings(&git_dir(top)?).iter().zip(levels) {
        // What is no file is not opened: a pipe would never end.
        if matches!(content::look(file), Ok(Look::File(_))) {
            all.add_file(file, level, false).ok()?;
        }
    }
    all.get_path("core.excludesfile").ok().map(|path| top.join(path))
}

/// Where all work trees of a repository keep what they share.
fn common(git_dir: &Path) -> PathBuf {
    let common = line(&git_dir.join("commondir")).map(|dir| git_dir.join(dir)).filter(|dir| is_dir(dir));
    common.unwrap_or_else(|| git_dir.to_owned())
}

fn is_dir(path: &Path) -> bool {
    matches!(content::look(path), Ok(Look::Dir))
}

/// What a file of one line says.
fn line(path: &Path) -> Option<String> {
    let text = String::from_utf8(RealSystem.read(path, 4096).ok()?).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}
