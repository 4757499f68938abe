//! What a pipeline is read from, at a project's root.

use std::path::Path;

use crate::project::FILE;
use crate::sys::real::RealSystem;
use crate::sys::system::{Meta, ReadSystem};

/// Files beside which another pipeline may be inferred, when they are at the root.
pub(super) const MARKS: &[&str] = &[
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "noxfile.py",
    "Makefile",
    "makefile",
    "GNUmakefile",
    "Cargo.toml",
    "package.json",
    "go.mod",
    "dvc.yaml",
    "params.yaml",
];

/// As it stands there now.
pub(super) fn at(root: &Path) -> Vec<Option<Meta>> {
    let names = std::iter::once(&FILE).chain(MARKS);
    names.map(|name| RealSystem.meta(&root.join(name)).ok().flatten()).collect()
}

/// Whether it is another one now. Nobody tells of what was saved between reading a pipeline and watching its files, nor
/// who saved it.
pub(super) fn saved_since(root: &Path, read: &[Option<Meta>]) -> bool {
    at(root) != read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::system::{WriteSystem, replace};

    #[test]
    fn what_comes_goes_or_is_written_meanwhile_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut read = at(dir.path());
        let mut is_new = || {
            let is_new = saved_since(dir.path(), &read);
            read = at(dir.path());
            is_new
        };
        let write = |name: &str, text: &str| {
            replace(&RealSystem, &dir.path().join(name), text.as_bytes(), 0o600).unwrap();
        };
        assert!(!is_new());
        write(FILE, "a");
        assert!(is_new());
        write(FILE, "ab");
        assert!(is_new());
        write("other.py", "");
        assert!(!is_new());
        RealSystem.remove_file(&dir.path().join(FILE)).unwrap();
        assert!(is_new());
    }
}
