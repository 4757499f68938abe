//! Single keys from the terminal, without waiting for the end of a line.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// The terminal as it was found, while it is in our mode.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);

/// While it lives, keys come one by one and are not echoed. Ctrl-C and Ctrl-Z mean what they always do.
#[derive(Debug)]
pub struct Keyboard {
    typed: VecDeque<u8>,
}

impl Keyboard {
    /// Takes the terminal on standard input; `None` when there is none, or we are in its background.
    pub fn take() -> Option<Self> {
        let stdin = std::io::stdin();
        let found = tcgetattr(&stdin).ok()?;
        // From the background, changing the terminal would stop us.
        if rustix::termios::tcgetpgrp(&stdin).ok()? != rustix::process::getpgrp() {
            return None;
        }
        *FOUND.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        retake();
        Some(Self { typed: VecDeque::new() })
    }

    /// Waits for the next key; `None` when the terminal has gone.
    pub fn next_key(&mut self) -> Option<char> {
        loop {
            if let Some(byte) = self.typed.pop_front() {
                return Some(char::from(byte));
            }
            let mut buffer = [0; 64];
            let count = std::io::stdin().lock().read(&mut buffer).ok().filter(|count| *count > 0)?;
            // An arrow and its like send several bytes at once, escape first; none of them is a key of its own.
            if count == 1 || buffer[0] != 0x1b {
                self.typed.extend(&buffer[..count]);
            }
        }
    }
}

/// Takes the terminal once more, after we were stopped and the shell had it; nothing when it was not ours.
pub fn retake() {
    if let Some(found) = FOUND.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
        let mut ours = found.clone();
        ours.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        ours.special_codes[SpecialCodeIndex::VMIN] = 1;
        ours.special_codes[SpecialCodeIndex::VTIME] = 0;
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &ours);
    }
}

/// Gives the terminal back as it was found; fine when it was never taken.
pub fn give_back() {
    if let Some(found) = FOUND.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &found);
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        give_back();
    }
}
