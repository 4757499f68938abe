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
    decoded(system.read(path, 1 << 20).ok()?)
}

/// UTF-8, or UTF-16 with its mark: what `pip freeze > requirements.txt` writes on Windows, and pip reads.
fn decoded(bytes: Vec<u8>) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes.get(..2) {
        Some([0xff, 0xfe]) => u16::from_le_bytes,
        Some([0xfe, 0xff]) => u16::from_be_bytes,
        _ => {
            let text = String::from_utf8(bytes).ok()?;
            return Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text));
        }
    };
    let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    bytes.len().is_multiple_of(2).then(|| String::from_utf16(&units).ok())?
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_windows_are_texts() {
        assert_eq!(decoded(b"\xff\xfef\0l\0".to_vec()).as_deref(), Some("fl"));
        assert_eq!(decoded(b"\xfe\xff\0f\0l".to_vec()).as_deref(), Some("fl"));
        assert_eq!(decoded(b"\xef\xbb\xbfflask\n".to_vec()).as_deref(), Some("flask\n"));
        assert_eq!(decoded(b"plain".to_vec()).as_deref(), Some("plain"));
        for no_text in [b"\xff\xfef".as_slice(), b"\xff\xfe\0\xd8", b"\xff"] {
            assert_eq!(decoded(no_text.to_vec()), None);
        }
    }
}
