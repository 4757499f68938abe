//! Looking at the files of a repository: their names, their texts, through symbolic links.

use std::io;
use std::path::Path;

use crate::sys::system::{FileKind, Meta, ReadSystem};

const DEPTH: usize = 4;
const NAMES: usize = 10_000;

/// The paths of a repository's files, relative to it: hidden folders and what is nested deeply left out.
pub fn file_names(system: &dyn ReadSystem, repo: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut open = vec![(repo.to_path_buf(), String::new(), 0)];
    while let Some((dir, prefix, depth)) = open.pop() {
        for name in system.list(&dir).unwrap_or_default() {
            let Some(text) = name.to_str().filter(|text| !text.starts_with('.')) else { continue };
            match system.meta(&dir.join(&name)) {
                Ok(Some(meta)) if meta.kind == FileKind::File => names.push(format!("{prefix}{text}")),
                Ok(Some(meta)) if meta.kind == FileKind::Dir && depth < DEPTH => {
                    open.push((dir.join(&name), format!("{prefix}{text}/"), depth + 1));
                }
                _ => {}
            }
            if names.len() >= NAMES {
                return names;
            }
        }
    }
    names
}

/// The text of a file of a repository; `None` when it is missing, no text, or larger than 1 MB.
pub fn read_text(system: &dyn ReadSystem, path: &Path) -> Option<String> {
    String::from_utf8(system.read(path, 1 << 20).ok()?).ok()
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
