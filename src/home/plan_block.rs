//! Planning a file of the user's that carries blocks of ours: all its blocks make one change of the file.

use super::actual::Actual;
use super::entry::{Block, Content, Entry, Key, Position, State};
use super::journal::{BlockChange, RecordChange};
use super::ledger::{Original, Record, Written};
use super::plan::{Cause, Conflict, Drift, DriftKind, Plan, Resolution, Situation, Step, dated, markers};
use crate::base::digest::Digest;
use crate::base::path::HomePath;

/// The permission bits of an rc file that did not exist.
const NEW_FILE: u32 = 0o644;

/// The file as it becomes while one block after the other is put in.
struct Draft {
    bytes: Vec<u8>,
    blocks: Vec<BlockChange>,
    records: Vec<RecordChange>,
    check: Vec<String>,
}

pub(super) fn file_with_blocks(
    situation: &Situation<'_>,
    path: &HomePath,
    group: &[(&Entry, &Block)],
    plan: &mut Plan,
) {
    let Some(actual) = situation.actual.get(path) else { return };
    let mode = match &actual.content {
        Content::File { mode, .. } => *mode,
        _ => NEW_FILE,
    };
    let before = dated(actual.content.state(), actual);
    let mut draft = Draft {
        bytes: actual.content.bytes().to_vec(),
        blocks: Vec::new(),
        records: Vec::new(),
        check: Vec::new(),
    };
    // With one block's markers broken, nobody knows where the others may stand: the file is left alone.
    for (entry, block) in group {
        if let Err(broken) = markers(block).find(&draft.bytes) {
            let cause = Cause::Markers(broken.to_string());
            plan.conflicts.push(conflict(entry, cause, actual, &draft, block, mode));
            return;
        }
    }
    let mut waiting = Vec::new();
    for (entry, block) in group {
        match one_block(situation, entry, block, &mut draft, &before) {
            Outcome::Done if draft.check.is_empty() => draft.check.clone_from(&entry.check),
            Outcome::Done => {}
            Outcome::Unchanged => plan.unchanged += 1,
            Outcome::Drift(how) => waiting.push((entry.key(), how)),
            Outcome::Kept(answer) => {
                plan.keep.extend(answer);
                plan.kept.push(entry.key());
            }
            Outcome::Conflict(cause) => {
                plan.conflicts.push(conflict(entry, cause, actual, &draft, block, mode))
            }
        }
    }
    for (key, how) in waiting {
        let new = Content::File { bytes: draft.bytes.clone(), mode };
        plan.drifts.push(Drift { key, how, mine: actual.content.clone(), new });
    }
    finish(path, group, actual, draft, mode, plan);
}

fn finish(
    path: &HomePath,
    group: &[(&Entry, &Block)],
    actual: &Actual,
    draft: Draft,
    mode: u32,
    plan: &mut Plan,
) {
    if draft.blocks.is_empty() {
        plan.records.extend(draft.records);
        return;
    }
    let origin = group.first().map(|(entry, _)| entry.origin.clone()).unwrap_or_default();
    let obstacle = match (&actual.obstacle, &actual.content) {
        (None, Content::Dir) => Some(super::actual::Obstacle::Special("directory")),
        (obstacle, _) => obstacle.clone(),
    };
    if let Some(obstacle) = obstacle {
        for change in &draft.records {
            let new = Content::File { bytes: draft.bytes.clone(), mode };
            plan.conflicts.push(Conflict {
                key: change.key.clone(),
                origin: origin.clone(),
                cause: Cause::Obstacle(obstacle.clone()),
                mine: actual.content.clone(),
                new,
                base: None,
            });
        }
        return;
    }
    plan.steps.push(Step {
        path: path.clone(),
        at: actual.at.clone(),
        before: actual.content.clone(),
        after: Content::File { bytes: draft.bytes, mode },
        meta: actual.meta.clone(),
        make_dirs: actual.missing_dirs.clone(),
        blocks: draft.blocks,
        records: draft.records,
        check: draft.check,
        own: actual.content == Content::Absent && group.iter().all(|(entry, _)| entry.own),
        origin,
        generated: false,
        modified: None,
    });
}

