//! Comparing target, actual and last-written state: what to do, what the user changed, what needs a decision.
//!
//! Pure: the actual states are read before and come in as values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::actual::{Actual, Obstacle};
use super::block::Markers;
use super::entry::{Block, Content, Entry, EntryKind, Key, State};
use super::journal::{BlockChange, RecordChange};
use super::ledger::{Ledger, Original, Record, Written};
use crate::base::digest::Digest;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::path::HomePath;
use crate::sys::system::Meta;

/// What an apply would do, and what it would leave alone.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The changes, in the order they are made.
    pub steps: Vec<Step>,
    /// What cannot be done without a decision.
    pub conflicts: Vec<Conflict>,
    /// What the user changed since devboot wrote it, where devboot wants nothing new.
    pub drifts: Vec<Drift>,
    /// Entries that are as they should be.
    pub unchanged: usize,
    /// Conflicts that the user has settled with "keep mine" before.
    pub kept: Vec<Key>,
    /// Ledger records that change although the home does not: found as wanted, or given up to the user.
    pub records: Vec<RecordChange>,
    /// Entries that are no longer asked for and that the user has changed: they are the user's from now on.
    pub released: Vec<Key>,
    /// New answers "keep mine" to remember, with the target they are for.
    pub keep: Vec<(Key, Digest)>,
    /// Directories that devboot made, to take away when they are empty, children first.
    pub remove_dirs: Vec<HomePath>,
}

impl Plan {
    /// The part that touches only devboot's own generated files, and the rest, which waits.
    pub fn divided(self) -> (Self, Self) {
        let (own, others) = self.steps.into_iter().partition(|step| step.generated);
        (Self { steps: own, unchanged: self.unchanged, ..Self::default() }, Self { steps: others, ..self })
    }
}

/// One change of one path.
#[derive(Clone, Debug)]
pub struct Step {
    /// The path as the entries name it.
    pub path: HomePath,
    /// The path that is written.
    pub at: HomePath,
    /// What stands there.
    pub before: Content,
    /// What will stand there.
    pub after: Content,
    /// The facts about what stands there: owner, links, time of change.
    pub meta: Option<Meta>,
    /// Directories to make first, parents first.
    pub make_dirs: Vec<HomePath>,
    /// The blocks that change.
    pub blocks: Vec<BlockChange>,
    /// The ledger records that change.
    pub records: Vec<RecordChange>,
    /// A command that judges the new content on its standard input.
    pub check: Vec<String>,
    /// The whole new content is devboot's own, without code from outside.
    pub own: bool,
    /// Who asked for it.
    pub origin: String,
    /// devboot's own file.
    pub generated: bool,
    /// The time of last change to give the file.
    pub modified: Option<(i64, u32)>,
}

/// A change that needs a decision.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// Which entry.
    pub key: Key,
    /// Who asked for it.
    pub origin: String,
    /// Why.
    pub cause: Cause,
    /// What stands there now.
    pub mine: Content,
    /// What would stand there.
    pub new: Content,
    /// What devboot wrote last, for a merge.
    pub base: Option<Digest>,
}

/// Why a decision is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something that devboot did not put there.
    Foreign,
    /// The user changed what devboot wrote, and devboot wants something new.
    Edited,
    /// The user removed what devboot wrote, and devboot wants something new.
    Removed,
    /// It cannot be changed as it stands.
    Obstacle(Obstacle),
    /// The block's markers are not whole.
    Markers(String),
    /// The new content would not pass the check that its language has; the old one does.
    WouldBreak(String),
    /// The file does not pass its check even now.
    AlreadyBroken(String),
}

impl Cause {
    /// Whether an answer can settle it. The others need the user's own hands.
    pub fn can_be_answered(&self) -> bool {
        matches!(self, Cause::Foreign | Cause::Edited | Cause::Removed)
    }
}

