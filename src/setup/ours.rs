//! What devboot made and nobody has changed since: the only things it takes away again.

use std::path::Path;

use super::record::{CloneRecord, StarterRecord};
use crate::base::digest::Digest;
use crate::base::text::printable;
use crate::repos::git::clone::partial_path;
use crate::repos::git::inspect;
use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, ReadSystem, WriteSystem};
use crate::sys::tree;

/// Whether a clone is there and as devboot left it. `Ok(false)`: it is gone already. `Err`: why it stays.
pub fn clone_is_ours(system: &dyn ReadSystem, path: &Path, clone: &CloneRecord) -> Result<bool, String> {
    match system.meta(path) {
        Ok(None) => return Ok(false),
        Ok(Some(meta)) if meta.kind == FileKind::Dir => {}
        _ => return Err("it is no longer the folder that devboot made".into()),
    }
    match inspect::head(path) {
        Some(head) if clone.commit.as_ref().is_none_or(|commit| *commit == head) => {}
        Some(_) => return Err("it is at another commit than devboot left it at".into()),
        None => return Err("it is no longer a clone".into()),
    }
    let pristine = if clone.kit { inspect::is_pristine_kit(path) } else { inspect::is_pristine(path) };
    match pristine {
        Ok(true) => Ok(true),
        Ok(false) => Err("you changed it".into()),
        Err(error) => Err(format!("it cannot be read: {}", printable(error.message()))),
    }
}

/// What Python and pytest leave in a starter when its tests run.
const DROPPINGS: [&str; 4] = ["__pycache__", ".pytest_cache", ".coverage", ".venv"];

/// The same for a starter: its files have the digests they were written with, and nothing was added.
pub fn starter_is_ours(
    system: &dyn ReadSystem,
    path: &Path,
    starter: &StarterRecord,
) -> Result<bool, String> {
    let Ok(Some(_)) = system.meta(path) else { return Ok(false) };
    let names = system.list(path).map_err(|error| format!("it cannot be read: {error}"))?;
    for name in &names {
        let name = name.to_string_lossy();
        // A link of the name `.venv` is what `devboot` offers editors; a folder of that name is the user's.
        let dropping = DROPPINGS.contains(&name.as_ref())
            && (name != ".venv"
                || matches!(system.meta(&path.join(name.as_ref())), Ok(Some(m)) if matches!(m.kind, FileKind::Symlink(_))));
        if !dropping && !starter.files.keys().any(|file| file.split('/').next() == Some(&*name)) {
            return Err(format!("you added {}", printable(&name)));
        }
    }
    for (file, digest) in &starter.files {
        let same = system.read(&path.join(file), 16 << 20).is_ok_and(|bytes| Digest::of(&bytes) == *digest);
        if !same {
            return Err(format!("you changed {}", printable(file)));
        }
    }
    Ok(true)
}

/// Removes a folder. Takes its name away before its files, so that a second removal after a kill does not take the rest for
/// something that the user changed.
pub fn remove_whole(path: &Path) -> std::io::Result<()> {
    let Some(partial) = partial_path(path) else { return tree::remove(path) };
    RealSystem.rename(path, &partial)?;
    tree::remove(&partial)
}
