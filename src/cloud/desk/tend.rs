//! What the desk does by itself: leases in use are renewed before they end, the vault is locked when its time is over, and the
//! service is told whether there is anything to be kept.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::{Book, Codes, Desk, Key};
use crate::base::time::Timestamp;
use crate::cloud::shelf::{Ends, Turn};
use crate::cloud::standing::Standing;
use crate::sys::clock;

/// A lease that nobody has asked for in this time is not renewed, in seconds.
const UNUSED: i64 = 2 * 3600;

/// The service stays for the doors as long as somebody has asked within this time, in seconds.
const DOORS: i64 = 8 * 3600;

/// The longest sleep: the clock may be set.
const LONGEST: i64 = 600;

impl Book {
    /// Whether there is something that would be lost with the service.
    fn holds(&self, now: Timestamp) -> bool {
        let is_good = |(_, lease): (&Key, &super::Lease)| {
            lease.ends().is_some() && lease.standing(now) != Standing::Expired
        };
        let door_used = |used: &Timestamp| now.0 - used.0 < DOORS;
        (!self.doors.is_empty() && self.used.values().any(door_used))
            || self.vault.is_some()
            || self.grants.values().any(|until| now < *until)
            || self.shelf.all().any(is_good)
    }

    /// Whether a lease is still wanted. Those of a guarded profile are not once it is closed.
    fn is_used(&self, key: &Key, now: Timestamp) -> bool {
        let is_closed = self.grants.get(&key.profile).is_some_and(|until| *until <= now);
        !is_closed && self.used.get(key).is_some_and(|used| now.0 - used.0 < UNUSED)
    }

    /// When something has to be done next.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let leases = self.shelf.all().flat_map(|(key, lease)| {
            let refresh = lease.refresh_at().filter(|at| *at > now && self.is_used(key, now));
            refresh.into_iter().chain(lease.ends().filter(|end| *end > now))
        });
        let grants = self.grants.values().copied().filter(|end| *end > now);
        let vault = self.vault.as_ref().map(super::Open::until);
        let doors = (!self.doors.is_empty()).then(|| Timestamp(now.0 + LONGEST)).filter(|_| self.holds(now));
        leases.chain(grants).chain(vault).chain(doors).chain(self.away.next()).min()
    }
}

impl Desk {
    /// Has what is held looked after, from now on.
    pub(super) fn tend(self: &Arc<Self>) {
        let mut book = self.book();
        let begin = !book.tended && book.holds(clock::now());
        book.tended |= begin;
        // Whoever looks after it sleeps until what was next then.
        let is_sooner = book.next(clock::now()).is_some_and(|next| book.looks_at.is_some_and(|at| next < at));
        drop(book);
        self.say_held();
        if is_sooner {
            self.changed.notify_all();
        }
        if begin {
            let desk = Arc::clone(self);
            let thread = std::thread::Builder::new().name("tend".into());
            if thread.spawn(move || desk.tending()).is_err() {
                self.book().tended = false;
            }
        }
    }

    fn say_held(&self) {
        let mut book = self.book();
        let holds = book.holds(clock::now());
        if holds != book.held {
            book.held = holds;
            (self.holds)(holds);
        }
    }

    /// Until there is nothing to look after.
    fn tending(self: Arc<Self>) {
        loop {
            self.look();
            let mut book = self.book();
            let now = clock::now();
            let Some(next) = book.next(now) else { break };
            book.looks_at = Some(next);
            let seconds = (next.0 - now.0).clamp(1, LONGEST).unsigned_abs();
            drop(
                self.changed
                    .wait_timeout(book, Duration::from_secs(seconds))
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
        self.book().tended = false;
        self.say_held();
    }

    fn look(self: &Arc<Self>) {
        self.write_counted();
        let now = clock::now();
        let mut book = self.book();
        if book.vault.as_ref().is_some_and(|open| now >= open.until()) {
            drop(book);
            self.lock_vault();
            book = self.book();
        }
        let used: Vec<Key> =
            book.shelf.all().map(|(key, _)| key.clone()).filter(|key| book.is_used(key, now)).collect();
        for key in used {
            let is_due = book.shelf.held(&key, now).is_some_and(|lease| lease.standing(now) == Standing::Due);
            if is_due && matches!(book.shelf.ask(&key, now), Turn::ServeAndFetch(_)) {
                drop(book);
                let renewed =
                    self.profile(&key.profile).and_then(|profile| self.fetch(&key, &profile, &Codes::new()));
                if renewed.is_err() {
                    self.book().shelf.fetched(&key, renewed, clock::now());
                }
                book = self.book();
            }
        }
        drop(book);
        self.say_held();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_of_a_guarded_profile_are_renewed_only_while_it_is_open() {
        let now = Timestamp(100);
        let key = Key {
            profile: "prod".into(),
            provider: crate::cloud::provider::Provider::Aws,
            resource: String::new(),
        };
        let mut book = Book::default();
        book.used.insert(key.clone(), now);
        assert!(book.is_used(&key, now), "one that is not guarded");
        book.grants.insert("prod".into(), Timestamp(101));
        assert!(book.is_used(&key, now));
        book.grants.insert("prod".into(), now);
        assert!(!book.is_used(&key, now));
    }

    #[test]
    fn a_guard_that_was_open_is_remembered_and_needs_nothing() {
        let now = Timestamp(100);
        let mut book = Book::default();
        book.grants.insert("prod".into(), Timestamp(99));
        assert!(book.next(now).is_none() && !book.holds(now));
        book.grants.insert("prod".into(), Timestamp(101));
        assert!(book.next(now) == Some(Timestamp(101)) && book.holds(now));
    }
}
