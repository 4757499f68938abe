//! What a run of pytest tells: lines of JSON from `python/reporter.py`. They come from a process that runs the project's code, so
//! nothing in them is believed further than it can do harm: lengths are bounded, what cannot be read is left out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::run::event::{Outcome, Tests};

/// The longest line that is read, in bytes.
const LINE: usize = 8 << 20;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Told {
    /// It begins, in a process that is there.
    Begun {
        /// When, in microseconds of the clock that no one sets.
        at: u64,
    },
    /// How many tests each file has.
    Collected(Collected),
    /// A file or package could not be collected.
    Broken(Failed),
    /// A file left out all its tests before any was found.
    Skipped {
        /// Its node id.
        id: String,
        /// Its file.
        file: String,
        /// Why.
        #[serde(default)]
        message: String,
    },
    /// A test has ended; of one that fails in its teardown there are two.
    Test {
        /// Its node id.
        id: String,
        /// Its file.
        file: String,
        /// What came of it.
        outcome: Outcome,
        /// How long it took, in milliseconds.
        ms: f64,
        /// What pytest prints of the failure.
        #[serde(default)]
        text: String,
        /// The file where it failed.
        #[serde(default)]
        path: Option<String>,
        /// The line there.
        #[serde(default)]
        line: Option<u32>,
        /// Its last word, or why it was left out.
        #[serde(default)]
        message: String,
        /// What failed around it: `setup` or `teardown`.
        #[serde(default)]
        when: String,
        /// The line where the test stands, of one that failed.
        #[serde(default)]
        stands: Option<u32>,
        /// How pytest counts it, where its parts count besides.
        #[serde(default)]
        counts: Option<Tests>,
    },
    /// What was read, by the test file or the module that it was read for.
    Reads {
        /// The paths, relative to the root; outside of the project they are whole.
        reads: BTreeMap<String, Vec<String>>,
        /// Whether they are all.
        whole: bool,
        /// What was opened to be written.
        #[serde(default)]
        writes: Vec<String>,
        /// Of that, what was not read before.
        #[serde(default)]
        made: BTreeSet<String>,
        /// Of that, what has another size now.
        #[serde(default)]
        altered: Vec<String>,
        /// Test files that started other programs, which read what nobody has seen.
        #[serde(default)]
        spawned: Vec<String>,
    },
    /// The modules that are no part of the project, in the order of their import; of a run of named files in a process that
    /// was warmed up only those that it had not.
    Modules {
        /// Their names.
        names: Vec<String>,
        /// Whether the project makes errors of warnings.
        #[serde(default)]
        strict: bool,
        /// The variables that the project sets while it is imported.
        #[serde(default)]
        sets: BTreeSet<String>,
    },
    /// It has ended.
    End {
        /// With this exit code.
        code: i32,
        /// When its tests had, as for `Begun`.
        #[serde(default)]
        at: u64,
    },
    /// Its process, which was warmed up, would answer otherwise than a new one, and ends.
    Unfit {
        /// Why: a sentence without its end.
        why: String,
    },
    /// Its process has nothing left to do or to say but to go, with this exit code.
    Gone {
        /// The exit code.
        code: i32,
    },
}

/// What was found before anything ran.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Collected {
    /// How many tests each file has; one may have none.
    pub files: BTreeMap<String, u32>,
    /// When, as for [`Told::Begun`].
    pub at: u64,
    /// The directory that node ids are relative to.
    pub rootdir: String,
    /// The file with its settings.
    pub ini: Option<String>,
    /// The names of Python files that hold tests, as patterns.
    pub patterns: Vec<String>,
    /// The names of files that hold doctests, as patterns.
    pub doctests: Vec<String>,
    /// Whether coverage is measured.
    pub coverage: bool,
    /// The project's files that are plugins of the run, conftests among them.
    pub plugins: Vec<String>,
}

/// What could not be collected.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Failed {
    /// Its node id.
    pub id: String,
    /// Its file.
    pub file: String,
    /// The file where it failed.
    #[serde(default)]
    pub path: Option<String>,
    /// The line there.
    #[serde(default)]
    pub line: Option<u32>,
    /// Its last word.
    #[serde(default)]
    pub message: String,
    /// What pytest prints of it.
    #[serde(default)]
    pub text: String,
}

/// Puts lines together from what comes in pieces.
#[derive(Debug, Default)]
pub struct Lines {
    part: Vec<u8>,
    skipping: bool,
}

impl Lines {
    /// The events whose lines end in these bytes.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Told> {
        let mut told = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.ends_with(b"\n");
            if self.part.len() + piece.len() > LINE {
                self.skipping = true;
                self.part.clear();
            }
            if !self.skipping {
                self.part.extend_from_slice(piece);
            }
            if ends {
                if !self.skipping {
                    told.extend(serde_json::from_slice::<Told>(&self.part).ok());
                }
                self.part.clear();
                self.skipping = false;
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text = b"{\"event\":\"end\",\"code\":1,\"at\":5}\n{\"event\":\"later\"}\ngarbage\n\
            {\"event\":\"test\",\"id\":\"a.py::b\",\"file\":\"a.py\",\"outcome\":\"xpassed\",\"ms\":0.5}\n";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let mut told = lines.push(&text[..cut]);
            told.extend(lines.push(&text[cut..]));
            assert_eq!(told.len(), 2, "{cut}");
            assert_eq!(told[0], Told::End { code: 1, at: 5 });
            assert!(
                matches!(&told[1], Told::Test { outcome: Outcome::Xpassed, text, .. } if text.is_empty())
            );
        }
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_not_the_next_line() {
        let mut lines = Lines::default();
        for _ in 0..20 {
            assert!(lines.push(&vec![b'x'; 1 << 20]).is_empty());
        }
        assert!(lines.part.len() <= LINE);
        assert_eq!(lines.push(b"\n{\"event\":\"end\",\"code\":0}\n"), [Told::End { code: 0, at: 0 }]);
    }
}
