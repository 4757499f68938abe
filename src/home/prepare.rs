//! The state directory before its first use: it appears as a whole, and with a note of the directories that had
//! to be made for it, so that `uninstall` can take them away again.

use std::io;
use std::path::{Path, PathBuf};

use super::apply::to_json;
use super::store::{StoreError, io_at};
use super::survey::Home;
use crate::base::path::HomePath;
use crate::sys::system::{Attributes, ReadSystem, WriteSystem};

/// Every directory that devboot has made in the home, children first: what `uninstall` removes last, where they
/// are empty.
pub fn own_dirs(system: &dyn ReadSystem, home: &Home) -> Result<Vec<HomePath>, StoreError> {
    let mut dirs = home.store.ledger(system)?.dirs;
    dirs.extend(first_dirs(system, home)?);
    let mut dirs: Vec<_> = dirs.into_iter().collect();
    dirs.sort_by_key(|dir| std::cmp::Reverse(dir.as_str().matches('/').count()));
    Ok(dirs)
}

/// Makes the state directory, for the lock that is taken before anything else, and notes in it which parents
/// had to be made: `uninstall` takes them away again. All of them appear at once, by one rename, so that a kill
/// leaves no directory of unknown origin.
pub fn prepare(system: &dyn WriteSystem, home: &Home) -> Result<(), StoreError> {
    let Some((missing, beside)) = missing_state(system, home)? else { return Ok(()) };
    let built = build_beside(system, home, &missing, &beside);
    match built.and_then(|()| system.rename(&beside, &missing[0])) {
        // Another devboot was quicker; what it made is as good.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            clear_beside(system, &missing, &beside).map_err(io_at(&beside))?;
            prepare(system, home)
        }
        result => result.map_err(io_at(&missing[0])),
    }
}

/// Takes away what a [`prepare`] that was killed left, in a home that has no state directory.
pub fn discard_preparation(system: &dyn WriteSystem, home: &Home) -> Result<(), StoreError> {
    let Some((missing, beside)) = missing_state(system, home)? else { return Ok(()) };
    if system.meta(&beside).map_err(io_at(&beside))?.is_none() {
        return Ok(());
    }
    clear_beside(system, &missing, &beside).map_err(io_at(&beside))
}

/// The directories that the state directory lacks, parents first, and the name under which they are built.
fn missing_state(
    system: &dyn ReadSystem,
    home: &Home,
) -> Result<Option<(Vec<PathBuf>, PathBuf)>, StoreError> {
    let mut missing = Vec::new();
    for dir in home.store.dir().ancestors() {
        if system.meta(dir).map_err(io_at(dir))?.is_some() {
            break;
        }
        missing.push(dir.to_path_buf());
    }
    missing.reverse();
    let beside = missing.first().map(|topmost| topmost.with_file_name(".devboot-made.tmp"));
    Ok(beside.map(|beside| (missing, beside)))
}

/// Where a directory stands while it is built under another name.
fn moved(missing: &[PathBuf], beside: &Path, dir: &Path) -> PathBuf {
    match dir.strip_prefix(&missing[0]) {
        Ok(rest) if rest.as_os_str().is_empty() => beside.to_path_buf(),
        Ok(rest) => beside.join(rest),
        Err(_) => dir.to_path_buf(),
    }
}

fn clear_beside(system: &dyn WriteSystem, missing: &[PathBuf], beside: &Path) -> io::Result<()> {
    let last = moved(missing, beside, &missing[missing.len() - 1]);
    system.remove_file(&last.join("made.json"))?;
    missing.iter().rev().try_for_each(|dir| system.remove_dir(&moved(missing, beside, dir)))
}

/// The missing directories under another name, with the note inside.
fn build_beside(system: &dyn WriteSystem, home: &Home, missing: &[PathBuf], beside: &Path) -> io::Result<()> {
    let last = missing.len() - 1;
    // What a kill in here may have left.
    clear_beside(system, missing, beside)?;
    for (index, dir) in missing.iter().enumerate() {
        system.create_dir(&moved(missing, beside, dir), if index == last { 0o700 } else { 0o755 })?;
    }
    let made: Vec<HomePath> = missing.iter().filter_map(|dir| home.home_path(dir)).collect();
    let note = moved(missing, beside, &missing[last]).join("made.json");
    system.write_new(&note, &to_json(&made), &Attributes { mode: 0o600, ..Attributes::default() })
}

/// The directories that had to be made for the state directory, when no ledger has them yet.
pub(super) fn first_dirs(system: &dyn ReadSystem, home: &Home) -> Result<Vec<HomePath>, StoreError> {
    let store = &home.store;
    if system.meta(&store.ledger_path()).map_err(io_at(store.dir()))?.is_some() {
        return Ok(Vec::new());
    }
    let noted = system.read(&store.made_path(), 64 << 10).ok();
    Ok(noted.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}
