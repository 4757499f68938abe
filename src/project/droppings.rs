//! What editors and tools leave behind in a project: no part of it, whether git ignores it or not.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::sys::system::ReadSystem;

/// What no project means, ignored by git or not.
const DROPPINGS: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".jj",
    "__pycache__/",
    "*.py[co]",
    ".pytest_cache/",
    "pytest-cache-files-*/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".tox/",
    ".nox/",
    ".hypothesis/",
    ".ipynb_checkpoints/",
    ".coverage",
    ".coverage.*",
    "htmlcov/",
    "*.egg-info/",
    "node_modules/",
    ".venv",
    "venv/",
    ".direnv/",
    ".turbo/",
    "mlruns/",
    "wandb/",
    "lightning_logs/",
    ".dvc/cache/",
    ".dvc/tmp/",
    ".DS_Store",
    ".*.sw?",
    ".*.sw?x",
    "*~",
    "#*#",
    ".#*",
    "4913",
    "*___jb_tmp___",
    "*___jb_old___",
    ".goutputstream-*",
    ".subl*.tmp",
    ".*.kate-swp",
    ".devboot-*.new",
];

/// The file by which a directory says that it is a cache: cargo's `target`, pytest's and mypy's; <https://bford.info/cachedir/>.
pub const CACHE_TAG: &str = "CACHEDIR.TAG";

/// How that file begins.
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// The rules for it, of paths in the project at `root`.
pub fn rules(root: &Path) -> Gitignore {
    let mut builder = GitignoreBuilder::new(root);
    for pattern in DROPPINGS {
        // The patterns are ours, and right.
        let _ = builder.add_line(None, pattern);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

/// Whether a directory says that it is a cache.
pub fn is_cache(system: &dyn ReadSystem, dir: &Path) -> bool {
    system.read(&dir.join(CACHE_TAG), 4 << 10).is_ok_and(|tag| tag.starts_with(SIGNATURE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tools_and_editors_are_droppings() {
        let rules = rules(Path::new("/p"));
        let is_left = |path: &str, is_dir: bool| rules.matched(path, is_dir).is_ignore();
        assert!(is_left("a/__pycache__", true) && is_left(".git", false) && is_left("x/mod.pyc", false));
        assert!(!is_left("target", true) && !is_left("venv.py", false) && !is_left("__pycache__", false));
    }
}
