//! Judging a new file before it replaces the old one: `bash -n` and its like.

use std::time::Duration;

use super::entry::Content;
use super::plan::{Cause, Conflict, Plan, Step};
use crate::sys::process::{self, CommandSpec, Ending};

/// How long a judgement may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What a check said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Well formed.
    Good,
    /// Not well formed, and the checker's words.
    Bad(String),
    /// The checker is not installed or did not come to an end: nothing is known.
    Unknown,
}

/// Runs a check with `bytes` on its standard input.
pub fn judge(check: &[String], bytes: &[u8]) -> Judgement {
    let Some((program, args)) = check.split_first() else { return Judgement::Unknown };
    let spec = CommandSpec::new(program).args(args).stdin(bytes).timeout(LIMIT);
    match process::run(&spec) {
        Ok(done) if done.ok() => Judgement::Good,
        Ok(done) if matches!(done.ending, Ending::Exited(_)) => {
            Judgement::Bad(crate::base::text::printable(&done.error_text()))
        }
        _ => Judgement::Unknown,
    }
}

/// Takes every step out of the plan whose new content its check refuses; it becomes a conflict.
pub fn verify(plan: &mut Plan, judge: &dyn Fn(&[String], &[u8]) -> Judgement) {
    let mut refused = Vec::new();
    plan.steps.retain(|step| match refusal(step, judge) {
        None => true,
        Some(cause) => {
            refused.extend(step.records.iter().map(|change| Conflict {
                key: change.key.clone(),
                origin: step.origin.clone(),
                cause: cause.clone(),
                mine: step.before.clone(),
                new: step.after.clone(),
                base: None,
            }));
            false
        }
    });
    plan.conflicts.extend(refused);
}

fn refusal(step: &Step, judge: &dyn Fn(&[String], &[u8]) -> Judgement) -> Option<Cause> {
    let Content::File { bytes, .. } = &step.after else { return None };
    if step.check.is_empty() {
        return None;
    }
    let Judgement::Bad(words) = judge(&step.check, bytes) else { return None };
    match &step.before {
        Content::File { bytes, .. } if matches!(judge(&step.check, bytes), Judgement::Bad(_)) => {
            Some(Cause::AlreadyBroken(words))
        }
        _ => Some(Cause::WouldBreak(words)),
    }
}
