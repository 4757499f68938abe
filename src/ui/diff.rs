//! Unified diffs for people: secrets masked, control characters shown, never a raw byte of a file.

use similar::{ChangeTag, TextDiff};

use super::style::Style;
use crate::base::redact;
use crate::base::text::printable;

/// The difference between two files as a unified diff, coloured if wanted.
pub fn unified(name: &str, old: Option<&[u8]>, new: Option<&[u8]>, colours: bool) -> String {
    let label =
        |side: &str, there: bool| if there { format!("{side}/{name}") } else { "/dev/null".to_owned() };
    let (a, b) = (label("a", old.is_some()), label("b", new.is_some()));
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let (old, new) = (text(old), text(new));
    let diff = TextDiff::from_lines(old.as_str(), new.as_str());
    let mut out = String::new();
    for group in diff.grouped_ops(3) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let range = |start: usize, end: usize| match end - start {
            0 => format!("{start},0"),
            1 => format!("{}", start + 1),
            count => format!("{},{count}", start + 1),
        };
        let before = range(first.old_range().start, last.old_range().end);
        let after = range(first.new_range().start, last.new_range().end);
        out.push_str(&Style::Hint.paint(&format!("@@ -{before} +{after} @@"), colours));
        out.push('\n');
        for op in &group {
            for change in diff.iter_changes(op) {
                let (sign, style) = match change.tag() {
                    ChangeTag::Delete => ('-', Some(Style::Bad)),
                    ChangeTag::Insert => ('+', Some(Style::Good)),
                    ChangeTag::Equal => (' ', None),
                };
                let line = format!("{sign}{}", shown(change.value()));
                out.push_str(&style.map_or_else(|| line.clone(), |style| style.paint(&line, colours)));
                out.push('\n');
                if change.missing_newline() {
                    out.push_str("\\ No newline at end of file\n");
                }
            }
        }
    }
    if out.is_empty() {
        return out;
    }
    let head = Style::Heading.paint(&format!("--- {a}\n+++ {b}"), colours);
    format!("{head}\n{out}")
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
    fn a_new_file_comes_from_nowhere() {
        assert!(
            unified("x", None, Some(b"1\n"), false)
                .starts_with("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+1\n")
        );
        assert_eq!(unified("x", Some(b"1\n"), Some(b"1\n"), false), "");
    }
}
