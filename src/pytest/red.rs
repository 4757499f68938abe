//! What is red for the first time, and may not be so for plain pytest. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::memory::Memory;
use super::outcome::Outcome;

/// What is red, and whether plain pytest might not say so.
#[derive(Default)]
pub(super) struct Red {
    /// How many tests failed.
    pub(super) count: usize,
    /// A test failed that did not before, and pytest was told which files to run.
    pub(super) is_doubtful: bool,
    /// Whether some ran beside others.
    pub(super) side_by_side: bool,
    /// By file: tests that failed in a warm run, and not before.
    pub(super) warm: BTreeMap<String, Vec<String>>,
}

impl Red {
    /// Takes in what came of a run.
    pub(super) fn add(&mut self, outcome: &Outcome, known: &BTreeSet<String>, is_warm: bool) {
        self.count += outcome.failed_count();
        self.side_by_side |= outcome.lanes > 1;
        let is_new = |id: &String| !known.contains(id);
        self.is_doubtful |= outcome.is_named && outcome.failed.values().flatten().any(is_new);
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

/// The tests that failed when they ran last.
pub(super) fn known(memory: &Memory) -> BTreeSet<String> {
    memory.files.values().flat_map(|record| record.failed.iter().cloned()).collect()
}
