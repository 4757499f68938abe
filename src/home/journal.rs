//! The journal of one run: everything that it will do, written down before it is done.
//!
//! A journal is complete before the first change, and every change is whole or did not happen. So recovery
//! needs no marks for single steps: it looks which steps' results are there.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::entry::{Key, State};
use super::ledger::Record;
use crate::base::digest::Digest;
use crate::base::path::HomePath;
use crate::base::time::Timestamp;

/// The version of the file's format.
pub const FORMAT: u32 = 1;

/// The name of a run: its time in UTC, and a number when two began in one second. Sorts by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// Its name.
    pub id: RunId,
    /// When it began.
    pub started: Timestamp,
    /// The command that did it, for people: `setup`, `undo`.
    pub command: String,
    /// The run that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<RunId>,
    /// What it does, in order.
    pub steps: Vec<JournalStep>,
    /// Directories that it makes, parents first.
    pub dirs: Vec<HomePath>,
    /// Directories that it takes away, children first.
    #[serde(default)]
    pub removed_dirs: Vec<HomePath>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalStep {
    /// The path as the entries name it.
    pub path: HomePath,
    /// The path that is written: another one when the first is a symbolic link.
    pub at: HomePath,
    /// What stands there.
    pub before: State,
    /// What will stand there.
    pub after: State,
    /// The blocks that change, when the file is not ours as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<BlockChange>,
    /// The ledger records that change.
    pub records: Vec<RecordChange>,
}

/// A block before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockChange {
    /// The block's name.
    pub id: String,
    /// How its comments start.
    pub comment: String,
    /// Its lines before; `None` when it was not there.
    pub before: Option<String>,
    /// Its lines after; `None` when it goes.
    pub after: Option<String>,
    /// A line feed was added before it.
    pub gap: bool,
    /// It stood, or will stand, at the top.
    pub top: bool,
}

/// A ledger record before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordChange {
    /// Which.
    pub key: Key,
    /// Before.
    pub before: Option<Record>,
    /// After.
    pub after: Option<Record>,
}

impl RunId {
    /// The name of a run that begins at `time`; `number` tells runs of one second apart, 0 for the first.
    pub fn new(time: Timestamp, number: u32) -> Self {
        Self(match number {
            0 => time.compact(),
            number => format!("{}-{number}", time.compact()),
        })
    }

    /// Reads a name as a person types it; only what [`new`](Self::new) makes is accepted, so it is safe as a
    /// file name.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, number) = text.split_once('-').unwrap_or((text, "0"));
        let safe = time.len() == 16 && time.chars().all(|c| c.is_ascii_digit() || matches!(c, 'T' | 'Z'));
        (safe && number.len() < 6 && number.parse::<u32>().is_ok()).then(|| Self(text.to_owned()))
    }

    /// What runs are sorted by. The number after the time is compared as a number: the tenth run of a second
    /// follows the ninth.
    pub(super) fn order(&self) -> (String, u32) {
        let (time, number) = self.0.split_once('-').unwrap_or((&self.0, "0"));
        (time.to_owned(), number.parse().unwrap_or(0))
    }

    /// The next name of the same second.
    pub(super) fn following(&self) -> Self {
        let (time, number) = self.order();
        Self(format!("{time}-{}", number + 1))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Journal {
    /// Every digest that the store has to keep so that this run can be taken back.
    pub fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        self.steps.iter().flat_map(|step| [&step.before, &step.after]).filter_map(|state| match state {
            State::File { digest, .. } => Some(*digest),
            _ => None,
        })
    }

    /// The temporary file that step `index` writes beside its target.
    pub fn temporary(&self, index: usize) -> String {
        format!(".devboot-{}-{index}.tmp", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_names_are_safe_file_names() {
        let id = RunId::new(Timestamp(1_763_863_200), 2);
        assert_eq!(RunId::parse(id.as_str()), Some(id));
        for bad in ["", "../../etc", "20251123T020000Z-/x", "20251123T020000Z-", "2025"] {
            assert_eq!(RunId::parse(bad), None, "{bad}");
        }
    }
}
