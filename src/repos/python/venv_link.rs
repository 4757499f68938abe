//! `.venv` in a repository: a link to its environment, for editors and for projects whose own words count on it. git
//! does not see it.

use std::io;
use std::path::Path;

use crate::repos::files::read_text;
use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, ReadSystem, WriteSystem, replace};

const NAME: &str = ".venv";

/// Files whose words show that a project counts on `.venv`.
const WORDS: [&str; 6] =
    ["Makefile", "README.md", ".vscode/settings.json", ".envrc", "noxfile.py", "justfile"];

/// Whether the project's own words count on `.venv`. Its `.gitignore` does not: templates list the name for everyone.
pub fn is_habit(system: &dyn ReadSystem, repo: &Path) -> bool {
    WORDS.iter().any(|file| read_text(system, &repo.join(file)).is_some_and(|text| names_it(&text)))
}

/// Whether a text has `.venv` as a folder of the repository itself: `~/.venv` and `my.venv` are others, `(.venv)` is
/// a prompt.
fn names_it(text: &str) -> bool {
    text.match_indices(NAME).any(|(at, name)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        let here = before.strip_suffix("./").unwrap_or(before);
        let starts = here.is_empty() || here.ends_with(|c: char| c.is_whitespace() || "\"'`=:{}".contains(c));
        starts && after.chars().next().is_none_or(|c| c.is_whitespace() || "/\"'`;,".contains(c))
    })
}

/// Points `.venv` of a repository to an environment. What is there already stays, unless it is a link into `envs`.
/// Returns whether the link is there now.
///
/// # Errors
/// The link or git's list of what it does not see cannot be written.
pub fn place(repo: &Path, env: &Path, envs: &Path) -> io::Result<bool> {
    let path = repo.join(NAME);
    match RealSystem.meta(&path)?.map(|meta| meta.kind) {
        None => {}
        Some(FileKind::Symlink(to)) if to == env => return Ok(true),
        Some(FileKind::Symlink(to)) if to.starts_with(envs) => RealSystem.remove_file(&path)?,
        Some(_) => return Ok(false),
    }
    exclude(repo)?;
    RealSystem.symlink(env, &path)?;
    Ok(true)
}

/// `/.venv` in `.git/info/exclude`, once. The pattern of a `.gitignore` with a slash at its end does not match links.
fn exclude(repo: &Path) -> io::Result<()> {
    let line = format!("/{NAME}");
    let path = repo.join(".git/info/exclude");
    let text = match RealSystem.read(&path, 1 << 20) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    if text.split(|byte| *byte == b'\n').any(|known| known == line.as_bytes()) {
        return Ok(());
    }
    let gap: &[u8] = if text.is_empty() || text.ends_with(b"\n") { b"" } else { b"\n" };
    let whole = [text.as_slice(), gap, line.as_bytes(), b"\n"].concat();
    replace(&RealSystem, &path, &whole, 0o644)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]
    use super::*;
    use crate::repos::git::inspect::is_pristine;
    use std::fs;

    #[test]
    fn the_link_is_placed_moved_and_not_seen_by_git() {
        let dir = tempfile::tempdir().unwrap();
        let (repo, envs) = (dir.path().join("repo"), dir.path().join("envs"));
        git2::Repository::init(&repo).unwrap();
        assert!(place(&repo, &envs.join("a"), &envs).unwrap());
        assert!(place(&repo, &envs.join("b"), &envs).unwrap());
        assert_eq!(fs::read_link(repo.join(".venv")).unwrap(), envs.join("b"));
        assert!(is_pristine(&repo).unwrap());
        let excluded = fs::read_to_string(repo.join(".git/info/exclude")).unwrap();
        assert_eq!(excluded.matches("/.venv\n").count(), 1);
        fs::remove_file(repo.join(".venv")).unwrap();
        fs::create_dir(repo.join(".venv")).unwrap();
        assert!(!place(&repo, &envs.join("b"), &envs).unwrap(), "the user's own stays");
    }

    #[test]
    fn a_habit_is_what_its_words_show() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(".gitignore"), ".venv/\n").unwrap();
        assert!(!is_habit(&RealSystem, dir.path()));
        fs::write(dir.path().join("Makefile"), "setup:\n\tpython -m venv ~/.venv\n").unwrap();
        assert!(!is_habit(&RealSystem, dir.path()), "that is one of the home");
        fs::write(
            dir.path().join("README.md"),
            "see https://h/.venv and x.venv and .venvs\n(.venv) me:~/x $ ls",
        )
        .unwrap();
        assert!(!is_habit(&RealSystem, dir.path()));
        fs::write(dir.path().join("README.md"), "run `./.venv/bin/python`").unwrap();
        assert!(is_habit(&RealSystem, dir.path()));
        fs::remove_file(dir.path().join("README.md")).unwrap();
        fs::write(dir.path().join("Makefile"), "setup:\n\tpython -m venv .venv\n").unwrap();
        assert!(is_habit(&RealSystem, dir.path()));
    }
}