/// What the user changed, where devboot wants nothing new.
#[derive(Clone, Debug)]
pub struct Drift {
    /// Which entry.
    pub key: Key,
    /// How.
    pub how: DriftKind,
    /// What stands there now.
    pub mine: Content,
    /// What devboot wrote.
    pub new: Content,
}

/// How the user changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftKind {
    /// Other bytes, another mode, another kind of thing.
    Edited,
    /// It is gone.
    Removed,
}

/// The answer to a conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// What stands there stays, and is not asked about again for this target.
    KeepMine,
    /// devboot's version replaces it; the old one goes to the store.
    TakeNew,
    /// These bytes, merged from both.
    Merged(Vec<u8>),
    /// Nothing now; ask again next time.
    Skip,
}

/// The entries contradict each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// Two entries ask for the same path, or for the same block in it.
    ClaimedTwice {
        /// The path.
        key: Key,
        /// Who asked for it.
        by: [String; 2],
    },
    /// One entry wants a whole file where another wants a block.
    WholeAndBlock(HomePath),
    /// Two different paths lead to one file, through symbolic links.
    SameFile(HomePath, HomePath),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::ClaimedTwice { key, by: [a, b] } => {
                write!(f, "{key} is asked for twice, by {a} and by {b}")
            }
            PlanError::WholeAndBlock(path) => {
                write!(f, "{path} is asked for as a whole file and as a file with a block")
            }
            PlanError::SameFile(a, b) => write!(f, "{a} and {b} lead to the same file"),
        }
    }
}

impl std::error::Error for PlanError {}

impl Diagnose for PlanError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["remove one of the two from the profile".into()]
    }
}

/// What planning looks at.
pub struct Situation<'a> {
    /// The target.
    pub entries: &'a [Entry],
    /// The last-written state.
    pub ledger: &'a Ledger,
    /// The actual state of every path in `entries` and `ledger`.
    pub actual: &'a BTreeMap<HomePath, Actual>,
    /// Answers to conflicts; what has none stays as it is.
    pub answers: &'a BTreeMap<Key, Resolution>,
    /// Bytes from the store that a way back may need.
    pub stored: &'a BTreeMap<Digest, Vec<u8>>,
}

/// Compares the three states.
pub fn plan(situation: &Situation<'_>) -> Result<Plan, PlanError> {
    contradictions(situation)?;
    let mut plan = Plan::default();
    let mut blocks: Vec<(&HomePath, Vec<(&Entry, &Block)>)> = Vec::new();
    for entry in situation.entries {
        match &entry.kind {
            EntryKind::Block(block) => match blocks.iter_mut().find(|(path, _)| *path == &entry.path) {
                Some((_, group)) => group.push((entry, block)),
                None => blocks.push((&entry.path, vec![(entry, block)])),
            },
            _ => whole(situation, entry, &mut plan),
        }
    }
    // Blocks come after whole files: what they name is there before a shell can read them.
    for (path, group) in blocks {
        super::plan_block::file_with_blocks(situation, path, &group, &mut plan);
    }
    super::retreat::retire(situation, &mut plan);
    Ok(plan)
}

fn contradictions(situation: &Situation<'_>) -> Result<(), PlanError> {
    let mut seen: BTreeMap<Key, &Entry> = BTreeMap::new();
    let mut wholes = BTreeSet::new();
    let mut places: BTreeMap<&HomePath, &HomePath> = BTreeMap::new();
    for entry in situation.entries {
        if let Some(other) = seen.insert(entry.key(), entry) {
            return Err(PlanError::ClaimedTwice {
                key: entry.key(),
                by: [other.origin.clone(), entry.origin.clone()],
            });
        }
        if !matches!(entry.kind, EntryKind::Block(_)) {
            wholes.insert(&entry.path);
        }
        if let Some(actual) = situation.actual.get(&entry.path)
            && let Some(other) = places.insert(&actual.at, &entry.path)
            && other != &entry.path
        {
            return Err(PlanError::SameFile(other.clone(), entry.path.clone()));
        }
    }
    match situation.entries.iter().find(|e| matches!(e.kind, EntryKind::Block(_)) && wholes.contains(&e.path))
    {
        Some(entry) => Err(PlanError::WholeAndBlock(entry.path.clone())),
        None => Ok(()),
    }
}

