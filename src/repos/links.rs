//! Looking through symbolic links.

use std::io;
use std::path::Path;

use crate::sys::system::{FileKind, Meta, ReadSystem};

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
