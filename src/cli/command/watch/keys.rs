//! Keys that are typed while something is watched.

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cli::context::Context;
use crate::sys::keyboard::Keyboard;
use crate::sys::terminal;

/// Keys as they are typed; none without a terminal to type on.
pub(super) struct Keys(Option<UnboundedReceiver<char>>);

impl Keys {
    /// Takes the keyboard, where somebody sits at one and reads what is shown.
    pub fn take(context: &Context) -> Self {
        if context.global.json || !terminal::stdout_is_terminal() {
            return Self(None);
        }
        let Some(mut keyboard) = Keyboard::take() else { return Self(None) };
        let (sender, receiver) = unbounded_channel();
        let thread = std::thread::Builder::new().name("keys".into()).spawn(move || {
            while let Some(key) = keyboard.next_key() {
                if sender.send(key).is_err() {
                    return;
                }
            }
        });
        Self(thread.ok().map(|_| receiver))
    }

    /// Whether there is a terminal to type on.
    pub fn are_typed(&self) -> bool {
        self.0.is_some()
    }

    /// The next one.
    pub async fn next(&mut self) -> char {
        let next = match &mut self.0 {
            Some(keys) => keys.recv().await,
            None => None,
        };
        match next {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}
