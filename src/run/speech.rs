//! What a stage writes, cut into pieces for those who follow it live: soon, whole characters, not too many. Pure: the
//! time comes in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::event::Stream;
use crate::base::text::size;

/// Pieces are at least so far apart, unless they are full.
const APART: Duration = Duration::from_millis(20);

/// How large a piece may be, in bytes.
const PIECE: usize = 16 << 10;

/// How much may go out at once after a silence, and how much in a second; the log has the rest.
const RATE: usize = 1 << 20;

/// How much of what was left out is shown after all, once it is over.
const LAST: usize = 4 << 10;

/// What is not told yet.
pub struct Speech {
    pending: Vec<u8>,
    stream: Stream,
    told: Option<Instant>,
    allowance: usize,
    counted: Option<Instant>,
    left_out: u64,
    last: VecDeque<u8>,
}

/// A piece that is to be told.
pub type Piece = (Stream, String);

impl Default for Speech {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            stream: Stream::Out,
            told: None,
            allowance: RATE,
            counted: None,
            left_out: 0,
            last: VecDeque::new(),
        }
    }
}

impl Speech {
    /// Takes what was written; `room` says whether anybody has room for a piece. Returns what is to be told at once.
    pub fn push(&mut self, stream: Stream, mut bytes: &[u8], now: Instant, room: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if stream != self.stream {
            self.tell(now, room, true, &mut pieces);
            self.stream = stream;
        }
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(PIECE - self.pending.len()));
            self.pending.extend_from_slice(part);
            bytes = rest;
            if self.pending.len() == PIECE {
                self.tell(now, room, false, &mut pieces);
            }
        }
        if self.told.is_none_or(|told| told + APART <= now) {
            self.tell(now, room, false, &mut pieces);
        }
        pieces
    }

    /// When [`Speech::tick`] is wanted.
    pub fn due(&self) -> Option<Instant> {
        let something = self.pending.len() > cut_off(&self.pending);
        self.told.filter(|_| something).map(|told| told + APART)
    }

    /// What is due.
    pub fn tick(&mut self, now: Instant, room: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.tell(now, room, false, &mut pieces);
        pieces
    }

    /// All that is left, with the end of what was left out.
    pub fn finish(&mut self, now: Instant, room: bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        self.tell(now, room, true, &mut pieces);
        self.catch_up(&mut pieces);
        pieces
    }

    fn tell(&mut self, now: Instant, room: bool, whole: bool, pieces: &mut Vec<Piece>) {
        let cut = if whole { 0 } else { cut_off(&self.pending) };
        let length = self.pending.len() - cut;
        if length == 0 {
            return;
        }
        let past = self.counted.map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        let more = (past.as_micros().min(1_000_000) as usize * RATE) / 1_000_000;
        if more > 0 || self.counted.is_none() {
            self.allowance = (self.allowance + more).min(RATE);
            self.counted = Some(now);
        }
        self.told = Some(now);
        let rest = self.pending.split_off(length);
        let told = std::mem::replace(&mut self.pending, rest);
        if !room || self.allowance < length {
            self.left_out += length as u64;
            self.last.extend(&told[length.saturating_sub(LAST)..]);
            self.last.drain(..self.last.len().saturating_sub(LAST));
            return;
        }
        self.catch_up(pieces);
        self.allowance -= length;
        pieces.push((self.stream, String::from_utf8_lossy(&told).into_owned()));
    }

    fn catch_up(&mut self, pieces: &mut Vec<Piece>) {
        if self.left_out == 0 {
            return;
        }
        let last: Vec<u8> = std::mem::take(&mut self.last).into();
        // The first line of it is cut, as a rule.
        let last = if self.left_out > last.len() as u64 {
            last.iter().position(|byte| *byte == b'\n').map_or(&last[..], |at| &last[at + 1..])
        } else {
            &last[..]
        };
        let gone = self.left_out - last.len() as u64;
        let mut text = String::new();
        if gone > 0 {
            text = format!("\n… {} left out here; the log has more\n", size(gone));
        }
        text.push_str(&String::from_utf8_lossy(last));
        self.left_out = 0;
        pieces.push((self.stream, text));
    }
}

