//! Which directories are compared when, where nobody tells of changes: those in which something has just changed at every
//! turn, the others one after the other, and never for more than a small share of the time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// From turn to turn.
const TURN: Duration = Duration::from_millis(500);
/// A turn that took longer is followed by a longer pause, so that comparing takes one part of so many.
const SHARE: u32 = 50;
/// The longest pause: one slow turn may be an accident.
const LONGEST: Duration = Duration::from_secs(10);
/// How many directories are warm.
const WARM: usize = 32;

/// Whose turn it is.
#[derive(Clone, Debug, Default)]
pub struct Rounds {
    /// Where something has changed, the last first.
    warm: VecDeque<Arc<str>>,
    /// The directory that the last turn ended with.
    at: Option<Arc<str>>,
    due: Option<Instant>,
}

impl Rounds {
    /// From now on there is something to compare.
    pub fn begin(&mut self, now: Instant) {
        self.due.get_or_insert(now + TURN);
    }

    /// When the next turn is; `None`: there is nothing to compare.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Something has changed in a directory.
    pub fn warm(&mut self, dir: &Arc<str>) {
        self.warm.retain(|other| other != dir);
        self.warm.push_front(Arc::clone(dir));
        self.warm.truncate(WARM);
    }

    /// The directories of this turn, out of `all` (sorted) that are compared at all: the warm ones, then those that
    /// follow on the last turn. Whoever goes through them stops after [`Rounds::budget`], but not before so many of them.
    pub fn turn(&mut self, all: &[Arc<str>]) -> (Vec<Arc<str>>, usize) {
        self.warm.retain(|dir| all.binary_search(dir).is_ok());
        let start = match &self.at {
            Some(at) => all.partition_point(|dir| dir <= at),
            None => 0,
        };
        let cold = all[start..].iter().chain(&all[..start]).filter(|dir| !self.warm.contains(dir));
        (self.warm.iter().chain(cold).cloned().collect(), self.warm.len() + 1)
    }

    /// How long a turn may take.
    pub fn budget() -> Duration {
        TURN / SHARE
    }

    /// A turn is over that took so long and ended with `last`; `is_any` says whether there is still something to compare.
    pub fn end(&mut self, last: Option<Arc<str>>, took: Duration, is_any: bool, now: Instant) {
        if let Some(last) = last.filter(|last| !self.warm.contains(last)) {
            self.at = Some(last);
        }
        self.due = is_any.then(|| now + (took * SHARE).clamp(TURN, LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(names: &[&str]) -> Vec<Arc<str>> {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    #[test]
    fn all_take_turns_and_the_warm_are_always_among_them() {
        let now = Instant::now();
        let all = dirs(&["", "a", "b", "c", "d"]);
        let mut rounds = Rounds::default();
        rounds.warm(&all[3]);
        let mut seen = Vec::new();
        for _ in 0..2 {
            // There is time for three of them.
            let (turn, least) = rounds.turn(&all);
            assert_eq!((&*turn[0], least), ("c", 2));
            seen.extend(turn[1..3].iter().map(ToString::to_string));
            rounds.end(Some(Arc::clone(&turn[2])), Duration::ZERO, true, now);
        }
        assert_eq!(seen, ["", "a", "b", "d"]);
        assert_eq!(
            rounds.turn(&dirs(&["b", "d"])).0,
            dirs(&["b", "d"]),
            "a directory that is gone has no turn"
        );
    }

    #[test]
    fn a_long_turn_is_followed_by_a_longer_pause() {
        let now = Instant::now();
        let mut rounds = Rounds::default();
        assert_eq!(rounds.due(), None);
        rounds.begin(now);
        assert_eq!(rounds.due(), Some(now + TURN));
        rounds.end(None, Duration::from_millis(1), true, now);
        assert_eq!(rounds.due(), Some(now + TURN));
        rounds.end(None, Duration::from_millis(100), true, now);
        assert_eq!(rounds.due(), Some(now + Duration::from_secs(5)));
        rounds.end(None, Duration::from_secs(1), true, now);
        assert_eq!(rounds.due(), Some(now + LONGEST));
        rounds.end(None, Duration::ZERO, false, now);
        assert_eq!(rounds.due(), None);
    }
}
