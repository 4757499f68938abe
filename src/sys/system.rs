//! The file system as two traits: what may be read, and what may be written. A function that takes only
//! [`ReadSystem`] cannot change anything, which is how dry runs are dry.

use std::io;
use std::path::{Path, PathBuf};

/// What a path is, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link and the text it holds.
    Symlink(PathBuf),
    /// A FIFO, socket or device, with its name.
    Other(&'static str),
}

/// The facts about one path, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// How many names the file has.
    pub links: u64,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Last change of the content: seconds and nanoseconds since 1970.
    pub modified: (i64, u32),
}

/// What a new file should be besides its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits, set when the file is created.
    pub mode: u32,
    /// The owner to give it; `None` keeps the process's own.
    pub owner: Option<(u32, u32)>,
    /// The time of last change to give it; `None` leaves the present.
    pub modified: Option<(i64, u32)>,
    /// A file whose extended attributes (POSIX ACLs among them) are copied.
    pub like: Option<PathBuf>,
}

/// Reading a file system.
pub trait ReadSystem {
    /// The facts about `path`, its links not followed; `None` when nothing is there.
    fn meta(&self, path: &Path) -> io::Result<Option<Meta>>;
    /// The bytes of a regular file, at most `limit`; a longer one is an error of kind `FileTooLarge`.
    /// Never opens a FIFO or device, and so never hangs.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.read_with_meta(path, limit).map(|(_, bytes)| bytes)
    }
    /// As [`read`](ReadSystem::read), with the facts about the file that was opened: links are followed, and nobody can put
    /// another file in its place in between.
    fn read_with_meta(&self, path: &Path, limit: u64) -> io::Result<(Meta, Vec<u8>)>;
    /// The names in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<std::ffi::OsString>>;
}

/// Changing a file system. Every method is one small act that is whole or did not happen, except
/// [`write_new`](WriteSystem::write_new) and [`overwrite`](WriteSystem::overwrite), which say so.
pub trait WriteSystem: ReadSystem {
    /// Creates a file that must not exist yet (links not followed) and writes all bytes. After an error a
    /// part of it may be there.
    fn write_new(&self, path: &Path, bytes: &[u8], attributes: &Attributes) -> io::Result<()>;
    /// Replaces the bytes of an existing file without giving it a new inode. Space is reserved first and the
    /// bytes go out in one call, so a full disk changes nothing; a crash in the middle may.
    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written to a file or directory durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Makes what was written to many files or directories durable, with one flush for each file system where that
    /// is cheaper.
    fn sync_many(&self, paths: &[PathBuf]) -> io::Result<()> {
        paths.iter().try_for_each(|path| self.sync(path))
    }
    /// Renames within one directory, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Creates a symbolic link at `path` that holds `to`.
    fn symlink(&self, to: &Path, path: &Path) -> io::Result<()>;
    /// Creates one directory.
    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()>;
    /// Removes a file or symbolic link; fine when it is gone already.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory if it is empty; fine when it is gone already.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Sets permission bits.
    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()>;
}

/// Replaces a file of devboot's own as a whole: written beside it, made durable, renamed. Its directory exists.
pub fn replace(system: &dyn WriteSystem, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let attributes = Attributes { mode, ..Attributes::default() };
    let done = system
        .remove_file(&temporary)
        .and_then(|()| system.write_new(&temporary, bytes, &attributes))
        .and_then(|()| system.sync(&temporary))
        .and_then(|()| system.rename(&temporary, path));
    if done.is_err() {
        let _ = system.remove_file(&temporary);
    }
    done
}
