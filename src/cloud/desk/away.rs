//! Who was turned away at a door: written down at once, and what follows of the same kind as a number, once a minute. So
//! nobody fills the log by knocking. Pure.

use std::collections::BTreeMap;

use crate::base::time::Timestamp;
use crate::cloud::provider::Provider;

/// For how long more of a kind is only counted, in seconds.
const MINUTE: i64 = 60;

/// The most kinds that are told apart at a time.
const MOST: usize = 32;

/// What is said of all that come when there are as many kinds.
const OTHERS: &str = "requests of many kinds were turned away";

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    /// The profile whose door it was.
    pub(super) profile: String,
    /// The cloud that was asked for, where that was read.
    pub(super) provider: Option<Provider>,
    /// The user who asked, where the system tells.
    pub(super) uid: Option<u32>,
    /// Why it was turned away, in words of ours.
    pub(super) why: &'static str,
}

/// More of a kind that was written down before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct More {
    pub(super) kind: Kind,
    /// When the first came.
    pub(super) since: Timestamp,
    /// How many came after it.
    pub(super) count: u64,
}

/// Those who were turned away in the last minute.
#[derive(Debug, Default)]
pub(super) struct Away(BTreeMap<Kind, (Timestamp, u64)>);

impl Away {
    /// One more. What is to be written down of it now: its kind, or the one of all others; `None` when it is counted.
    pub(super) fn came(&mut self, kind: Kind, now: Timestamp) -> Option<Kind> {
        let is_one_too_many = self.0.len() >= MOST && !self.0.contains_key(&kind);
        let kind = match is_one_too_many {
            true => Kind { profile: String::new(), provider: None, uid: None, why: OTHERS },
            false => kind,
        };
        if let Some((_, count)) = self.0.get_mut(&kind) {
            *count += 1;
            return None;
        }
        self.0.insert(kind.clone(), (now, 0));
        Some(kind)
    }

    /// Those whose minute is over and of whom more came. A clock that was set back ends it, too.
    pub(super) fn over(&mut self, now: Timestamp) -> Vec<More> {
        let is_over = |since: Timestamp| !(since.0..since.0.saturating_add(MINUTE)).contains(&now.0);
        let (over, open) =
            std::mem::take(&mut self.0).into_iter().partition(|(_, (since, _))| is_over(*since));
        self.0 = open;
        let over: BTreeMap<_, _> = over;
        let more = over.into_iter().map(|(kind, (since, count))| More { kind, since, count });
        more.filter(|more| more.count > 0).collect()
    }

    /// All of whom more came, for good.
    pub(super) fn end(&mut self) -> Vec<More> {
        self.over(Timestamp(i64::MAX))
    }

    /// When there is something to be written down next.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let counted = self.0.values().filter(|(_, count)| *count > 0);
        counted.map(|(since, _)| Timestamp(since.0.saturating_add(MINUTE))).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(profile: &str, uid: u32) -> Kind {
        Kind { profile: profile.into(), provider: None, uid: Some(uid), why: "no" }
    }

    #[test]
    fn one_of_a_kind_is_written_down_and_the_rest_of_its_minute_counted() {
        let mut away = Away::default();
        let (a, b) = (kind("dev", 1), kind("dev", 2));
        assert_eq!(away.came(a.clone(), Timestamp(100)), Some(a.clone()));
        assert_eq!(away.came(b.clone(), Timestamp(100)), Some(b.clone()));
        assert_eq!(away.next(), None);
        for _ in 0..1000 {
            assert_eq!(away.came(a.clone(), Timestamp(159)), None);
        }
        assert_eq!((away.next(), away.over(Timestamp(159))), (Some(Timestamp(160)), vec![]));
        let more = More { kind: a.clone(), since: Timestamp(100), count: 1000 };
        assert_eq!(away.over(Timestamp(160)), [more]);
        assert_eq!(away.came(a.clone(), Timestamp(160)), Some(a.clone()), "a minute of its own");
        assert_eq!(away.came(a.clone(), Timestamp(161)), None);
        assert_eq!(away.over(Timestamp(50)).len(), 1, "the clock was set back");
        assert_eq!(away.came(a.clone(), Timestamp(50)), Some(a));
        assert_eq!(away.end(), []);
    }

    #[test]
    fn many_kinds_are_one() {
        let mut away = Away::default();
        let written = (0..10_000).filter_map(|uid| away.came(kind("dev", uid), Timestamp(0)));
        assert_eq!(written.count(), MOST + 1);
        let more = away.end();
        assert_eq!((more.len(), more[0].count, more[0].kind.why), (1, 10_000 - 33, OTHERS));
    }
}
