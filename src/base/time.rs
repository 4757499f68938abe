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
    /// Reads a day, `2024-01-31`, or a point in time in RFC 3339 form. A day begins at midnight, UTC.
    ///
    /// # Errors
    /// It is neither; the words say so.
    pub fn parse(text: &str) -> Result<Self, String> {
        let whole =
            if text.contains(['T', 't', ' ']) { text.to_owned() } else { format!("{text}T00:00:00Z") };
        whole.parse::<jiff::Timestamp>().map(|time| Self(time.as_second())).map_err(|_| {
            "neither a day such as 2024-01-31 nor a time such as 2024-01-31T12:00:00Z".to_owned()
        })
    }

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
    fn days_and_times_are_read() {
        assert_eq!(Timestamp::parse("1970-01-02"), Ok(Timestamp(86_400)));
        assert_eq!(Timestamp::parse("1970-01-01T01:00:00+01:00"), Ok(Timestamp(0)));
        assert!(Timestamp::parse("yesterday").is_err());
        assert!(Timestamp::parse("2024-13-01").is_err());
    }

    #[test]
    fn spans() {
        assert_eq!(span(Duration::from_millis(12)), "12 ms");
        assert_eq!(span(Duration::from_secs(125)), "2 min 5 s");
    }
}
