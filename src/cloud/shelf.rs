//! Leases by key, each got once however many ask for it at the same time. Pure: who has to fetch, who waits, who is served
//! what is there already.

use std::collections::BTreeMap;

use super::standing::Standing;
use crate::base::time::Timestamp;

/// For how long a failure is the answer for others who ask, in seconds: fifty callers cost one try, and who asks again by hand
/// gets another.
const REMEMBERED: i64 = 2;

/// What has an end.
pub trait Ends {
    /// How it stands.
    fn standing(&self, now: Timestamp) -> Standing;
}

/// What whoever asks has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn<L, F> {
    /// Take this.
    Serve(L),
    /// Take this; and fetch a new one, which nobody waits for.
    ServeAndFetch(L),
    /// Fetch it, and say how it went with [`Shelf::fetched`].
    Fetch,
    /// Wait until whoever fetches it has said so, then ask again.
    Wait,
    /// It has just failed for another.
    Refused(F),
}

#[derive(Clone, Debug)]
struct Place<L, F> {
    held: Option<L>,
    /// Since when somebody fetches it.
    fetching: bool,
    failed: Option<(Timestamp, F)>,
}

/// The leases.
#[derive(Clone, Debug)]
pub struct Shelf<K, L, F> {
    places: BTreeMap<K, Place<L, F>>,
}

impl<K, L, F> Default for Shelf<K, L, F> {
    fn default() -> Self {
        Self { places: BTreeMap::new() }
    }
}

impl<K: Ord + Clone, L: Ends + Clone, F: Clone> Shelf<K, L, F> {
    /// Whose turn it is.
    pub fn ask(&mut self, key: &K, now: Timestamp) -> Turn<L, F> {
        let place =
            self.places.entry(key.clone()).or_insert(Place { held: None, fetching: false, failed: None });
        let standing = place.held.as_ref().map_or(Standing::Expired, |held| held.standing(now));
        let recent = place.failed.as_ref().filter(|(at, _)| now.0 - at.0 < REMEMBERED && now >= *at);
        match (&place.held, standing) {
            (Some(held), Standing::Fresh) => Turn::Serve(held.clone()),
            (Some(held), Standing::Due) if place.fetching || recent.is_some() => Turn::Serve(held.clone()),
            (Some(held), Standing::Due) => {
                place.fetching = true;
                Turn::ServeAndFetch(held.clone())
            }
            _ if place.fetching => Turn::Wait,
            (held, standing) => match (recent, held) {
                // A lease that is near its end is better than none.
                (Some(_), Some(held)) if standing == Standing::Short => Turn::Serve(held.clone()),
                (Some((_, failure)), _) => Turn::Refused(failure.clone()),
                (None, _) => {
                    place.fetching = true;
                    Turn::Fetch
                }
            },
        }
    }

    /// How a fetch went. A failure leaves what was held, as long as that is good for something.
    pub fn fetched(&mut self, key: &K, result: Result<L, F>, now: Timestamp) {
        // Nobody fetches for a shelf that was emptied meanwhile.
        let Some(place) = self.places.get_mut(key).filter(|place| place.fetching) else { return };
        place.fetching = false;
        match result {
            Ok(lease) => (place.held, place.failed) = (Some(lease), None),
            Err(failure) => place.failed = Some((now, failure)),
        }
    }

    /// What is held and still good.
    pub fn held(&self, key: &K, now: Timestamp) -> Option<&L> {
        let held = self.places.get(key)?.held.as_ref()?;
        (held.standing(now) != Standing::Expired).then_some(held)
    }

    /// Lets the next who asks try again: there is something new to try it with.
    pub fn forgive(&mut self, key: &K) {
        if let Some(place) = self.places.get_mut(key) {
            place.failed = None;
        }
    }

    /// What is held, with its keys.
    pub fn all(&self) -> impl Iterator<Item = (&K, &L)> {
        self.places.iter().filter_map(|(key, place)| Some((key, place.held.as_ref()?)))
    }

