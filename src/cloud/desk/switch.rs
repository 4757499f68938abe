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
            until = book.grants.get(name).copied().filter(|end| now < *end);
            if until.is_none() {
                let words = format!("'{name}' is guarded, and nobody has confirmed it");
                return Err(Fault::new(ErrorKind::Refused, words)
                    .hint(format!("a person opens it at a terminal: devboot use {name}"))
                    .into());
            }
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
