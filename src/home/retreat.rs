//! The ways back: entries that are no longer asked for, `uninstall`, and `undo` of one run.
//!
//! All of them make an ordinary [`Plan`], so that going back is journalled and can itself be undone. What the
//! user has changed since is theirs and stays.

use std::collections::{BTreeMap, BTreeSet};

use super::actual::{Actual, Obstacle};
use super::block::Markers;
use super::entry::{Content, Key, Position, State};
use super::journal::{BlockChange, Journal, JournalStep, RecordChange};
use super::ledger::{Original, Record, Written};
use super::plan::{Cause, Conflict, Plan, PlanError, Resolution, Situation, Step, dated, plan};
use crate::base::digest::Digest;
use crate::base::path::HomePath;

/// The plan that takes back everything devboot ever wrote: the plan for nothing at all.
pub fn uninstall(situation: &Situation<'_>) -> Result<Plan, PlanError> {
    let mut plan = plan(&Situation { entries: &[], ..*situation })?;
    let mut dirs: Vec<_> = situation.ledger.dirs.iter().cloned().collect();
    dirs.sort_by_key(|dir| std::cmp::Reverse(dir.as_str().matches('/').count()));
    plan.remove_dirs = dirs;
    Ok(plan)
}

/// Adds to `plan` what takes back the records that no entry asks for any more.
pub(super) fn retire(situation: &Situation<'_>, plan: &mut Plan) {
    let asked: BTreeSet<Key> = situation.entries.iter().map(super::entry::Entry::key).collect();
    let mut blocks: BTreeMap<&HomePath, Vec<(&Key, &Record)>> = BTreeMap::new();
    let mut wholes = Vec::new();
    for (key, record) in situation.ledger.records.iter().filter(|(key, _)| !asked.contains(key)) {
        match record.written {
            Written::Block { .. } => blocks.entry(&key.path).or_default().push((key, record)),
            Written::Whole(_) => wholes.push((key, record)),
        }
    }
    // Blocks go first: no rc file names a file that is gone. Deep paths go before the directories they are in.
    for (path, group) in blocks {
        retire_blocks(situation, path, &group, plan);
    }
    wholes.sort_by_key(|(key, _)| std::cmp::Reverse(key.path.as_str().matches('/').count()));
    for (key, record) in wholes {
        retire_whole(situation, key, record, plan);
    }
}

fn forget(key: &Key, record: &Record) -> RecordChange {
    RecordChange { key: key.clone(), before: Some(record.clone()), after: None }
}

fn retire_whole(situation: &Situation<'_>, key: &Key, record: &Record, plan: &mut Plan) {
    let (Some(actual), Written::Whole(written), Original::Whole(original)) =
        (situation.actual.get(&key.path), &record.written, &record.original)
    else {
        return;
    };
    let now = actual.content.state();
    if now.matches(original) || *written == State::Dir && *original == State::Absent && now == State::Absent {
        plan.records.push(forget(key, record));
    } else if actual.obstacle.as_ref().is_some_and(|o| *o != Obstacle::ReadOnly)
        || !(written.matches(&now) || record.generated)
    {
        if let Some(why) = set_aside(situation, key, record, original, plan) {
            plan.conflicts.push(retire_conflict(key, actual, why));
            return;
        }
        plan.released.push(key.clone());
        plan.records.push(forget(key, record));
    } else {
        match content(original, situation.stored) {
            Some(after) => {
                let mut step = bare_step(&key.path, actual, after, vec![forget(key, record)]);
                step.modified = modified(original);
                step.generated = record.generated;
                plan.steps.push(step);
            }
            None => {
                let gone = Obstacle::Unreadable("the copy of the original file is gone".into());
                plan.conflicts.push(retire_conflict(key, actual, gone));
            }
        }
    }
}

