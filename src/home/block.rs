//! Managed blocks as operations on bytes: find, put in, take out. Bytes outside a block never change, but for
//! one line feed that a file without a final one needs before a block can follow; the caller keeps note of it
//! and gives it back.

use std::fmt;
use std::ops::Range;

use super::entry::Position;

/// The markers of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Markers {
    begin: String,
    end: String,
}

/// Where a block stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Both marker lines and everything between.
    pub whole: Range<usize>,
    /// The lines between the markers.
    pub body: Range<usize>,
}

/// Markers that do not make one block. Line numbers start at 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokenMarkers {
    /// A begin marker without an end marker.
    NoEnd(usize),
    /// An end marker without a begin marker.
    NoBegin(usize),
    /// A second block, or a begin marker inside a block.
    Twice(usize),
}

impl fmt::Display for BrokenMarkers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokenMarkers::NoEnd(line) => {
                write!(f, "the devboot block that begins in line {line} has no end marker")
            }
            BrokenMarkers::NoBegin(line) => {
                write!(f, "the devboot end marker in line {line} has no begin marker")
            }
            BrokenMarkers::Twice(line) => {
                write!(f, "line {line} begins the same devboot block a second time")
            }
        }
    }
}

impl std::error::Error for BrokenMarkers {}

impl Markers {
    /// The markers of block `id` in a language whose comments start with `comment`.
    pub fn new(comment: &str, id: &str) -> Self {
        Self { begin: format!("{comment} >>> {id} >>>"), end: format!("{comment} <<< {id} <<<") }
    }

    /// The block in `bytes`, if there is one.
    pub fn find(&self, bytes: &[u8]) -> Result<Option<Found>, BrokenMarkers> {
        let mut open: Option<(usize, usize, usize)> = None;
        let mut found: Option<Found> = None;
        let mut at = 0;
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let text = line.trim_ascii_end();
            let next = at + line.len();
            if text == self.begin.as_bytes() {
                if open.is_some() || found.is_some() {
                    return Err(BrokenMarkers::Twice(index + 1));
                }
                open = Some((at, next, index + 1));
            } else if text == self.end.as_bytes() {
                let (whole, body, _) = open.take().ok_or(BrokenMarkers::NoBegin(index + 1))?;
                found = Some(Found { whole: whole..next, body: body..at });
            }
            at = next;
        }
        match open {
            Some((_, _, line)) => Err(BrokenMarkers::NoEnd(line)),
            None => Ok(found),
        }
    }

    /// The whole text of a block.
    pub fn render(&self, body: &str) -> String {
        format!("{}\n{body}{}\n", self.begin, self.end)
    }

    /// `bytes` with the block set to `body`. The flag says that a line feed had to be added before the block.
    pub fn put(
        &self,
        bytes: &[u8],
        position: Position,
        body: &str,
    ) -> Result<(Vec<u8>, bool), BrokenMarkers> {
        let text = self.render(body);
        if let Some(found) = self.find(bytes)? {
            let ends_open = !bytes[found.whole.clone()].ends_with(b"\n");
            let text = if ends_open { text.trim_end_matches('\n') } else { text.as_str() };
            return Ok((splice(bytes, found.whole, text.as_bytes()), false));
        }
        let at = match position {
            Position::Top => top(bytes),
            Position::Bottom => bytes.len(),
        };
        let gap = at > 0 && bytes[at - 1] != b'\n';
        let text = if gap { format!("\n{text}") } else { text };
        Ok((splice(bytes, at..at, text.as_bytes()), gap))
    }

    /// `bytes` without the block. `gap` is what [`put`](Self::put) said of the line feed; it is taken out again
    /// unless something has been written after the block since.
    pub fn take(&self, bytes: &[u8], gap: bool) -> Result<Vec<u8>, BrokenMarkers> {
        let Some(found) = self.find(bytes)? else { return Ok(bytes.to_vec()) };
        let mut whole = found.whole;
        if gap && whole.end == bytes.len() && bytes[..whole.start].ends_with(b"\n") {
            whole.start -= 1;
        }
        Ok(splice(bytes, whole, b""))
    }
}

