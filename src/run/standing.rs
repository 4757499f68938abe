//! How a project stands after its runs: red as soon as something of it is, green only when all of it is. Pure.

use std::collections::BTreeSet;

use super::event::{Part, RunEvent, RunId, StageEnd, Verdict};
use crate::project::model::StageId;

/// What the runs of a project have come to.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    red: BTreeSet<StageId>,
    /// Whether a run of all stages has ended: what never ran is not green.
    is_known: bool,
    /// What the run that goes on is a part of.
    part: Option<Part>,
    since: Option<(RunId, bool)>,
}

impl Standing {
    /// Takes what happened.
    pub fn on(&mut self, event: &RunEvent) {
        match event {
            RunEvent::RunStarted { part, stages, .. } => {
                self.part.clone_from(part);
                if part.is_none() {
                    self.red.retain(|stage| stages.contains(stage));
                }
            }
            RunEvent::StageFinished { stage, end, .. } => self.ended(stage, end),
            // The run that follows says more.
            RunEvent::RunFinished { verdict: Verdict::Cancelled, .. } => {}
            RunEvent::RunFinished { run, .. } => {
                self.is_known |= self.part.is_none();
                let is_green = self.red.is_empty();
                let is_news = self.part.is_none() || self.since.is_none_or(|(_, before)| before != is_green);
                if is_news && (self.is_known || !is_green) {
                    self.since = Some((*run, is_green));
                }
            }
            _ => {}
        }
    }

    /// Whether it is green, and which run has shown that last; `None` while it is not known.
    pub fn since(&self) -> Option<(RunId, bool)> {
        self.since
    }

    fn ended(&mut self, stage: &StageId, end: &StageEnd) {
        let is_choice = self.part.as_ref().is_some_and(|part| !part.tests.is_empty());
        // Some tests can make a stage red. That they pass, or that none of them ran, says nothing of the others.
        let is_red = matches!(end.verdict, Verdict::Failed | Verdict::TimedOut);
        match end.verdict.is_success() {
            true if end.is_of_all() => drop(self.red.remove(stage)),
            false if is_red || !is_choice => drop(self.red.insert(stage.clone())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Partly, Trigger};
    use super::super::flow::ended;
    use super::*;

    /// A run of `tests` (all, when there are none) of these stages, of three that there are.
    fn run(standing: &mut Standing, number: u64, tests: &[&str], ends: &[(&str, Verdict)]) {
        let run = RunId(number);
        let stages: Vec<StageId> = ends.iter().map(|(name, _)| StageId((*name).into())).collect();
        let is_part = !tests.is_empty() || stages.len() < 3;
        let tests: Vec<String> = tests.iter().map(|test| (*test).into()).collect();
        let partly = (!tests.is_empty()).then_some(Partly { asked: true, of: None });
        let part = is_part.then(|| Part { stages: stages.clone(), tests, of: 3 });
        standing.on(&RunEvent::RunStarted {
            run,
            trigger: Trigger::Request,
            generation: 0,
            settle: 0,
            changed: Vec::new(),
            changes: 0,
            stages,
            part,
        });
        for (name, verdict) in ends {
            let end = StageEnd { partly, ..ended(*verdict, None) };
            standing.on(&RunEvent::StageFinished { run, stage: StageId((*name).into()), end });
        }
        let verdict = Verdict::Passed;
        standing.on(&RunEvent::RunFinished { run, verdict, milliseconds: 1, note: None });
    }

    use Verdict::{Failed, NoTestRan, Passed, Skipped};

    #[test]
    fn some_tests_can_turn_it_red_and_only_all_of_them_green() {
        let mut standing = Standing::default();
        let mut after = |number, tests: &[&str], ends: &[(&str, Verdict)]| {
            run(&mut standing, number, tests, ends);
            standing.since().map(|(run, is_green)| (run.0, is_green))
        };
        assert_eq!(after(1, &["a.py"], &[("test", Passed)]), None, "the others never ran");
        assert_eq!(after(2, &[], &[("lint", Passed)]), None);
        assert_eq!(after(3, &[], &[("lint", Passed), ("test", Failed), ("e2e", Skipped)]), Some((3, false)));
        assert_eq!(after(4, &["a.py"], &[("test", Passed)]), Some((3, false)));
        assert_eq!(after(5, &[], &[("lint", Passed)]), Some((3, false)));
        assert_eq!(after(6, &[], &[("test", Passed)]), Some((3, false)), "e2e has not run yet");
        assert_eq!(after(7, &[], &[("e2e", Passed)]), Some((7, true)), "every stage has passed as a whole");
        assert_eq!(after(8, &["none"], &[("test", NoTestRan)]), Some((7, true)));
        assert_eq!(after(9, &["a.py"], &[("test", Failed)]), Some((9, false)));
        assert_eq!(after(10, &["a.py"], &[("test", Passed)]), Some((9, false)));
        let all = [("lint", Passed), ("test", Passed), ("e2e", Passed)];
        assert_eq!(after(11, &[], &all), Some((11, true)));
        assert_eq!(after(12, &[], &all), Some((12, true)), "as a whole again");
    }

    #[test]
    fn a_stage_that_is_no_longer_there_does_not_keep_it_red() {
        let mut standing = Standing::default();
        run(&mut standing, 1, &[], &[("lint", Failed), ("test", Passed), ("e2e", Passed)]);
        run(&mut standing, 2, &[], &[("types", Passed), ("test", Passed), ("e2e", Passed)]);
        assert_eq!(standing.since(), Some((RunId(2), true)));
    }
}
