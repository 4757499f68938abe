//! Finds the text of a profile by name, path or git address, reads the files it names, and follows `extends`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::base::error::Fault;
use crate::base::path::display;
use crate::base::redact;
use crate::sys::dirs::Dirs;
use crate::sys::system::{FileKind, ReadSystem};

use super::address::git_address;
use super::builtin;
use super::rules::{entry_name, relative_path};
use super::schema::schema_value;
use super::trust::Bundle;
use crate::document::problem::{Problem, did_you_mean};
use crate::document::tree::{Node, Origin, parse};
use crate::document::walk::against_schema;

/// The largest profile file, in bytes.
pub const PROFILE_LIMIT: u64 = 1 << 20;
/// The largest file that a profile may name, in bytes.
pub const FILE_LIMIT: u64 = 5 << 20;
/// The largest sum of all files of a fetched profile, in bytes.
const BUNDLE_LIMIT: usize = 10 << 20;
/// How many profiles may build on each other.
const CHAIN_LIMIT: usize = 64;

/// What resolving profiles needs from outside.
pub struct Reader<'a> {
    /// The file system.
    pub system: &'a dyn ReadSystem,
    /// devboot's directories: `config/profiles/NAME.toml` is the user's own profile NAME.
    pub dirs: &'a Dirs,
    /// The directory that relative paths of the command line start from.
    pub current_dir: &'a Path,
    /// Host facts by name; see [`super::variables::FACTS`]. Unknown ones are left out.
    pub facts: BTreeMap<String, String>,
    /// The host kind, one of [`super::schema::HOST_KINDS`].
    pub host: String,
    /// Fetches a git address and returns the directory of the clone.
    pub fetch: &'a dyn Fn(&str) -> Result<PathBuf, Fault>,
}

/// Where the files of a profile lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Base {
    Embedded,
    Dir { root: PathBuf, remote: Option<String> },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    base: Base,
    file: String,
}

/// One profile file, read.
pub(super) struct Loaded {
    /// The profile's name as shown: its name, path or address.
    pub name: String,
    /// Which of the given sources it was first reached from.
    pub root: usize,
    /// The layers this one builds on, directly or not.
    pub ancestors: BTreeSet<usize>,
    /// The tree; what the schema does not allow is gone.
    pub tree: Node,
    base: Base,
}

/// Everything read for one call.
pub(super) struct Sources<'a> {
    reader: &'a Reader<'a>,
    /// The layers in the order of merging.
    pub loaded: Vec<Loaded>,
    pub problems: Vec<Problem>,
    /// Whether a problem came from the world and not from an author.
    pub world_failed: bool,
    bundles: RefCell<BTreeMap<String, Bundle>>,
    files: RefCell<BTreeSet<PathBuf>>,
    known: BTreeMap<Id, usize>,
}

impl<'a> Sources<'a> {
    /// Reads the given sources and all they build on.
    pub fn read(sources: &[String], reader: &'a Reader<'a>) -> Self {
        let mut found = Self {
            reader,
            loaded: Vec::new(),
            problems: Vec::new(),
            world_failed: false,
            bundles: RefCell::default(),
            files: RefCell::default(),
            known: BTreeMap::new(),
        };
        for (root, source) in sources.iter().enumerate() {
            match found.locate(source) {
                Ok((id, name)) => {
                    found.load(id, name, root, &mut Vec::new(), None);
                }
                Err(problem) => found.problems.push(problem),
            }
        }
        found
    }

    /// The files of each profile that came from a git address, by address.
    pub fn bundles(&self) -> Vec<Bundle> {
        self.bundles.borrow().values().cloned().collect()
    }

    /// The local files that were read.
    pub fn files(&self) -> Vec<PathBuf> {
        self.files.borrow().iter().cloned().collect()
    }

    fn locate(&mut self, source: &str) -> Result<(Id, String), Problem> {
        let shown = redact::url(source);
        let scp = source.split_once(':').is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
        if source.contains("://") || source.contains("::") || scp {
            git_address(source)?;
            let dir = (self.reader.fetch)(source).map_err(|fault| {
                self.world_failed = true;
                let problem =
                    Problem::new(format!("the profile {shown} was not fetched: {}", fault.one_line()));
                fault.hints.into_iter().fold(problem, Problem::hint)
            })?;
            let id = self.in_directory(&dir, Some(source.to_owned()))?;
            return Ok((id, shown));
        }
        if !(source.contains('/') || source.ends_with(".toml") || source == "." || source == "..") {
            return Ok((self.named(source, None)?, source.to_owned()));
        }
        let path = match source.strip_prefix("~/") {
            Some(rest) => self.reader.dirs.home.join(rest),
            None => self.reader.current_dir.join(source),
        };
        let name = display(&path, &self.reader.dirs.home);
        if self.is_dir(&path) {
            return Ok((self.in_directory(&path, None)?, name));
        }
        let (Some(root), Some(file)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Err(Problem::new(format!("'{name}' is not a profile")));
        };
        Ok((Id { base: Base::Dir { root: root.to_owned(), remote: None }, file: file.to_owned() }, name))
    }

