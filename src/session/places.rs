//! Where devboot keeps what it knows of a project: never in the project itself.

use std::path::{Path, PathBuf};

use crate::base::digest::Digest;
use crate::sys::dirs::Dirs;

/// The files and directories of one project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// What its files held when they were last read.
    pub contents: PathBuf,
    /// The logs of its stages, by run.
    pub logs: PathBuf,
    /// Results of stages and what they made; all projects share it, for equal stages are equal everywhere.
    pub cache: PathBuf,
    /// Who has its lock runs stages of the project.
    pub turn: PathBuf,
    /// The directory of all that is this project's alone.
    pub own: PathBuf,
}

impl Places {
    /// Those of the project at `root`, an absolute path without links.
    pub fn of(dirs: &Dirs, root: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt;
        // The name is for people; the digest keeps projects of one name apart, and no name becomes a path by itself.
        let name: String = root
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
            .take(32)
            .collect();
        let own = dirs
            .state
            .join("projects")
            .join(format!("{name}-{}", Digest::of(root.as_os_str().as_bytes()).short()));
        Self {
            contents: own.join("contents.json"),
            logs: own.join("logs"),
            cache: dirs.cache.join("stages"),
            turn: own.join("run.lock"),
            own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_of_one_name_have_places_of_their_own() {
        let dirs = Dirs::of_home(Path::new("/home/me"));
        let name = |root: &str| {
            Places::of(&dirs, Path::new(root)).own.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert!(name("/a/flask-ml").starts_with("flask-ml-"));
        assert_ne!(name("/a/flask-ml"), name("/b/flask-ml"));
        assert!(name("/").starts_with('-'));
        assert!(!name("/a/..\u{1b}[2J$(x)").contains(['.', '$', '\u{1b}']));
    }
}
