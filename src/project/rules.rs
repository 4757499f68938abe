//! Which paths of a project matter: what git ignores (nested files, those above the project in its repository, `info/exclude`,
//! the user's own list), `.ignore`, what the project ignores, and what editors and tools leave behind. Asked for single
//! paths, so that an event needs no walk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder, gitconfig_excludes_path};

use super::droppings::{self, CACHE_TAG, is_cache};
use super::repository;
use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, ReadSystem};

/// Names of files that change the rules.
const RULE_FILES: [&str; 3] = [".gitignore", ".ignore", CACHE_TAG];

/// The rules of a project.
#[derive(Debug)]
pub struct Rules {
    root: PathBuf,
    droppings: Gitignore,
    own: Gitignore,
    /// What holds in the root from above it, the nearest first.
    above: Arc<[Arc<List>]>,
    /// The user's own list, which git reads as if it stood where the repository begins.
    user: List,
    /// What holds in directories, read when they are entered or first asked for.
    dirs: HashMap<Box<str>, Here>,
    /// Paths that matter though a rule ignores them: stages name them.
    places: Vec<String>,
}

/// What holds in a directory.
#[derive(Clone, Debug)]
struct Here {
    /// A rule of git's ignores the directory, or one that it is in, or it says itself that it is a cache.
    ignored: bool,
    /// The lists of the directory and of those above it, the nearest first.
    lists: Arc<[Arc<List>]>,
}

/// The rules that one directory's files make.
#[derive(Debug)]
struct List {
    from: From,
    rules: Gitignore,
}

/// Where the paths are seen from that a list is asked for.
#[derive(Debug)]
enum From {
    /// From a directory to which so many bytes of a path lead.
    Inside(usize),
    /// From a directory at or above this root.
    Above(PathBuf),
}

impl List {
    fn says(&self, path: &str, is_dir: bool) -> Option<bool> {
        said(match &self.from {
            From::Inside(lead) => self.rules.matched(&path[*lead..], is_dir),
            From::Above(root) => self.rules.matched(root.join(path), is_dir),
        })
    }
}

/// Whether a path is ignored; `None` when nothing is said of it.
fn said<T>(found: ignore::Match<T>) -> Option<bool> {
    if found.is_none() { None } else { Some(found.is_ignore()) }
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
        Self::with_user(root, ignore, places, user_list(root).as_deref())
    }

    fn with_user(root: &Path, ignore: &[String], places: &[(&str, bool)], user: Option<&Path>) -> Self {
        let top = repository::top(root).unwrap_or(root);
        let user = list(top, user.map_or_else(String::new, read).lines());
        Self {
            root: root.to_owned(),
            droppings: droppings::rules(root),
            own: list(root, ignore),
            above: above_root(root),
            user: List { from: From::Above(root.to_owned()), rules: user },
            dirs: HashMap::new(),
            places: places.iter().map(|(place, _)| (*place).to_owned()).collect(),
        }
    }

    /// The lists outside of the project at `root` that its rules are read from, there or not.
    pub fn outside(root: &Path) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = user_list(root).into_iter().collect();
        if let Some(top) = repository::top(root) {
            if let Some(dir) = repository::git_dir(top) {
                found.push(repository::exclude(&dir));
                // They may name another list.
                found.extend(repository::settings(&dir));
            }
            let above = root.ancestors().skip(1).take_while(|dir| dir.starts_with(top));
            found.extend(above.flat_map(|dir| RULE_FILES[..2].iter().map(|name| dir.join(name))));
        }
        found
    }

    /// Whether a path (relative to the root) is left out. The directories above it are not.
    pub fn leave_out(&mut self, path: &str, is_dir: bool) -> bool {
        if self.droppings.matched(path, is_dir).is_ignore() || self.own.matched(path, is_dir).is_ignore() {
            return true;
        }
        self.is_ignored(path, is_dir) && !self.is_named(path, is_dir)
    }

    /// Whether a rule of git's ignores a path or a directory that it is in; what stages name may be such.
    pub fn is_ignored(&mut self, path: &str, is_dir: bool) -> bool {
        let here = self.here(above(path));
        here.ignored || self.matched(&here.lists, path, is_dir)
    }

    /// A directory is looked at, and its rules as they are now; `has_rules` says whether it has a [`Rules::is_source`].
    pub fn enter(&mut self, dir: &str, has_rules: bool) {
        let here = self.found(dir, has_rules);
        self.dirs.insert(dir.into(), here);
    }

    /// A directory is gone.
    pub fn leave(&mut self, dir: &str) {
        self.dirs.remove(dir);
    }

    fn matched(&self, lists: &[Arc<List>], path: &str, is_dir: bool) -> bool {
        let near = lists.iter().map(|list| list.says(path, is_dir));
        let user = std::iter::once_with(|| self.user.says(path, is_dir));
        near.chain(user).flatten().next().unwrap_or(false)
    }

    fn here(&mut self, dir: &str) -> Here {
        if let Some(known) = self.dirs.get(dir) {
            return known.clone();
        }
        let here = self.found(dir, true);
        self.dirs.insert(dir.into(), here.clone());
        here
    }

    fn found(&mut self, dir: &str, has_rules: bool) -> Here {
        let full = self.root.join(dir);
        let (ignored, lists) = match dir {
            "" => (false, Arc::clone(&self.above)),
            _ => (self.is_ignored(dir, true), self.here(above(dir)).lists),
        };
        if !has_rules {
            return Here { ignored, lists };
        }
        let ignored = ignored || !dir.is_empty() && is_cache(&RealSystem, &full);
        let lead = || From::Inside(if dir.is_empty() { 0 } else { dir.len() + 1 });
        // A repository in another has rules of its own.
        let lists = match !dir.is_empty() && repository::is_top(&full) {
            true => exclude(&full, lead()).map(Arc::new).into_iter().collect(),
            false => lists,
        };
        match listed(&full, lead()) {
            None => Here { ignored, lists },
            Some(own) => {
                Here { ignored, lists: [Arc::new(own)].into_iter().chain(lists.iter().cloned()).collect() }
            }
        }
    }

    fn is_named(&self, path: &str, is_dir: bool) -> bool {
        let below = |one: &str, other: &str| {
            one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.places.iter().any(|place| below(path, place) || is_dir && below(place, path))
    }

    /// Whether a directory in which this name is has rules of its own.
    pub fn is_source(name: &str) -> bool {
        name == ".git" || Self::is_rule_file(name)
    }

    /// Whether a change of this file changes the rules.
    pub fn is_rule_file(path: &str) -> bool {
        RULE_FILES.contains(&path.rsplit('/').next().unwrap_or(path))
    }
}

