//! Runs that ask for the next run: a stage changes what it, or another one, depends on. Pure.
//!
//! Who saves during every run looks the same, so nothing is left out: the next run only comes later, and ever later, until somebody
//! saves while nothing runs. In the end a run takes so little of the time that hardly any save falls into one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// After so many runs in which the same file changed, the next one is put off by this much, then by twice as much, up to the
/// longest.
const PATIENCE: u32 = 3;
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(600);

/// A change that is noticed so soon after a run is one of that run's.
const LATE: Duration = Duration::from_millis(200);

/// The same where changes are noticed by comparing files from time to time.
const LATE_POLLED: Duration = Duration::from_secs(3);

/// What changed in which runs.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// In the present run.
    during: BTreeSet<String>,
    /// In how many runs each file changed since somebody last saved while nothing ran.
    counts: BTreeMap<String, u32>,
    /// When the last run ended.
    ended: Option<Instant>,
    said: bool,
}

/// The next run comes later.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// By this much.
    pub(super) time: Duration,
    /// What changed.
    pub(super) what: String,
    /// In how many runs.
    pub(super) count: u32,
    /// Whether that has not been said yet.
    pub(super) is_new: bool,
}

impl Rounds {
    /// These files have changed while a run goes on.
    pub(super) fn during(&mut self, paths: impl IntoIterator<Item = String>) {
        self.during.extend(paths);
    }

    /// A run is over. `meddled`: a stage of it saw its own inputs change; `is_next`: another run follows at once.
    pub(super) fn over(&mut self, meddled: Option<&str>, is_next: bool, now: Instant) -> Option<Rest> {
        self.ended = Some(now);
        let changed = std::mem::take(&mut self.during);
        self.count(changed.into_iter().chain(meddled.map(str::to_owned)), is_next)
    }

    /// These files have changed while nothing runs: in the run before, or somebody has saved.
    pub(super) fn between(
        &mut self,
        paths: &BTreeSet<String>,
        is_polled: bool,
        now: Instant,
    ) -> Option<Rest> {
        let late = if is_polled { LATE_POLLED } else { LATE };
        if self.ended.is_some_and(|ended| now.duration_since(ended) < late) {
            return self.count(paths.iter().cloned(), true);
        }
        self.end();
        None
    }

    /// Somebody has saved while nothing ran: it does not go round.
    pub(super) fn end(&mut self) {
        *self = Self { ended: self.ended, ..Self::default() };
    }

    fn count(&mut self, changed: impl Iterator<Item = String>, is_next: bool) -> Option<Rest> {
        let mut most: Option<(u32, String)> = None;
        for path in changed {
            let count = self.counts.entry(path.clone()).or_default();
            *count += 1;
            if most.as_ref().is_none_or(|(other, _)| *count > *other) {
                most = Some((*count, path));
            }
        }
        let (count, what) = most?;
        let more = count.checked_sub(PATIENCE).filter(|_| is_next)?;
        let is_new = !std::mem::replace(&mut self.said, true);
        let time = REST.checked_mul(2_u32.saturating_pow(more)).unwrap_or(LONGEST_REST).min(LONGEST_REST);
        Some(Rest { time, what, count, is_new })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(path: &str) -> BTreeSet<String> {
        [path.to_owned()].into()
    }

    #[test]
    fn two_stages_that_ask_for_each_other_are_slowed_down_and_named_once() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        let mut rests = Vec::new();
        for run in 0..12 {
            // What a short run writes is noticed after it.
            rests.push(rounds.over(None, true, now));
            let path = if run % 2 == 0 { "p.txt" } else { "q.txt" };
            rests.push(rounds.between(&set(path), false, now + Duration::from_millis(20)));
        }
        let rests: Vec<Rest> = rests.into_iter().flatten().collect();
        assert_eq!(rests[0], Rest { time: REST, what: "p.txt".into(), count: 3, is_new: true });
        assert!(rests.len() == 8 && rests[1..].iter().all(|rest| !rest.is_new));
        assert_eq!(rests[1].what, "q.txt");
        assert_eq!(
            rests.iter().map(|rest| rest.time.as_secs()).collect::<Vec<_>>(),
            [1, 1, 2, 2, 4, 4, 8, 8]
        );
    }

    #[test]
    fn what_goes_round_by_itself_takes_next_to_nothing_in_the_end() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        let mut rests = (0..60).filter_map(|_| rounds.over(Some("own"), true, now)).map(|rest| rest.time);
        let first: Duration = rests.by_ref().take(10).sum();
        assert_eq!(first, Duration::from_secs(1023));
        assert!(rests.all(|time| time == LONGEST_REST));
        // Somebody works on it again, and a save that falls into a run waits no longer than before.
        rounds.end();
        assert_eq!((rounds.over(Some("own"), true, now), rounds.over(Some("own"), true, now)), (None, None));
        assert_eq!(rounds.over(Some("own"), true, now).unwrap().time, REST);
    }

    #[test]
    fn who_saves_while_nothing_runs_ends_it() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        for _ in 0..2 {
            rounds.during(set("a.py"));
            assert_eq!(rounds.over(None, true, now), None);
        }
        assert_eq!(rounds.between(&set("a.py"), false, now + Duration::from_secs(1)), None);
        rounds.during(set("a.py"));
        assert_eq!(rounds.over(None, true, now), None, "it begins anew");
        // Where files are compared from time to time, a second is soon.
        assert_eq!(rounds.between(&set("a.py"), true, now + Duration::from_secs(1)), None);
        assert!(rounds.between(&set("a.py"), true, now + Duration::from_secs(1)).is_some());
    }

    #[test]
    fn a_stage_that_sees_its_inputs_change_counts_though_nobody_told_of_it() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        assert_eq!([true, true, false].map(|next| rounds.over(Some("own"), next, now)), [None, None, None]);
        let rest = rounds.over(Some("own"), true, now).unwrap();
        assert_eq!((rest.what.as_str(), rest.count, rest.is_new), ("own", 4, true));
    }
}
