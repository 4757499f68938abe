//! What is taken down of a run, for the next one. Pure.

use std::collections::{BTreeSet, HashMap};

use super::batch::{Kinds, settings};
use super::elsewhere::OWN;
use super::memory::Memory;
use super::outcome::Outcome;
use super::select::Plan;
use crate::base::digest::Digest;
use crate::run::event;

/// So many paths are remembered of what one file reads.
const MOST_READS: usize = 2000;

/// The files of a whole run, in which pytest found the tests by itself: what they held, and the digest of all settings.
pub(super) struct Whole<'a> {
    pub(super) files: &'a [String],
    pub(super) now: &'a HashMap<String, Digest>,
}

/// Takes down what came of a run.
pub(super) fn remember(memory: &mut Memory, outcome: &Outcome, whole: Option<&Whole<'_>>) {
    if !outcome.is_whole() {
        return;
    }
    let is_all = whole.is_some();
    memory.blind = !outcome.has_seen_all || (memory.blind && !is_all);
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
    memory.coverage = collected.coverage;
    memory.plugins.extend(collected.plugins.iter().cloned());
    memory.crowded &= !is_all || !outcome.failed.is_empty();
    if let Some(whole) = whole {
        let settings = settings(whole.files, whole.now);
        if memory.settings.as_ref() != Some(&settings) {
            memory.together = false;
        }
        // What a directory holds that cannot be collected is not known to be there.
        let is_file = |file: &String| whole.files.binary_search(file).is_ok() || whole.files.contains(file);
        memory.settings = outcome.failed.keys().all(is_file).then_some(settings);
        memory.plugins = collected.plugins.iter().cloned().collect();
        memory.rootdir = Some(collected.rootdir.clone());
        memory.ini.clone_from(&collected.ini);
        memory.patterns.clone_from(&collected.patterns);
        memory.doctests.clone_from(&collected.doctests);
        memory.files.retain(|file, _| collected.files.contains_key(file));
    }
    for file in collected.files.keys() {
        memory.files.entry(file.clone()).or_default();
    }
    if let Some(Whole { files, now }) = whole {
        let kinds = Kinds::of(memory);
        let left = files.iter().filter(|file| !memory.files.contains_key(*file) && kinds.is_test(file));
        let left = left.filter_map(|file| Some((file.clone(), now.get(file)?.short())));
        memory.left = left.collect();
    }
    remember_writes(memory, outcome, is_all);
    for (owner, paths) in &outcome.reads {
        let mut all: BTreeSet<String> = paths.iter().filter(|path| is_worth(path)).cloned().collect();
        // A module that was imported for another test reads nothing this time.
        all.extend(memory.reads.remove(owner).into_iter().flatten());
        memory.blind |= all.len() > MOST_READS;
        memory.reads.insert(owner.clone(), all.into_iter().take(MOST_READS).collect());
    }
    memory.spawned.extend(outcome.spawned.iter().cloned());
}

/// Takes down what a run wrote without having read it before. What a whole run did not write is no longer written.
fn remember_writes(memory: &mut Memory, outcome: &Outcome, is_all: bool) {
    let read: BTreeSet<&String> = outcome.reads.values().flatten().collect();
    let known: BTreeSet<&String> = memory.reads.values().flatten().collect();
    let is_new = |path: &&String| is_worth(path) && (!known.contains(path) || memory.made.contains(*path));
    let made: Vec<String> = outcome.made.iter().filter(is_new).take(MOST_READS).cloned().collect();
    if is_all {
        let writes: BTreeSet<&String> = outcome.writes.iter().collect();
        memory.made.retain(|path| writes.contains(path));
        memory.altered.retain(|path, _| writes.contains(path));
    }
    memory.made.retain(|path| outcome.made.contains(path) || !read.contains(path));
    memory.made.extend(made);
}

/// Takes down which of the files that a run wrote it left otherwise than they were. `held`: whether each of those that are known holds
/// something else now, and whether it was an input of the run. Of others the size has to do.
pub(super) fn remember_altered(
    memory: &mut Memory,
    (wrote, resized): (&BTreeSet<String>, &BTreeSet<String>),
    held: &HashMap<&String, (bool, bool)>,
) {
    for path in wrote.iter().filter(|path| is_worth(path)) {
        let known = held.get(path);
        let is_other = known.map_or_else(|| resized.contains(path), |(changed, _)| *changed);
        if !is_other {
            memory.altered.remove(path);
        } else if memory.altered.len() < MOST_READS {
            let times = memory.altered.entry(path.clone()).or_default();
            // A person may have saved an input meanwhile: it stays one until it is plain who does it.
            *times = if known.is_some_and(|(_, is_input)| *is_input) { *times + 1 } else { OWN };
        }
    }
}