/// The user's own list of what is ignored, which the repository may have another one for.
fn user_list(root: &Path) -> Option<PathBuf> {
    repository::top(root).and_then(repository::named_list).or_else(gitconfig_excludes_path)
}

/// What holds in a project's root from above it, the nearest first: the lists of the directories up to the one where the
/// repository begins, and that of the repository. Nothing of it in a directory that they ignore: who makes a project of it
/// means its files.
fn above_root(root: &Path) -> Arc<[Arc<List>]> {
    let Some(top) = repository::top(root) else { return Arc::default() };
    let above = || From::Above(root.to_owned());
    let mut lists: Vec<Arc<List>> = exclude(top, above()).map(Arc::new).into_iter().collect();
    let dirs: Vec<&Path> = root.ancestors().take_while(|dir| dir.starts_with(top)).collect();
    for step in dirs.windows(2).rev() {
        lists.splice(0..0, listed(step[1], above()).map(Arc::new));
        let is_ignored = lists.iter().find_map(|list| said(list.rules.matched(step[0], true)));
        if is_ignored == Some(true) {
            return Arc::default();
        }
    }
    lists.into()
}

/// The rules of a directory's own files; `None` when they say nothing.
fn listed(dir: &Path, from: From) -> Option<List> {
    // git follows no link here.
    let is_file =
        |path: &PathBuf| matches!(RealSystem.meta(path), Ok(Some(meta)) if meta.kind == FileKind::File);
    let paths = RULE_FILES[..2].iter().map(|name| dir.join(name)).filter(is_file);
    let texts: Vec<String> = paths.map(|path| read(&path)).collect();
    let rules = list(dir, texts.iter().flat_map(|text| text.lines()));
    (!rules.is_empty()).then_some(List { from, rules })
}

/// The rules that are kept for the repository that begins in a directory.
fn exclude(top: &Path, from: From) -> Option<List> {
    let rules = list(top, read(&repository::exclude(&repository::git_dir(top)?)).lines());
    (!rules.is_empty()).then_some(List { from, rules })
}

/// The directory that a path is in.
pub fn above(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// A small text; empty when it cannot be read.
fn read(path: &Path) -> String {
    let bytes = RealSystem.read(path, 1 << 20);
    let text = bytes.map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    // git leaves the mark out that some editors write first.
    text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;

    use super::*;

    #[test]
    fn a_directory_may_say_that_it_is_a_cache() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("target/debug")).unwrap();
        fs::create_dir_all(dir.path().join("plain")).unwrap();
        fs::write(
            dir.path().join("target/CACHEDIR.TAG"),
            "Signature: 8a477f597d28d172789f06886806bc55\n# by cargo\n",
        )
        .unwrap();
        fs::write(dir.path().join("plain/CACHEDIR.TAG"), "Signature: 0\n").unwrap();
        let mut rules = Rules::new(dir.path(), &[], &[("target/keep", true)]);
        for dir in ["", "target", "target/debug", "plain"] {
            rules.enter(dir, dir == "target" || dir == "plain");
        }
        assert!(rules.leave_out("target/x", false) && rules.leave_out("target/debug/y", false));
        assert!(rules.leave_out("target/CACHEDIR.TAG", false) && !rules.leave_out("target/keep/z", false));
        assert!(!rules.leave_out("plain/x", false) && Rules::is_rule_file("target/CACHEDIR.TAG"));
    }

    #[test]
    fn the_users_list_begins_where_the_repository_does() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("sub");
        fs::create_dir_all(dir.path().join(".git")).unwrap();
        fs::create_dir_all(root.join("out")).unwrap();
        let user = dir.path().join("ignore");
        fs::write(&user, "/sub/out\n/top\n*.orig\n").unwrap();
        let mut rules = Rules::with_user(&root, &[], &[], Some(&user));
        assert!(rules.leave_out("out", true) && rules.leave_out("a/b.orig", false));
        assert!(!rules.leave_out("top", false), "that is another directory's");
    }

    #[test]
    fn a_repository_may_name_a_list_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".git")).unwrap();
        fs::write(dir.path().join("mine"), "*.big\n").unwrap();
        let big = |root: &Path| Rules::new(root, &[], &[]).leave_out("a.big", false);
        assert!(!big(dir.path()));
        fs::write(dir.path().join(".git/config"), "[core]\n\texcludesFile = mine\n").unwrap();
        assert!(big(dir.path()));
        let outside = Rules::outside(dir.path());
        assert!(
            outside.contains(&dir.path().join("mine")) && outside.contains(&dir.path().join(".git/config"))
        );
        fs::write(dir.path().join(".git/config"), "no settings [\n").unwrap();
        assert!(!big(dir.path()));
    }

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
