//! Whose turn it is: what to start and what to end when files change, when people ask, and when a run ends. No edit is
//! lost: every run knows the generation of files that it began at, and what came later starts the next one.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::project::model::StageId;
use crate::run::event::Trigger;

/// What is wanted of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What asked for it.
    pub trigger: Trigger,
    /// The generation of files that it is about.
    pub generation: u64,
    /// The stages that are wanted with what they need; none means all.
    pub stages: BTreeSet<StageId>,
    /// Only these of the tests, as pytest's arguments name them; none means all.
    pub tests: Vec<String>,
    /// Whether they run even when nothing has changed.
    pub force: bool,
    /// The paths that changed since the run before.
    pub changed: BTreeSet<String>,
    /// How long it was waited for them to be at rest; whoever starts the run knows.
    pub waited: Duration,
}

/// What happens to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Files have changed and rest now.
    Changed {
        /// The generation that the files have reached.
        generation: u64,
        /// The paths.
        paths: BTreeSet<String>,
        /// The stages that depend on them, others' needs not counted.
        affected: BTreeSet<StageId>,
    },
    /// Somebody asked, or the session began.
    Asked {
        /// What asked.
        trigger: Trigger,
        /// The stages; none means all.
        stages: BTreeSet<StageId>,
        /// Only these of the tests; none means all.
        tests: Vec<String>,
        /// Whether they run even when nothing has changed.
        force: bool,
    },
    /// A stage of the run that is under way began.
    Began(StageId),
    /// A stage of the run that is under way ended.
    Ended(StageId),
    /// The run that was under way is over.
    Over {
        /// Whether a stage of it was cancelled because it had become stale.
        cancelled: bool,
    },
}

/// What is to be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start a run; none is under way.
    Start(Order),
    /// End these stages of the run that is under way: what they read is no longer what is there.
    Cancel(BTreeSet<StageId>),
}

/// After so many runs in a row that were cut short, the next one may finish: somebody who saves without a pause
/// gets verdicts, too.
const CANCELS: u32 = 2;

/// Idle, running, or running with another order behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    generation: u64,
    running: Option<BTreeSet<StageId>>,
    next: Option<Order>,
    cancels: u32,
}

impl Turn {
    /// The generation that the files have reached.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a run is under way.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Whether another run follows the one under way.
    pub fn is_queued(&self) -> bool {
        self.next.is_some()
    }

    /// What to do about an event.
    pub fn on(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Changed { generation, paths, affected } => self.changed(generation, paths, &affected),
            Event::Asked { trigger, stages, tests, force } => {
                let generation = self.generation;
                let (changed, waited) = (BTreeSet::new(), Duration::ZERO);
                self.want(Order { trigger, generation, stages, tests, force, changed, waited })
            }
            Event::Began(stage) => {
                if let Some(running) = &mut self.running {
                    running.insert(stage);
                }
                Vec::new()
            }
            Event::Ended(stage) => {
                if let Some(running) = &mut self.running {
                    running.remove(&stage);
                }
                Vec::new()
            }
            Event::Over { cancelled } => {
                self.cancels = if cancelled { self.cancels + 1 } else { 0 };
                self.running = None;
                self.next.take().map(|order| self.start(order)).into_iter().collect()
            }
        }
    }

    fn changed(
        &mut self,
        generation: u64,
        changed: BTreeSet<String>,
        affected: &BTreeSet<StageId>,
    ) -> Vec<Effect> {
        self.generation = generation;
        if affected.is_empty() {
            return Vec::new();
        }
        let stale: BTreeSet<StageId> =
            self.running.iter().flatten().filter(|stage| affected.contains(stage)).cloned().collect();
        let order = Order {
            trigger: Trigger::Change,
            generation,
            stages: BTreeSet::new(),
            tests: Vec::new(),
            force: false,
            changed,
            waited: Duration::ZERO,
        };
        let mut effects = self.want(order);
        if !stale.is_empty() && self.cancels < CANCELS {
            if let Some(running) = &mut self.running {
                running.retain(|stage| !stale.contains(stage));
            }
            effects.push(Effect::Cancel(stale));
        }
        effects
    }

    fn want(&mut self, order: Order) -> Vec<Effect> {
        if self.running.is_none() {
            return vec![self.start(order)];
        }
        self.next = Some(match self.next.take() {
            None => order,
            Some(before) => merged(before, order),
        });
        Vec::new()
    }

    fn start(&mut self, mut order: Order) -> Effect {
        order.generation = self.generation;
        self.running = Some(BTreeSet::new());
        Effect::Start(order)
    }
}

