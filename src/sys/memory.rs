//! A file system in memory that can run out of space or be cut off at any act: for tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::system::{Attributes, FileKind, Meta, ReadSystem, WriteSystem};

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A file: bytes, mode.
    File(Vec<u8>, u32),
    /// A directory and its mode.
    Dir(u32),
    /// A symbolic link.
    Symlink(PathBuf),
}

/// A file system in memory.
#[derive(Debug, Default)]
pub struct MemorySystem {
    nodes: RefCell<BTreeMap<PathBuf, (Node, i64)>>,
    clock: Cell<i64>,
    /// How many acts have been tried.
    pub acts: Cell<usize>,
    /// The act (counted from 1) at which the process is killed: it and every later one fail.
    pub kill_at: Cell<Option<usize>>,
    /// How many more bytes fit.
    pub space: Cell<Option<usize>>,
}

impl MemorySystem {
    /// A file system with these directories and files.
    pub fn with(nodes: &[(&str, Node)]) -> Self {
        let system = Self::default();
        for (path, node) in nodes {
            for parent in Path::new(path).ancestors().skip(1) {
                system.nodes.borrow_mut().entry(parent.into()).or_insert((Node::Dir(0o755), 0));
            }
            system.nodes.borrow_mut().insert(path.into(), (node.clone(), 0));
        }
        system
    }

    /// Everything under `root`, for comparing trees.
    pub fn tree(&self, root: &str) -> BTreeMap<PathBuf, Node> {
        let nodes = self.nodes.borrow();
        nodes
            .iter()
            .filter(|(path, _)| path.starts_with(root))
            .map(|(p, (n, _))| (p.clone(), n.clone()))
            .collect()
    }

    /// A copy without faults.
    pub fn healed(&self) -> Self {
        Self { nodes: self.nodes.clone(), clock: self.clock.clone(), ..Self::default() }
    }

    /// Puts a node without counting an act.
    pub fn set(&self, path: &str, node: Node) {
        let time = self.tick();
        self.nodes.borrow_mut().insert(path.into(), (node, time));
    }

    /// Takes a node away without counting an act.
    pub fn unset(&self, path: &str) {
        self.nodes.borrow_mut().remove(Path::new(path));
    }

    fn tick(&self) -> i64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn act(&self) -> io::Result<()> {
        self.acts.set(self.acts.get() + 1);
        match self.kill_at.get() {
            Some(at) if self.acts.get() >= at => Err(io::Error::other("killed")),
            _ => Ok(()),
        }
    }

    /// How many of `bytes` fit, taking their space.
    fn take_space(&self, bytes: usize) -> usize {
        match self.space.get() {
            None => bytes,
            Some(left) => {
                let fits = bytes.min(left);
                self.space.set(Some(left - fits));
                fits
            }
        }
    }

    fn parent_is_there(&self, path: &Path) -> io::Result<()> {
        match path.parent().and_then(|parent| self.nodes.borrow().get(parent).cloned()) {
            Some((Node::Dir(_), _)) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl ReadSystem for MemorySystem {
    fn meta(&self, path: &Path) -> io::Result<Option<Meta>> {
        let nodes = self.nodes.borrow();
        let Some((node, time)) = nodes.get(path) else { return Ok(None) };
        let (kind, mode, size) = match node {
            Node::File(bytes, mode) => (FileKind::File, *mode, bytes.len() as u64),
            Node::Dir(mode) => (FileKind::Dir, *mode, 0),
            Node::Symlink(to) => (FileKind::Symlink(to.clone()), 0o777, 0),
        };
        let (uid, gid) = super::process::owner();
        Ok(Some(Meta { kind, mode, size, links: 1, uid, gid, modified: (*time, 0) }))
    }

    fn read_with_meta(&self, path: &Path, limit: u64) -> io::Result<(Meta, Vec<u8>)> {
        match self.nodes.borrow().get(path) {
            Some((Node::File(bytes, _), _)) if bytes.len() as u64 <= limit => {
                let meta = self.meta(path)?.ok_or(io::ErrorKind::NotFound)?;
                Ok((meta, bytes.clone()))
            }
            Some((Node::File(..), _)) => Err(io::ErrorKind::FileTooLarge.into()),
            Some(_) => Err(io::ErrorKind::InvalidInput.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let nodes = self.nodes.borrow();
        Ok(nodes
            .keys()
            .filter(|p| p.parent() == Some(path))
            .filter_map(|p| Some(p.file_name()?.to_owned()))
            .collect())
    }
}

impl WriteSystem for MemorySystem {
    fn write_new(&self, path: &Path, bytes: &[u8], attributes: &Attributes) -> io::Result<()> {
        let killed = self.act();
        self.parent_is_there(path)?;
        if self.nodes.borrow().contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if killed.is_err() && self.acts.get() > self.kill_at.get().unwrap_or(usize::MAX) {
            return killed;
        }
        // Killed in the middle: half of the bytes are there.
        let fits = if killed.is_err() { bytes.len() / 2 } else { self.take_space(bytes.len()) };
        let time = attributes.modified.map_or_else(|| self.tick(), |(seconds, _)| seconds);
        self.nodes
            .borrow_mut()
            .insert(path.into(), (Node::File(bytes[..fits].to_vec(), attributes.mode), time));
        killed?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn overwrite(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.act()?;
        let time = self.tick();
        match self.nodes.borrow_mut().get_mut(path) {
            Some((Node::File(old, _), modified)) => {
                let more = bytes.len().saturating_sub(old.len());
                if self.take_space(more) < more {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                *old = bytes.to_vec();
                *modified = time;
                Ok(())
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn sync(&self, _: &Path) -> io::Result<()> {
        self.act()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.act()?;
        let mut nodes = self.nodes.borrow_mut();
        let moved: Vec<PathBuf> = nodes.keys().filter(|path| path.starts_with(from)).cloned().collect();
        if moved.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        for path in moved {
            let Some(node) = nodes.remove(&path) else { continue };
            let rest = path.strip_prefix(from).map_err(io::Error::other)?;
            nodes.insert(if rest.as_os_str().is_empty() { to.into() } else { to.join(rest) }, node);
        }
        Ok(())
    }

    fn symlink(&self, to: &Path, path: &Path) -> io::Result<()> {
        self.act()?;
        self.parent_is_there(path)?;
        let time = self.tick();
        self.nodes.borrow_mut().insert(path.into(), (Node::Symlink(to.into()), time));
        Ok(())
    }

    fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.act()?;
        self.parent_is_there(path)?;
        if self.nodes.borrow().contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if self.space.get().is_some() && self.take_space(64) < 64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let time = self.tick();
        self.nodes.borrow_mut().insert(path.into(), (Node::Dir(mode), time));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.act()?;
        self.nodes.borrow_mut().remove(path);
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.act()?;
        if !self.list(path)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.nodes.borrow_mut().remove(path);
        Ok(())
    }

    fn set_mode(&self, path: &Path, mode: u32) -> io::Result<()> {
        self.act()?;
        match self.nodes.borrow_mut().get_mut(path) {
            Some((Node::File(_, old) | Node::Dir(old), _)) => {
                *old = mode;
                Ok(())
            }
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
