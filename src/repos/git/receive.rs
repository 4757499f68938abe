//! The usual clone without libgit2's fetch: one conversation, one pack, one reference.

use std::io;
use std::time::Instant;

use git2::{Oid, Repository};

use super::clone::{CloneError, git};
use super::conversation::Conversation;
use super::fetch::Received;
use super::link::Link;
use super::pack;
use super::reference::{self, Advertised, Attempt, Want};
use crate::base::text::printable;
use crate::sys::real::RealSystem;
use crate::sys::system::{Attributes, WriteSystem};

/// What to try, given what the server offers.
pub(super) type Plan<'a> = dyn Fn(&[Advertised]) -> Result<Vec<Attempt>, CloneError> + 'a;

/// Fetches the first attempt that `plan` makes of what the server offers. `None` when that is libgit2's: the object is
/// not offered by its name, there is more than one, or the server is of an unusual kind.
pub(super) fn receive(
    repo: &Repository,
    link: &Link,
    deadline: Instant,
    plan: &Plan<'_>,
    progress: &dyn Fn(Received),
) -> Result<Option<(Want, Oid)>, CloneError> {
    let Some(talk) = Conversation::open(link).map_err(said)? else { return Ok(None) };
    let Some((want, refspecs, depth)) = plan(&talk.offered)?.into_iter().next() else { return Ok(None) };
    let Some((oid, name)) = reference::single(&talk.offered, &refspecs) else { return Ok(None) };
    if depth.is_some() && !talk.can_be_shallow() {
        return Ok(None);
    }
    let mut transfer = talk.ask(oid, depth).map_err(said)?;
    let tell = |objects, total| progress(Received { objects, total, bytes: link.received() });
    let received = pack::receive(transfer.pack(), &repo.path().join("objects/pack"), deadline, &tell);
    if let Some(words) = transfer.complaint {
        return Err(said(io::Error::other(format!("the server says: {words}"))));
    }
    received?;
    keep_ends(repo, &transfer.shallow)?;
    repo.reference(&name, oid, true, "clone").map_err(git)?;
    let commit = reference::resolve(repo, &want);
    let commit = commit.ok_or_else(|| CloneError::NoReference(want.name().to_owned()))?;
    Ok(Some((want, commit)))
}

/// What broke a conversation, in words that may be shown.
fn said(error: io::Error) -> CloneError {
    CloneError::Git(match error.kind() {
        io::ErrorKind::UnexpectedEof => "the server ended the conversation in the middle".into(),
        _ => printable(error.to_string().trim()),
    })
}

/// Writes down where the history is cut off.
fn keep_ends(repo: &Repository, ends: &[Oid]) -> Result<(), CloneError> {
    if ends.is_empty() {
        return Ok(());
    }
    let path = repo.path().join("shallow");
    let lines: String = ends.iter().map(|oid| format!("{oid}\n")).collect();
    let attributes = Attributes { mode: 0o644, ..Attributes::default() };
    let written = RealSystem.write_new(&path, lines.as_bytes(), &attributes);
    written.map_err(|error| CloneError::Io("write", path, error))
}
