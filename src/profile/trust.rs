//! Profiles from a git address are applied only once a person has approved exactly these bytes. The last approved
//! content is kept, so that a change can be shown as a difference.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use similar::TextDiff;

use crate::base::digest::Digest;
use crate::base::redact;
use crate::base::text::printable;
use crate::sys::dirs::Dirs;
use crate::sys::system::{Attributes, ReadSystem, WriteSystem};

/// The largest record of an approval, in bytes.
const RECORD_LIMIT: u64 = 64 << 20;

/// A fetched profile and every file it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The git address it came from.
    pub url: String,
    /// The files by their path in the repository.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// A bundle without files yet.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), files: BTreeMap::new() }
    }

    /// The digest over all names and contents.
    pub fn digest(&self) -> Digest {
        Digest::of_parts(self.files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_slice()]))
    }

    /// The sum of all contents, in bytes.
    pub fn size(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }

    fn texts(&self) -> BTreeMap<String, String> {
        self.files
            .iter()
            .map(|(name, bytes)| (name.clone(), String::from_utf8_lossy(bytes).into_owned()))
            .collect()
    }
}

/// After this long a difference is finished coarsely: what is compared may be made to take forever.
const DIFF_TIME: Duration = Duration::from_secs(2);

/// Whether a fetched profile may be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Exactly these bytes were approved.
    Trusted,
    /// Nothing from this address was approved yet: the files and their texts.
    New {
        /// Texts by file, as they came; show them through [`show`].
        files: BTreeMap<String, String>,
    },
    /// Something else from this address was approved.
    Changed {
        /// The approved texts by file.
        old: BTreeMap<String, String>,
        /// The present texts by file.
        new: BTreeMap<String, String>,
    },
}

#[derive(Serialize, Deserialize)]
struct Record {
    version: u32,
    url: String,
    digest: Digest,
    files: BTreeMap<String, String>,
}

/// Whether the bundle was approved. A record that cannot be understood approves nothing.
pub fn state(system: &dyn ReadSystem, dirs: &Dirs, bundle: &Bundle) -> Trust {
    let record = system
        .read(&record_path(dirs, &bundle.url), RECORD_LIMIT)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok())
        .filter(|record| record.version == 1 && record.url == bundle.url);
    match record {
        None => Trust::New { files: bundle.texts() },
        Some(record) if record.digest == bundle.digest() => Trust::Trusted,
        Some(record) => Trust::Changed { old: record.files, new: bundle.texts() },
    }
}

/// Approves the bundle as it is now. The record is readable by its owner alone and is replaced whole.
pub fn approve(system: &dyn WriteSystem, dirs: &Dirs, bundle: &Bundle) -> io::Result<()> {
    let path = record_path(dirs, &bundle.url);
    let dir = trust_dir(dirs);
    make_dirs(system, &dir)?;
    let record =
        Record { version: 1, url: bundle.url.clone(), digest: bundle.digest(), files: bundle.texts() };
    let bytes = serde_json::to_vec_pretty(&record).map_err(io::Error::other)?;
    let fresh = path.with_extension("new");
    system.remove_file(&fresh)?;
    let written = system
        .write_new(&fresh, &bytes, &Attributes { mode: 0o600, ..Attributes::default() })
        .and_then(|()| system.sync(&fresh))
        .and_then(|()| system.rename(&fresh, &path))
        .and_then(|()| system.sync(&dir));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = system.remove_file(&fresh);
    }
    written
}

/// Forgets the approval of an address; fine when there is none.
pub fn revoke(system: &dyn WriteSystem, dirs: &Dirs, url: &str) -> io::Result<()> {
    system.remove_file(&record_path(dirs, url))
}

fn trust_dir(dirs: &Dirs) -> PathBuf {
    dirs.state.join("trust")
}

fn record_path(dirs: &Dirs, url: &str) -> PathBuf {
    trust_dir(dirs).join(format!("{}.json", Digest::of(url.as_bytes()).short()))
}

fn make_dirs(system: &dyn WriteSystem, dir: &Path) -> io::Result<()> {
    if system.meta(dir)?.is_some() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_dirs(system, parent)?;
    }
    match system.create_dir(dir, 0o700) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// A text as it may be shown: secrets masked, control characters made visible.
pub fn show(text: &str) -> String {
    text.lines().map(|line| printable(&redact::line(line)) + "\n").collect()
}

/// What changed between two sets of texts, as unified diffs, ready to be shown. The comparison is of the real
/// bytes: a line whose masked forms are equal still appears as removed and added.
pub fn diff(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> String {
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut out = String::new();
    for name in names {
        let [before, after] = [old, new].map(|texts| texts.get(name).map_or("", String::as_str));
        if before != after {
            let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(before, after);
            let header =
                [old, new].map(|texts| if texts.contains_key(name) { name.as_str() } else { "/dev/null" });
            out.push_str(&show(&diff.unified_diff().header(header[0], header[1]).to_string()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::sys::real::RealSystem;

    fn bundle(text: &str) -> Bundle {
        let mut bundle = Bundle::new("https://h/x");
        bundle.files.insert("profile.toml".into(), text.into());
        bundle
    }

    #[test]
    fn only_the_approved_bytes_are_trusted() {
        let home = tempfile::tempdir().unwrap();
        let dirs = Dirs::of_home(home.path());
        let (one, two) = (bundle("a = 1\n"), bundle("a = 2\n"));
        assert!(matches!(state(&RealSystem, &dirs, &one), Trust::New { .. }));
        approve(&RealSystem, &dirs, &one).unwrap();
        assert_eq!(state(&RealSystem, &dirs, &one), Trust::Trusted);
        let Trust::Changed { old, new } = state(&RealSystem, &dirs, &two) else { panic!("not changed") };
        assert!(diff(&old, &new).contains("-a = 1\n+a = 2\n"));
        approve(&RealSystem, &dirs, &two).unwrap();
        assert_eq!(state(&RealSystem, &dirs, &two), Trust::Trusted);
        let record = record_path(&dirs, "https://h/x");
        assert_eq!(std::fs::metadata(&record).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&record, "{").unwrap();
        assert!(
            matches!(state(&RealSystem, &dirs, &two), Trust::New { .. }),
            "a broken record approves nothing"
        );
        revoke(&RealSystem, &dirs, "https://h/x").unwrap();
        assert!(matches!(state(&RealSystem, &dirs, &one), Trust::New { .. }));
    }

    #[test]
    fn what_is_shown_hides_secrets_and_cannot_move_the_cursor() {
        let texts = |token: &str| [("p".to_owned(), format!("token = '{token}'\n\u{1b}[2Jx\n"))].into();
        let shown = diff(&texts("one"), &texts("two"));
        assert!(!shown.contains("one") && !shown.contains("two") && !shown.contains('\u{1b}'), "{shown}");
        assert!(shown.contains("-token") && shown.contains("+token"), "{shown}");
    }

    #[test]
    fn a_renamed_file_is_another_bundle() {
        let mut other = Bundle::new("https://h/x");
        other.files.insert("other.toml".into(), "a = 1\n".into());
        assert_ne!(other.digest(), bundle("a = 1\n").digest());
    }
}
