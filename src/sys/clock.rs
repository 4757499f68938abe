//! The clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::base::time::Timestamp;

/// The present, to the second. Code that needs a fixed time takes a
/// [`Timestamp`] as an argument.
pub fn now() -> Timestamp {
    let seconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs() as i64,
        Err(before) => -(before.duration().as_secs() as i64),
    };
    Timestamp(seconds)
}
