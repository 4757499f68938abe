//! Nothing of a project runs before a person has said so. A `devboot.toml` is trusted by its path and its content; what
//! is inferred from a project's files is trusted by the project's path, when the project is added by hand. What was
//! approved is kept, so that a change can be shown.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::FILE;
use crate::base::digest::Digest;
use crate::base::redact;
use crate::base::text::printable;
use crate::sys::dirs::Dirs;
use crate::sys::system::{ReadSystem, WriteSystem, replace};
use crate::sys::tree;

/// The largest record of an approval, in bytes.
const RECORD_LIMIT: u64 = 4 << 20;
/// After this long a difference is finished coarsely: what is compared may be made to take forever.
const DIFF_TIME: Duration = Duration::from_secs(2);

/// What is to be trusted: a project's root, without links in it, and the text of its `devboot.toml`, if it has one.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The root.
    pub root: &'a Path,
    /// The text; `None` when the pipeline is inferred.
    pub text: Option<&'a str>,
}

/// Whether what a pipeline says may be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It was approved as it is.
    Trusted,
    /// Nothing was approved here.
    New,
    /// Something else was approved here: the approved text, `None` when the pipeline was inferred then.
    Changed {
        /// The approved text.
        old: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    root: PathBuf,
    /// The digest and the text of the approved file; none for a pipeline that is inferred.
    file: Option<(Digest, String)>,
}

const VERSION: u32 = 1;

/// Whether a project was approved. A record that cannot be understood approves nothing.
pub fn state(system: &dyn ReadSystem, dirs: &Dirs, subject: Subject<'_>) -> Trust {
    let bytes = system.read(&record_path(dirs, subject.root), RECORD_LIMIT).ok();
    let record = bytes.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
    let Some(record) = record.filter(|record| record.version == VERSION && record.root == subject.root)
    else {
        return Trust::New;
    };
    match (&record.file, subject.text) {
        (None, None) => Trust::Trusted,
        (Some((digest, _)), Some(text)) if *digest == Digest::of(text.as_bytes()) => Trust::Trusted,
        _ => Trust::Changed { old: record.file.map(|(_, text)| text) },
    }
}

/// Approves a project as it is now. The record is readable by its owner alone and is replaced whole.
pub fn approve(system: &dyn WriteSystem, dirs: &Dirs, subject: Subject<'_>) -> io::Result<()> {
    let path = record_path(dirs, subject.root);
    tree::create(path.parent().unwrap_or(&dirs.state))?;
    let file = subject.text.map(|text| (Digest::of(text.as_bytes()), text.to_owned()));
    let record = Record { version: VERSION, root: subject.root.to_owned(), file };
    let bytes = serde_json::to_vec_pretty(&record).map_err(io::Error::other)?;
    replace(system, &path, &bytes, 0o600)
}

/// Forgets the approval of a project; fine when there is none.
pub fn revoke(system: &dyn WriteSystem, dirs: &Dirs, root: &Path) -> io::Result<()> {
    system.remove_file(&record_path(dirs, root))
}

fn record_path(dirs: &Dirs, root: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let name = Digest::of(root.as_os_str().as_bytes()).short();
    dirs.state.join("trust").join(format!("project-{name}.json"))
}

/// What changed since the approval, as a unified diff that is safe to show; empty when nothing did.
pub fn diff(old: Option<&str>, new: Option<&str>) -> String {
    let (before, after) = (old.unwrap_or_default(), new.unwrap_or_default());
    if before == after {
        return String::new();
    }
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(before, after);
    let [a, b] = [old, new].map(|text| if text.is_some() { FILE } else { "/dev/null" });
    let text = diff.unified_diff().header(a, b).to_string();
    text.lines().map(|line| printable(&redact::line(line)) + "\n").collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::real::RealSystem;

    const ROOT: &str = "/home/me/project";

    fn subject(text: Option<&str>) -> Subject<'_> {
        Subject { root: Path::new(ROOT), text }
    }

    #[test]
    fn trust_is_of_this_path_and_these_bytes() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::of_home(home.path());
        let state = |text| state(&RealSystem, &dirs, subject(text));
        let (one, two) = (Some("[stage.a]\nrun = 'x'\n"), Some("[stage.a]\nrun = 'y'\n"));
        assert_eq!((state(one), state(None)), (Trust::New, Trust::New));
        approve(&RealSystem, &dirs, subject(one)).unwrap();
        assert_eq!(state(one), Trust::Trusted);
        let Trust::Changed { old } = state(two) else { panic!("not changed") };
        assert!(diff(old.as_deref(), two).contains("-run = 'x'\n+run = 'y'\n"));
        assert_eq!(state(None), Trust::Changed { old }, "a file that is gone is a change");
        let elsewhere = Subject { root: Path::new("/home/me/other"), text: one };
        assert_eq!(super::state(&RealSystem, &dirs, elsewhere), Trust::New);
        revoke(&RealSystem, &dirs, Path::new(ROOT)).unwrap();
        revoke(&RealSystem, &dirs, Path::new(ROOT)).unwrap();
        assert_eq!(state(one), Trust::New);
    }

    #[test]
    fn what_is_inferred_is_trusted_by_its_path_until_a_file_appears() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::of_home(home.path());
        approve(&RealSystem, &dirs, subject(None)).unwrap();
        assert_eq!(state(&RealSystem, &dirs, subject(None)), Trust::Trusted);
        assert_eq!(state(&RealSystem, &dirs, subject(Some("x"))), Trust::Changed { old: None });
    }

    #[test]
    fn the_record_is_private_and_a_damaged_one_approves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::of_home(home.path());
        approve(&RealSystem, &dirs, subject(None)).unwrap();
        let record = record_path(&dirs, Path::new(ROOT));
        assert_eq!(fs::metadata(&record).unwrap().permissions().mode() & 0o777, 0o600);
        let other = fs::read_to_string(&record).unwrap().replace("\"version\": 1", "\"version\": 2");
        for broken in ["{", "", &other] {
            fs::write(&record, broken).unwrap();
            assert_eq!(state(&RealSystem, &dirs, subject(None)), Trust::New, "{broken}");
        }
    }

    #[test]
    fn a_shown_change_hides_secrets_and_cannot_move_the_cursor() {
        let shown = diff(Some("token = 'one'\n"), Some("token = 'two'\n\u{1b}[2J\n"));
        assert!(!shown.contains("one") && !shown.contains("two") && !shown.contains('\u{1b}'), "{shown}");
        assert_eq!(diff(None, None), "");
    }
}
