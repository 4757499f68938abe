//! Frames: bytes on a stream become messages and back. Pure; whoever reads and writes the stream brings the bytes.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest request, in bytes of JSON.
pub const REQUEST: usize = 1 << 20;

/// The largest message of the service, in bytes of JSON.
pub const RESPONSE: usize = 4 << 20;

const HEAD: usize = 4;

/// Bytes that are no frame. Nothing more can be read from such a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The frame is larger than what is allowed.
    TooLarge {
        /// Its size, in bytes.
        size: usize,
        /// What is allowed, in bytes.
        largest: usize,
    },
    /// It is not JSON, or not of the form that was expected.
    Garbage(String),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, largest } => {
                write!(f, "a message of {size} bytes, where {largest} are allowed")
            }
            Self::Garbage(why) => write!(f, "a message that is not understood: {why}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// A message as a frame.
///
/// # Errors
/// It is larger than `largest`.
pub fn encode<T: Serialize>(message: &T, largest: usize) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; HEAD];
    serde_json::to_writer(&mut frame, message).map_err(|error| FrameError::Garbage(error.to_string()))?;
    let size = frame.len() - HEAD;
    match u32::try_from(size) {
        Ok(head) if size <= largest => {
            frame[..HEAD].copy_from_slice(&head.to_be_bytes());
            Ok(frame)
        }
        _ => Err(FrameError::TooLarge { size, largest }),
    }
}

/// The message in a frame's bytes, its head not among them.
///
/// # Errors
/// It is not JSON, or of another form.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(body).map_err(|error| FrameError::Garbage(error.to_string()))
}

/// Finds the frames in bytes that come in pieces.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    largest: usize,
}

impl Decoder {
    /// For frames of at most `largest` bytes.
    pub fn new(largest: usize) -> Self {
        Self { bytes: Vec::new(), largest }
    }

    /// Adds what was read.
    pub fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The body of the next whole frame; `None` until more has been read.
    ///
    /// # Errors
    /// The frame says that it is too large; it is not waited for.
    pub fn next_body(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some(head) = self.bytes.first_chunk::<HEAD>() else { return Ok(None) };
        let size = u32::from_be_bytes(*head) as usize;
        if size > self.largest {
            return Err(FrameError::TooLarge { size, largest: self.largest });
        }
        if self.bytes.len() < HEAD + size {
            return Ok(None);
        }
        let body = self.bytes[HEAD..HEAD + size].to_vec();
        self.bytes.drain(..HEAD + size);
        Ok(Some(body))
    }

    /// Whether the bytes so far end in the middle of a frame.
    pub fn is_amid(&self) -> bool {
        !self.bytes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_that_are_too_large_are_known_by_their_head() {
        let mut decoder = Decoder::new(10);
        decoder.add(&[0, 0, 0, 11]);
        assert_eq!(decoder.next_body(), Err(FrameError::TooLarge { size: 11, largest: 10 }));
        assert_eq!(encode(&"12345678", 10).unwrap(), b"\0\0\0\x0a\"12345678\"");
        assert!(encode(&"123456789", 10).is_err());
        assert!(decode::<u8>(b"\"x\"").is_err());
        assert!(decode::<u8>(b"").is_err());
    }

    proptest! {
        #[test]
        fn frames_are_found_however_the_bytes_are_cut(
            texts in prop::collection::vec(".{0,40}", 0..6),
            cuts in prop::collection::vec(1..20_usize, 0..40),
        ) {
            let stream: Vec<u8> = texts.iter().flat_map(|text| encode(text, 1000).unwrap()).collect();
            let mut decoder = Decoder::new(1000);
            let mut found = Vec::new();
            let mut rest = &stream[..];
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap_or(7).min(rest.len()));
                decoder.add(piece);
                rest = after;
                while let Some(body) = decoder.next_body().unwrap() {
                    found.push(decode::<String>(&body).unwrap());
                }
            }
            prop_assert_eq!(found, texts);
            prop_assert!(!decoder.is_amid());
        }

        #[test]
        fn any_bytes_end_in_a_frame_an_error_or_a_wait(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = Decoder::new(64);
            decoder.add(&bytes);
            while let Ok(Some(body)) = decoder.next_body() {
                let _ = decode::<super::super::message::FromClient>(&body);
            }
        }
    }
}
