//! Spans of time as people write them in `devboot.toml`: `500ms`, `90s`, `1.5m`, `1h30m`.

use std::time::Duration;

/// Nothing that a pipeline waits for takes longer.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a span; `None` when it is none, or longer than a year.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut nanoseconds: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        nanoseconds = nanoseconds.checked_add(amount(number)?.checked_mul(unit_in_microseconds(unit)?)?)?;
        rest = after;
    }
    let span = Duration::from_nanos(u64::try_from(nanoseconds).ok()?);
    (span <= LONGEST).then_some(span)
}

fn split(text: &str, inside: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
}

/// A number in thousandths.
fn amount(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fits = |part: &str, most| (1..=most).contains(&part.len());
    if !fits(whole, 12) || !fits(fraction, 3) {
        return None;
    }
    let thousandths: u128 = format!("{fraction:0<3}").parse().ok()?;
    Some(whole.parse::<u128>().ok()? * 1000 + thousandths)
}

fn unit_in_microseconds(text: &str) -> Option<u128> {
    const SECOND: u128 = 1_000_000;
    match text {
        "ms" => Some(SECOND / 1000),
        "s" => Some(SECOND),
        "m" | "min" => Some(60 * SECOND),
        "h" => Some(3600 * SECOND),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_and_all_else_is_refused() {
        for (text, ms) in [
            ("500ms", 500),
            ("90s", 90_000),
            ("1.5m", 90_000),
            ("1h30m", 5_400_000),
            (" 0s ", 0),
            ("2min", 120_000),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in
            ["", "10", "m", "1x", "-1s", "1..5s", ".5s", "1s 2s", "1e3s", "400000000000s", "9999999999999h"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
