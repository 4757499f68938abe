//! What is taken down of a run, for the next one. Pure.

use std::collections::BTreeSet;

use super::batch::Kinds;
use super::memory::Memory;
use super::outcome::Outcome;
use super::select::Plan;

/// So many paths are remembered of what one file reads.
const MOST_READS: usize = 2000;

/// Takes down what came of a run. `files` are the project's, when all of its tests were in it.
pub(super) fn remember(memory: &mut Memory, outcome: &Outcome, files: Option<&[String]>) {
    if !outcome.is_whole() {
        return;
    }
    let is_all = files.is_some();
    memory.blind = outcome.blind || (memory.blind && !is_all);
    if let Some((names, strict)) = &outcome.modules {
        memory.strict = *strict || (memory.strict && !is_all);
        if is_all {
            memory.sets.clear();
        }
        memory.sets.extend(outcome.sets.iter().cloned());
        let known: BTreeSet<&String> = memory.modules.iter().collect();
        let new: Vec<String> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        // A selected run imports less than a whole one; what is no longer imported goes with the next whole one.
        if is_all {
            memory.modules.clone_from(names);
        } else {
            memory.modules.extend(new);
        }
    }
    let Some(collected) = &outcome.collected else { return };
    if is_all {
        memory.rootdir = Some(collected.rootdir.clone());
        memory.ini.clone_from(&collected.ini);
        memory.patterns.clone_from(&collected.patterns);
        memory.doctests.clone_from(&collected.doctests);
        memory.files.retain(|file, _| collected.files.contains_key(file));
    }
    memory.coverage = collected.coverage;
    for file in collected.files.keys() {
        memory.files.entry(file.clone()).or_default();
    }
    if let Some(files) = files {
        let kinds = Kinds::of(memory);
        let left = files.iter().filter(|file| !memory.files.contains_key(*file) && kinds.is_test(file));
        memory.left = left.cloned().collect();
    }
    for (owner, paths) in &outcome.reads {
        let mut all: BTreeSet<String> = paths.iter().filter(|path| is_worth(path)).cloned().collect();
        // A module that was imported for another test reads nothing this time.
        all.extend(memory.reads.remove(owner).into_iter().flatten());
        memory.reads.insert(owner.clone(), all.into_iter().take(MOST_READS).collect());
    }
    memory.spawned.extend(outcome.spawned.iter().cloned());
}

/// Takes down what came of each file, and marks the results that were others before at the same bytes.
pub(super) fn remember_files(memory: &mut Memory, whole: &str, outcome: &mut Outcome, plan: Option<&Plan>) {
    let Some(collected) = outcome.collected.as_ref().filter(|_| outcome.is_whole()) else { return };
    let broken = outcome.failed.keys();
    let files: BTreeSet<&String> = collected.files.keys().chain(broken).collect();
    let mut turned = BTreeSet::new();
    for file in files {
        let record = memory.files.entry(file.clone()).or_default();
        let signature = plan.and_then(|plan| plan.signatures.get(file)).cloned();
        let failed = outcome.failed.get(file).cloned().unwrap_or_default();
        if signature.is_some() && record.last == signature {
            let (before, after): (BTreeSet<&String>, BTreeSet<&String>) =
                (record.failed.iter().collect(), failed.iter().collect());
            let flaky: Vec<String> = before.symmetric_difference(&after).map(|id| (*id).clone()).collect();
            turned.extend(flaky.iter().cloned());
            record.flaky.extend(flaky);
        }
        record.good = signature.clone().filter(|_| failed.is_empty());
        record.last = signature;
        record.ran_at = Some(whole.to_owned());
        record.failed = failed;
        record.tests = collected.files.get(file).copied().unwrap_or(record.tests);
        record.milliseconds = outcome.milliseconds.get(file).copied().unwrap_or_default();
    }
    outcome.results.iter_mut().for_each(|result| result.flaky = turned.contains(&result.name));
}

/// Whether a path that was read can change what a test does: pytest's own droppings cannot.
fn is_worth(path: &str) -> bool {
    let is_dropping = path.contains("__pycache__") || path.contains("pytest-cache-files-");
    !is_dropping && !path.starts_with('.') && !path.contains("/.")
}
