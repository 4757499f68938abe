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

/// The present in nanoseconds since 1970, as the file system's stamps count them.
pub fn nanoseconds() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
    }
}

/// The present in microseconds of the clock that no one sets (`CLOCK_MONOTONIC` of clock_gettime(2)), which other processes have,
/// too.
pub fn microseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1000
}
