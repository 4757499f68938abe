//! The beginning and the end of an output of any length, in a bounded piece of memory.

use std::collections::VecDeque;

use crate::base::text::size;

/// How much of the beginning is kept, in bytes.
pub const HEAD: usize = 64 << 10;

/// How much of the end is kept, in bytes.
pub const TAIL: usize = 192 << 10;

/// What is kept of an output.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Capture {
    /// Adds what comes next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(TAIL)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(TAIL);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    /// The last bytes, at most this many and at most [`TAIL`].
    pub fn last(&self, count: u64) -> Vec<u8> {
        let skip = self.tail.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        self.tail.iter().skip(skip).copied().collect()
    }

    /// What is kept, as text: invalid UTF-8 is replaced, and a line says what is left out.
    pub fn text(&self) -> String {
        let kept = (self.head.len() + self.tail.len()) as u64;
        let (front, back) = self.tail.as_slices();
        let mut bytes = self.head.clone();
        if self.total > kept {
            bytes.extend(format!("\n… {} left out\n", size(self.total - kept)).as_bytes());
        }
        bytes.extend_from_slice(front);
        bytes.extend_from_slice(back);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_output_is_whole() {
        let mut capture = Capture::default();
        capture.push(b"one\n");
        capture.push(b"two\n");
        assert_eq!(capture.text(), "one\ntwo\n");
        let long = vec![b'x'; HEAD + TAIL];
        let mut capture = Capture::default();
        capture.push(&long);
        assert_eq!(capture.text().into_bytes(), long);
    }

    #[test]
    fn a_long_one_keeps_both_ends() {
        let mut capture = Capture::default();
        capture.push(b"first\n");
        for _ in 0..100 {
            capture.push(&[b'x'; 100_000]);
        }
        capture.push(b"\nlast");
        let text = capture.text();
        assert!(text.starts_with("first\n") && text.ends_with("x\nlast"));
        assert_eq!((capture.last(5), capture.last(u64::MAX).len()), (b"\nlast".to_vec(), TAIL));
        assert!(text.contains("\n… 9.7 MB left out\n") && text.len() < HEAD + TAIL + 100, "{}", text.len());
    }
}
