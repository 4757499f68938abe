//! What editors and tools leave behind in a project: no part of it, whether git ignores it or not.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::sys::system::ReadSystem;

/// What no project means, ignored by git or not: a pattern, and a name that it is for (a directory's with its slash), so that none can stand
/// here that means nothing.
const DROPPINGS: &[(&str, &str)] = &[
    (".git", ".git"),
    (".hg", ".hg"),
    (".svn", ".svn"),
    (".jj", ".jj"),
    ("__pycache__/", "__pycache__/"),
    ("*.py[co]", "a.pyc"),
    (".pytest_cache/", ".pytest_cache/"),
    ("pytest-cache-files-*/", "pytest-cache-files-x1y2/"),
    (".mypy_cache/", ".mypy_cache/"),
    (".ruff_cache/", ".ruff_cache/"),
    (".tox/", ".tox/"),
    (".nox/", ".nox/"),
    (".hypothesis/", ".hypothesis/"),
    (".ipynb_checkpoints/", ".ipynb_checkpoints/"),
    (".coverage", ".coverage"),
    (".coverage.*", ".coverage.host.12.34"),
    ("htmlcov/", "htmlcov/"),
    ("*.egg-info/", "demo.egg-info/"),
    ("node_modules/", "node_modules/"),
    (".venv", ".venv"),
    ("venv/", "venv/"),
    (".direnv/", ".direnv/"),
    (".turbo/", ".turbo/"),
    ("mlruns/", "mlruns/"),
    ("**/wandb/run-*/", "wandb/run-1/"),
    ("**/wandb/offline-run-*/", "a/wandb/offline-run-1/"),
    ("**/wandb/latest-run", "wandb/latest-run"),
    ("**/wandb/debug*.log", "wandb/debug-internal.log"),
    ("**/wandb/settings", "wandb/settings"),
    ("lightning_logs/", "lightning_logs/"),
    (".dvc/cache/", ".dvc/cache/"),
    (".dvc/tmp/", ".dvc/tmp/"),
    (".DS_Store", ".DS_Store"),
    (".*.sw?", ".a.py.swp"),
    (".*.sw?x", ".a.py.swpx"),
    ("*~", "a.py~"),
    ("\\#*#", "#a.py#"),
    (".#*", ".#a.py"),
    ("4913", "4913"),
    ("*___jb_tmp___", "a.py___jb_tmp___"),
    ("*___jb_old___", "a.py___jb_old___"),
    (".goutputstream-*", ".goutputstream-7GXY5Z"),
    (".subl*.tmp", ".subl1a2.tmp"),
    ("*.tmp.[0-9]*", "a.py.tmp.1234"),
    (".*.kate-swp", ".a.py.kate-swp"),
    (".devboot-*.new", ".devboot-a.new"),
    // Where the home is the project: what is written down of a run would ask for the next one.
    ("**/.local/state/devboot/", ".local/state/devboot/"),
    ("**/.local/share/devboot/", "home/.local/share/devboot/"),
    ("**/.cache/devboot/", ".cache/devboot/"),
];

/// The file by which a directory says that it is a cache: cargo's `target`, pytest's and mypy's; <https://bford.info/cachedir/>.
pub const CACHE_TAG: &str = "CACHEDIR.TAG";

/// How that file begins.
const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// The rules for it, of paths in the project at `root`.
pub fn rules(root: &Path) -> Gitignore {
    let mut builder = GitignoreBuilder::new(root);
    for (pattern, _) in DROPPINGS {
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
        for (pattern, name) in DROPPINGS {
            let mut builder = GitignoreBuilder::new("/p");
            builder.add_line(None, pattern).unwrap();
            let rule = builder.build().unwrap();
            let (path, is_dir) = (name.trim_end_matches('/'), name.ends_with('/'));
            assert!(rule.matched(path, is_dir).is_ignore(), "{pattern} and {name}");
        }
    }
}
