//! Which paths of a project matter: what git ignores (nested files, `.git/info/exclude`, the user's own list), `.ignore`, what
//! the project ignores, and what editors and tools leave behind. Asked for single paths, so that an event needs no walk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, ReadSystem};

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

/// Names of files that change the rules.
const RULE_FILES: [&str; 2] = [".gitignore", ".ignore"];

/// The rules of a project.
#[derive(Debug)]
pub struct Rules {
    root: PathBuf,
    droppings: Gitignore,
    own: Gitignore,
    /// `.git/info/exclude` and the user's own list.
    outer: [Gitignore; 2],
    /// Those of directories, read when first asked for.
    dirs: HashMap<String, Option<Arc<Gitignore>>>,
    /// Paths that matter though a rule ignores them: stages name them.
    places: Vec<String>,
}

fn list(root: &Path, patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Gitignore {
    let mut builder = GitignoreBuilder::new(root);
    for pattern in patterns {
        // A wrong pattern matches nothing; those of the project were judged when it was read.
        let _ = builder.add_line(None, pattern.as_ref());
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

impl Rules {
    /// The rules of the project at `root`, which ignores `ignore` besides and names `places`.
    pub fn new(root: &Path, ignore: &[String], places: &[(&str, bool)]) -> Self {
        let exclude = list(root, read(&root.join(".git/info/exclude")).lines());
        Self {
            root: root.to_owned(),
            droppings: list(root, DROPPINGS),
            own: list(root, ignore),
            outer: [exclude, GitignoreBuilder::new(root).build_global().0],
            dirs: HashMap::new(),
            places: places.iter().map(|(place, _)| (*place).to_owned()).collect(),
        }
    }

    /// Whether a path (relative to the root) is left out. The directories above it are not.
    pub fn leave_out(&mut self, path: &str, is_dir: bool) -> bool {
        let full = self.root.join(path);
        if self.droppings.matched(&full, is_dir).is_ignore() || self.own.matched(&full, is_dir).is_ignore() {
            return true;
        }
        self.is_ignored(path, is_dir) && !self.is_named(path, is_dir)
    }

    /// Whether a rule of git's ignores a path or a directory that it is in; what stages name may be such.
    pub fn is_ignored(&mut self, path: &str, is_dir: bool) -> bool {
        let ends = path.match_indices('/').map(|(at, _)| (&path[..at], true));
        let all: Vec<(&str, bool)> = ends.chain([(path, is_dir)]).collect();
        all.into_iter().any(|(path, is_dir)| self.matched(path, is_dir))
    }

    fn matched(&mut self, path: &str, is_dir: bool) -> bool {
        let full = self.root.join(path);
        let mut dir = path;
        while !dir.is_empty() {
            dir = dir.rsplit_once('/').map_or("", |(above, _)| above);
            if let Some(rules) = self.of_dir(dir) {
                let found = rules.matched(&full, is_dir);
                if !found.is_none() {
                    return found.is_ignore();
                }
            }
        }
        let found =
            self.outer.iter().map(|rules| rules.matched(&full, is_dir)).find(|found| !found.is_none());
        found.is_some_and(|found| found.is_ignore())
    }

    fn of_dir(&mut self, dir: &str) -> Option<Arc<Gitignore>> {
        if let Some(known) = self.dirs.get(dir) {
            return known.clone();
        }
        let full = self.root.join(dir);
        let texts: Vec<String> = RULE_FILES.iter().map(|name| read(&full.join(name))).collect();
        let rules = texts.iter().any(|text| !text.is_empty());
        let rules = rules.then(|| Arc::new(list(&full, texts.iter().flat_map(|text| text.lines()))));
        self.dirs.insert(dir.to_owned(), rules.clone());
        rules
    }

    fn is_named(&self, path: &str, is_dir: bool) -> bool {
        let below = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.places.iter().any(|place| below(path, place) || is_dir && below(place, path))
    }

    /// Whether a change of this file changes the rules.
    pub fn is_rule_file(path: &str) -> bool {
        RULE_FILES.contains(&path.rsplit('/').next().unwrap_or(path))
    }
}

/// A small text; empty when it cannot be read.
fn read(path: &Path) -> String {
    if !matches!(RealSystem.meta(path), Ok(Some(meta)) if meta.kind == FileKind::File) {
        return String::new();
    }
    RealSystem
        .read(path, 1 << 20)
        .map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;

    use super::*;

    #[test]
    fn nested_rules_own_patterns_and_droppings() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("sub/deep")).unwrap();
        fs::create_dir_all(dir.path().join(".git/info")).unwrap();
        fs::write(dir.path().join(".gitignore"), "*.log\n/out/\ndata/\n").unwrap();
        fs::write(dir.path().join("sub/.gitignore"), "!keep.log\n*.tmp\n").unwrap();
        fs::write(dir.path().join(".git/info/exclude"), "mine\n").unwrap();
        let mut rules = Rules::new(dir.path(), &["raw/".to_owned()], &[("data/in", true)]);
        let mut out = |path: &str, is_dir: bool| rules.leave_out(path, is_dir);
        for path in ["a.log", "sub/b.log", "sub/c.tmp", "mine", "a.py~", ".a.py.swp", "x/4913", "b.pyc"] {
            assert!(out(path, false), "{path}");
        }
        for path in ["out", "raw", "sub/__pycache__", ".git", ".venv", "x/node_modules"] {
            assert!(out(path, true), "{path}");
        }
        for path in ["a.py", "sub/keep.log", "c.tmp", ".github/x.yml", "data/in/x.csv"] {
            assert!(!out(path, false), "{path}");
        }
        assert!(!out("data", true), "what is named is below it");
        assert!(out("data/other.csv", false));
        assert!(out("data/out", true));
    }
}
