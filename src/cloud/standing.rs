//! How a credential with an end stands at a moment, and when a new one is got. Pure.

use crate::base::time::Timestamp;

/// SDKs ask again at every call when less than this is left, in seconds.
pub const SERVED: i64 = 15 * 60;

/// New credentials are got when this is left, in seconds; of a short life, when half of it is over.
const REFRESHED: i64 = 20 * 60;

/// How a lease stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Good to serve; nothing to do.
    Fresh,
    /// Good to serve; it is time to get a new one meanwhile.
    Due,
    /// So near its end that SDKs would ask at every call: a new one is got first, and this one serves only if that
    /// fails.
    Short,
    /// Over.
    Expired,
}

/// When a new one is to be got.
pub(super) fn refresh_at(obtained: Timestamp, end: Timestamp) -> Timestamp {
    let life = end.0.saturating_sub(obtained.0).max(0);
    Timestamp(end.0 - REFRESHED.min(life / 2))
}

/// How it stands now.
pub(super) fn standing(obtained: Timestamp, end: Timestamp, now: Timestamp) -> Standing {
    if now >= end {
        Standing::Expired
    } else if now < refresh_at(obtained, end) {
        Standing::Fresh
    } else if end.0 - now.0 > SERVED {
        Standing::Due
    } else {
        Standing::Short
    }
}