enum Outcome {
    Done,
    Unchanged,
    Drift(DriftKind),
    Kept(Option<(Key, Digest)>),
    Conflict(Cause),
}

fn one_block(
    situation: &Situation<'_>,
    entry: &Entry,
    block: &Block,
    draft: &mut Draft,
    before: &State,
) -> Outcome {
    let key = entry.key();
    let asked = Digest::of(block.body.as_bytes());
    let record = situation.ledger.records.get(&key);
    let written = record.and_then(|record| match &record.written {
        Written::Block { body, .. } => Some(*body),
        Written::Whole(_) => None,
    });
    let found = match markers(block).find(&draft.bytes) {
        Ok(found) => found.map(|found| String::from_utf8_lossy(&draft.bytes[found.body]).into_owned()),
        Err(broken) => return Outcome::Conflict(Cause::Markers(broken.to_string())),
    };
    let now = found.as_ref().map(|body| Digest::of(body.as_bytes()));
    if now == Some(asked) {
        if written == Some(asked) {
            return Outcome::Unchanged;
        }
        draft.records.push(record_change(key, record, asked, block, before, false));
        return Outcome::Unchanged;
    }
    let cause = match (written, now) {
        (None, None) => None,
        // Our markers with lines that we do not remember: an older devboot, or a home that was copied.
        (None, Some(_)) => Some(Cause::Foreign),
        (Some(written), Some(now)) if written == now => None,
        (Some(_), Some(_)) => Some(Cause::Edited),
        (Some(_), None) => Some(Cause::Removed),
    };
    let answer = situation.answers.get(&key);
    let drifted = written == Some(asked) && cause.is_some();
    match (cause, answer) {
        (None, _) | (_, Some(Resolution::TakeNew)) => put(block, key, record, found, draft, before, asked),
        (Some(cause), _) if drifted => {
            Outcome::Drift(if cause == Cause::Removed { DriftKind::Removed } else { DriftKind::Edited })
        }
        (Some(_), Some(Resolution::KeepMine)) => Outcome::Kept(Some((key, asked))),
        (Some(_), _) if situation.ledger.kept.get(&key) == Some(&asked) => Outcome::Kept(None),
        (Some(cause), _) => Outcome::Conflict(cause),
    }
}

fn put(
    block: &Block,
    key: Key,
    record: Option<&Record>,
    found: Option<String>,
    draft: &mut Draft,
    before: &State,
    asked: Digest,
) -> Outcome {
    let (bytes, gap) = match markers(block).put(&draft.bytes, block.position, &block.body) {
        Ok(result) => result,
        Err(broken) => return Outcome::Conflict(Cause::Markers(broken.to_string())),
    };
    draft.bytes = bytes;
    draft.blocks.push(BlockChange {
        id: block.id.clone(),
        comment: block.comment.clone(),
        before: found,
        after: Some(block.body.clone()),
        gap,
        top: block.position == Position::Top,
    });
    draft.records.push(record_change(key, record, asked, block, before, gap));
    Outcome::Done
}

fn record_change(
    key: Key,
    record: Option<&Record>,
    asked: Digest,
    block: &Block,
    before: &State,
    gap: bool,
) -> RecordChange {
    let original = match record.map(|record| &record.original) {
        Some(Original::Block { file, gap: old }) => Original::Block { file: file.clone(), gap: gap || *old },
        _ => Original::Block { file: before.clone(), gap },
    };
    let written = Written::Block { body: asked, comment: block.comment.clone() };
    RecordChange {
        key,
        before: record.cloned(),
        after: Some(Record { target: asked, written, original, generated: false }),
    }
}

fn conflict(
    entry: &Entry,
    cause: Cause,
    actual: &Actual,
    draft: &Draft,
    block: &Block,
    mode: u32,
) -> Conflict {
    let bytes = match markers(block).put(&draft.bytes, block.position, &block.body) {
        Ok((bytes, _)) => bytes,
        Err(_) => draft.bytes.clone(),
    };
    Conflict {
        key: entry.key(),
        origin: entry.origin.clone(),
        cause,
        mine: actual.content.clone(),
        new: Content::File { bytes, mode },
        base: None,
    }
}
