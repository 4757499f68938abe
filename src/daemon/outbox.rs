//! What waits to be written to one client: bounded by its bytes, so that a client which never reads costs little and is
//! then let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

/// The most that waits, in bytes; one message more always fits when nothing does.
const LARGEST: usize = 8 << 20;

/// A frame, encoded once for everyone who gets it.
pub type Frame = Arc<[u8]>;

/// The end that is filled.
#[derive(Clone, Debug)]
pub struct Outbox {
    frames: mpsc::UnboundedSender<Frame>,
    waiting: Arc<AtomicUsize>,
}

/// The end that is emptied.
#[derive(Debug)]
pub struct Waiting {
    frames: mpsc::UnboundedReceiver<Frame>,
    waiting: Arc<AtomicUsize>,
}

/// Why a frame was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// The client does not read.
    Full,
    /// It has gone.
    Gone,
}

/// Both ends.
pub fn outbox() -> (Outbox, Waiting) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Outbox { frames: sender, waiting: waiting.clone() }, Waiting { frames: receiver, waiting })
}

impl Outbox {
    /// Adds a frame.
    pub fn add(&self, frame: Frame) -> Result<(), NotTaken> {
        let before = self.waiting.fetch_add(frame.len(), Ordering::Relaxed);
        if before > 0 && before + frame.len() > LARGEST {
            return Err(NotTaken::Full);
        }
        self.frames.send(frame).map_err(|_| NotTaken::Gone)
    }
}

impl Waiting {
    /// The next frame; `None` when there will be no more.
    pub async fn next(&mut self) -> Option<Frame> {
        self.frames.recv().await
    }

    /// A frame has been written.
    pub fn written(&self, frame: &Frame) {
        self.waiting.fetch_sub(frame.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_so_many_bytes_and_no_more() {
        let (outbox, mut waiting) = outbox();
        let frame: Frame = vec![0; LARGEST / 2].into();
        assert_eq!(outbox.add(frame.clone()), Ok(()));
        assert_eq!(outbox.add(frame.clone()), Ok(()));
        assert_eq!(outbox.add(vec![0].into()), Err(NotTaken::Full));
        let got = waiting.frames.try_recv().unwrap();
        waiting.written(&got);
        assert_eq!(outbox.add(vec![0].into()), Ok(()));
    }
}
