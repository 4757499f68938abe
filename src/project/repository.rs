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
    let common = line(&git_dir.join("commondir")).map(|dir| git_dir.join(dir)).filter(|dir| is_dir(dir));
    common.as_deref().unwrap_or(git_dir).join("info/exclude")
}

fn is_dir(path: &Path) -> bool {
    matches!(content::look(path), Ok(Look::Dir))
}

/// What a file of one line says.
fn line(path: &Path) -> Option<String> {
    let text = String::from_utf8(RealSystem.read(path, 4096).ok()?).ok()?;
    text.lines().next().map(|line| line.trim().to_owned())
}
