//! The one way in which a kill can leave a file half written, and how it becomes whole again: a file with several
//! hard links is overwritten where it is, and a kill between the bytes and the new length leaves the start of the
//! new text with the end of the old one behind it.

use std::io;

use super::block::Markers;
use super::entry::{Position, State};
use super::journal::JournalStep;
use super::survey::Home;
use crate::base::digest::Digest;
use crate::sys::system::{FileKind, WriteSystem};

/// Gives a file that a cut-short step left half written its old bytes back. Everything else stays.
pub(super) fn mend(system: &dyn WriteSystem, home: &Home, step: &JournalStep) -> io::Result<()> {
    let (State::File { digest: old, .. }, State::File { digest: new, .. }) = (&step.before, &step.after)
    else {
        return Ok(());
    };
    let at = step.at.under(&home.path);
    match system.meta(&at)? {
        Some(meta) if meta.kind == FileKind::File && meta.links > 1 => {}
        _ => return Ok(()),
    }
    let now = system.read(&at, super::actual::LARGEST)?;
    let digest = Digest::of(&now);
    if digest == *old || digest == *new {
        return Ok(());
    }
    let Some(before) = home.store.bytes(system, *old) else { return Ok(()) };
    let after = home.store.bytes(system, *new).or_else(|| with_blocks(step, before.clone()));
    match after.filter(|after| Digest::of(after) == *new) {
        Some(after) if is_mixed(&before, &after, &now) => system.overwrite(&at, &before),
        _ => Ok(()),
    }
}

/// What the step would have made of the file.
fn with_blocks(step: &JournalStep, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    for block in &step.blocks {
        let markers = Markers::new(&block.comment, &block.id);
        let position = if block.top { Position::Top } else { Position::Bottom };
        bytes = match &block.after {
            Some(body) => markers.put(&bytes, position, body).ok()?.0,
            None => markers.take(&bytes, block.gap).ok()?,
        };
    }
    Some(bytes)
}

/// Whether `now` is the start of `after` followed by what `before` has from there on.
fn is_mixed(before: &[u8], after: &[u8], now: &[u8]) -> bool {
    let common = now.iter().zip(after).take_while(|(a, b)| a == b).count();
    before.get(common..).unwrap_or_default() == &now[common..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_mixture_of_both_texts_is_taken_for_one() {
        let (before, after) = (b"0123456789".as_slice(), b"abcdef".as_slice());
        for torn in [b"abcdef6789".as_slice(), b"abc3456789", b"abcdef"] {
            assert!(is_mixed(before, after, torn) || torn == after, "{torn:?}");
        }
        for edited in [b"abcdef678".as_slice(), b"abcdef6789!", b"mine", b"012345678"] {
            assert!(!is_mixed(before, after, edited), "{edited:?}");
        }
    }
}
