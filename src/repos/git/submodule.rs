//! What `.gitmodules` asks for, read strictly: names and paths that leave the repository and addresses that are none
//! are refused, for whoever wrote the file chose them. Pure.

use std::fmt;

use super::tree_check::bad_name;
use super::url::GitUrl;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::redact;
use crate::base::text::printable;

/// Why a repository's `.gitmodules` is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmoduleError {
    /// The file is a link, no text, or too long.
    File,
    /// A name that leaves the folder of git's own data, or could be an option.
    Name(String),
    /// A path that leaves the repository, could be an option, or is not a folder of its own.
    Path(String),
    /// A command that would run at every update: the submodule's name.
    Command(String),
    /// An address that is none, could be an option, or leads to this machine's files: the path, the address and what
    /// is wrong with it.
    Url(String, String, String),
}

impl fmt::Display for SubmoduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => f.write_str("the repository's .gitmodules is no ordinary text file"),
            Self::Name(name) => {
                write!(f, "the repository has a submodule of the name '{}'", printable(name))
            }
            Self::Path(path) => write!(f, "the repository has a submodule at '{}'", printable(path)),
            Self::Command(name) => {
                write!(f, "the repository's submodule '{}' wants to run a command", printable(name))
            }
            Self::Url(path, url, why) => {
                let (path, url) = (printable(path), printable(&redact::url(url)));
                write!(f, "the repository's submodule '{path}' is from '{url}': {why}")
            }
        }
    }
}

impl std::error::Error for SubmoduleError {}

impl Diagnose for SubmoduleError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Refused
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Url(..) => vec!["to have its other files all the same, clone it without submodules".into()],
            _ => vec!["no honest repository has that".into()],
        }
    }
}

/// One section of `.gitmodules`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// What git's own data of it is kept under.
    pub name: String,
    /// Where its files belong.
    pub path: String,
    /// Where it is from, perhaps relative to the repository's own address.
    pub url: String,
    /// Its repository says that it is not wanted by itself (`update = none`).
    pub idle: bool,
}

/// The largest `.gitmodules`, in bytes.
pub const LARGEST: usize = 1 << 20;

/// Reads `.gitmodules` and refuses it whole when a name or a path is not one. What is no section or key of a
/// submodule is passed over, as are sections without a path or an address.
pub fn read(text: &[u8]) -> Result<Vec<Declared>, SubmoduleError> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= LARGEST);
    let text = text.ok_or(SubmoduleError::File)?.replace("\\\r\n", "").replace("\\\n", "");
    let mut found: Vec<Declared> = Vec::new();
    let mut current: Option<usize> = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            current = section(line).map(|name| {
                found.iter().position(|known| known.name == name).unwrap_or_else(|| {
                    found.push(Declared { name, ..Declared::default() });
                    found.len() - 1
                })
            });
            continue;
        }
        let (Some(index), Some((key, value))) = (current, line.split_once('=')) else { continue };
        let value = unquoted(value.trim());
        match key.trim().to_ascii_lowercase().as_str() {
            "path" => found[index].path = value,
            "url" => found[index].url = value,
            "update" if value.starts_with('!') => {
                return Err(SubmoduleError::Command(found[index].name.clone()));
            }
            "update" => found[index].idle = value == "none",
            _ => {}
        }
    }
    for one in &found {
        if one.name.starts_with('-') || !is_inside(&one.name) {
            return Err(SubmoduleError::Name(one.name.clone()));
        }
        if !one.path.is_empty() && (one.path.starts_with('-') || !is_inside(&one.path)) {
            return Err(SubmoduleError::Path(one.path.clone()));
        }
    }
    found.retain(|one| !one.path.is_empty() && !one.url.is_empty());
    Ok(found)
}

fn is_inside(path: &str) -> bool {
    path.split('/').all(|part| bad_name(part.as_bytes()).is_none())
}

/// The name in `[submodule "NAME"]`.
fn section(line: &str) -> Option<String> {
    let inner = line.strip_prefix('[')?;
    let (word, rest) = inner.split_once('"')?;
    if !word.trim().eq_ignore_ascii_case("submodule") {
        return None;
    }
    let mut name = String::new();
    let mut letters = rest.chars();
    loop {
        match letters.next()? {
            '"' => return Some(name),
            '\\' => name.push(letters.next()?),
            letter => name.push(letter),
        }
    }
}

/// A value without quotes, escapes and the comment behind it.
fn unquoted(value: &str) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let mut kept = 0;
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => quoted = !quoted,
            '#' | ';' if !quoted => break,
            '\\' => out.push(match letters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('b') => '\u{8}',
                Some(other) => other,
                None => break,
            }),
            other => out.push(other),
        }
        if quoted || !letter.is_whitespace() {
            kept = out.len();
        }
    }
    out.truncate(kept);
    out
}