fn retire_conflict(key: &Key, actual: &Actual, obstacle: Obstacle) -> Conflict {
    Conflict {
        key: key.clone(),
        origin: "devboot".into(),
        cause: Cause::Obstacle(obstacle),
        mine: actual.content.clone(),
        new: Content::Absent,
        base: None,
    }
}

/// Where the user's file goes that devboot had replaced, when the user's own changes keep its place.
pub(super) fn aside(key: &Key, record: &Record) -> Option<HomePath> {
    match record.original {
        Original::Whole(State::File { .. }) => {
            HomePath::parse(&format!("{}.before-devboot", key.path.as_str())).ok()
        }
        _ => None,
    }
}

/// Once nobody remembers the record, the only copy of the file that stood there first would go with the store: it
/// is put beside the edited one. Why it cannot be comes back.
fn set_aside(
    situation: &Situation<'_>,
    key: &Key,
    record: &Record,
    original: &State,
    plan: &mut Plan,
) -> Option<Obstacle> {
    let path = aside(key, record)?;
    // The copy may be gone; the user's edited file stays in any case, and nothing more can be given back.
    let after = content(original, situation.stored)?;
    let there = situation.actual.get(&path)?;
    if there.content.state().matches(original) {
        return None;
    }
    if there.content != Content::Absent || there.obstacle.is_some() {
        return Some(Obstacle::Unreadable(format!("{path} is in the way of the file that stood here first")));
    }
    let mut step = bare_step(&path, there, after, Vec::new());
    step.modified = modified(original);
    plan.steps.push(step);
    None
}

fn retire_blocks(situation: &Situation<'_>, path: &HomePath, group: &[(&Key, &Record)], plan: &mut Plan) {
    let Some(actual) = situation.actual.get(path) else { return };
    let existing = plan.steps.iter().position(|step| step.path == *path);
    let mut bytes = match existing {
        Some(index) => plan.steps[index].after.bytes().to_vec(),
        None => actual.content.bytes().to_vec(),
    };
    let mut changes = Vec::new();
    let mut records = Vec::new();
    for (key, record) in group {
        let (Some(id), Written::Block { body, comment }) = (&key.block, &record.written) else { continue };
        let gap = matches!(record.original, Original::Block { gap: true, .. });
        let markers = Markers::new(comment, id);
        let found = match markers.find(&bytes) {
            Ok(Some(found)) => String::from_utf8_lossy(&bytes[found.body]).into_owned(),
            Ok(None) if actual.obstacle.is_none() => {
                plan.records.push(forget(key, record));
                continue;
            }
            _ => String::new(),
        };
        let taken =
            (Digest::of(found.as_bytes()) == *body).then(|| markers.take(&bytes, gap)).and_then(Result::ok);
        match taken {
            Some(taken) if actual.obstacle.is_none() => bytes = taken,
            Some(_) => {
                let obstacle = actual.obstacle.clone().unwrap_or(Obstacle::ReadOnly);
                plan.conflicts.push(retire_conflict(key, actual, obstacle));
                continue;
            }
            None => {
                plan.released.push((*key).clone());
                plan.records.push(forget(key, record));
                continue;
            }
        }
        records.push(forget(key, record));
        let (id, comment) = (id.clone(), comment.clone());
        changes.push(BlockChange { id, comment, before: Some(found), after: None, gap, top: false });
    }
    if changes.is_empty() {
        return;
    }
    let originals: Vec<&State> = group.iter().filter_map(|(_, record)| file_before(record)).collect();
    let (after, modified) = without_blocks(bytes, actual, &originals);
    match existing {
        Some(index) => {
            let step = &mut plan.steps[index];
            step.after = after;
            step.blocks.extend(changes);
            step.records.extend(records);
        }
        None => {
            let mut step = bare_step(path, actual, after, records);
            step.blocks = changes;
            step.modified = modified;
            plan.steps.push(step);
        }
    }
}

fn file_before(record: &Record) -> Option<&State> {
    match &record.original {
        Original::Block { file, .. } => Some(file),
        Original::Whole(_) => None,
    }
}