    fn is_dir(&self, path: &Path) -> bool {
        // A trailing slash follows a link to a directory given by hand.
        let found = self.reader.system.meta(&path.join(""));
        matches!(found, Ok(Some(meta)) if meta.kind == FileKind::Dir)
    }

    fn in_directory(&self, root: &Path, remote: Option<String>) -> Result<Id, Problem> {
        for file in ["devboot-profile.toml", "profile.toml"] {
            if matches!(self.reader.system.meta(&root.join(file)), Ok(Some(_))) {
                return Ok(Id { base: Base::Dir { root: root.to_owned(), remote }, file: file.to_owned() });
            }
        }
        let shown = remote.map_or_else(|| display(root, &self.reader.dirs.home), |url| redact::url(&url));
        Err(Problem::new(format!("{shown} has no devboot-profile.toml and no profile.toml")))
    }

    /// The user's own profile of that name, else the embedded one. A user's profile that extends its own name
    /// means the embedded one.
    fn named(&self, name: &str, asking: Option<&Id>) -> Result<Id, Problem> {
        entry_name(name)?;
        let root = self.reader.dirs.config.join("profiles");
        let file = format!("{name}.toml");
        let own = Id { base: Base::Dir { root: root.clone(), remote: None }, file };
        if asking != Some(&own) && matches!(self.reader.system.meta(&root.join(&own.file)), Ok(Some(_))) {
            return Ok(own);
        }
        if builtin::profile(name).is_some() {
            return Ok(Id { base: Base::Embedded, file: name.to_owned() });
        }
        let known = builtin::PROFILES.iter().map(|(name, _)| *name);
        Err(Problem::new(format!("no profile is named '{name}'{}", did_you_mean(name, known)))
            .hint("`devboot profile list` shows the names; a path has a '/' or ends in .toml"))
    }

    fn load(
        &mut self,
        id: Id,
        name: String,
        root: usize,
        chain: &mut Vec<(Id, String)>,
        from: Option<&Node>,
    ) -> Option<usize> {
        let place = |problem: Problem| match from {
            Some(node) => problem.at(node.at.place()),
            None => problem,
        };
        if let Some(start) = chain.iter().position(|(other, _)| *other == id) {
            let names: Vec<&str> =
                chain[start..].iter().map(|(_, name)| name.as_str()).chain([name.as_str()]).collect();
            self.problems
                .push(place(Problem::new(format!("profiles extend each other: {}", names.join(" -> ")))));
            return None;
        }
        if let Some(index) = self.known.get(&id) {
            return Some(*index);
        }
        if chain.len() >= CHAIN_LIMIT || self.known.len() >= CHAIN_LIMIT {
            self.problems.push(place(Problem::new("too many profiles extend each other")));
            return None;
        }
        let (text, label) = match self.text_of(&id) {
            Ok(found) => found,
            Err(problem) => {
                self.problems.push(place(problem));
                return None;
            }
        };
        let mut tree = parse(&text, &label, 0, &mut self.problems);
        against_schema(&schema_value(), &mut tree, &mut self.problems);
        chain.push((id.clone(), name.clone()));
        let mut ancestors = BTreeSet::new();
        for parent in tree.get("extends").map_or(&[][..], Node::items) {
            let Some(text) = parent.text() else { continue };
            match self.parent(text, &id) {
                Ok((parent_id, parent_name)) => {
                    if let Some(index) = self.load(parent_id, parent_name, root, chain, Some(parent)) {
                        ancestors.insert(index);
                        ancestors.extend(self.loaded[index].ancestors.iter().copied());
                    }
                }
                Err(problem) => self.problems.push(problem.at(parent.at.place())),
            }
        }
        chain.pop();
        let index = self.loaded.len();
        relayer(&mut tree, index);
        self.known.insert(id.clone(), index);
        self.loaded.push(Loaded { name, root, ancestors, tree, base: id.base });
        Some(index)
    }

