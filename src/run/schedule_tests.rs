//! The schedule's promises, on graphs and endings of any kind.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::event::Verdict;
use super::fixture::stage;
use super::schedule::{After, Schedule, Step};
use crate::project::model::{Stage, StageId};

fn id(name: &str) -> StageId {
    StageId(name.into())
}

fn graph(stages: &[(&str, &[&str])]) -> Vec<Stage> {
    stages
        .iter()
        .map(|(name, needs)| Stage { needs: needs.iter().map(|need| id(need)).collect(), ..stage(name) })
        .collect()
}

fn begun(steps: &[Step]) -> Vec<&str> {
    steps
        .iter()
        .filter_map(|step| match step {
            Step::Begin { stage, .. } => Some(stage.0.as_str()),
            Step::Skip { .. } => None,
        })
        .collect()
}

#[test]
fn what_a_failure_keeps_from_running_is_skipped_and_the_rest_goes_on() {
    let mut schedule = Schedule::new(&graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &[])]), 4);
    assert_eq!(begun(&schedule.steps()), ["a", "d"]);
    assert_eq!(schedule.ended(&id("a"), Verdict::Failed), After::Final(Verdict::Failed));
    let skip = |stage, because| Step::Skip { stage: id(stage), because: id(because) };
    assert_eq!(schedule.steps(), [skip("b", "a"), skip("c", "b")]);
    assert!(!schedule.is_over());
    schedule.ended(&id("d"), Verdict::Passed);
    assert_eq!((schedule.is_over(), schedule.verdict()), (true, Verdict::Failed));
}

#[test]
fn a_need_that_is_not_selected_counts_as_done() {
    let mut schedule = Schedule::new(&graph(&[("b", &["a"])]), 1);
    assert_eq!(begun(&schedule.steps()), ["b"]);
}

#[test]
fn a_repeat_that_succeeds_is_flaky() {
    let mut stages = graph(&[("a", &[])]);
    stages[0].retries = 2;
    let mut schedule = Schedule::new(&stages, 1);
    let attempt = |schedule: &mut Schedule| schedule.steps();
    assert_eq!(attempt(&mut schedule), [Step::Begin { stage: id("a"), attempt: 1 }]);
    assert_eq!(schedule.ended(&id("a"), Verdict::Failed), After::Retry);
    assert_eq!(attempt(&mut schedule), [Step::Begin { stage: id("a"), attempt: 2 }]);
    assert_eq!(schedule.ended(&id("a"), Verdict::TimedOut), After::Retry);
    assert_eq!(attempt(&mut schedule), [Step::Begin { stage: id("a"), attempt: 3 }]);
    assert_eq!(schedule.ended(&id("a"), Verdict::Passed), After::Final(Verdict::Flaky));
    assert_eq!((schedule.is_over(), schedule.verdict()), (true, Verdict::Flaky));
}

#[test]
fn what_could_not_be_started_or_ran_no_test_is_not_tried_again() {
    for verdict in [Verdict::NotStarted, Verdict::NoTestRan] {
        let mut stages = graph(&[("a", &[])]);
        stages[0].retries = 2;
        let mut schedule = Schedule::new(&stages, 1);
        schedule.steps();
        assert_eq!(schedule.ended(&id("a"), verdict), After::Final(verdict));
    }
}

#[test]
fn a_cancellation_ends_what_is_named_and_what_needs_it() {
    let mut stages = graph(&[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &[])]);
    stages[0].retries = 1;
    let mut schedule = Schedule::new(&stages, 2);
    assert_eq!(begun(&schedule.steps()), ["a", "c"]);
    let met = schedule.cancel(Verdict::Cancelled, |stage| ["a", "d"].contains(&stage.0.as_str()));
    assert_eq!((met.running, met.waiting), (vec![id("a")], vec![id("d")]));
    assert_eq!(schedule.ended(&id("a"), Verdict::Failed), After::Final(Verdict::Cancelled));
    assert_eq!(schedule.steps(), [Step::Skip { stage: id("b"), because: id("a") }]);
    assert_eq!(schedule.ended(&id("c"), Verdict::Passed), After::Final(Verdict::Passed));
    assert_eq!((schedule.is_over(), schedule.verdict()), (true, Verdict::Cancelled));
}