/// What a file becomes once our blocks are out of it: gone, if we made it and nothing else is in it; with its
/// old time, if it is as it was.
fn without_blocks(bytes: Vec<u8>, actual: &Actual, originals: &[&State]) -> (Content, Option<(i64, u32)>) {
    let mode = match actual.content {
        Content::File { mode, .. } => mode,
        _ => 0o644,
    };
    if bytes.is_empty() && originals.contains(&&State::Absent) {
        return (Content::Absent, None);
    }
    let after = Content::File { bytes, mode };
    let now = after.state();
    let time = originals.iter().find(|state| state.matches(&now)).and_then(|state| modified(state));
    (after, time)
}

fn modified(state: &State) -> Option<(i64, u32)> {
    match state {
        State::File { modified, .. } => *modified,
        _ => None,
    }
}

fn content(state: &State, stored: &BTreeMap<Digest, Vec<u8>>) -> Option<Content> {
    Some(match state {
        State::Absent => Content::Absent,
        State::Dir => Content::Dir,
        State::Symlink(to) => Content::Symlink(to.clone()),
        State::File { digest, mode, .. } => Content::File { bytes: stored.get(digest)?.clone(), mode: *mode },
    })
}

fn bare_step(path: &HomePath, actual: &Actual, after: Content, records: Vec<RecordChange>) -> Step {
    Step {
        path: path.clone(),
        at: actual.at.clone(),
        before: actual.content.clone(),
        after,
        meta: actual.meta.clone(),
        make_dirs: actual.missing_dirs.clone(),
        blocks: Vec::new(),
        records,
        check: Vec::new(),
        own: false,
        origin: "devboot".into(),
        generated: false,
        modified: None,
    }
}

/// The plan that takes back one run. What has changed since is a conflict, to be answered or left.
pub fn undo(journal: &Journal, situation: &Situation<'_>) -> Plan {
    let mut plan = Plan::default();
    for step in journal.steps.iter().rev() {
        let Some(actual) = situation.actual.get(&step.path) else { continue };
        let back: Vec<RecordChange> = step
            .records
            .iter()
            .map(|change| RecordChange {
                key: change.key.clone(),
                before: situation.ledger.records.get(&change.key).cloned(),
                after: change.before.clone(),
            })
            .filter(|change| change.before != change.after)
            .collect();
        let changed = if step.blocks.is_empty() {
            undo_whole(step, actual, situation, &mut plan)
        } else {
            undo_blocks(step, actual, situation, &mut plan)
        };
        match changed {
            Undone::To(after, time) => {
                let mut undone = bare_step(&step.path, actual, after, back);
                undone.modified = time;
                undone.blocks = step.blocks.iter().map(reversed).collect();
                plan.steps.push(undone);
            }
            Undone::Already => plan.records.extend(back),
            Undone::Left => {}
            // The file is the user's from now on, as far as this run is concerned.
            Undone::Mine => {
                plan.kept.extend(back.iter().map(|change| change.key.clone()));
                plan.records.extend(back);
            }
        }
    }
    plan.remove_dirs = journal.dirs.iter().rev().cloned().collect();
    plan
}

enum Undone {
    To(Content, Option<(i64, u32)>),
    Already,
    Left,
    Mine,
}

fn undo_whole(step: &JournalStep, actual: &Actual, situation: &Situation<'_>, plan: &mut Plan) -> Undone {
    let now = actual.content.state();
    if now.matches(&step.before) {
        return Undone::Already;
    }
    let Some(before) = content(&step.before, situation.stored) else {
        let gone = Obstacle::Unreadable("the copy of the file as it was is gone".into());
        plan.conflicts.push(undo_conflict(step, actual, Cause::Obstacle(gone), Content::Absent));
        return Undone::Left;
    };
    let answer = situation.answers.get(&Key { path: step.path.clone(), block: None });
    if let Some(obstacle) = &actual.obstacle {
        plan.conflicts.push(undo_conflict(step, actual, Cause::Obstacle(obstacle.clone()), before));
        return Undone::Left;
    }
    if now.matches(&step.after) || answer == Some(&Resolution::TakeNew) {
        return Undone::To(before, modified(&step.before));
    }
    if answer == Some(&Resolution::KeepMine) {
        return Undone::Mine;
    }
    plan.conflicts.push(undo_conflict(step, actual, Cause::Edited, before));
    Undone::Left
}