    fn parent(&self, text: &str, id: &Id) -> Result<(Id, String), Problem> {
        let Some(file) = text.strip_prefix("./") else {
            return Ok((self.named(text, Some(id))?, text.to_owned()));
        };
        relative_path(file)?;
        match &id.base {
            Base::Embedded => Err(Problem::new("an embedded profile extends by name")),
            base => Ok((Id { base: base.clone(), file: file.to_owned() }, text.to_owned())),
        }
    }

    fn text_of(&mut self, id: &Id) -> Result<(String, String), Problem> {
        let label = match &id.base {
            Base::Embedded => format!("profiles/{}.toml", id.file),
            Base::Dir { remote: Some(url), .. } => format!("{}/{}", redact::url(url), id.file),
            Base::Dir { root, .. } => display(&root.join(&id.file), &self.reader.dirs.home),
        };
        let bytes = match &id.base {
            // The user's own profile may be a link into a repository of dotfiles.
            Base::Dir { root, remote: None } => self.read_local(&root.join(&id.file), PROFILE_LIMIT),
            Base::Embedded => embedded(builtin::profile(&id.file), &id.file),
            base => self.bytes(base, &id.file, PROFILE_LIMIT),
        };
        let bytes = bytes.inspect_err(|_| self.world_failed = true)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
            let line = valid.matches('\n').count() + 1;
            Problem::new(format!("{label}: line {line} is not UTF-8 text"))
        })?;
        Ok((text, label))
    }

    /// The bytes of a file that a profile names.
    pub fn file(&self, layer: usize, name: &str) -> Result<Vec<u8>, Problem> {
        self.bytes(&self.loaded[layer].base, name, FILE_LIMIT)
    }

    fn read_local(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
        self.files.borrow_mut().insert(path.to_owned());
        self.read_bytes(path, limit)
    }

    fn read_bytes(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
        self.reader.system.read(path, limit).map_err(|error| {
            Problem::new(format!("cannot read {}: {error}", display(path, &self.reader.dirs.home)))
        })
    }

    fn bytes(&self, base: &Base, name: &str, limit: u64) -> Result<Vec<u8>, Problem> {
        match base {
            Base::Embedded => embedded(builtin::dotfile(name), name),
            Base::Dir { root, remote } => {
                let path = inside(self.reader.system, root, name)?;
                let Some(url) = remote else { return self.read_local(&path, limit) };
                let bytes = self.read_bytes(&path, limit)?;
                let mut bundles = self.bundles.borrow_mut();
                let bundle = bundles.entry(url.clone()).or_insert_with(|| Bundle::new(url));
                bundle.files.insert(name.to_owned(), bytes.clone());
                if bundle.size() > BUNDLE_LIMIT {
                    let url = redact::url(url);
                    return Err(Problem::new(format!("the files of {url} are too large together")));
                }
                Ok(bytes)
            }
        }
    }
}

fn embedded(text: Option<&str>, name: &str) -> Result<Vec<u8>, Problem> {
    let text = text.ok_or_else(|| Problem::new(format!("no embedded file is named '{name}'")))?;
    Ok(text.as_bytes().to_vec())
}

/// Gives every value of a tree its place in the order of merging, known only once its parents are read.
fn relayer(tree: &mut Node, layer: usize) {
    let set = |at: &mut Origin| at.layer = layer;
    set(&mut tree.at);
    set(&mut tree.key_at);
    tree.retain(&mut Vec::new(), &mut |_, node| {
        set(&mut node.at);
        set(&mut node.key_at);
        true
    });
}

/// The path of `name` below `root`, links followed by hand so that none leaves `root`.
fn inside(system: &dyn ReadSystem, root: &Path, name: &str) -> Result<PathBuf, Problem> {
    let outside = || Problem::new(format!("'{name}' leads out of the profile's directory"));
    let mut left: Vec<String> = name.split('/').rev().map(str::to_owned).collect();
    let mut below: Vec<String> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => below.pop().map(drop).ok_or_else(outside)?,
            _ => {
                below.push(part);
                let path = root.join(below.join("/"));
                let meta = system
                    .meta(&path)
                    .map_err(|error| Problem::new(format!("cannot read '{name}': {error}")))?;
                if let Some(FileKind::Symlink(to)) = meta.map(|meta| meta.kind) {
                    links += 1;
                    let to =
                        to.to_str().filter(|to| !to.starts_with('/') && links <= 8).ok_or_else(outside)?;
                    below.pop();
                    left.extend(to.split('/').rev().map(str::to_owned));
                }
            }
        }
    }
    Ok(root.join(below.join("/")))
}
