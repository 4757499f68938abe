//! Whether a stage has to run, and why: what it is now held against what it was when it last ran.

use crate::base::digest::Digest;
use crate::history::Last;
use crate::run::event::{RunId, Trigger, Verdict};

/// What is done about a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It runs, for this reason.
    Run(String),
    /// What came of it in that run still holds.
    Holds(RunId, Verdict),
}

/// How a stage is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What asked for the run.
    pub trigger: Trigger,
    /// Whether it runs even if nothing has changed.
    pub force: bool,
}

/// Decides. `fingerprint` is what the stage is now; `difference` says what the first difference to the last time is,
/// and is asked only when there is one.
pub fn decide(
    asked: Asked,
    last: Option<&Last>,
    fingerprint: Digest,
    difference: impl FnOnce() -> String,
) -> Decision {
    let Some(last) = last else { return Decision::Run("it has not run here before".into()) };
    if last.fingerprint != fingerprint {
        return Decision::Run(difference());
    }
    if asked.force {
        return Decision::Run("it was asked for with --force".into());
    }
    match last.verdict {
        Verdict::Passed | Verdict::Flaky => Decision::Holds(last.run, last.verdict),
        // A save elsewhere cannot mend it; a person who asks may know better, the network for one may be back.
        Verdict::Failed | Verdict::NoTestRan | Verdict::TimedOut if asked.trigger != Trigger::Request => {
            Decision::Holds(last.run, last.verdict)
        }
        Verdict::Failed => Decision::Run(format!("it failed in run {}", last.run.0)),
        Verdict::NoTestRan => Decision::Run(format!("it ran no test in run {}", last.run.0)),
        Verdict::TimedOut => Decision::Run(format!("its time was up in run {}", last.run.0)),
        Verdict::NotStarted => Decision::Run(format!("it could not start in run {}", last.run.0)),
        Verdict::Cancelled | Verdict::Interrupted | Verdict::Skipped => {
            Decision::Run(format!("it did not finish in run {}", last.run.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(verdict: Verdict) -> Last {
        Last { run: RunId(7), verdict, fingerprint: Digest::of(b"now") }
    }

    fn words(trigger: Trigger, force: bool, last: Option<&Last>, now: &[u8]) -> String {
        match decide(Asked { trigger, force }, last, Digest::of(now), || "a.py changed".into()) {
            Decision::Run(why) => why,
            Decision::Holds(run, verdict) => format!("{verdict:?} in {}", run.0),
        }
    }

    #[test]
    fn only_what_differs_or_was_cut_short_runs_after_a_save() {
        let after = |verdict| words(Trigger::Change, false, Some(&last(verdict)), b"now");
        assert_eq!(words(Trigger::Change, false, None, b"now"), "it has not run here before");
        assert_eq!(words(Trigger::Change, false, Some(&last(Verdict::Passed)), b"then"), "a.py changed");
        assert_eq!(after(Verdict::Passed), "Passed in 7");
        assert_eq!(after(Verdict::Failed), "Failed in 7");
        assert_eq!(after(Verdict::NoTestRan), "NoTestRan in 7");
        assert_eq!(after(Verdict::Cancelled), "it did not finish in run 7");
        assert_eq!(after(Verdict::NotStarted), "it could not start in run 7");
    }

    #[test]
    fn who_asks_gets_another_try_of_what_was_red_and_force_runs_what_was_green() {
        let asked = |force, verdict| words(Trigger::Request, force, Some(&last(verdict)), b"now");
        assert_eq!(asked(false, Verdict::Failed), "it failed in run 7");
        assert_eq!(asked(false, Verdict::Passed), "Passed in 7");
        assert_eq!(asked(true, Verdict::Passed), "it was asked for with --force");
    }
}
