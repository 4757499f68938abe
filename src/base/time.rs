//! Points in time and spans, as values: reading a clock is `sys::clock`'s work.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::printable;

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

    /// Reads the date of an HTTP header, such as `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn parse_http(text: &str) -> Option<Self> {
        jiff::fmt::rfc2822::parse(text).ok().map(|time| Self(time.timestamp().as_second()))
    }

    /// Hour and minute on the clock of who reads it: `14:05`.
    pub fn local_minute(&self) -> String {
        let zoned = jiff::Timestamp::from_second(self.0).map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
        zoned.map_or_else(|_| self.to_string(), |at| format!("{:02}:{:02}", at.hour(), at.minute()))
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

/// What is left until a moment: `50 s`, `4 min`, `1 h 5 min`, `4 h`; `no time` when it is over.
pub fn left(until: Timestamp, now: Timestamp) -> String {
    let seconds = until.0.saturating_sub(now.0);
    // To the nearest minute: what was got for an hour a moment ago has an hour left.
    let minutes = seconds.saturating_add(30) / 60;
    match (minutes / 60, minutes % 60) {
        _ if seconds <= 0 => "no time".to_owned(),
        _ if seconds < 90 => format!("{seconds} s"),
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// How long ago a moment was: `just now`, `5 min ago`, `3 h ago`, `2 days ago`, then the day.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.0 - then.0 {
        // A clock that was set back is no reason to speak of the future.
        ..10 => "just now".into(),
        seconds @ 10..60 => format!("{seconds} s ago"),
        seconds @ 60..3_600 => format!("{} min ago", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h ago", seconds / 3_600),
        seconds @ 86_400..604_800 => format!("{} days ago", seconds / 86_400),
        _ => then.day(),
    }
}

/// A span as people write it: a number and one of `ms`, `s`, `m` (or `min`), `h`, `d`, `w`. The error is a sentence.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let wrong = || format!("'{}' is no span of time such as 500ms, 90s, 10m or 2h", printable(text));
    let count: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let milliseconds: u64 = match text[digits..].trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "w" => 604_800_000,
        _ => return Err(wrong()),
    };
    count.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
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
        assert_eq!(Timestamp::parse_http("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Timestamp(784_111_777)));
        assert_eq!(Timestamp::parse_http("soon"), None);
    }

    #[test]
    fn spans() {
        assert_eq!(span(Duration::from_millis(12)), "12 ms");
        assert_eq!(span(Duration::from_secs(125)), "2 min 5 s");
    }

    #[test]
    fn what_is_left_is_as_exact_as_it_matters() {
        let words = [-5, 0, 1, 58, 89, 90, 3_570, 3_599, 3_900, 14_400, 14_440]
            .map(|at| left(Timestamp(at), Timestamp(0)));
        let expected = [
            "no time",
            "no time",
            "1 s",
            "58 s",
            "89 s",
            "2 min",
            "1 h",
            "1 h",
            "1 h 5 min",
            "4 h",
            "4 h 1 min",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn spans_are_read_as_people_write_them() {
        assert_eq!(parse_span("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_span("2 h"), Ok(Duration::from_secs(7200)));
        for wrong in
            ["", "5", "m", "-5m", "1.5h", "5 parsecs", "99999999999999999999s", "18446744073709551615w"]
        {
            assert!(parse_span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn moments_are_near_or_days() {
        let words = |seconds| ago(Timestamp(0), Timestamp(seconds));
        assert_eq!(words(-5), "just now");
        assert_eq!(
            [words(59), words(3_599), words(7_300), words(86_400 * 3)],
            ["59 s ago", "59 min ago", "2 h ago", "3 days ago"]
        );
        assert_eq!(words(604_800), "1970-01-01");
    }
}
