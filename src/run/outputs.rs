//! What stands below a stage's declared outputs.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::base::digest::Digest;
use crate::project::model::Stage;
use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, ReadSystem};

/// How many files a stage's outputs may be to be kept.
const MOST: usize = 20_000;

/// One output as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Output {
    /// Relative to the root.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// What it is.
    pub content: Content,
}

impl Output {
    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.content == Content::Dir
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        match self.content {
            Content::Dir => 0,
            Content::File { size, .. } => size,
        }
    }
}

/// What an output is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A directory.
    Dir,
    /// A file.
    File {
        /// Its size in bytes.
        size: u64,
        /// The digest of its bytes; `None` as long as nobody has read it.
        digest: Option<Digest>,
    },
}

/// Why outputs cannot be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// These declared ones are not there.
    Missing(Vec<String>),
    /// They cannot be kept, for this reason.
    Unfit(String),
}

/// The declared outputs, each once: those with metrics are outputs, too.
pub fn declared(stage: &Stage) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in stage.outputs.iter().chain(&stage.metrics) {
        let name = name.trim_end_matches('/');
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The declared outputs that are there now.
pub fn present(stage: &Stage, root: &Path) -> Vec<String> {
    let there = |name: &&str| matches!(RealSystem.meta(&root.join(name)), Ok(Some(_)));
    declared(stage).into_iter().filter(there).map(str::to_owned).collect()
}

/// The declared outputs that are missing.
pub fn missing(stage: &Stage, root: &Path) -> Vec<String> {
    let gone = |name: &&str| matches!(RealSystem.meta(&root.join(name)), Ok(None));
    declared(stage).into_iter().filter(gone).map(str::to_owned).collect()
}

/// Everything at and below the declared outputs, without digests, directories before what is in them.
pub fn list(stage: &Stage, root: &Path) -> Result<Vec<Output>, Problem> {
    let missing = missing(stage, root);
    if !missing.is_empty() {
        return Err(Problem::Missing(missing));
    }
    below(stage, root)
}

/// Like [`list`]; what is missing is left out.
pub fn below(stage: &Stage, root: &Path) -> Result<Vec<Output>, Problem> {
    let mut found = Vec::new();
    for name in declared(stage) {
        is_inside(name, root).map_err(Problem::Unfit)?;
        walk(name, root, &mut found).map_err(Problem::Unfit)?;
    }
    Ok(found)
}

/// Whether a path stays in the root: relative, without `..`, and no directory on the way is a link.
pub fn is_inside(path: &str, root: &Path) -> Result<(), String> {
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    if parts.is_empty() || !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
        return Err(format!("the output {path} is not below the project"));
    }
    let mut at = root.to_owned();
    for part in &parts[..parts.len() - 1] {
        at.push(part);
        match RealSystem.meta(&at) {
            Ok(Some(meta)) if meta.kind == FileKind::Dir => {}
            Ok(None) => break,
            _ => return Err(format!("the way to the output {path} is no plain directory")),
        }
    }
    Ok(())
}

fn walk(path: &str, root: &Path, found: &mut Vec<Output>) -> Result<(), String> {
    let full = root.join(path);
    let failed = |error: std::io::Error| format!("the output {path} cannot be read: {error}");
    let Some(meta) = RealSystem.meta(&full).map_err(failed)? else { return Ok(()) };
    if found.len() >= MOST {
        return Err(format!("its outputs are more than {MOST} files"));
    }
    let mode = meta.mode & 0o777;
    match meta.kind {
        FileKind::File => {
            let content = Content::File { size: meta.size, digest: None };
            found.push(Output { path: path.to_owned(), mode, content });
        }
        FileKind::Dir => {
            found.push(Output { path: path.to_owned(), mode, content: Content::Dir });
            for name in RealSystem.list(&full).map_err(failed)? {
                let name =
                    name.to_str().ok_or_else(|| format!("a name in the output {path} is not UTF-8"))?;
                walk(&format!("{path}/{name}"), root, found)?;
            }
        }
        FileKind::Symlink(_) => return Err(format!("the output {path} is a symbolic link")),
        FileKind::Other(kind) => return Err(format!("the output {path} is a {kind}")),
    }
    Ok(())
}
