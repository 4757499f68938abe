//! The files of a project: what git would not ignore, and no link followed.

use std::collections::BTreeSet;
use std::path::Path;

use ignore::WalkBuilder;
use ignore::overrides::OverrideBuilder;

/// Directories and files that no project means, ignored by git or not: what tools leave behind, what editors save beside.
pub const DROPPINGS: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".jj",
    "__pycache__",
    "*.py[co]",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".nox",
    ".hypothesis",
    ".ipynb_checkpoints",
    ".coverage",
    ".coverage.*",
    "htmlcov",
    "*.egg-info",
    "node_modules",
    ".venv",
    "venv",
    ".direnv",
    ".turbo",
    "mlruns",
    "wandb",
    "lightning_logs",
    ".dvc/cache",
    ".dvc/tmp",
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
    "*.kate-swp",
];

/// The files below `root` that are not ignored, relative to it, with `ignored` besides. A directory that cannot be read
/// has none. Names that are no UTF-8 have their other bytes replaced, and are found by nobody: they are left out.
pub fn list(root: &Path, ignored: &[String]) -> BTreeSet<String> {
    let mut overrides = OverrideBuilder::new(root);
    for pattern in DROPPINGS.iter().copied().chain(ignored.iter().map(String::as_str)) {
        // A `!` in front means "not these" here, which is the other way round than in a file of ignored names.
        let _ = overrides.add(&format!("!{pattern}"));
    }
    let mut walk = WalkBuilder::new(root);
    walk.hidden(false).follow_links(false).require_git(false).parents(true);
    if let Ok(overrides) = overrides.build() {
        walk.overrides(overrides);
    }
    let is_file = |entry: &ignore::DirEntry| entry.file_type().is_some_and(|kind| !kind.is_dir());
    walk.build()
        .filter_map(Result::ok)
        .filter(is_file)
        .filter_map(|entry| entry.path().strip_prefix(root).ok()?.to_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;

    use super::*;

    #[test]
    fn ignored_files_and_droppings_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for path in
            ["a.py", ".github/x.yml", "out/b", "sub/.gitignore", "sub/c.log", "sub/d", "raw/e", "target/f"]
        {
            write(path, "");
        }
        for path in
            ["__pycache__/a.pyc", "a.py~", ".a.py.swp", ".venv/bin/python", "x.egg-info/PKG", ".git/config"]
        {
            write(path, "");
        }
        write(".gitignore", "out/\n");
        write("sub/.gitignore", "*.log\n");
        let found: Vec<String> = list(dir.path(), &["raw/".to_owned()]).into_iter().collect();
        assert_eq!(found, [".github/x.yml", ".gitignore", "a.py", "sub/.gitignore", "sub/d", "target/f"]);
    }
}