    /// Forgets all that `gone` says yes to, and whoever fetches it fetches for nobody.
    pub fn forget(&mut self, gone: impl Fn(&K) -> bool) {
        self.places.retain(|key, _| !gone(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Until(i64);

    impl Ends for Until {
        fn standing(&self, now: Timestamp) -> Standing {
            match self.0 - now.0 {
                ..=0 => Standing::Expired,
                1..=10 => Standing::Short,
                11..=20 => Standing::Due,
                _ => Standing::Fresh,
            }
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp(second)
    }

    #[test]
    fn fifty_callers_cost_one_fetch() {
        let mut shelf: Shelf<&str, Until, &str> = Shelf::default();
        assert_eq!(shelf.ask(&"a", at(0)), Turn::Fetch);
        (0..49).for_each(|_| assert_eq!(shelf.ask(&"a", at(0)), Turn::Wait));
        assert_eq!(shelf.ask(&"b", at(0)), Turn::Fetch);
        shelf.fetched(&"a", Ok(Until(100)), at(1));
        (0..49).for_each(|_| assert_eq!(shelf.ask(&"a", at(1)), Turn::Serve(Until(100))));
    }

    #[test]
    fn a_new_one_is_fetched_before_the_old_one_ends_and_nobody_waits_for_it() {
        let mut shelf: Shelf<&str, Until, &str> = Shelf::default();
        assert_eq!(shelf.ask(&"a", at(0)), Turn::Fetch);
        shelf.fetched(&"a", Ok(Until(100)), at(0));
        assert_eq!(shelf.ask(&"a", at(85)), Turn::ServeAndFetch(Until(100)));
        assert_eq!(shelf.ask(&"a", at(85)), Turn::Serve(Until(100)));
        // It fails, and what is there serves as long as it can.
        shelf.fetched(&"a", Err("no"), at(86));
        assert_eq!(shelf.ask(&"a", at(86)), Turn::Serve(Until(100)));
        assert_eq!(shelf.ask(&"a", at(90)), Turn::Fetch);
        assert_eq!(shelf.ask(&"a", at(90)), Turn::Wait);
        shelf.fetched(&"a", Err("no"), at(95));
        assert_eq!(shelf.ask(&"a", at(95)), Turn::Serve(Until(100)));
        assert_eq!(shelf.held(&"a", at(99)), Some(&Until(100)));
        assert_eq!(shelf.held(&"a", at(100)), None);
    }

    #[test]
    fn a_failure_is_the_answer_for_all_who_ask_at_that_moment() {
        let mut shelf: Shelf<&str, Until, &str> = Shelf::default();
        assert_eq!(shelf.ask(&"a", at(0)), Turn::Fetch);
        shelf.fetched(&"a", Err("no"), at(5));
        assert_eq!(shelf.ask(&"a", at(6)), Turn::Refused("no"));
        shelf.forgive(&"a");
        assert_eq!(shelf.ask(&"a", at(6)), Turn::Fetch);
        shelf.fetched(&"a", Err("no"), at(5));
        assert_eq!(shelf.ask(&"a", at(7)), Turn::Fetch);
        // The clock was set back: nothing is held against it for ever.
        shelf.fetched(&"a", Err("no"), at(7));
        assert_eq!(shelf.ask(&"a", at(3)), Turn::Fetch);
    }

    #[test]
    fn what_is_forgotten_does_not_come_back_with_a_late_fetch() {
        let mut shelf: Shelf<&str, Until, &str> = Shelf::default();
        assert_eq!(shelf.ask(&"a", at(0)), Turn::Fetch);
        shelf.forget(|_| true);
        shelf.fetched(&"a", Ok(Until(100)), at(1));
        assert_eq!(shelf.ask(&"a", at(1)), Turn::Fetch);
    }
}
