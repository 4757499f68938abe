//! When a repository's dependency files last changed, and when their oldest pin was written: the dates as of
//! which its packages once fitted together.

use std::path::Path;

use git2::{BlameOptions, Commit, Oid, Repository};

use super::inspect::open;
use crate::base::time::Timestamp;

/// What the history says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// When one of the files last changed; `None` when the history does not reach back to it.
    pub changed: Option<Timestamp>,
    /// When the oldest line that pins a version was written; `None` when nothing is pinned or the history does
    /// not say.
    pub oldest_pin: Option<Timestamp>,
    /// The commit that is checked out.
    pub head: Timestamp,
    /// The history is cut off, so that only `head` is sure.
    pub shallow: bool,
}

/// More commits than this are not walked: a date is a help, not worth a minute.
const COMMITS: usize = 50_000;
/// Blame costs the whole history of a file for each of its lines.
const BLAMED_COMMITS: usize = 5_000;

/// Reads the dates of `files`, paths in the repository, from the history of `commit`, or of HEAD.
///
/// # Errors
/// The folder is no repository, or it has no commit.
pub fn dates(repo: &Path, commit: Option<&str>, files: &[String]) -> Result<Dates, git2::Error> {
    let repo = open(repo)?;
    let tip = match commit {
        Some(digits) => repo.find_commit(Oid::from_str(digits)?)?,
        None => repo.head()?.peel_to_commit()?,
    };
    let head = time(&tip);
    if repo.is_shallow() {
        return Ok(Dates { changed: None, oldest_pin: None, head, shallow: true });
    }
    let (changed, walked) = last_change(&repo, &tip, files)?;
    let oldest_pin = match changed {
        Some(_) if walked <= BLAMED_COMMITS => {
            files.iter().filter_map(|file| oldest_pin(&repo, &tip, file)).min()
        }
        _ => None,
    };
    Ok(Dates { changed, oldest_pin, head, shallow: false })
}

fn time(commit: &Commit<'_>) -> Timestamp {
    Timestamp(commit.time().seconds())
}

/// The commit that gave the files what they are now, and how many were looked at: back along parents that agree
/// about them, as `git log -- FILES` goes.
fn last_change(
    repo: &Repository,
    tip: &Commit<'_>,
    files: &[String],
) -> Result<(Option<Timestamp>, usize), git2::Error> {
    let here = entries(tip, files)?;
    if here.iter().all(Option::is_none) {
        return Ok((None, 0));
    }
    let mut commit = repo.find_commit(tip.id())?;
    for walked in 1..=COMMITS {
        let mut same = None;
        for parent in commit.parents() {
            if entries(&parent, files)? == here {
                same = Some(parent);
                break;
            }
        }
        match same {
            Some(parent) => commit = parent,
            None => return Ok((Some(time(&commit)), walked)),
        }
    }
    Ok((None, COMMITS))
}

fn entries(commit: &Commit<'_>, files: &[String]) -> Result<Vec<Option<Oid>>, git2::Error> {
    let tree = commit.tree()?;
    Ok(files.iter().map(|file| tree.get_path(Path::new(file)).ok().map(|entry| entry.id())).collect())
}

/// `None` for a file without pins, and for one whose history libgit2 cannot tell.
fn oldest_pin(repo: &Repository, tip: &Commit<'_>, file: &str) -> Option<Timestamp> {
    let blob = tip.tree().ok()?.get_path(Path::new(file)).ok()?.to_object(repo).ok()?.into_blob().ok()?;
    let text = String::from_utf8_lossy(blob.content());
    let mut options = BlameOptions::new();
    options.newest_commit(tip.id());
    let blame = repo.blame_file(Path::new(file), Some(&mut options)).ok()?;
    let pins = text.lines().enumerate().filter(|(_, line)| line.contains("=="));
    pins.filter_map(|(index, _)| {
        let hunk = blame.get_line(index + 1)?;
        repo.find_commit(hunk.final_commit_id()).ok().map(|commit| time(&commit))
    })
    .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use git2::{Signature, Time};

    /// A repository whose commits, one a day, hold these files.
    fn history(commits: &[&[(&str, &str)]]) -> (tempfile::TempDir, Repository) {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init(dir.path()).unwrap();
        for (day, files) in commits.iter().enumerate() {
            let mut builder = repo.treebuilder(None).unwrap();
            for (name, text) in *files {
                let blob = repo.blob(text.as_bytes()).unwrap();
                builder.insert(name, blob, 0o100_644).unwrap();
            }
            let tree = repo.find_tree(builder.write().unwrap()).unwrap();
            let me = Signature::new("me", "me@example.org", &Time::new(day as i64 * 86_400, 0)).unwrap();
            let parent = repo.head().ok().and_then(|head| head.peel_to_commit().ok());
            repo.commit(Some("HEAD"), &me, &me, "x", &tree, &parent.iter().collect::<Vec<_>>()).unwrap();
        }
        (dir, repo)
    }

    #[test]
    fn a_later_change_of_other_files_does_not_count() {
        let (dir, _) = history(&[
            &[("requirements.txt", "flask==1.0\n")],
            &[("requirements.txt", "flask==1.0\nclick==7.0\n"), ("a", "1")],
            &[("requirements.txt", "flask==1.0\nclick==7.0\n"), ("a", "2")],
        ]);
        let found = dates(dir.path(), None, &["requirements.txt".into()]).unwrap();
        let day = |count: i64| Timestamp(count * 86_400);
        assert_eq!(found.changed, Some(day(1)));
        assert_eq!(found.oldest_pin, Some(day(0)));
        assert_eq!((found.head, found.shallow), (day(2), false));
    }

    #[test]
    fn what_has_no_pins_has_no_oldest_one() {
        let (dir, repo) =
            history(&[&[("requirements.txt", "flask\n")], &[("requirements.txt", "flask\nclick\n")]]);
        let first = repo.head().unwrap().peel_to_commit().unwrap().parent(0).unwrap();
        let files = ["requirements.txt".to_owned(), "missing.txt".to_owned()];
        assert_eq!(dates(dir.path(), None, &files).unwrap().oldest_pin, None);
        let then = dates(dir.path(), Some(&first.id().to_string()), &files).unwrap();
        assert_eq!(then.changed, Some(Timestamp(0)));
        assert!(dates(dir.path(), Some("no digits"), &files).is_err());
    }
}
