//! Making and removing whole folders.

use std::io;
use std::path::{Path, PathBuf};

use crate::sys::system::{FileKind, Meta, ReadSystem, WriteSystem};

/// Creates a folder and what is missing above it, with the usual permission bits.
pub fn create_all(system: &dyn WriteSystem, path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut next = Some(path);
    while let Some(dir) = next {
        match followed(system, dir)? {
            Some(meta) if meta.kind == FileKind::Dir => break,
            Some(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a folder")),
            None => missing.push(dir),
        }
        next = dir.parent();
    }
    for dir in missing.into_iter().rev() {
        match system.create_dir(dir, 0o755) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result?,
        }
    }
    Ok(())
}

/// The facts about a path, its links followed; `None` when nothing is there or the links go in circles.
pub fn followed(system: &(impl ReadSystem + ?Sized), path: &Path) -> io::Result<Option<Meta>> {
    let mut path = path.to_path_buf();
    for _ in 0..16 {
        match system.meta(&path)? {
            Some(Meta { kind: FileKind::Symlink(to), .. }) => {
                path = path.parent().map_or_else(|| to.clone(), |parent| parent.join(&to));
            }
            found => return Ok(found),
        }
    }
    Ok(None)
}

/// Removes a folder and everything in it, or a file; links are removed, never followed. Fine when nothing
/// is there.
pub fn remove_all(system: &dyn WriteSystem, path: &Path) -> io::Result<()> {
    enum Task {
        Look(PathBuf),
        Leave(PathBuf),
    }
    let mut tasks = vec![Task::Look(path.to_path_buf())];
    while let Some(task) = tasks.pop() {
        match task {
            Task::Leave(dir) => system.remove_dir(&dir)?,
            Task::Look(path) => match system.meta(&path)? {
                None => {}
                Some(meta) if meta.kind == FileKind::Dir => {
                    if meta.mode & 0o700 != 0o700 {
                        system.set_mode(&path, 0o700)?;
                    }
                    let names = system.list(&path)?;
                    tasks.push(Task::Leave(path.clone()));
                    tasks.extend(names.into_iter().map(|name| Task::Look(path.join(name))));
                }
                Some(_) => system.remove_file(&path)?,
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use super::*;
    use crate::sys::real::RealSystem;
    use std::fs;

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("keep")).unwrap();
        fs::write(dir.path().join("keep/file"), "x").unwrap();
        let doomed = dir.path().join("doomed/a/b");
        create_all(&RealSystem, &doomed).unwrap();
        std::os::unix::fs::symlink(dir.path().join("keep"), doomed.join("link")).unwrap();
        fs::write(doomed.join("file"), "x").unwrap();
        remove_all(&RealSystem, &dir.path().join("doomed")).unwrap();
        assert!(!dir.path().join("doomed").exists());
        assert_eq!(fs::read(dir.path().join("keep/file")).unwrap(), b"x");
    }
}
