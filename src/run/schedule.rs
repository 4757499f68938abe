//! Which stage begins when. Pure: ends come in, beginnings go out. Every stage gets one verdict, none begins before
//! what it needs has succeeded, and never more than there are slots run at once.

use std::collections::HashMap;

use super::event::Verdict;
use crate::project::model::{Stage, StageId};

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Schedule {
    nodes: Vec<Node>,
    slots: usize,
}

#[derive(Clone, Debug)]
struct Node {
    id: StageId,
    needs: Vec<usize>,
    retries: u32,
    attempts: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Running,
    /// It runs and is being ended; this is what it gets.
    Ending(Verdict),
    Ended(Verdict),
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An attempt begins.
    Begin {
        /// Of which stage.
        stage: StageId,
        /// The attempt, from 1.
        attempt: u32,
    },
    /// A stage ends without having run: one that it needs has not succeeded.
    Skip {
        /// Which.
        stage: StageId,
        /// The one that it needs.
        because: StageId,
    },
}

/// What the end of an attempt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It is tried again.
    Retry,
    /// This is its verdict.
    Final(Verdict),
}

/// What a cancellation met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cancelled {
    /// What runs, and is to be ended now.
    pub running: Vec<StageId>,
    /// What had not begun, and has its verdict now.
    pub waiting: Vec<StageId>,
}

impl Schedule {
    /// The selected stages, each after those it needs. What they need beyond the selection counts as done.
    pub fn new(stages: &[Stage], slots: usize) -> Self {
        let places: HashMap<&StageId, usize> =
            stages.iter().enumerate().map(|(place, stage)| (&stage.id, place)).collect();
        let node = |stage: &Stage| Node {
            id: stage.id.clone(),
            needs: stage.needs.iter().filter_map(|need| places.get(need).copied()).collect(),
            retries: stage.retries,
            attempts: 0,
            state: State::Waiting,
        };
        Self { nodes: stages.iter().map(node).collect(), slots: slots.max(1) }
    }

    /// What may begin and what must be skipped, given what has ended; asked after every end.
    pub fn steps(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut running = self.running();
        for place in 0..self.nodes.len() {
            if self.nodes[place].state != State::Waiting {
                continue;
            }
            match self.blocked(place) {
                Some((because, true)) => {
                    self.nodes[place].state = State::Ended(Verdict::Skipped);
                    let because = self.nodes[because].id.clone();
                    steps.push(Step::Skip { stage: self.nodes[place].id.clone(), because });
                }
                None if running < self.slots => {
                    running += 1;
                    let node = &mut self.nodes[place];
                    node.state = State::Running;
                    node.attempts += 1;
                    steps.push(Step::Begin { stage: node.id.clone(), attempt: node.attempts });
                }
                _ => {}
            }
        }
        steps
    }

    /// The first stage that keeps this one from beginning, and whether for good.
    fn blocked(&self, place: usize) -> Option<(usize, bool)> {
        let mut waits = None;
        for &need in &self.nodes[place].needs {
            match self.nodes[need].state {
                State::Ended(verdict) if verdict.is_success() => {}
                State::Ended(_) => return Some((need, true)),
                // It stands in the order of the stages, so what comes later can never be waited for.
                _ if need >= place => return Some((need, true)),
                _ => waits = waits.or(Some((need, false))),
            }
        }
        waits
    }

    /// An attempt has ended. A service's attempt ends when it is ready.
    pub fn ended(&mut self, stage: &StageId, verdict: Verdict) -> After {
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == *stage) else {
            return After::Final(verdict);
        };
        let repeatable = matches!(verdict, Verdict::Failed | Verdict::TimedOut);
        let last = match node.state {
            State::Running if repeatable && node.attempts <= node.retries => {
                node.state = State::Waiting;
                return After::Retry;
            }
            State::Running if verdict == Verdict::Passed && node.attempts > 1 => Verdict::Flaky,
            State::Running => verdict,
            State::Ending(_) if verdict.is_success() => verdict,
            State::Ending(given) | State::Ended(given) => given,
            State::Waiting => verdict,
        };
        node.state = State::Ended(last);
        After::Final(last)
    }

    /// Ends stages with this verdict: what waits at once, what runs when it has been ended.
    pub fn cancel(&mut self, verdict: Verdict, which: impl Fn(&StageId) -> bool) -> Cancelled {
        let mut cancelled = Cancelled::default();
        for node in self.nodes.iter_mut().filter(|node| which(&node.id)) {
            match node.state {
                State::Waiting => {
                    node.state = State::Ended(verdict);
                    cancelled.waiting.push(node.id.clone());
                }
                State::Running => {
                    node.state = State::Ending(verdict);
                    cancelled.running.push(node.id.clone());
                }
                State::Ending(_) | State::Ended(_) => {}
            }
        }
        cancelled
    }

    /// How many run now.
    pub fn running(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node.state, State::Running | State::Ending(_))).count()
    }

    /// Whether every stage has its verdict.
    pub fn is_over(&self) -> bool {
        self.nodes.iter().all(|node| matches!(node.state, State::Ended(_)))
    }

    /// The worst verdict; of no stages at all, passed.
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.nodes.iter().filter_map(|node| match node.state {
            State::Ended(verdict) => Some(verdict),
            _ => None,
        });
        verdicts.max_by_key(|verdict| verdict.gravity()).unwrap_or(Verdict::Passed)
    }
}