fn target(entry: &Entry, actual: &Actual) -> Content {
    match &entry.kind {
        EntryKind::File { bytes, mode } => Content::File { bytes: bytes.clone(), mode: *mode },
        EntryKind::Symlink(to) => Content::Symlink(to.clone()),
        EntryKind::Dir => Content::Dir,
        EntryKind::Absent => Content::Absent,
        EntryKind::Block(_) => actual.content.clone(),
    }
}

/// The digest of what an entry asks for.
pub fn target_digest(content: &Content) -> Digest {
    match content {
        Content::File { bytes, mode } => Digest::of_parts([b"file".as_slice(), bytes, &mode.to_le_bytes()]),
        Content::Symlink(to) => Digest::of_parts([b"link".as_slice(), to.as_bytes()]),
        Content::Dir => Digest::of(b"dir"),
        Content::Absent => Digest::of(b"absent"),
    }
}

fn whole(situation: &Situation<'_>, entry: &Entry, plan: &mut Plan) {
    let key = entry.key();
    let Some(actual) = situation.actual.get(&entry.path) else { return };
    let new = target(entry, actual);
    let asked = target_digest(&new);
    let record = situation.ledger.records.get(&key);
    let written = record.and_then(|record| match &record.written {
        Written::Whole(state) => Some(state),
        Written::Block { .. } => None,
    });
    let now = actual.content.state();
    let as_written = written.is_some_and(|written| written.matches(&now));
    if actual.obstacle.is_none() && now.matches(&new.state()) {
        return match record {
            Some(record) if as_written && record.target == asked => plan.unchanged += 1,
            _ => adopt(plan, key, record, asked, actual, entry.generated),
        };
    }
    // A merge left something else than the target on purpose.
    if as_written && record.is_some_and(|record| record.target == asked) && !entry.generated {
        plan.unchanged += 1;
        return;
    }
    let answer = situation.answers.get(&key);
    let cause = match (&actual.content, &new) {
        // What is in it would be lost, and nothing but an empty one could be replaced anyway.
        (Content::Dir, Content::File { .. } | Content::Symlink(_) | Content::Absent) => {
            Some(Cause::Obstacle(Obstacle::Special("directory")))
        }
        _ => cause(actual, entry.generated, written, as_written),
    };
    let wanted = |plan: &mut Plan, after: Content| {
        plan.steps.push(step(entry, actual, key.clone(), record, asked, after));
    };
    match (cause, answer) {
        (None, _) => wanted(plan, new),
        (Some(cause), Some(Resolution::TakeNew)) if cause.can_be_answered() => wanted(plan, new),
        (Some(cause), Some(Resolution::Merged(bytes))) if cause.can_be_answered() => {
            let mode = if let Content::File { mode, .. } = new { mode } else { 0o644 };
            wanted(plan, Content::File { bytes: bytes.clone(), mode });
        }
        (Some(cause), answer) => {
            leave(
                situation,
                plan,
                Left {
                    key,
                    entry,
                    cause,
                    actual,
                    new,
                    asked,
                    record,
                    keep: answer == Some(&Resolution::KeepMine),
                },
            );
        }
    }
}

/// Why an entry that is not satisfied may not simply be written.
fn cause(actual: &Actual, generated: bool, written: Option<&State>, as_written: bool) -> Option<Cause> {
    if let Some(obstacle) = &actual.obstacle
        && !(generated && *obstacle == Obstacle::ReadOnly)
    {
        return Some(Cause::Obstacle(obstacle.clone()));
    }
    let gone = actual.content == Content::Absent;
    match written {
        _ if generated => None,
        _ if as_written => None,
        None if gone => None,
        None => Some(Cause::Foreign),
        Some(_) if gone => Some(Cause::Removed),
        Some(_) => Some(Cause::Edited),
    }
}