#[test]
fn a_need_that_comes_later_is_never_waited_for() {
    let mut schedule = Schedule::new(&graph(&[("a", &["b"]), ("b", &["a"])]), 1);
    assert_eq!(schedule.steps().len(), 2);
    assert!(schedule.is_over());
}

/// The needs of a stage by their places, and its retries.
type Node = (Vec<usize>, u32);

/// What a run is made of: stages, slots, and dice for verdicts and cancellations.
fn runs() -> impl Strategy<Value = (Vec<Node>, usize, Vec<u8>)> {
    let node = |_| (prop::collection::vec(0_usize..12, 0..3), 0_u32..3);
    let nodes = (1_usize..12).prop_flat_map(move |count| (0..count).map(node).collect::<Vec<_>>());
    (nodes, 1_usize..5, prop::collection::vec(any::<u8>(), 200))
}

const VERDICTS: [Verdict; 6] = [
    Verdict::Passed,
    Verdict::Passed,
    Verdict::Failed,
    Verdict::TimedOut,
    Verdict::NoTestRan,
    Verdict::NotStarted,
];

proptest! {
    #[test]
    fn every_stage_gets_one_verdict_within_the_slots_and_after_its_needs((nodes, slots, dice) in runs()) {
        let name = |place: usize| id(&format!("s{place}"));
        let stages: Vec<Stage> = nodes.iter().enumerate().map(|(place, (needs, retries))| Stage {
            id: name(place),
            needs: needs.iter().filter(|need| **need < place).map(|need| name(*need)).collect(),
            retries: *retries,
            ..stage("")
        }).collect();
        let needs: BTreeMap<StageId, Vec<StageId>> =
            stages.iter().map(|stage| (stage.id.clone(), stage.needs.clone())).collect();
        let mut schedule = Schedule::new(&stages, slots);
        let mut dice = dice.into_iter();
        let mut verdicts: BTreeMap<StageId, Verdict> = BTreeMap::new();
        let mut running: BTreeSet<StageId> = BTreeSet::new();
        let mut give = |stage: StageId, verdict| {
            prop_assert_eq!(verdicts.insert(stage, verdict), None);
            Ok(())
        };
        let mut succeeded: BTreeSet<StageId> = BTreeSet::new();
        for _ in 0..200 {
            for step in schedule.steps() {
                match step {
                    Step::Begin { stage, .. } => {
                        prop_assert!(needs[&stage].iter().all(|need| succeeded.contains(need)));
                        prop_assert!(running.insert(stage));
                    }
                    Step::Skip { stage, because } => {
                        prop_assert!(needs[&stage].contains(&because) && !succeeded.contains(&because));
                        give(stage, Verdict::Skipped)?;
                    }
                }
            }
            prop_assert!(running.len() <= slots && running.len() == schedule.running());
            if schedule.is_over() {
                break;
            }
            let roll = dice.next().unwrap_or(0);
            if roll > 250 {
                let met = schedule.cancel(Verdict::Cancelled, |stage| stage.0.ends_with(['1', '4']));
                for stage in met.waiting {
                    give(stage, Verdict::Cancelled)?;
                }
                continue;
            }
            let stage = running.iter().nth(usize::from(roll) % running.len().max(1)).cloned();
            prop_assert!(stage.is_some(), "stuck");
            let Some(stage) = stage else { break };
            running.remove(&stage);
            let verdict = VERDICTS[usize::from(roll) % VERDICTS.len()];
            if let After::Final(verdict) = schedule.ended(&stage, verdict) {
                if verdict.is_success() {
                    succeeded.insert(stage.clone());
                }
                give(stage, verdict)?;
            }
        }
        prop_assert!(schedule.is_over());
        prop_assert_eq!(verdicts.len(), stages.len());
        prop_assert_eq!(Some(schedule.verdict()), verdicts.values().copied().max_by_key(|verdict| verdict.gravity()));
    }
}
