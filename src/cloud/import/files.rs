//! The files that credentials stand in: what they are, what is unusual about them, and how one of them is written anew.

use std::io;
use std::path::{Path, PathBuf};

use crate::base::path::display;
use crate::base::secret::Secret;
use crate::sys::system::{Attributes, FileKind, Meta, ReadSystem, WriteSystem};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// How many links are followed to a file.
const LINKS: usize = 16;

/// A file as it was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its path, as it was looked for.
    pub path: PathBuf,
    /// The file that a link at that path leads to.
    pub link: Option<PathBuf>,
    /// What is in it.
    pub bytes: Secret<Vec<u8>>,
    /// The facts about it.
    pub meta: Meta,
}

/// Looks at a file, through links; `None` when it is not there.
///
/// # Errors
/// It cannot be read, is no file, or is larger than 4 MB.
pub fn look(system: &dyn ReadSystem, path: &Path) -> io::Result<Option<Seen>> {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        let Some(meta) = system.meta(&at)? else { return Ok(None) };
        if let FileKind::Symlink(to) = &meta.kind {
            at = at.parent().unwrap_or(Path::new("/")).join(to);
            continue;
        }
        let bytes = Secret::new(system.read(&at, LARGEST)?);
        let link = (at != path).then_some(at);
        return Ok(Some(Seen { path: path.to_owned(), link, bytes, meta }));
    }
    Err(io::Error::other("too many links lead to it"))
}

/// What is unusual about a file that holds secrets, a sentence each; `uid` is ours.
pub fn unusual(seen: &Seen, uid: u32, home: &Path) -> Vec<String> {
    let shown = display(&seen.path, home);
    let mut said = Vec::new();
    if let Some(link) = &seen.link {
        said.push(format!("{shown} is a link to {}", display(link, home)));
    }
    if seen.meta.uid != uid {
        said.push(format!("{shown} belongs to another user"));
    }
    let others = seen.meta.mode & 0o077;
    if others != 0 {
        said.push(format!("{shown} can be used by others (mode {:o}): chmod 600 {shown}", seen.meta.mode));
    }
    said
}

/// Why a file is not written anew, where it is not.
pub fn stays(seen: &Seen, uid: u32) -> Option<&'static str> {
    if seen.link.is_some() {
        return Some("it is a link, and what it leads to may be someone else's");
    }
    if seen.meta.uid != uid {
        return Some("it belongs to another user");
    }
    if seen.meta.links > 1 {
        return Some("it has other names, by which the keys would still be there");
    }
    (seen.bytes.expose().len() > super::backup::LARGEST).then_some("it is too large to be kept sealed")
}

/// Whether a file is still what it was when it was seen.
pub fn is_same(system: &dyn ReadSystem, seen: &Seen) -> bool {
    let again = look(system, &seen.path);
    again.is_ok_and(|again| {
        again.is_some_and(|again| again.link == seen.link && again.bytes.expose() == seen.bytes.expose())
    })
}

/// Writes a file anew: beside it, made durable, renamed; with the mode, owner and attributes that `like` has, where there is
/// one.
///
/// # Errors
/// It cannot be written; what was there is as it was.
pub fn write(
    system: &dyn WriteSystem,
    path: &Path,
    bytes: &[u8],
    mode: u32,
    like: Option<&Meta>,
) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.devboot-new"));
    let attributes = Attributes {
        mode,
        owner: like.map(|meta| (meta.uid, meta.gid)),
        modified: None,
        like: like.map(|_| path.to_owned()),
    };
    system.remove_file(&temporary)?;
    let done = system
        .write_new(&temporary, bytes, &attributes)
        .and_then(|()| system.sync(&temporary))
        .and_then(|()| system.rename(&temporary, path))
        .and_then(|()| system.sync(path.parent().unwrap_or(Path::new("/"))));
    if done.is_err() {
        let _ = system.remove_file(&temporary);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::{MemorySystem, Node};

    fn system() -> MemorySystem {
        MemorySystem::with(&[
            ("/h/a", Node::File(b"x".to_vec(), 0o644)),
            ("/h/l", Node::Symlink("a".into())),
            ("/h/round", Node::Symlink("round".into())),
        ])
    }

    #[test]
    fn links_owners_and_modes_are_said() {
        let system = system();
        let at = |path: &str| look(&system, Path::new(path)).unwrap();
        let plain = at("/h/a").unwrap();
        assert_eq!(unusual(&plain, plain.meta.uid, Path::new("/h")).len(), 1);
        assert!(unusual(&plain, plain.meta.uid, Path::new("/h"))[0].contains("chmod 600 ~/a"));
        assert_eq!(stays(&plain, plain.meta.uid), None);
        assert!(stays(&plain, plain.meta.uid + 1).is_some());
        let link = at("/h/l").unwrap();
        assert!(unusual(&link, link.meta.uid, Path::new("/h"))[0].contains("is a link to ~/a"));
        assert!(stays(&link, link.meta.uid).is_some());
        assert!(at("/h/none").is_none() && look(&system, Path::new("/h/round")).is_err());
    }

    #[test]
    fn a_disk_that_is_full_leaves_the_file_as_it_was() {
        let system = system();
        let before = system.tree("/h");
        let seen = look(&system, Path::new("/h/a")).unwrap().unwrap();
        system.space.set(Some(2));
        assert!(write(&system, &seen.path, b"longer", 0o644, Some(&seen.meta)).is_err());
        assert_eq!(system.tree("/h"), before);
        system.space.set(None);
        write(&system, &seen.path, b"y", 0o644, Some(&seen.meta)).unwrap();
        assert!(!is_same(&system, &seen));
        assert_eq!(system.tree("/h")[Path::new("/h/a")], Node::File(b"y".to_vec(), 0o644));
        assert_eq!(system.tree("/h").len(), before.len());
    }
}