/// The address of a submodule: as it is written, or from that of its repository when it begins with `./` or `../`.
/// Only a repository of this machine may have submodules of this machine.
pub fn address(one: &Declared, base: &str, base_is_local: bool) -> Result<String, SubmoduleError> {
    let refused = |why: &str| SubmoduleError::Url(one.path.clone(), one.url.clone(), why.to_owned());
    let is_relative = one.url.starts_with("./") || one.url.starts_with("../");
    let url = match is_relative {
        true => join(base, &one.url).ok_or_else(|| refused("it leads out of its server"))?,
        false => one.url.clone(),
    };
    if url.starts_with('-') {
        return Err(refused("it could be an option"));
    }
    match GitUrl::parse(&url) {
        Ok(GitUrl::Local(_)) if !base_is_local => Err(refused("it leads to files of this machine")),
        Ok(_) => Ok(url),
        Err(error) => Err(refused(&error.to_string())),
    }
}

/// `base` with the steps of `relative` taken; `None` when these leave its server.
fn join(base: &str, relative: &str) -> Option<String> {
    let mut base = base.trim_end_matches('/').to_owned();
    // What cannot be left: the server, or the root.
    let (top, divider) = match base.find("://") {
        Some(at) => (at + 3 + base[at + 3..].find('/')?, '/'),
        None if base.starts_with('/') => (0, '/'),
        None => (base.find(':')?, ':'),
    };
    let mut rest = relative;
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            if base.len() <= top {
                return None;
            }
            let at = base.rfind('/').filter(|at| *at > top).unwrap_or(top);
            base.truncate(at);
            rest = after;
        } else {
            break;
        }
    }
    let divider = if base.len() > top { '/' } else { divider };
    Some(format!("{base}{divider}{}", rest.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_as_git_writes_them() {
        let text = b"# x\n[submodule \"lib/a\\\"b\"]\n\tpath = lib/a\n\turl = ../a.git ; there\n\tupdate = merge\n\
            [core]\n\tpath = x\n[Submodule \"c\"]\n\tPath = \"c d\"\n\turl = https://h/c\n\tupdate = none\n[submodule \"e\"]\n";
        let found = read(text).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].name.as_str(), found[0].path.as_str()), ("lib/a\"b", "lib/a"));
        assert_eq!((found[0].url.as_str(), found[0].idle), ("../a.git", false));
        assert_eq!((found[1].path.as_str(), found[1].idle), ("c d", true));
    }

    #[test]
    fn names_and_paths_that_leave_are_refused() {
        let with = |name: &str, path: &str| {
            read(format!("[submodule \"{name}\"]\npath = {path}\nurl = https://h/x\n").as_bytes())
        };
        assert_eq!(with("a", "b").unwrap().len(), 1);
        for name in ["..", "a/../../b", "/a", "a/", "", "-a", ".git", "a\u{1b}b", "a\\\\b", "x/.GIT/hooks"] {
            assert!(matches!(with(name, "b"), Err(SubmoduleError::Name(_))), "{name}");
        }
        for path in ["..", "a/../b", "/a", "-a", ".git/hooks", "a//b", "\"a\\nb\"", "a/git~1"] {
            assert!(matches!(with("a", path), Err(SubmoduleError::Path(_))), "{path}");
        }
        let command = b"[submodule \"a\"]\nupdate = \"!touch x\"\n";
        assert_eq!(read(command), Err(SubmoduleError::Command("a".into())));
        assert_eq!(read(b"\xff"), Err(SubmoduleError::File));
        assert_eq!(read(&vec![b' '; LARGEST + 1]), Err(SubmoduleError::File));
    }

    #[test]
    fn relative_addresses_begin_at_the_repositorys_own() {
        let from = |base: &str, url: &str| {
            let one = Declared { path: "p".into(), url: url.into(), ..Declared::default() };
            address(&one, base, base.starts_with('/'))
        };
        let joined = [
            ("https://h/a/b.git", "../c.git", "https://h/a/c.git"),
            ("https://me:pw@h:1/a/b/", "../../c", "https://me:pw@h:1/c"),
            ("https://h/a/b", "./c/", "https://h/a/b/c"),
            ("git@h:a/b.git", "../c", "git@h:a/c"),
            ("git@h:b.git", "../c", "git@h:c"),
            ("/srv/a", "../c", "/srv/c"),
            ("https://h/a", "https://g/c", "https://g/c"),
        ];
        for (base, url, meant) in joined {
            assert_eq!(from(base, url).as_deref(), Ok(meant), "{base} {url}");
        }
        for (base, url) in [
            ("https://h/a", "../../evil"),
            ("git@h:a", "../../evil"),
            ("/a", "../../x"),
            ("https://h/a", "file:///etc"),
            ("https://h/a", "/etc"),
            ("https://h/a", "ext::sh -c x"),
            ("https://h/a", "ext::x"),
            ("https://h/a", "-uX"),
            ("https://h/a", "ssh://-oProxyCommand=x/y"),
            ("https://h/a", "ftp://h/x"),
            ("https://h/a", "../b\u{7}"),
        ] {
            assert!(matches!(from(base, url), Err(SubmoduleError::Url(..))), "{base} {url}");
        }
    }
}
