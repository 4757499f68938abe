//! Judging a new file before it replaces the old one: `bash -n` and its like.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::entry::Content;
use super::plan::{Cause, Conflict, Plan, Step};
use crate::base::digest::Digest;
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

/// A check and what it judges.
type Text<'a> = (&'a [String], &'a [u8]);

/// How many checks run at a time.
const AT_A_TIME: usize = 4;

/// Judges every text once: a plan is made again under the lock, and is then mostly the same.
#[derive(Debug, Default)]
pub struct Judge {
    known: Mutex<BTreeMap<(Vec<String>, Digest), Judgement>>,
}

impl Judge {
    /// [`verify`] with the real checks.
    pub fn verify(&self, plan: &mut Plan) {
        self.learn(plan);
        verify(plan, &|check, bytes| self.ask(check, bytes));
    }

    fn ask(&self, check: &[String], bytes: &[u8]) -> Judgement {
        let key = (check.to_vec(), Digest::of(bytes));
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let found = judge(check, bytes);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        found
    }

    /// Judges the plan's new files several at a time; each check is a program that we would only wait for.
    fn learn(&self, plan: &Plan) {
        let mut groups: Vec<Vec<Text<'_>>> = Vec::new();
        let mut together: BTreeMap<&[String], Vec<Text<'_>>> = BTreeMap::new();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let unknown = |text: &Text<'_>| !known.contains_key(&(text.0.to_vec(), Digest::of(text.1)));
        for step in &plan.steps {
            match new_text(step).filter(unknown) {
                Some(text) if step.own => together.entry(text.0).or_default().push(text),
                Some(text) => groups.push(vec![text]),
                None => {}
            }
        }
        groups.extend(together.into_values());
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..groups.len().min(AT_A_TIME) {
                scope.spawn(|| {
                    while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.learn_group(group);
                    }
                });
            }
        });
    }

    /// Texts that are each complete are well formed together exactly when each of them is, and only ours are known
    /// to be complete. When something is wrong, each is judged alone when it is asked for.
    fn learn_group(&self, group: &[Text<'_>]) {
        let Some((check, first)) = group.first() else { return };
        if group.len() == 1 {
            self.ask(check, first);
            return;
        }
        let text: Vec<u8> =
            group.iter().flat_map(|(_, bytes)| [bytes, &b"\n"[..]]).flatten().copied().collect();
        if judge(check, &text) == Judgement::Good {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(
                group.iter().map(|(_, bytes)| ((check.to_vec(), Digest::of(bytes)), Judgement::Good)),
            );
        }
    }
}

/// The check of a step and what it judges, when it has both.
fn new_text(step: &Step) -> Option<Text<'_>> {
    match &step.after {
        Content::File { bytes, .. } if !step.check.is_empty() => Some((&step.check, bytes)),
        _ => None,
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
    let (check, bytes) = new_text(step)?;
    let Judgement::Bad(words) = judge(check, bytes) else { return None };
    match &step.before {
        Content::File { bytes, .. } if matches!(judge(check, bytes), Judgement::Bad(_)) => {
            Some(Cause::AlreadyBroken(words))
        }
        _ => Some(Cause::WouldBreak(words)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]
    use super::*;

    #[test]
    fn a_text_is_judged_once_and_another_text_anew() {
        let dir = tempfile::tempdir().unwrap();
        let count = dir.path().join("count");
        let script = format!("grep -q good && echo >>'{}'", count.display());
        let check = ["sh", "-c", &script].map(str::to_owned);
        let judge = Judge::default();
        assert_eq!(judge.ask(&check, b"good"), Judgement::Good);
        assert_eq!(judge.ask(&check, b"good"), Judgement::Good);
        assert!(matches!(judge.ask(&check, b"bad"), Judgement::Bad(_)));
        assert_eq!(judge.ask(&check, b"good too"), Judgement::Good);
        assert_eq!(std::fs::read(&count).unwrap().len(), 2);
    }

    #[test]
    fn texts_are_judged_together_when_all_are_good_and_alone_when_one_is_bad() {
        let check = ["sh", "-n"].map(str::to_owned);
        let judge = Judge::default();
        judge.learn_group(&[(&check, b"echo a"), (&check, b"echo b\n")]);
        assert_eq!(judge.known.lock().unwrap().len(), 2);
        judge.learn_group(&[(&check, b"echo c"), (&check, b"if\n")]);
        assert_eq!(judge.known.lock().unwrap().len(), 2);
        assert_eq!(judge.ask(&check, b"echo c"), Judgement::Good);
        assert!(matches!(judge.ask(&check, b"if\n"), Judgement::Bad(_)));
    }
}
