//! The project's files, by a plain walk.

use std::path::Path;

use ignore::WalkBuilder;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::droppings::{self, is_cache};
use super::inputs::Listing;
use crate::base::names::Names;
use crate::sys::real::RealSystem;

/// Lists a project's files. `ignore`: the patterns of its pipeline; `places`: what its stages name, as
/// [`super::inputs::Selector::places`] says it. Names that are not UTF-8 are left out.
pub fn list(root: &Path, ignore: &[String], places: &[(&str, bool)]) -> Listing {
    let own = own_rules(root, ignore);
    let files = walk(root, root, &own, true);
    let mut ignored = Vec::new();
    for (place, whole) in places {
        let listed = files.binary_search_by(|file| file.as_str().cmp(place)).is_ok();
        let inside = format!("{place}/");
        let known = files.iter().any(|file| file.starts_with(&inside));
        let is_complete = listed || *whole && known;
        if !is_complete {
            ignored.extend(walk(root, &root.join(place), &Gitignore::empty(), false));
        }
    }
    ignored.retain(|file| files.binary_search(file).is_err());
    Listing::of(Names::sorted(files), ignored.into_iter().collect())
}

fn own_rules(root: &Path, ignore: &[String]) -> Gitignore {
    let mut builder = GitignoreBuilder::new(root);
    for line in ignore {
        // Lines were tested when the pipeline was read.
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

fn walk(root: &Path, from: &Path, own: &Gitignore, rules: bool) -> Vec<String> {
    let own = own.clone();
    let mut builder = WalkBuilder::new(from);
    builder.hidden(false).standard_filters(false).follow_links(false);
    builder
        .git_ignore(rules)
        .git_exclude(rules)
        .git_global(rules)
        .ignore(rules)
        .parents(rules)
        .require_git(false);
    let (base, droppings) = (root.to_owned(), droppings::rules(root));
    builder.filter_entry(move |entry| {
        let (path, is_dir) = (entry.path(), entry.file_type().is_some_and(|kind| kind.is_dir()));
        let is_left = || droppings.matched(path, is_dir).is_ignore() || own.matched(path, is_dir).is_ignore();
        path == base || !(is_left() || rules && is_dir && is_cache(&RealSystem, path))
    });
    let mut files: Vec<String> = builder
        .build()
        .flatten()
        .filter(|entry| entry.file_type().is_some_and(|kind| !kind.is_dir()))
        .filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_str()?.to_owned()))
        .filter(|path| !path.is_empty())
        .collect();
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
