//! The project's files, by a plain walk.

use std::path::Path;

use ignore::gitignore::Gitignore;

use super::droppings;
use super::inputs::Listing;
use super::rules::Rules;
use crate::base::names::Names;
use crate::sys::content::{self, Look};
use crate::sys::walk::{self, Entry, Kind};

/// Lists a project's files. `ignore`: the patterns of its pipeline; `places`: what its stages name, as
/// [`super::inputs::Selector::places`] says it. Names that are not UTF-8 are left out.
pub fn list(root: &Path, ignore: &[String], places: &[(&str, bool)]) -> Listing {
    let files = walk(root, "", Without::All(Box::new(Rules::new(root, ignore, &[]))));
    let mut ignored = Vec::new();
    for (place, whole) in places {
        let listed = files.binary_search_by(|file| file.as_str().cmp(place)).is_ok();
        let inside = format!("{place}/");
        let known = files.iter().any(|file| file.starts_with(&inside));
        let is_complete = listed || *whole && known;
        if !is_complete {
            ignored.extend(named(root, place));
        }
    }
    ignored.retain(|file| files.binary_search(file).is_err());
    Listing::of(Names::sorted(files), ignored.into_iter().collect())
}

/// What is at a place that a stage names, ignored or not.
fn named(root: &Path, place: &str) -> Vec<String> {
    match content::look(&root.join(place)) {
        Ok(Look::Dir) => walk(root, place, Without::Droppings(droppings::rules(root))),
        Ok(Look::File(_)) => vec![place.to_owned()],
        _ => Vec::new(),
    }
}

/// What a walk leaves out.
enum Without {
    /// All that does not matter.
    All(Box<Rules>),
    /// Only what editors and tools leave behind.
    Droppings(Gitignore),
}

impl Without {
    fn enter(&mut self, dir: &str, entries: &[Entry]) {
        if let Self::All(rules) = self {
            rules.enter(dir, entries.iter().any(|entry| entry.name.to_str().is_some_and(Rules::is_source)));
        }
    }

    fn has(&mut self, path: &str, is_dir: bool) -> bool {
        match self {
            Self::All(rules) => rules.leave_out(path, is_dir),
            Self::Droppings(rules) => rules.matched(path, is_dir).is_ignore(),
        }
    }
}

/// The files below a directory, sorted.
fn walk(root: &Path, from: &str, mut without: Without) -> Vec<String> {
    let (mut files, mut open) = (Vec::new(), vec![from.to_owned()]);
    while let Some(dir) = open.pop() {
        // A directory that is gone or closed to us has no files.
        let entries = walk::list(&root.join(&dir)).unwrap_or_default();
        without.enter(&dir, &entries);
        for entry in entries {
            let Some(name) = entry.name.to_str() else { continue };
            let path = if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
            match entry.kind {
                Kind::Other => {}
                kind if without.has(&path, kind == Kind::Dir) => {}
                Kind::Dir => open.push(path),
                Kind::File | Kind::Link => files.push(path),
            }
        }
    }
    files.sort_unstable();
    files
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use std::fs;

    use super::*;

    #[test]
    fn ignored_files_are_listed_apart_and_only_where_they_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for path in [
            "a.py",
            "data/x.csv",
            "data/deep/y.csv",
            "src/b.py",
            "src/b.so",
            "src/__pycache__/b.pyc",
            "secret.txt",
            "own/z",
            ".git/config",
            ".github/ci.yml",
        ] {
            let full = dir.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, "").unwrap();
        }
        fs::write(dir.path().join(".gitignore"), "data/\n*.so\nsecret.txt\n").unwrap();
        fs::create_dir_all(dir.path().join("target/debug")).unwrap();
        fs::write(dir.path().join("target/debug/x"), "").unwrap();
        fs::write(dir.path().join("target/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n")
            .unwrap();
        std::os::unix::fs::symlink("..", dir.path().join("src/loop")).unwrap();
        let listed = |places: &[(&str, bool)]| {
            let found = list(dir.path(), &["own/".to_owned()], places);
            let [files, ignored] =
                [found.files, found.ignored].map(|names| names.iter().map(str::to_owned).collect::<Vec<_>>());
            (files, ignored)
        };
        let plain = listed(&[]);
        assert_eq!(plain.0, [".github/ci.yml", ".gitignore", "a.py", "src/b.py", "src/loop"]);
        assert_eq!(plain.1, [""; 0]);
        let named =
            listed(&[("a.py", true), ("data", true), ("none", true), ("secret.txt", true), ("src", true)]);
        assert_eq!(named.1, ["data/deep/y.csv", "data/x.csv", "secret.txt"]);
        assert_eq!(listed(&[("target", true)]).1, ["target/CACHEDIR.TAG", "target/debug/x"]);
        assert_eq!(listed(&[("src", false)]).1, ["src/b.so"], "a pattern in it takes ignored files, too");
    }
}