struct Left<'a> {
    key: Key,
    entry: &'a Entry,
    cause: Cause,
    actual: &'a Actual,
    new: Content,
    asked: Digest,
    record: Option<&'a Record>,
    keep: bool,
}

/// Files an unmet wish as drift, as settled before, or as a conflict.
fn leave(situation: &Situation<'_>, plan: &mut Plan, left: Left<'_>) {
    let Left { key, entry, cause, actual, new, asked, record, keep } = left;
    let mine = actual.content.clone();
    let drift = match cause {
        Cause::Edited => Some(DriftKind::Edited),
        Cause::Removed => Some(DriftKind::Removed),
        _ => None,
    };
    if let (Some(how), Some(record)) = (drift, record)
        && record.target == asked
    {
        plan.drifts.push(Drift { key, how, mine, new });
    } else if cause.can_be_answered() && (keep || situation.ledger.kept.get(&key) == Some(&asked)) {
        if keep {
            plan.keep.push((key.clone(), asked));
        }
        plan.kept.push(key);
    } else {
        let base = record.and_then(|record| match record.written {
            Written::Whole(State::File { digest, .. }) => Some(digest),
            _ => None,
        });
        plan.conflicts.push(Conflict { key, origin: entry.origin.clone(), cause, mine, new, base });
    }
}

fn adopt(
    plan: &mut Plan,
    key: Key,
    record: Option<&Record>,
    target: Digest,
    actual: &Actual,
    generated: bool,
) {
    let state = actual.content.state();
    let original = record
        .map_or_else(|| Original::Whole(dated(state.clone(), actual)), |record| record.original.clone());
    let after = Record { target, written: Written::Whole(state), original, generated };
    plan.records.push(RecordChange { key, before: record.cloned(), after: Some(after) });
    plan.unchanged += 1;
}

/// The state with the time of change that the file has now.
pub(super) fn dated(state: State, actual: &Actual) -> State {
    match (state, &actual.meta) {
        (State::File { digest, mode, .. }, Some(meta)) => {
            State::File { digest, mode, modified: Some(meta.modified) }
        }
        (state, _) => state,
    }
}

fn step(
    entry: &Entry,
    actual: &Actual,
    key: Key,
    record: Option<&Record>,
    target: Digest,
    after: Content,
) -> Step {
    let original = match record {
        Some(record) => record.original.clone(),
        None => Original::Whole(dated(actual.content.state(), actual)),
    };
    let new = Record { target, written: Written::Whole(after.state()), original, generated: entry.generated };
    Step {
        path: entry.path.clone(),
        at: actual.at.clone(),
        before: actual.content.clone(),
        after,
        meta: actual.meta.clone(),
        make_dirs: actual.missing_dirs.clone(),
        blocks: Vec::new(),
        records: vec![RecordChange { key, before: record.cloned(), after: Some(new) }],
        check: entry.check.clone(),
        own: entry.own,
        origin: entry.origin.clone(),
        generated: entry.generated,
        modified: None,
    }
}

impl Plan {
    /// Whether an apply would write anything, the ledger included.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
            && self.records.is_empty()
            && self.keep.is_empty()
            && self.remove_dirs.is_empty()
    }

    /// How many bytes the changes will take on disk beyond what stands there, backups and journal aside.
    pub fn growth(&self) -> u64 {
        self.steps
            .iter()
            .map(|step| step.after.bytes().len().saturating_sub(step.before.bytes().len()) as u64)
            .sum()
    }
}

/// The markers of a block entry.
pub(super) fn markers(block: &Block) -> Markers {
    Markers::new(&block.comment, &block.id)
}
