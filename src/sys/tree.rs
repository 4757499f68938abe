//! Whole directory trees: size and removal, symbolic links never followed.

use std::fs;
use std::io;
use std::path::Path;

/// Bytes of all regular files below `path`; what cannot be read counts as nothing.
pub fn size(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return if meta.is_file() { meta.len() } else { 0 };
    }
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}

/// Removes a tree; fine when it is gone already. The standard library's removal goes by open directories, so a
/// link that takes a directory's place meanwhile is not followed. Directories that their owner may not write, as
/// some package caches have, are opened up first.
pub fn remove(path: &Path) -> io::Result<()> {
    match remove_once(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            remove_once(path)
        }
        result => result,
    }
}

fn remove_once(path: &Path) -> io::Result<()> {
    let result = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn open_up(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if !fs::symlink_metadata(dir)?.is_dir() {
        return Ok(());
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    fs::read_dir(dir)?.try_for_each(|entry| open_up(&entry?.path()))
}

/// Makes a directory and its missing parents.
pub fn create(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Makes a directory that only we can enter, and its missing parents in the same way.
pub fn create_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A new directory that only we can enter, with a name that nobody can guess, below `parent`.
pub fn private(parent: &Path, prefix: &str) -> io::Result<std::path::PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let mut attempt = 0_u32;
    loop {
        let seed = format!("{}-{:?}-{attempt}", std::process::id(), std::time::SystemTime::now());
        let path =
            parent.join(format!("{prefix}{}", crate::base::digest::Digest::of(seed.as_bytes()).short()));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
            result => return result.map(|()| path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_removed_and_not_followed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (kept, gone) = (dir.path().join("kept"), dir.path().join("gone"));
        create(&kept).unwrap();
        fs::write(kept.join("file"), "x").unwrap();
        create(&gone.join("closed")).unwrap();
        fs::write(gone.join("closed/file"), "x").unwrap();
        std::os::unix::fs::symlink(&kept, gone.join("closed/link")).unwrap();
        fs::set_permissions(gone.join("closed"), fs::Permissions::from_mode(0o500)).unwrap();
        open_up(&gone).unwrap();
        assert_eq!(fs::metadata(gone.join("closed")).unwrap().permissions().mode() & 0o777, 0o700);
        remove(&gone).unwrap();
        remove(&gone).unwrap();
        assert!(!gone.exists() && kept.join("file").exists());
    }
}
