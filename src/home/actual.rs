//! Reading what stands in the home, symbolic links followed by hand so that none leads out of it unseen.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::entry::Content;
use crate::base::path::HomePath;
use crate::sys::system::{FileKind, Meta, ReadSystem};

/// The largest file that devboot reads or changes in a home directory.
pub const LARGEST: u64 = 16 << 20;

/// How many symbolic links one path may pass, as in Linux's own limit (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// What stands at one path.
#[derive(Clone, Debug, PartialEq)]
pub struct Actual {
    /// The path that a write has to go to: another one when the asked one is a symbolic link.
    pub at: HomePath,
    /// What stands there.
    pub content: Content,
    /// The facts of the file system about it, when there is something.
    pub meta: Option<Meta>,
    /// The text of the symbolic link that stands at the asked path itself.
    pub link: Option<String>,
    /// Why it cannot be changed.
    pub obstacle: Option<Obstacle>,
    /// The directories on the way that do not exist, parents first.
    pub missing_dirs: Vec<HomePath>,
}

/// Why a path cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A symbolic link on the way leads out of the home directory.
    LeavesHome(PathBuf),
    /// The symbolic link holds a path where nothing is.
    Dangling(PathBuf),
    /// Symbolic links that lead in a circle.
    LinkLoop,
    /// A part of the way is not a directory.
    ParentNotDirectory(HomePath),
    /// A FIFO, socket or device.
    Special(&'static str),
    /// The file's owner may not write it: someone wanted it to stay as it is.
    ReadOnly,
    /// Larger than [`LARGEST`].
    TooLarge(u64),
    /// The system refused to read it.
    Unreadable(String),
    /// The text of a symbolic link is not Unicode.
    LinkNotUnicode,
}

impl Obstacle {
    /// Whether going on would be unsafe rather than only impossible.
    pub fn is_unsafe(&self) -> bool {
        matches!(self, Obstacle::LeavesHome(_))
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use crate::base::text::printable;
        let shown = |path: &Path| printable(&path.to_string_lossy());
        match self {
            Obstacle::LeavesHome(to) => {
                write!(f, "a symbolic link leads out of the home directory, to {}", shown(to))
            }
            Obstacle::Dangling(to) => write!(f, "a symbolic link to {}, which does not exist", shown(to)),
            Obstacle::LinkLoop => f.write_str("symbolic links that lead in a circle"),
            Obstacle::ParentNotDirectory(path) => {
                write!(f, "{} is not a directory", printable(&path.to_string()))
            }
            Obstacle::Special(what) => write!(f, "a {what}, not a file"),
            Obstacle::ReadOnly => f.write_str("the file is read-only (its owner has no write permission)"),
            Obstacle::TooLarge(size) => {
                use crate::base::text::size as shown;
                write!(
                    f,
                    "the file has {}, more than the {} that devboot edits",
                    shown(*size),
                    shown(LARGEST)
                )
            }
            Obstacle::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Obstacle::LinkNotUnicode => f.write_str("a symbolic link whose text is not Unicode"),
        }
    }
}

/// A reader that remembers which directories it has already looked at.
pub struct Reader<'a> {
    system: &'a dyn ReadSystem,
    home: &'a Path,
    /// Where the home directory itself is once its own links are followed.
    real_home: PathBuf,
    dirs: BTreeMap<PathBuf, Dir>,
}

#[derive(Clone)]
enum Dir {
    Missing,
    Directory,
    Link(PathBuf),
    Other,
}

enum Walked {
    /// Every link followed; the last part may or may not exist.
    To(PathBuf),
    Blocked(Obstacle),
}

impl<'a> Reader<'a> {
    /// A reader of `home`. `real_home` is the home with its own symbolic links followed.
    pub fn new(system: &'a dyn ReadSystem, home: &'a Path, real_home: PathBuf) -> Self {
        Self { system, home, real_home, dirs: BTreeMap::new() }
    }

    /// What stands at `path`. With `follow`, a symbolic link at the end is followed to the file it names.
    pub fn read(&mut self, path: &HomePath, follow: bool) -> Actual {
        match self.try_read(path, follow) {
            Ok(actual) => actual,
            Err(error) => blocked(path, None, Obstacle::Unreadable(error.to_string())),
        }
    }

