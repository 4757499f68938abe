//! Lines of foreign output, made harmless.

use std::borrow::Cow;

use crate::base::text::printable;

/// How much of a line is looked at, in bytes: no runner's own line is longer.
const LONGEST: usize = 4096;

/// Cuts bytes into lines.
#[derive(Default)]
pub struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Hands on every line that is complete now, its escapes taken out; of a long one the beginning.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if self.begun.is_empty() {
                each(&clean(&rest[..end.min(LONGEST)]));
            } else {
                self.begin(&rest[..end]);
                each(&clean(&self.begun));
                self.begun.clear();
            }
            rest = &rest[end + 1..];
        }
        self.begin(rest);
    }

    fn begin(&mut self, part: &[u8]) {
        let room = LONGEST - self.begun.len();
        self.begun.extend_from_slice(&part[..part.len().min(room)]);
    }
}

/// The text of a line: escape sequences (colours, links, titles) taken out, a carriage return at its end too.
fn clean(line: &[u8]) -> Cow<'_, str> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if !line.contains(&0x1b) {
        return String::from_utf8_lossy(line);
    }
    let mut out = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != 0x1b {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            // CSI: parameters, then one final byte.
            Some(b'[') => while bytes.next().is_some_and(|byte| !(0x40..=0x7e).contains(&byte)) {},
            // OSC: up to BEL or ESC \.
            Some(b']') => {
                while let Some(byte) = bytes.next() {
                    if byte == 0x07 || byte == 0x1b && bytes.next_if_eq(&b'\\').is_some() {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// A piece of foreign text, at most `limit` characters of it, control characters escaped.
pub fn shown(text: &str, limit: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", printable(&text[..end])),
        None => printable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(parts: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for part in parts {
            lines.push(part, |line| found.push(line.to_owned()));
        }
        found
    }

    #[test]
    fn lines_are_put_together_again() {
        assert_eq!(lines(&[b"a", b"b\r\nc\n\nd", b"\n", b"rest"]), ["ab", "c", "", "d"]);
        assert_eq!(lines(&[&[b'x'; 10_000], b"x\ny\n"]), ["x".repeat(LONGEST), "y".into()]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
    }

    #[test]
    fn escapes_are_taken_out() {
        let found =
            lines(&[b"\x1b[31m\x1b[1mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x1b\\!\x1b(B\x1b[\n"]);
        assert_eq!(found, ["red link!B"]);
    }

    #[test]
    fn what_is_shown_is_bounded_and_stays_in_its_line() {
        assert_eq!(shown(" a\rb\u{1b}[2J ", 20), "a\\u{d}b\\u{1b}[2J");
        assert_eq!(shown("ééééé", 3), "ééé…");
    }
}
