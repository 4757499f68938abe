//! A file as it was, sealed before something is taken out of it. Pure.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;

/// The names in the vault that hold such files begin so.
pub const PREFIX: &str = "backup/";

/// The largest file that is kept so, in bytes: a request to the service has to hold it.
pub const LARGEST: usize = 256 << 10;

/// A file as it was.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    /// Where it was: absolute.
    pub path: PathBuf,
    /// Its permission bits.
    pub mode: u32,
    /// What was in it.
    text: String,
}

impl Drop for Backup {
    fn drop(&mut self) {
        self.text.zeroize();
    }
}

impl Backup {
    /// Of a file with this text.
    pub fn new(path: &Path, mode: u32, text: &str) -> Self {
        Self { path: path.to_owned(), mode: mode & 0o777, text: text.to_owned() }
    }

    /// What was in it.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// In the form in which it is sealed; `None` where its path is not UTF-8.
    pub fn sealed(&self) -> Option<Secret<String>> {
        serde_json::to_string(self).ok().map(Secret::new)
    }

    /// Reads what was sealed; `None` where it is something else.
    pub fn read(secret: &Secret<String>) -> Option<Self> {
        let read: Self = serde_json::from_str(secret.expose()).ok()?;
        read.path.is_absolute().then_some(read)
    }
}

/// The name in the vault: the file's own and the time, with a number where that is taken.
pub fn name(path: &Path, now: Timestamp, is_taken: &dyn Fn(&str) -> bool) -> String {
    let file: String =
        printable(&path.file_name().unwrap_or_default().to_string_lossy()).chars().take(100).collect();
    let first = format!("{PREFIX}{}@{}", file.replace(['\t', ' '], "_"), now.compact());
    let mut names = std::iter::once(first.clone()).chain((2_u64..).map(|at| format!("{first}-{at}")));
    names.find(|name| !is_taken(name)).unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_comes_back_byte_for_byte() {
        let backup =
            Backup::new(Path::new("/h/.aws/credentials"), 0o100_640, "\u{feff}[a]\r\nx = \u{1}\"é\n");
        let again = Backup::read(&backup.sealed().unwrap()).unwrap();
        assert_eq!((again.path.as_path(), again.mode), (Path::new("/h/.aws/credentials"), 0o640));
        assert_eq!(again.bytes(), backup.bytes());
        for other in ["", "{}", "hush", r#"{"path":"x","mode":384,"text":""}"#] {
            assert!(Backup::read(&Secret::new(other.to_owned())).is_none(), "{other}");
        }
    }

    #[test]
    fn two_files_of_one_second_have_two_names() {
        let now = Timestamp(1_795_400_000);
        let first = name(Path::new("/h/.aws/cre dentials"), now, &|_| false);
        assert_eq!(first, "backup/cre_dentials@20261123T021320Z");
        let taken = first.clone();
        assert_eq!(name(Path::new("/x/cre dentials"), now, &move |name| name == taken), format!("{first}-2"));
    }
}