/// Two orders as one that does what either would.
fn merged(before: Order, after: Order) -> Order {
    let all = before.stages.is_empty() || after.stages.is_empty();
    let trigger = if before.trigger == Trigger::Request { before.trigger } else { after.trigger };
    Order {
        trigger,
        generation: after.generation.max(before.generation),
        // A choice of tests is one for its own stages.
        tests: if before.tests == after.tests { after.tests } else { Vec::new() },
        force: before.force || after.force,
        changed: before.changed.into_iter().chain(after.changed).collect(),
        waited: before.waited.max(after.waited),
        stages: if all { BTreeSet::new() } else { before.stages.into_iter().chain(after.stages).collect() },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ids(names: &[&str]) -> BTreeSet<StageId> {
        names.iter().map(|name| StageId((*name).into())).collect()
    }

    fn changed(generation: u64, affected: &[&str]) -> Event {
        Event::Changed { generation, paths: ["a.py".to_owned()].into(), affected: ids(affected) }
    }

    fn began(name: &str) -> Event {
        Event::Began(StageId(name.into()))
    }

    fn started(effects: &[Effect]) -> Option<u64> {
        effects.iter().find_map(|effect| match effect {
            Effect::Start(order) => Some(order.generation),
            Effect::Cancel(_) => None,
        })
    }

    #[test]
    fn a_change_that_matters_to_nobody_starts_nothing() {
        let mut turn = Turn::default();
        assert_eq!(turn.on(changed(1, &[])), []);
        assert!(!turn.is_running());
    }

    #[test]
    fn a_newer_change_ends_only_what_it_makes_stale() {
        let mut turn = Turn::default();
        assert_eq!(started(&turn.on(changed(1, &["lint", "test"]))), Some(1));
        for stage in ["lint", "test"] {
            turn.on(began(stage));
        }
        turn.on(Event::Ended(StageId("lint".into())));
        assert_eq!(turn.on(changed(2, &["lint"])), [], "lint is over, and test does not read the file");
        assert_eq!(turn.on(changed(3, &["test"])), [Effect::Cancel(ids(&["test"]))]);
        assert_eq!(started(&turn.on(Event::Over { cancelled: true })), Some(3));
    }

    #[test]
    fn after_two_cancels_in_a_row_a_run_may_finish() {
        let mut turn = Turn::default();
        turn.on(changed(1, &["test"]));
        for generation in 2..=3 {
            turn.on(began("test"));
            assert!(turn.on(changed(generation, &["test"])).contains(&Effect::Cancel(ids(&["test"]))));
            turn.on(Event::Over { cancelled: true });
        }
        turn.on(began("test"));
        assert_eq!(turn.on(changed(4, &["test"])), [], "this one may finish");
        assert_eq!(started(&turn.on(Event::Over { cancelled: false })), Some(4));
        turn.on(began("test"));
        assert!(!turn.on(changed(5, &["test"])).is_empty(), "and then they can be cut short again");
    }

    #[test]
    fn what_is_asked_for_while_a_run_goes_on_is_done_after_it() {
        let mut turn = Turn::default();
        turn.on(changed(1, &["test"]));
        let ask =
            |stages, force| Event::Asked { trigger: Trigger::Request, stages, tests: Vec::new(), force };
        assert_eq!(turn.on(ask(ids(&["train"]), true)), []);
        assert_eq!(turn.on(ask(ids(&["lint"]), false)), []);
        let effects = turn.on(Event::Over { cancelled: false });
        let [Effect::Start(order)] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!((&order.stages, order.force), (&ids(&["lint", "train"]), true));
    }

    proptest! {
        /// Whatever the order of saves, ends and questions: the last change that matters is tested by a run that began
        /// at it, and runs never overlap.
        #[test]
        fn the_last_generation_always_gets_its_run(script in prop::collection::vec(0_u8..5, 1..60)) {
            let (mut turn, mut generation, mut last_started, mut last_mattering) = (Turn::default(), 0, 0, 0);
            let mut under_way = false;
            let mut see = |effects: Vec<Effect>, under_way: &mut bool| -> Result<(), TestCaseError> {
                if let Some(started) = started(&effects) {
                    prop_assert!(!*under_way);
                    *under_way = true;
                    last_started = started;
                }
                Ok(())
            };
            for step in script {
                let effects = match step {
                    0 => { generation += 1; turn.on(changed(generation, &[])) }
                    1 => { generation += 1; last_mattering = generation; turn.on(changed(generation, &["test"])) }
                    2 => turn.on(began("test")),
                    3 => turn.on(Event::Asked { trigger: Trigger::Request, stages: ids(&["lint"]), tests: Vec::new(), force: false }),
                    _ if under_way => { under_way = false; turn.on(Event::Over { cancelled: step % 2 == 0 }) }
                    _ => Vec::new(),
                };
                see(effects, &mut under_way)?;
            }
            while under_way {
                under_way = false;
                see(turn.on(Event::Over { cancelled: false }), &mut under_way)?;
            }
            prop_assert!(last_started >= last_mattering);
            prop_assert!(!turn.is_queued());
        }
    }
}
