//! Points in time and spans, as values: reading a clock is `sys::clock`'s work.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01T00:00:00Z, shown in RFC 3339 form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "@{}", self.0),
        }
    }
}

impl Timestamp {
    /// The day, in UTC: `2026-11-23`.
    pub fn day(&self) -> String {
        self.to_string().chars().take_while(|c| *c != 'T').collect()
    }

    /// A form for file names, in UTC: `20261123T021500Z`.
    pub fn compact(&self) -> String {
        self.to_string().chars().filter(|c| c.is_ascii_alphanumeric()).collect()
    }
}

/// A span as people read it: `12 ms`, `3.4 s`, `2 min 5 s`.
pub fn span(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{} min {} s", duration.as_secs() / 60, duration.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_in_utc() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(0).compact(), "19700101T000000Z");
        assert_eq!(Timestamp(0).day(), "1970-01-01");
    }

    #[test]
    fn spans() {
        assert_eq!(span(Duration::from_millis(12)), "12 ms");
        assert_eq!(span(Duration::from_secs(125)), "2 min 5 s");
    }
}