/// The first place where a line of ours may stand: a `#!` line and a byte-order mark mean something only at
/// the very start, and text put before a mark would move it into the middle.
fn top(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"#!") || bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1)
    } else {
        0
    }
}

fn splice(bytes: &[u8], range: Range<usize>, text: &[u8]) -> Vec<u8> {
    [&bytes[..range.start], text, &bytes[range.end..]].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn markers() -> Markers {
        Markers::new("#", "devboot")
    }

    /// Texts that look like rc files and like nothing at all, markers and pieces of them included.
    fn any_file() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            Just(b"export A=1\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\xef\xbb\xbf".to_vec()),
            Just(b"#!/bin/sh\n".to_vec()),
            Just(b"# >>> devboot >>>\n".to_vec()),
            Just(b"# <<< devboot <<<\n".to_vec()),
            Just(b"# >>> devboot env >>>\nx\n# <<< devboot env <<<\n".to_vec()),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn any_body() -> impl Strategy<Value = String> {
        proptest::collection::vec("[^\n\r]{0,20}", 0..4).prop_map(|lines| {
            lines.iter().map(|line| format!("{} .\n", line.replace(">>>", "").replace("<<<", ""))).collect()
        })
    }

    fn outside(bytes: &[u8]) -> Vec<u8> {
        match markers().find(bytes).unwrap() {
            Some(found) => [&bytes[..found.whole.start], &bytes[found.whole.end..]].concat(),
            None => bytes.to_vec(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn bytes_outside_never_change(file in any_file(), body in any_body(), other in any_body(), top in any::<bool>()) {
            let position = if top { Position::Top } else { Position::Bottom };
            if markers().find(&file).is_err() {
                prop_assert!(markers().put(&file, position, &body).is_err());
                prop_assert!(markers().take(&file, false).is_err());
            } else {
                let before = outside(&file);
                let had = markers().find(&file).unwrap().is_some();
                let (with, gap) = markers().put(&file, position, &body).unwrap();
                let expected = if gap { let at = outside_gap(&with); let mut e = before.clone(); e.insert(at, b'\n'); e } else { before };
                prop_assert_eq!(outside(&with), expected);
                // A second text replaces the first; taking out gives back the file as it was.
                let (again, gap_again) = markers().put(&with, position, &other).unwrap();
                prop_assert!(!gap_again);
                let found = markers().find(&again).unwrap().unwrap();
                prop_assert_eq!(&again[found.body], other.as_bytes());
                if !had {
                    prop_assert_eq!(markers().take(&again, gap).unwrap(), file);
                }
            }
        }
    }

    /// Where the added line feed stands once the block is cut out: just before the block's place.
    fn outside_gap(with: &[u8]) -> usize {
        markers().find(with).unwrap().unwrap().whole.start - 1
    }

    #[test]
    fn broken_markers_name_the_line() {
        assert_eq!(markers().find(b"a\n# >>> devboot >>>\nb\n"), Err(BrokenMarkers::NoEnd(2)));
        assert_eq!(markers().find(b"# <<< devboot <<<\n"), Err(BrokenMarkers::NoBegin(1)));
        let twice = b"# >>> devboot >>>\n# <<< devboot <<<\n# >>> devboot >>>\n# <<< devboot <<<\n";
        assert_eq!(markers().find(twice), Err(BrokenMarkers::Twice(3)));
    }

    #[test]
    fn a_top_block_stays_below_a_shebang() {
        let (bytes, gap) = markers().put(b"#!/bin/bash\nx\n", Position::Top, "y\n").unwrap();
        assert!(!gap);
        assert_eq!(bytes, b"#!/bin/bash\n# >>> devboot >>>\ny\n# <<< devboot <<<\nx\n");
    }

    #[test]
    fn what_was_written_after_the_block_keeps_its_line() {
        let (bytes, gap) = markers().put(b"x", Position::Bottom, "y\n").unwrap();
        assert!(gap);
        let more = [bytes.as_slice(), b"z\n"].concat();
        assert_eq!(markers().take(&more, gap).unwrap(), b"x\nz\n");
    }
}
