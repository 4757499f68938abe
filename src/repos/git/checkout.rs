//! Writing the files of a new clone. The folder is ours alone and empty, so each file is made once and nothing
//! has to be looked up first; where git would change bytes on their way, libgit2 does it instead.

use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};

use git2::{ConfigLevel, ErrorCode, Index, IndexEntry, IndexTime, Odb, Repository};

use super::clone::{CloneError, git};
use super::tree_check::Listed;
use crate::sys::fresh_tree::{FreshTree, Stamp};
use crate::sys::real::RealSystem;
use crate::sys::signal;
use crate::sys::system::ReadSystem;

/// A `.gitattributes` larger than this is not read here.
const ATTRIBUTES: usize = 64 * 1024;

/// What in a `.gitattributes` may change the bytes of a file. Also found where it means nothing, in a pattern or
/// a comment; that costs time and nothing else.
const CONVERTING: [&[u8]; 7] =
    [b"text", b"crlf", b"eol", b"ident", b"filter", b"working-tree-encoding", b"[attr]"];

/// Whether every file goes to the disk as the repository has it: neither attributes nor settings ask for other
/// line ends, filters or file modes.
pub(super) fn is_plain(repo: &Repository, files: &[Listed]) -> Result<bool, git2::Error> {
    let config = repo.config()?;
    let is_set = |name| match config.get_entry(name) {
        Ok(_) => Ok(true),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
    };
    let is = |name, value, default| match config.get_bool(name) {
        Ok(found) => Ok(found == value),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(default == value),
        Err(error) => Err(error),
    };
    if is_set("core.autocrlf")? || is_set("core.eol")? || is_set("core.attributesFile")? {
        return Ok(false);
    }
    if !is("core.fileMode", true, true)?
        || !is("core.symlinks", true, true)?
        || is("core.ignoreCase", true, false)?
        || is("core.precomposeUnicode", true, false)?
        || has_outer_attributes()?
    {
        return Ok(false);
    }
    let odb = repo.odb()?;
    for file in
        files.iter().filter(|file| file.path.rsplit(|byte| *byte == b'/').next() == Some(b".gitattributes"))
    {
        if odb.read_header(file.blob)?.0 > ATTRIBUTES || converts(odb.read(file.blob)?.data()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn converts(attributes: &[u8]) -> bool {
    CONVERTING.iter().any(|word| attributes.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// Whether the user or the machine has attributes for all repositories.
fn has_outer_attributes() -> Result<bool, git2::Error> {
    for (level, name) in [(ConfigLevel::XDG, "attributes"), (ConfigLevel::System, "gitattributes")] {
        // SAFETY: nothing in this program sets the search paths.
        let folders = unsafe { git2::opts::get_search_path(level)? };
        let there = |folder: PathBuf| !matches!(RealSystem.meta(&folder.join(name)), Ok(None));
        if search_path(&folders).any(there) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn search_path(folders: &CStr) -> impl Iterator<Item = PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let folders = folders.to_bytes().split(|byte| *byte == b':').filter(|folder| !folder.is_empty());
    folders.map(|folder| Path::new(std::ffi::OsStr::from_bytes(folder)).to_path_buf())
}

/// Writes the files and the index. The folder must hold nothing but `.git`; the files have been checked and are
/// in the order of their paths.
pub(super) fn write(repo: &Repository, files: &[Listed]) -> Result<(), CloneError> {
    let top = repo.workdir().ok_or_else(|| CloneError::Git("the clone has no folder for files".into()))?;
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error: io::Error| CloneError::Io("write", path, error)
    };
    let mut tree = FreshTree::open(top).map_err(failed(top))?;
    let odb = repo.odb().map_err(git)?;
    let mut index = repo.index().map_err(git)?;
    for file in files {
        if signal::interrupted() {
            return Err(CloneError::Interrupted);
        }
        write_one(&odb, &mut tree, &mut index, file, top)?;
    }
    index.write().map_err(git)
}

fn write_one(
    odb: &Odb,
    tree: &mut FreshTree,
    index: &mut Index,
    file: &Listed,
    top: &Path,
) -> Result<(), CloneError> {
    use std::os::unix::ffi::OsStrExt;
    let blob = odb.read(file.blob).map_err(git)?;
    let made = match file.mode {
        0o120_000 => tree.link(&file.path, blob.data()),
        mode => tree.file(&file.path, blob.data(), mode == 0o100_755),
    };
    let stamp = made
        .map_err(|error| CloneError::Io("write", top.join(std::ffi::OsStr::from_bytes(&file.path)), error))?;
    index.add(&entry(file, stamp)).map_err(git)
}

/// How the index remembers a file. It has 32 bits for each number and compares no more.
fn entry(file: &Listed, stamp: Stamp) -> IndexEntry {
    let time = |(seconds, nanos): (i64, u32)| IndexTime::new(seconds as i32, nanos);
    IndexEntry {
        ctime: time(stamp.changed),
        mtime: time(stamp.modified),
        dev: stamp.device as u32,
        ino: stamp.inode as u32,
        mode: file.mode,
        uid: stamp.uid,
        gid: stamp.gid,
        file_size: stamp.size as u32,
        id: file.blob,
        flags: 0,
        flags_extended: 0,
        path: file.path.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_that_change_bytes_are_known() {
        for text in ["* text=auto", "*.bat eol=crlf", "*.h ident", "*.psd filter=lfs -TEXT", "[attr]x y"] {
            assert!(converts(text.as_bytes()), "{text}");
        }
        for text in
            ["", "*.png binary", "*.ipynb linguist-vendored", "docs export-ignore", "*.py diff=python"]
        {
            assert!(!converts(text.as_bytes()), "{text}");
        }
    }
}