    fn try_read(&mut self, path: &HomePath, follow: bool) -> io::Result<Actual> {
        let asked = path.under(self.home);
        let link = match self.system.meta(&asked)?.map(|meta| meta.kind) {
            Some(FileKind::Symlink(to)) => match to.into_os_string().into_string() {
                Ok(to) => Some(to),
                Err(_) => return Ok(blocked(path, None, Obstacle::LinkNotUnicode)),
            },
            _ => None,
        };
        let real = match self.walk(&asked, follow)? {
            Walked::To(real) => real,
            Walked::Blocked(obstacle) => return Ok(blocked(path, link, obstacle)),
        };
        let Some(at) = self.home_path(&real) else {
            return Ok(blocked(path, link, Obstacle::LeavesHome(real)));
        };
        let meta = self.system.meta(&real)?;
        let mut actual = Actual {
            at,
            content: Content::Absent,
            meta: meta.clone(),
            link,
            obstacle: None,
            missing_dirs: Vec::new(),
        };
        let Some(meta) = meta else {
            if follow && actual.link.is_some() {
                actual.obstacle = Some(Obstacle::Dangling(real));
            } else {
                actual.missing_dirs = self.missing(&real)?;
            }
            return Ok(actual);
        };
        match meta.kind {
            FileKind::Dir => actual.content = Content::Dir,
            FileKind::Symlink(_) => {
                actual.content = Content::Symlink(actual.link.clone().unwrap_or_default())
            }
            FileKind::Other(what) => actual.obstacle = Some(Obstacle::Special(what)),
            FileKind::File if meta.size > LARGEST => actual.obstacle = Some(Obstacle::TooLarge(meta.size)),
            FileKind::File => {
                actual.content = Content::File { bytes: self.system.read(&real, LARGEST)?, mode: meta.mode };
                if meta.mode & 0o200 == 0 {
                    actual.obstacle = Some(Obstacle::ReadOnly);
                }
            }
        }
        Ok(actual)
    }

    /// Whether the way to a place that [`read`](Self::read) named has no symbolic link and nothing else but
    /// directories on it; those that do not exist yet count as directories.
    pub(super) fn is_direct(&mut self, at: &HomePath) -> io::Result<bool> {
        let (place, home) = (at.under(self.home), self.home);
        for dir in place.ancestors().skip(1).take_while(|dir| *dir != home) {
            if !matches!(self.look(dir)?, Dir::Directory | Dir::Missing) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Follows links part by part, staying under the home directory.
    fn walk(&mut self, asked: &Path, follow_last: bool) -> io::Result<Walked> {
        let mut done = self.home.to_path_buf();
        let mut left: Vec<_> = match asked.strip_prefix(self.home) {
            Ok(rest) => rest.components().rev().map(|part| part.as_os_str().to_owned()).collect(),
            Err(_) => return Ok(Walked::Blocked(Obstacle::LeavesHome(asked.to_path_buf()))),
        };
        let mut links = 0;
        while let Some(part) = left.pop() {
            let next = done.join(&part);
            let last = left.is_empty();
            match self.look(&next)? {
                Dir::Link(to) if !last || follow_last => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Ok(Walked::Blocked(Obstacle::LinkLoop));
                    }
                    let Some(base) = self.normal(&done, &to) else {
                        return Ok(Walked::Blocked(Obstacle::LeavesHome(done.join(to))));
                    };
                    left.extend(base.components().rev().map(|part| part.as_os_str().to_owned()));
                    done = self.home.to_path_buf();
                }
                Dir::Other if !last => {
                    let path = self.home_path(&next);
                    let obstacle = path.map_or(Obstacle::LeavesHome(next), Obstacle::ParentNotDirectory);
                    return Ok(Walked::Blocked(obstacle));
                }
                _ => done = next,
            }
        }
        Ok(Walked::To(done))
    }

    /// The path that a link text means, relative to the home directory; `None` when it is outside.
    fn normal(&self, dir: &Path, to: &Path) -> Option<PathBuf> {
        let absolute = if to.is_absolute() { to.to_path_buf() } else { dir.join(to) };
        let mut parts = PathBuf::new();
        for component in absolute.components() {
            match component {
                // `..` is exact here: `dir` has no links left, and the rest is walked again part by part.
                Component::ParentDir => {
                    parts.pop();
                }
                Component::CurDir => {}
                other => parts.push(other),
            }
        }
        let inside = parts.strip_prefix(self.home).or_else(|_| parts.strip_prefix(&self.real_home)).ok()?;
        Some(inside.to_path_buf())
    }

    fn look(&mut self, path: &Path) -> io::Result<Dir> {
        if let Some(known) = self.dirs.get(path) {
            return Ok(known.clone());
        }
        let found = match self.system.meta(path)?.map(|meta| meta.kind) {
            None => Dir::Missing,
            Some(FileKind::Dir) => Dir::Directory,
            Some(FileKind::Symlink(to)) => Dir::Link(to),
            Some(_) => Dir::Other,
        };
        if matches!(found, Dir::Directory | Dir::Missing) {
            self.dirs.insert(path.to_path_buf(), found.clone());
        }
        Ok(found)
    }

    fn missing(&mut self, real: &Path) -> io::Result<Vec<HomePath>> {
        let mut found = Vec::new();
        let home = self.home;
        for dir in real.ancestors().skip(1).take_while(|dir| *dir != home) {
            if !matches!(self.look(dir)?, Dir::Missing) {
                break;
            }
            found.extend(self.home_path(dir));
        }
        found.reverse();
        Ok(found)
    }

    fn home_path(&self, path: &Path) -> Option<HomePath> {
        HomePath::parse(path.strip_prefix(self.home).ok()?.to_str()?).ok()
    }
}

fn blocked(path: &HomePath, link: Option<String>, obstacle: Obstacle) -> Actual {
    Actual {
        at: path.clone(),
        content: Content::Absent,
        meta: None,
        link,
        obstacle: Some(obstacle),
        missing_dirs: Vec::new(),
    }
}