/// How many bytes at the end are the beginning of a character.
fn cut_off(bytes: &[u8]) -> usize {
    for back in 1..=bytes.len().min(3) {
        let length = match bytes[bytes.len() - back] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        return if length > back { back } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pieces: &[Piece]) -> String {
        pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn the_first_word_is_told_at_once_and_the_next_ones_together() {
        let (mut speech, start) = (Speech::default(), Instant::now());
        assert_eq!(speech.push(Stream::Out, b"a", start, true), [(Stream::Out, "a".into())]);
        assert_eq!(speech.push(Stream::Out, b"b", start, true), []);
        assert_eq!(speech.push(Stream::Out, b"c", start, true), []);
        assert_eq!(speech.due(), Some(start + APART));
        assert_eq!(speech.tick(start + APART, true), [(Stream::Out, "bc".into())]);
        assert_eq!(speech.due(), None);
    }

    #[test]
    fn the_order_of_the_two_streams_is_kept() {
        let (mut speech, now) = (Speech::default(), Instant::now());
        let mut all = speech.push(Stream::Out, b"a", now, true);
        all.extend(speech.push(Stream::Out, b"b", now, true));
        all.extend(speech.push(Stream::Err, b"c", now, true));
        all.extend(speech.push(Stream::Out, b"d", now, true));
        all.extend(speech.finish(now, true));
        let expected = [(Stream::Out, "a"), (Stream::Out, "b"), (Stream::Err, "c"), (Stream::Out, "d")];
        assert_eq!(all, expected.map(|(stream, text)| (stream, text.to_owned())));
    }

    #[test]
    fn characters_are_not_torn() {
        let (mut speech, now) = (Speech::default(), Instant::now());
        let mut all = Vec::new();
        for byte in "aé€😀z".bytes() {
            all.extend(speech.push(Stream::Out, &[byte], now, true));
            all.extend(speech.tick(now, true));
        }
        all.extend(speech.finish(now, true));
        assert_eq!(text(&all), "aé€😀z");
        assert_eq!(text(&speech.push(Stream::Out, &[0xff, b'x', 0xe2], now + APART, true)), "\u{fffd}x");
        assert_eq!(text(&speech.finish(now, true)), "\u{fffd}");
    }

    #[test]
    fn a_flood_is_left_out_but_for_its_ends() {
        let (mut speech, now) = (Speech::default(), Instant::now());
        let mut all = Vec::new();
        let line = format!("{}\n", "x".repeat(99));
        for _ in 0..100_000 {
            all.extend(speech.push(Stream::Out, line.as_bytes(), now, true));
        }
        all.extend(speech.push(Stream::Out, b"the end\n", now, true));
        all.extend(speech.finish(now, true));
        let told = text(&all);
        assert!(told.len() < RATE + 2 * LAST && all.len() < 100, "{} in {}", told.len(), all.len());
        assert!(told.contains("left out here; the log has more\n") && told.ends_with("x\nthe end\n"));
        // After a while there is room again.
        let later = speech.push(Stream::Out, b"more\n", now + Duration::from_secs(1), true);
        assert_eq!(text(&later), "more\n");
    }

    #[test]
    fn what_nobody_has_room_for_is_left_out() {
        let (mut speech, now) = (Speech::default(), Instant::now());
        let flood = "line\n".repeat(10_000);
        assert_eq!(speech.push(Stream::Err, flood.as_bytes(), now, false), []);
        let told = text(&speech.finish(now, false));
        assert!(told.contains("left out") && told.ends_with("line\nline\n") && told.len() < 2 * LAST);
    }
}
