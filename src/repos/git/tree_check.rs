//! Whether the files of a commit may be written into a home: what could leave the folder, act on git's own
//! data, deceive a terminal or fill the disk is refused before a single one is written.

use std::fmt;

use git2::{ObjectType, Oid, Repository};

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::{printable, size};

/// Why the files of a commit are not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// A name that no honest repository has: the path, and what is wrong with it.
    Name(String, &'static str),
    /// A symbolic link that leaves the repository or enters `.git`: the path, and where it points.
    Link(String, String),
    /// More than this many files.
    Files(usize),
    /// More than this many bytes.
    Bytes(u64),
    /// Folders in folders without end.
    Depth,
    /// An object is missing or damaged.
    Damaged(String),
}

impl fmt::Display for TreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(path, why) => write!(f, "the repository has the path '{path}', {why}"),
            Self::Link(path, to) => write!(f, "the repository's link '{path}' points to '{to}', outside it"),
            Self::Files(limit) => write!(f, "the repository has more than {limit} files"),
            Self::Bytes(limit) => write!(f, "the repository's files are larger than {}", size(*limit)),
            Self::Depth => f.write_str("the repository's folders are nested too deeply"),
            Self::Damaged(why) => write!(f, "the repository is damaged: {why}"),
        }
    }
}

impl std::error::Error for TreeError {}

impl Diagnose for TreeError {
    fn kind(&self) -> ErrorKind {
        if matches!(self, Self::Damaged(_)) { ErrorKind::Failed } else { ErrorKind::Refused }
    }
}

/// What a commit's files amount to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// How many files and links.
    pub files: usize,
    /// Their size in bytes.
    pub bytes: u64,
    /// How many submodules; of a clone, how many of them were left out.
    pub submodules: usize,
}

/// One file or link of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is, below the top.
    pub path: Vec<u8>,
    /// What it holds.
    pub blob: Oid,
    /// What it is, as git counts: `0o100_644`, `0o100_755` or `0o120_000`.
    pub mode: u32,
}

const DEPTH: usize = 64;
const LINK_LENGTH: usize = 4096;
const LINK: u32 = 0o120_000;

/// Walks the files of a tree, adds them up and lists them in the order of their paths, or says why they must
/// not be written.
pub fn check(
    repo: &Repository,
    tree: Oid,
    files: usize,
    bytes: u64,
) -> Result<(Extent, Vec<Listed>), TreeError> {
    let damaged = |error: git2::Error| TreeError::Damaged(printable(error.message()));
    let odb = repo.odb().map_err(damaged)?;
    let mut extent = Extent::default();
    let mut listed = Vec::new();
    let mut open = vec![(Vec::new(), tree, 0)];
    while let Some((prefix, oid, depth)) = open.pop() {
        if depth > DEPTH {
            return Err(TreeError::Depth);
        }
        let tree = repo.find_tree(oid).map_err(damaged)?;
        for entry in &tree {
            let path = [&prefix, entry.name_bytes()].concat();
            if let Some(why) = bad_name(entry.name_bytes()) {
                return Err(TreeError::Name(shown(&path), why));
            }
            match entry.kind() {
                Some(ObjectType::Tree) => open.push(([&path[..], b"/"].concat(), entry.id(), depth + 1)),
                Some(ObjectType::Blob) => {
                    let (length, _) = odb.read_header(entry.id()).map_err(damaged)?;
                    extent.bytes = extent.bytes.saturating_add(length as u64);
                    extent.files += 1;
                    let mode = entry.filemode().cast_unsigned();
                    if mode == LINK {
                        check_link(repo, &path, entry.id(), depth, length)?;
                    }
                    listed.push(Listed { path, blob: entry.id(), mode });
                }
                Some(ObjectType::Commit) => extent.submodules += 1,
                _ => return Err(TreeError::Damaged(format!("'{}' is no file", shown(&path)))),
            }
            // Folders without files count too, or a small pack could make millions of them.
            if extent.files + open.len() > files {
                return Err(TreeError::Files(files));
            }
            if extent.bytes > bytes {
                return Err(TreeError::Bytes(bytes));
            }
        }
    }
    listed.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok((extent, listed))
}

