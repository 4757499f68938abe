//! From a directory to its project's pipeline: the root is found, `devboot.toml` is read, or the files are asked.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::FILE;
use super::infer::{Look, infer};
use super::inputs::Listing;
use super::model::Pipeline;
use super::resolve::resolve;
use super::schema::ProjectFile;
use crate::base::digest::Digest;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;
use crate::document::problem::{DocumentError, Problem};
use crate::sys::system::ReadSystem;

/// The largest `devboot.toml`, and the largest file that a pipeline is inferred from, in bytes.
const LARGEST: u64 = 1 << 20;

/// A project's pipeline and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// The same as it is written, or as it would be.
    pub written: ProjectFile,
    /// The text of `devboot.toml`; `None` when the pipeline is inferred.
    pub text: Option<String>,
    /// What the author should know.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// The digest of `devboot.toml`; `None` when the pipeline is inferred.
    pub fn digest(&self) -> Option<Digest> {
        self.text.as_ref().map(|text| Digest::of(text.as_bytes()))
    }
}

/// Why there is no pipeline.
#[derive(Debug)]
pub enum LoadError {
    /// `devboot.toml` is there and cannot be read.
    Unreadable(PathBuf, io::Error),
    /// It is not UTF-8 text: the line.
    NotText(PathBuf, usize),
    /// It is wrong: every problem.
    Wrong(DocumentError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Path| printable(&path.to_string_lossy());
        match self {
            Self::Unreadable(path, _) => write!(f, "cannot read {}", shown(path)),
            Self::NotText(path, line) => write!(f, "{}: line {line} is not UTF-8 text", shown(path)),
            Self::Wrong(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for LoadError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable(..) => ErrorKind::Failed,
            Self::NotText(..) => ErrorKind::Usage,
            Self::Wrong(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Wrong(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}

/// The root of the project that a directory belongs to: the nearest directory upward with a `devboot.toml` or a
/// repository of its own, else the directory itself.
pub fn root_of(system: &dyn ReadSystem, dir: &Path) -> PathBuf {
    let marks =
        |dir: &&Path| [FILE, ".git"].iter().any(|name| matches!(system.meta(&dir.join(name)), Ok(Some(_))));
    dir.ancestors().find(marks).unwrap_or(dir).to_owned()
}

/// What is asked besides the root.
pub struct Asked<'a> {
    /// The file system.
    pub system: &'a dyn ReadSystem,
    /// The project's root.
    pub root: &'a Path,
    /// Whether a program is in the project's environment or on `PATH`.
    pub has: &'a dyn Fn(&str) -> bool,
}

/// Loads a project. `list` is asked for the project's files only when there is no `devboot.toml`.
///
/// # Errors
/// `devboot.toml` is there and cannot be read, or is wrong.
pub fn load(asked: &Asked<'_>, list: impl FnOnce() -> Listing) -> Result<Loaded, LoadError> {
    let path = asked.root.join(FILE);
    let name =
        asked.root.file_name().map_or_else(|| "project".into(), |name| printable(&name.to_string_lossy()));
    let bytes = match asked.system.read(&path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(inferred(asked, &name, &list())),
        Err(error) => return Err(LoadError::Unreadable(path, error)),
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        LoadError::NotText(path, valid.iter().filter(|byte| **byte == b'\n').count() + 1)
    })?;
    let resolved = resolve(&text, FILE, &name).map_err(LoadError::Wrong)?;
    Ok(Loaded {
        pipeline: resolved.pipeline,
        written: resolved.written,
        text: Some(text),
        warnings: resolved.warnings,
    })
}

fn inferred(asked: &Asked<'_>, name: &str, listing: &Listing) -> Loaded {
    let read = |path: &str| {
        let inside = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
        let bytes = inside.then(|| asked.system.read(&asked.root.join(path), LARGEST).ok())??;
        String::from_utf8(bytes).ok()
    };
    let files: Vec<String> = listing.files.iter().map(str::to_owned).collect();
    let (pipeline, written) = infer(name, &Look { files: &files, read: &read, has: asked.has });
    Loaded { pipeline, written, text: None, warnings: Vec::new() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use std::fs;

    use super::*;
    use crate::base::names::Names;
    use crate::sys::real::RealSystem;

    fn loaded(root: &Path, files: &[&str]) -> Result<Loaded, LoadError> {
        let asked = Asked { system: &RealSystem, root, has: &|_| true };
        load(&asked, || Listing::of(Names::sorted(files), Names::default()))
    }

    #[test]
    fn the_nearest_mark_upward_is_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(dir.path().join("a/.git")).unwrap();
        assert_eq!(root_of(&RealSystem, &deep), dir.path().join("a"));
        fs::write(dir.path().join("a/b/devboot.toml"), "").unwrap();
        assert_eq!(root_of(&RealSystem, &deep), dir.path().join("a/b"));
        fs::write(dir.path().join("devboot.toml"), "").unwrap();
        assert_eq!(root_of(&RealSystem, &dir.path().join("a")), dir.path().join("a"), "a repository ends it");
    }

    #[test]
    fn the_file_wins_over_what_the_files_show() {
        let dir = tempfile::tempdir().unwrap();
        let project = loaded(dir.path(), &["test_a.py"]).unwrap();
        assert!(project.pipeline.is_inferred() && project.digest().is_none());
        assert_eq!(project.pipeline.stages[0].id.0, "test");
        let text = "[stage.a]\nrun = 'x'\n";
        fs::write(dir.path().join("devboot.toml"), text).unwrap();
        let project = loaded(dir.path(), &["test_a.py"]).unwrap();
        assert_eq!(project.pipeline.stages[0].id.0, "a");
        assert_eq!(project.digest(), Some(Digest::of(text.as_bytes())));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_never_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("devboot.toml");
        fs::write(&file, b"a = 1\n\xff\n").unwrap();
        assert!(loaded(dir.path(), &[]).unwrap_err().to_string().ends_with("line 2 is not UTF-8 text"));
        fs::write(&file, "x = 1").unwrap();
        assert!(matches!(loaded(dir.path(), &[]), Err(LoadError::Wrong(_))));
        fs::write(&file, vec![b'#'; 2 << 20]).unwrap();
        assert!(matches!(loaded(dir.path(), &[]), Err(LoadError::Unreadable(..))));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(matches!(loaded(dir.path(), &[]), Err(LoadError::Unreadable(..))));
    }
}