/// Takes down what came of each file, and marks the results of tests that have had others at the same bytes. `as_found`: whether pytest
/// found all tests by itself.
pub(super) fn remember_files(
    memory: &mut Memory,
    (whole, as_found): (&str, bool),
    outcome: &mut Outcome,
    plan: Option<&Plan>,
) {
    let Some(collected) = outcome.collected.as_ref().filter(|_| outcome.is_whole()) else { return };
    // A run that ends otherwise than its tests say has something to say that is not theirs.
    let is_explained = matches!(outcome.code, Some(0 | 5)) || !outcome.failed.is_empty();
    let mut ended: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for result in outcome.of_tests() {
        ended.entry(&result.file).or_default().insert(&result.name);
    }
    // One that was broken off before its turn says nothing.
    let ran = |file: &str| {
        let count = collected.files.get(file).map_or(0, |count| *count as usize);
        is_explained && ended.get(file).map_or(0, BTreeSet::len) >= count
    };
    let ran: BTreeSet<String> = collected.files.keys().filter(|file| ran(file)).cloned().collect();
    let mut skipped: HashMap<&str, u32> = HashMap::new();
    for result in outcome.of_tests().filter(|result| result.outcome == event::Outcome::Skipped) {
        *skipped.entry(&result.file).or_default() += 1;
    }
    let mut is_unlike = false;
    let broken = outcome.failed.keys();
    let files: BTreeSet<&String> = collected.files.keys().chain(broken).collect();
    for file in files {
        let record = memory.files.entry(file.clone()).or_default();
        if !ran.contains(file) && !outcome.failed.contains_key(file) {
            // What is known of it is as true as before.
            continue;
        }
        let signature = plan.and_then(|plan| plan.signatures.get(file)).cloned();
        let failed = outcome.failed.get(file).cloned().unwrap_or_default();
        if let Some(now) = signature.as_ref().filter(|_| record.last == signature) {
            let (before, after): (BTreeSet<&String>, BTreeSet<&String>) =
                (record.failed.iter().collect(), failed.iter().collect());
            let flaky: Vec<String> = before.symmetric_difference(&after).map(|id| (*id).clone()).collect();
            is_unlike |= record.as_found && !as_found && before.difference(&after).next().is_some();
            record.turned(now, flaky);
        }
        let ran = ran.contains(file);
        record.good = signature.clone().filter(|_| ran && failed.is_empty());
        record.last = signature.filter(|_| ran);
        record.ran_at = ran.then(|| whole.to_owned());
        (record.failed, record.as_found) = (failed, as_found);
        record.tests = collected.files.get(file).copied().unwrap_or(record.tests);
        record.skipped = skipped.get(file.as_str()).copied().unwrap_or_default();
        record.milliseconds = outcome.milliseconds.get(file).copied().unwrap_or_default();
    }
    outcome.is_unlike = is_unlike;
    mark(memory, outcome, plan);
}

/// Takes down which of the tests that were asked for by name came out otherwise than in the last run of their file, at the
/// same bytes. Else what came of them says nothing of the file.
pub(super) fn remember_named(memory: &mut Memory, outcome: &mut Outcome, plan: Option<&Plan>) {
    let Some(plan) = plan.filter(|_| outcome.is_whole()) else { return };
    for result in outcome.results.iter().filter(|result| result.outcome != event::Outcome::Skipped) {
        let (Some(now), Some(record)) =
            (plan.signatures.get(&result.file), memory.files.get_mut(&result.file))
        else {
            continue;
        };
        let is_other = record.failed.contains(&result.name) != result.outcome.is_failure();
        if record.last.as_ref() == Some(now) && is_other {
            record.turned(now, [result.name.clone()]);
        }
    }
    mark(memory, outcome, Some(plan));
}

/// Marks the results of tests that have had two outcomes at these bytes.
fn mark(memory: &Memory, outcome: &mut Outcome, plan: Option<&Plan>) {
    let signature = |file: &String| plan.and_then(|plan| plan.signatures.get(file));
    for result in &mut outcome.results {
        let known = memory.files.get(&result.file).zip(signature(&result.file));
        result.flaky = known.is_some_and(|(record, now)| record.is_flaky(now, &result.name));
    }
}

/// Whether a path that was read can change what a test does: the droppings of Python, pytest and git cannot.
fn is_worth(path: &str) -> bool {
    let is_dropping = |part: &str| {
        matches!(part, "__pycache__" | ".pytest_cache" | ".git" | ".hypothesis" | ".mypy_cache")
            || part.starts_with(".coverage")
            || part.starts_with("pytest-cache-files-")
    };
    !path.split('/').any(is_dropping)
}
