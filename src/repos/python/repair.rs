//! The repair of an environment whose packages no longer fit together: resolved again as of a day when they did.
//! Pure: which days are tried, in which order, and when to stop.

use std::fmt;

use crate::base::time::Timestamp;
use crate::repos::git::history::Dates;

/// How versions are chosen where a repository leaves them open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// As the index has them today.
    Today,
    /// As the index had them then: nothing that was uploaded later counts.
    AsOf(Cutoff),
}

/// A day in the past, and why it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutoff {
    /// Nothing that was uploaded later counts.
    pub date: Timestamp,
    /// Where the date comes from.
    pub from: Source,
}

/// Where a date comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The last change of the files that name the dependencies.
    Change,
    /// The oldest line of these that pins a version.
    OldestPin,
    /// The commit that is checked out.
    Commit,
    /// The lock file of an earlier repair.
    Lock,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Change => "the last change of its dependencies",
            Self::OldestPin => "its oldest pin",
            Self::Commit => "its commit",
            Self::Lock => "what worked before",
        })
    }
}

impl fmt::Display for Cutoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "as of {}, {}", self.date.day(), self.from)
    }
}

/// The most repairs that are tried.
pub const ATTEMPTS: usize = 3;

const DAY: i64 = 86_400;
/// A date this near to now resolves to what was just tried.
const RECENT: i64 = 7 * DAY;

/// The days to try, the likeliest first: the last change of the dependencies, then the day of the oldest pin, for
/// pins that were edited one by one, then the commit, for a repository that was used long after. A day is not
/// tried twice.
pub fn cutoffs(dates: &Dates, now: Timestamp) -> Vec<Cutoff> {
    let mut found: Vec<Cutoff> = Vec::new();
    let candidates = [
        (dates.changed, Source::Change),
        (dates.oldest_pin, Source::OldestPin),
        (Some(dates.head), Source::Commit),
    ];
    for (date, from) in candidates {
        let Some(date) = date.filter(|date| date.0 < now.0 - RECENT) else { continue };
        if found.iter().all(|known| (known.date.0 - date.0).abs() >= DAY) {
            found.push(Cutoff { date, from });
        }
    }
    found.truncate(ATTEMPTS);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(day: i64) -> Timestamp {
        Timestamp(day * DAY)
    }

    #[test]
    fn each_day_is_tried_once_and_none_that_is_nearly_today() {
        let dates = Dates { changed: Some(at(100)), oldest_pin: Some(at(40)), head: at(300), shallow: false };
        let found = cutoffs(&dates, at(5000));
        assert_eq!(
            found.iter().map(|one| one.from).collect::<Vec<_>>(),
            [Source::Change, Source::OldestPin, Source::Commit]
        );
        let same = Dates { oldest_pin: Some(at(100)), head: Timestamp(at(100).0 + 60), ..dates };
        assert_eq!(cutoffs(&same, at(5000)).len(), 1);
        assert_eq!(cutoffs(&dates, at(302)).len(), 2, "the commit is of this week");
        assert_eq!(cutoffs(&dates, at(40)), []);
    }

    #[test]
    fn a_cut_off_history_leaves_the_commit() {
        let dates = Dates { changed: None, oldest_pin: None, head: at(300), shallow: true };
        let found = cutoffs(&dates, at(5000));
        assert_eq!(found, [Cutoff { date: at(300), from: Source::Commit }]);
        assert_eq!(found[0].to_string(), "as of 1970-10-28, its commit");
    }
}
