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
    "**/wandb/run-*/",
    "**/wandb/offline-run-*/",
    "**/wandb/latest-run",
    "**/wandb/debug*.log",
    "**/wandb/settings",
    "lightning_logs/",
    ".dvc/cache/",
    ".dvc/tmp/",
    ".DS_Store",
    ".*.sw?",
    ".*.sw?x",
    "*~",
    // As it stands it would be a comment.
    "\\#*#",
    ".#*",
    "4913",
    "*___jb_tmp___",
    "*___jb_old___",
    ".goutputstream-*",
    ".subl*.tmp",
    // With the number of the process that writes: `page.tmp.html` is somebody's file.
    "*.tmp.[0-9]*",
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
        for kept in
            ["target", "venv.py", "__pycache__", "page.tmp.html", "a.tmp", "#notes", "notes#", ".gitignore"]
        {
            assert!(!is_left(kept, kept == "target"), "{kept}");
        }
    }

    #[test]
    fn each_pattern_means_something() {
        let names = [
            ".git",
            ".hg",
            ".svn",
            ".jj",
            "__pycache__/",
            "a.pyc",
            ".pytest_cache/",
            "pytest-cache-files-x1y2/",
            ".mypy_cache/",
            ".ruff_cache/",
            ".tox/",
            ".nox/",
            ".hypothesis/",
            ".ipynb_checkpoints/",
            ".coverage",
            ".coverage.host.12.34",
            "htmlcov/",
            "demo.egg-info/",
            "node_modules/",
            ".venv",
            "venv/",
            ".direnv/",
            ".turbo/",
            "mlruns/",
            "wandb/run-1/",
            "a/wandb/offline-run-1/",
            "wandb/latest-run",
            "wandb/debug-internal.log",
            "wandb/settings",
            "lightning_logs/",
            ".dvc/cache/",
            ".dvc/tmp/",
            ".DS_Store",
            ".a.py.swp",
            ".a.py.swpx",
            "a.py~",
            "#a.py#",
            ".#a.py",
            "4913",
            "a.py___jb_tmp___",
            "a.py___jb_old___",
            ".goutputstream-7GXY5Z",
            ".subl1a2.tmp",
            "a.py.tmp.1234",
            ".a.py.kate-swp",
            ".devboot-a.new",
        ];
        assert_eq!(names.len(), DROPPINGS.len());
        for (name, pattern) in names.iter().zip(DROPPINGS) {
            let mut builder = GitignoreBuilder::new("/p");
            builder.add_line(None, pattern).unwrap();
            let rule = builder.build().unwrap();
            let (path, is_dir) = (name.trim_end_matches('/'), name.ends_with('/'));
            assert!(rule.matched(path, is_dir).is_ignore(), "{pattern} and {name}");
        }
    }
}
