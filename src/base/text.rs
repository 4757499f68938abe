//! Small facts about text that comes from outside.

/// The text with every control character escaped, so that a hostile name cannot move the cursor, clear the
/// screen or forge a line of output.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push('\t'),
            // Bidirectional overrides can make a name read as another one.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// JSON as text in which nothing is left that a terminal obeys: JSON itself lets DEL and the C1 controls stand, one of
/// which begins escape sequences.
pub fn plain_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// A count with its noun: `1 file`, `3 files`.
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ if noun.ends_with("ry") => format!("{count} {}ies", &noun[..noun.len() - 1]),
        _ if noun.ends_with("sh") => format!("{count} {noun}es"),
        _ => format!("{count} {noun}s"),
    }
}

/// Bytes as people read them: `312 B`, `4.2 kB`, `78 MB` (powers of 1000, as disk sizes are sold).
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

/// The known word nearest to `word`, if it is near enough to be a slip of the finger.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit || candidate.starts_with(word) && word.len() > 2)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Damerau-Levenshtein distance (optimal string alignment): insertions, deletions, substitutions and swaps
/// of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_value_and_has_nothing_that_a_terminal_obeys() {
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}[2J\u{7f}é\u{9d}" });
        let plain = plain_json(&value.to_string());
        assert!(!plain.chars().any(char::is_control), "{plain}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&plain).unwrap(), value);
    }

    #[test]
    fn nearest_finds_slips_only() {
        let known = ["aliases", "environment", "path"];
        assert_eq!(nearest("alises", known), Some("aliases"));
        assert_eq!(nearest("env", known), Some("environment"));
        assert_eq!(nearest("colour", known), None);
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(4200), "4.2 kB");
        assert_eq!(size(999_999), "1.0 MB");
        assert_eq!(counted(2, "repository"), "2 repositories");
        assert_eq!(counted(1, "file"), "1 file");
    }

    #[test]
    fn hostile_text_is_escaped() {
        assert_eq!(printable("a\u{1b}]0;x\u{7}\r\u{202e}"), "a\\u{1b}]0;x\\u{7}\\u{d}\\u{202e}");
    }
}
