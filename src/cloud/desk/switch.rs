//! Switching a shell: every part at once, or none.

use std::sync::Arc;

use super::part::Miss;
use super::{Desk, codes};
use crate::base::error::{ErrorKind, Fault};
use crate::base::time::Timestamp;
use crate::cloud::profiles::{Guard, Via};
use crate::ipc::cloud as wire;
use crate::sys::clock;

impl Desk {
    pub(super) fn switch(self: &Arc<Self>, wanted: &wire::Use) -> Result<wire::Switch, Miss> {
        let name = wanted.profile.as_str();
        let profile = self.profile(name)?;
        let via = match wanted.via.as_deref() {
            None => profile.via(),
            Some(word) => [Via::Pointer, Via::Endpoint, Via::Value]
                .into_iter()
                .find(|via| via.word() == word)
                .ok_or_else(|| {
                    Fault::new(ErrorKind::Usage, "credentials are handed over by pointer, endpoint or value")
                })?,
        };
        if profile.providers().is_empty() {
            let words = format!("the profile '{name}' has no part for any cloud");
            return Err(Fault::new(ErrorKind::Usage, words).into());
        }
        let now = clock::now();
        let mut until = None;
        if let Some(seconds) = profile.open_for() {
            let mut book = self.book();
            if wanted.confirmed {
                book.grants.insert(name.to_owned(), Timestamp(now.0.saturating_add_unsigned(seconds)));
            }
            until = Some(still_open(name, book.grants.get(name).copied(), now)?);
        }
        let codes = codes(&wanted.codes);
        let mut switch = wire::Switch { until, ..wire::Switch::default() };
        switch.guard = profile.guard.map(|Guard::Prod| "prod".to_owned());
        if let Some(part) = &profile.aws {
            let (changes, told) = self.switch_aws((name, &profile), part, via, &codes)?;
            // What is handed over as it is, is not renewed.
            if via == Via::Value {
                switch.until = [switch.until, told.ends].into_iter().flatten().min();
            }
            switch.changes.extend(changes);
            switch.parts.push(told);
        }
        if let Some(part) = &profile.gcp {
            let (changes, told) = self.switch_gcp((name, &profile), part, via)?;
            if via == Via::Value {
                switch.until = [switch.until, told.ends].into_iter().flatten().min();
            }
            switch.changes.extend(changes);
            switch.parts.push(told);
        }
        if let Some(part) = &profile.azure {
            let (changes, told) = self.switch_azure((name, &profile), part, via)?;
            switch.changes.extend(changes);
            switch.parts.push(told);
        }
        Ok(switch)
    }
}

/// Until when a guarded profile is open, by when its last confirmation ends.
fn still_open(name: &str, until: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Fault> {
    let why = match until {
        Some(until) if now < until => return Ok(until),
        Some(_) => "the time for which it was confirmed is over",
        None => "nobody has confirmed it",
    };
    Err(Fault::new(ErrorKind::Refused, format!("'{name}' is guarded, and {why}"))
        .hint(format!("a person opens it at a terminal: devboot use {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_that_is_over_is_no_confirmation_that_never_was() {
        let at = |until| still_open("prod", until, Timestamp(100));
        assert_eq!(at(Some(Timestamp(101))).unwrap(), Timestamp(101));
        assert!(at(Some(Timestamp(100))).unwrap_err().one_line().contains("is over"));
        assert!(at(None).unwrap_err().one_line().contains("nobody has confirmed it"));
    }
}
