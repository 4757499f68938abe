//! Unified diffs for people: secrets masked, control characters shown, never a raw byte of a file.

use similar::{Algorithm, ChangeTag, capture_diff_slices, group_diff_ops};

use super::style::Style;
use crate::base::redact;
use crate::base::text::printable;

/// The most lines that are shown of one file.
const MOST: usize = 2_000;

/// The difference between two files as a unified diff, coloured if wanted. Bytes are compared; what is shown is
/// masked and escaped line by line.
pub fn unified(name: &str, old: Option<&[u8]>, new: Option<&[u8]>, colours: bool) -> String {
    let label =
        |side: &str, there: bool| if there { format!("{side}/{name}") } else { "/dev/null".to_owned() };
    let head = Style::Heading
        .paint(&format!("--- {}\n+++ {}", label("a", old.is_some()), label("b", new.is_some())), colours);
    let (old, new) = (lines(old.unwrap_or_default()), lines(new.unwrap_or_default()));
    let (old_shown, new_shown) = (masked(&old), masked(&new));
    let mut out = Vec::new();
    for group in group_diff_ops(capture_diff_slices(Algorithm::Myers, &old, &new), 3) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range = |start: usize, end: usize| match end - start {
            0 => format!("{start},0"),
            1 => format!("{}", start + 1),
            count => format!("{},{count}", start + 1),
        };
        let before = range(first.old_range().start, last.old_range().end);
        let after = range(first.new_range().start, last.new_range().end);
        out.push(Style::Hint.paint(&format!("@@ -{before} +{after} @@"), colours));
        for change in group.iter().flat_map(|op| op.iter_changes(&old, &new)) {
            let place = |index: Option<usize>| index.unwrap_or_default();
            let (sign, style, text) = match change.tag() {
                ChangeTag::Delete => ('-', Some(Style::Bad), &old_shown[place(change.old_index())]),
                ChangeTag::Insert => ('+', Some(Style::Good), &new_shown[place(change.new_index())]),
                ChangeTag::Equal => (' ', None, &old_shown[place(change.old_index())]),
            };
            let line = format!("{sign}{text}");
            out.push(style.map_or_else(|| line.clone(), |style| style.paint(&line, colours)));
            if !change.value().ends_with(b"\n") {
                out.push("\\ No newline at end of file".to_owned());
            }
        }
    }
    if out.is_empty() {
        return String::new();
    }
    let more = out.len().saturating_sub(MOST);
    out.truncate(MOST);
    if more > 0 {
        out.push(format!("... and {more} more lines"));
    }
    format!("{head}\n{}\n", out.join("\n"))
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// Every line as it may be shown. The body of a private key is many lines that no pattern knows by themselves.
fn masked(lines: &[&[u8]]) -> Vec<String> {
    let mut in_key = false;
    lines
        .iter()
        .map(|line| {
            let text = escaped(line);
            let (begins, ends) =
                (text.contains("-----BEGIN") && text.contains("PRIVATE KEY"), text.contains("-----END"));
            let hidden = in_key && !ends;
            in_key = (in_key || begins) && !ends;
            if hidden { redact::MASK.to_owned() } else { shown(&text) }
        })
        .collect()
}

/// The line as text, each byte that is not Unicode as `\xNN`.
fn escaped(line: &[u8]) -> String {
    let mut out = String::new();
    for chunk in line.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    out
}

fn shown(line: &str) -> String {
    let line = line.strip_suffix('\n').unwrap_or(line);
    // A carriage return at the end is common and would only be noise as an escape.
    let (line, end) = match line.strip_suffix('\r') {
        Some(line) => (line, "^M"),
        None => (line, ""),
    };
    format!("{}{end}", printable(&redact::line(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_escapes_do_not_get_through() {
        let diff =
            unified("~/.bashrc", Some(b"a\r\nTOKEN=abc\n"), Some(b"a\r\nTOKEN=def\nx\x1b[2J\xff"), false);
        assert!(!diff.contains("abc") && !diff.contains("def") && !diff.contains('\u{1b}'), "{diff}");
        assert!(diff.starts_with("--- a/~/.bashrc\n+++ b/~/.bashrc\n@@ -1,2 +1,3 @@\n a^M\n"), "{diff}");
        assert!(diff.ends_with("\\ No newline at end of file\n"), "{diff}");
    }

    #[test]
    fn bytes_that_are_no_text_are_compared_and_shown() {
        let diff = unified("x", Some(b"\xff\n"), Some(b"\xfe\n"), false);
        assert!(diff.contains("-\\xff\n+\\xfe\n"), "{diff}");
    }

    #[test]
    fn the_body_of_a_private_key_is_hidden_also_where_a_hunk_begins_inside_it() {
        let key = |last: &str| {
            let body: String = (0..20).map(|i| format!("MIIEvQIBADANBg{i}\n")).collect();
            format!("-----BEGIN RSA PRIVATE KEY-----\n{body}{last}\n-----END RSA PRIVATE KEY-----\nafter\n")
        };
        let diff = unified("key", Some(key("AAAA").as_bytes()), Some(key("BBBB").as_bytes()), false);
        assert!(!diff.contains("MIIE") && !diff.contains("AAAA") && !diff.contains("BBBB"), "{diff}");
        assert!(diff.contains("after"), "{diff}");
    }

    #[test]
    fn a_long_diff_is_cut_and_says_so() {
        let new: String = (0..5_000).map(|i| format!("line {i}\n")).collect();
        assert!(unified("x", None, Some(new.as_bytes()), false).ends_with("more lines\n"));
    }

    #[test]
    fn a_new_file_comes_from_nowhere() {
        assert!(
            unified("x", None, Some(b"1\n"), false)
                .starts_with("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+1\n")
        );
        assert_eq!(unified("x", Some(b"1\n"), Some(b"1\n"), false), "");
    }
}