fn check_link(
    repo: &Repository,
    path: &[u8],
    blob: Oid,
    depth: usize,
    length: usize,
) -> Result<(), TreeError> {
    if length > LINK_LENGTH {
        return Err(TreeError::Link(shown(path), "a very long path".into()));
    }
    let blob = repo.find_blob(blob).map_err(|error| TreeError::Damaged(printable(error.message())))?;
    match stays_inside(depth, blob.content()) {
        true => Ok(()),
        false => Err(TreeError::Link(shown(path), shown(blob.content()))),
    }
}

fn shown(path: &[u8]) -> String {
    printable(&String::from_utf8_lossy(path))
}

/// A submodule of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// Where its files belong.
    pub path: String,
    /// The commit it stands at.
    pub commit: Oid,
}

/// The submodules of a tree that [`check`] has let pass.
pub fn submodules(repo: &Repository, tree: Oid) -> Result<Vec<Pinned>, TreeError> {
    let damaged = |error: git2::Error| TreeError::Damaged(printable(error.message()));
    let mut found = Vec::new();
    let mut open = vec![(String::new(), tree)];
    while let Some((prefix, oid)) = open.pop() {
        for entry in &repo.find_tree(oid).map_err(damaged)? {
            let path = format!("{prefix}{}", String::from_utf8_lossy(entry.name_bytes()));
            match entry.kind() {
                Some(ObjectType::Tree) => open.push((format!("{path}/"), entry.id())),
                Some(ObjectType::Commit) => found.push(Pinned { path, commit: entry.id() }),
                _ => {}
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// What is wrong with one part of a path.
pub fn bad_name(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
        return Some("which leaves its folder");
    }
    let text = String::from_utf8_lossy(name);
    if text.chars().any(char::is_control) {
        return Some("which has control characters");
    }
    if name.contains(&b'\\') {
        return Some("which has a backslash");
    }
    is_git_folder(&text).then_some("which could stand for git's own folder")
}

/// Whether some file system takes the name for `.git`: letter case, the short name of old Windows, its
/// ignored endings and streams, and the characters that HFS+ leaves out.
fn is_git_folder(name: &str) -> bool {
    let ignored = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let name: String = name.chars().filter(|c| !ignored(c)).flat_map(char::to_lowercase).collect();
    let name = name.split(':').next().unwrap_or_default().trim_end_matches(['.', ' ']);
    name == ".git" || name == "git~1"
}

/// Whether a link in a folder `depth` below the top stays inside. A `..` after a name is refused whatever it
/// means: the name may be another link.
fn stays_inside(depth: usize, target: &[u8]) -> bool {
    let text = String::from_utf8_lossy(target);
    if text.is_empty() || text.starts_with('/') || text.chars().any(|c| c.is_control() || c == '\\') {
        return false;
    }
    let mut up = 0;
    let mut named = false;
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." if named => return false,
            ".." => up += 1,
            part if is_git_folder(part) => return false,
            _ => named = true,
        }
    }
    up <= depth
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_stand_for_git_are_found() {
        for name in [".git", ".GIT", ".Git. ", "git~1", "GIT~1", ".g\u{200c}it", ".git::$INDEX_ALLOCATION"] {
            assert!(bad_name(name.as_bytes()).is_some(), "{name}");
        }
        for name in [".github", ".gitignore", "git", "git~2x", "a b", "\u{e9}t\u{e9}"] {
            assert_eq!(bad_name(name.as_bytes()), None, "{name}");
        }
        assert!(bad_name(b"a\nb").is_some());
        assert!(bad_name(b"a\\b").is_some());
        assert!(bad_name(b"..").is_some());
    }

    #[test]
    fn links_may_not_leave() {
        assert!(stays_inside(0, b"a/b"));
        assert!(stays_inside(1, b"../a"));
        assert!(!stays_inside(0, b"../a"));
        assert!(!stays_inside(5, b"a/../b"), "the name may be a link itself");
        assert!(!stays_inside(0, b"/etc/passwd"));
        assert!(!stays_inside(0, b".GIT/config"));
        assert!(!stays_inside(0, b""));
    }
}
