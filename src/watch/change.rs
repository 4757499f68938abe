//! What has changed.

use std::time::Duration;

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Created,
    /// It holds something else.
    Modified,
    /// It is gone.
    Removed,
}

/// One file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Relative to the root.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
}

/// What made files change, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Somebody saved, or a program wrote.
    Save,
    /// git changed the work tree.
    Git,
    /// They were compared one by one, since events were lost or there are none.
    Rescan,
}

/// Files that changed and are at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// Counted up by one with every set.
    pub generation: u64,
    /// The files, by path.
    pub changes: Vec<Change>,
    /// What made them change.
    pub cause: Cause,
    /// How long they were waited for after the first event.
    pub waited: Duration,
}