fn undo_blocks(step: &JournalStep, actual: &Actual, situation: &Situation<'_>, plan: &mut Plan) -> Undone {
    let mut bytes = actual.content.bytes().to_vec();
    let mut changed = false;
    for block in step.blocks.iter().rev() {
        let markers = Markers::new(&block.comment, &block.id);
        let found = match markers.find(&bytes) {
            Ok(found) => found.map(|found| String::from_utf8_lossy(&bytes[found.body]).into_owned()),
            Err(broken) => {
                let cause = Cause::Markers(broken.to_string());
                plan.conflicts.push(undo_conflict(step, actual, cause, actual.content.clone()));
                return Undone::Left;
            }
        };
        if found == block.before {
            continue;
        }
        let answer = situation.answers.get(&Key { path: step.path.clone(), block: Some(block.id.clone()) });
        if found != block.after && answer == Some(&Resolution::KeepMine) {
            return Undone::Mine;
        }
        if found != block.after && answer != Some(&Resolution::TakeNew) {
            plan.conflicts.push(undo_conflict(step, actual, Cause::Edited, actual.content.clone()));
            return Undone::Left;
        }
        let position = if block.top { Position::Top } else { Position::Bottom };
        let next = match &block.before {
            Some(body) => markers.put(&bytes, position, body).map(|(bytes, _)| bytes),
            None => markers.take(&bytes, block.gap),
        };
        match next {
            Ok(next) => bytes = next,
            Err(_) => return Undone::Left,
        }
        changed = true;
    }
    if !changed {
        return Undone::Already;
    }
    if let Some(obstacle) = &actual.obstacle {
        plan.conflicts.push(undo_conflict(
            step,
            actual,
            Cause::Obstacle(obstacle.clone()),
            actual.content.clone(),
        ));
        return Undone::Left;
    }
    let (after, time) = without_blocks(bytes, actual, &[&step.before]);
    Undone::To(after, time)
}

fn reversed(block: &BlockChange) -> BlockChange {
    BlockChange { before: block.after.clone(), after: block.before.clone(), ..block.clone() }
}

fn undo_conflict(step: &JournalStep, actual: &Actual, cause: Cause, new: Content) -> Conflict {
    let key =
        step.records.first().map_or_else(|| Key { path: step.path.clone(), block: None }, |c| c.key.clone());
    Conflict { key, origin: "undo".into(), cause, mine: actual.content.clone(), new, base: None }
}

/// What undo knows of a run's result: the states that its steps left, as they would be filed.
pub fn finished_steps<'a>(
    journal: &'a Journal,
    actual: &'a BTreeMap<HomePath, Actual>,
) -> impl Iterator<Item = &'a JournalStep> + 'a {
    journal
        .steps
        .iter()
        .filter(move |step| actual.get(&step.path).is_some_and(|actual| is_finished(step, actual)))
}

fn is_finished(step: &JournalStep, actual: &Actual) -> bool {
    if step.blocks.is_empty() {
        return dated(actual.content.state(), actual).matches(&step.after);
    }
    step.blocks.iter().all(|block| {
        let found = Markers::new(&block.comment, &block.id).find(actual.content.bytes());
        let body = found
            .ok()
            .flatten()
            .map(|found| String::from_utf8_lossy(&actual.content.bytes()[found.body]).into_owned());
        body == block.after
    })
}
