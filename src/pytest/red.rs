//! What is red for the first time, and may not be so for plain pytest. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::memory::Memory;
use super::outcome::Outcome;

/// What is red, and whether plain pytest might not say so.
#[derive(Default)]
pub(super) struct Red {
    /// How many tests failed.
    pub(super) count: usize,
    /// A test failed that did not before, or none was found, and pytest was told which files to run.
    pub(super) is_doubtful: bool,
    /// A test passed that failed at the same bytes when pytest found all by itself.
    pub(super) is_unlike: bool,
    /// Whether some ran beside others.
    pub(super) side_by_side: bool,
    /// By file: tests that failed in a warm run, and not before.
    pub(super) warm: BTreeMap<String, Vec<String>>,
    /// The tests that failed, did not before, and may not be red for plain pytest.
    pub(super) new: BTreeSet<String>,
    /// Those that plain pytest has called red.
    pub(super) sure: BTreeSet<String>,
    /// Whether a save, or the end of time, came before the last word on the others.
    pub(super) is_left: bool,
}

impl Red {
    /// Takes in what came of a run.
    pub(super) fn add(&mut self, outcome: &Outcome, known: &BTreeSet<String>, is_warm: bool) {
        self.count += outcome.failed_count();
        self.side_by_side |= outcome.lanes > 1;
        let is_new = |id: &String| !known.contains(id);
        if outcome.is_named || is_warm {
            self.new.extend(outcome.failed.values().flatten().filter(|id| is_new(id)).cloned());
        } else if outcome.is_whole() {
            self.sure.extend(outcome.failed.values().flatten().cloned());
        }
        self.is_doubtful |= outcome.is_named && outcome.failed.values().flatten().any(is_new);
        // Where files are named a conftest that cannot be imported is the end of all; else it is one error.
        self.is_doubtful |= outcome.is_named && outcome.is_refused();
        if is_warm {
            for (file, tests) in &outcome.failed {
                let new: Vec<String> = tests.iter().filter(|id| is_new(id)).cloned().collect();
                if !new.is_empty() {
                    self.warm.insert(file.clone(), new);
                }
            }
        }
    }

    /// Whether one of these tests passed in a cold run.
    pub(super) fn is_denied_by(&self, cold: &Outcome) -> bool {
        let failed: BTreeSet<&String> = cold.failed.values().flatten().collect();
        self.warm.values().flatten().any(|id| !failed.contains(id))
    }
}

/// The tests that failed when they ran last, as plain pytest has it.
pub(super) fn known(memory: &Memory) -> BTreeSet<String> {
    let failed = memory.files.values().flat_map(|record| record.failed.iter());
    failed.filter(|id| !memory.unjudged.contains(*id)).cloned().collect()
}

/// Takes down on which failures nobody has had the last word: to the next run they are new, and have not had another outcome.
pub(super) fn remember(memory: &mut Memory, red: &Red) {
    if red.is_left {
        memory.unjudged.extend(red.new.iter().cloned());
        for (file, record) in &mut memory.files {
            if red.warm.contains_key(file) {
                record.last = None;
            }
        }
    } else {
        memory.unjudged.retain(|id| !red.new.contains(id));
    }
    memory.unjudged.retain(|id| !red.sure.contains(id));
    let failed: BTreeSet<&String> = memory.files.values().flat_map(|record| record.failed.iter()).collect();
    memory.unjudged.retain(|id| failed.contains(id));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pytest::memory::FileRecord;

    #[test]
    fn a_failure_is_known_when_somebody_has_had_the_last_word_on_it() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<String>>();
        let failed = |failed: &[&str]| FileRecord {
            failed: failed.iter().map(|id| (*id).to_owned()).collect(),
            ..FileRecord::default()
        };
        let mut memory = Memory::default();
        memory.files.insert("t.py".into(), failed(&["t.py::a", "t.py::b"]));
        let mut red = Red { new: ids(&["t.py::a"]), is_left: true, ..Red::default() };
        remember(&mut memory, &red);
        assert_eq!(known(&memory), ids(&["t.py::b"]));
        // What passes meanwhile is forgotten.
        memory.files.insert("t.py".into(), failed(&["t.py::b"]));
        remember(&mut memory, &Red::default());
        assert!(memory.unjudged.is_empty());
        memory.files.insert("t.py".into(), failed(&["t.py::a", "t.py::b"]));
        remember(&mut memory, &red);
        assert_eq!(known(&memory), ids(&["t.py::b"]));
        red.is_left = false;
        remember(&mut memory, &red);
        assert_eq!(known(&memory), ids(&["t.py::a", "t.py::b"]));
        // A run of plain pytest itself is the last word, too.
        red.is_left = true;
        remember(&mut memory, &red);
        remember(&mut memory, &Red { sure: ids(&["t.py::a"]), ..Red::default() });
        assert_eq!(known(&memory), ids(&["t.py::a", "t.py::b"]));
    }
}
