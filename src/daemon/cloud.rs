//! Requests about credentials: answered beside the loop, each on a thread of its own, since clouds take their time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::event::{ClientId, Event};
use super::home::Own;
use crate::base::error::{ErrorKind, Fault};
use crate::cloud::desk::Desk;
use crate::ipc::cloud::CloudRequest;
use crate::sys::dirs::Dirs;

/// The most requests that are being answered at a time.
const MOST: usize = 64;

/// Small: an answer is a few calls deep, and there may be many.
const STACK: usize = 1 << 20;

/// The desk, and how many wait at it.
pub(super) struct Cloud {
    desk: Arc<Desk>,
    events: mpsc::Sender<Event>,
    asking: Arc<AtomicUsize>,
}

impl Cloud {
    /// For a home; what happens is told to `events`.
    pub(super) fn new(dirs: Dirs, own: &Own, events: mpsc::Sender<Event>) -> Self {
        let word = |path: &Path| path.to_string_lossy().into_owned();
        let arguments = own.arguments.iter().map(|word| word.to_string_lossy().into_owned());
        let program = std::iter::once(word(&own.program)).chain(arguments).collect();
        let told = events.clone();
        // A thread of the desk's own says it; the loop has room for it again soon.
        let holds = Box::new(move |holds| drop(told.blocking_send(Event::Holds(holds))));
        let told = events.clone();
        let noted = Box::new(move |line| told.try_send(Event::Noted(line)).is_ok());
        let desk = Desk::new(dirs, program, holds, noted);
        let thread = std::thread::Builder::new().name("doors".into());
        let reopening = Arc::clone(&desk);
        // Tools that were pointed at them go on.
        let _ = thread.spawn(move || reopening.reopen());
        Self { desk, events, asking: Arc::default() }
    }

    /// Has a request of a process answered. What cannot be begun is answered at once.
    pub(super) fn answer(&self, client: ClientId, who: Option<u32>, request: CloudRequest) -> Option<Event> {
        let busy = |why: &str| {
            let fault = Fault::new(ErrorKind::Failed, "the service cannot answer for credentials just now");
            Some(Event::Cloud { client, result: Err(fault.cause(why).hint("try again")) })
        };
        if self.asking.fetch_add(1, Ordering::SeqCst) >= MOST {
            self.asking.fetch_sub(1, Ordering::SeqCst);
            return busy("too many ask at the same time");
        }
        let (desk, events, asking) = (Arc::clone(&self.desk), self.events.clone(), Arc::clone(&self.asking));
        let answer = move || {
            let result = desk.answer(who, &request);
            asking.fetch_sub(1, Ordering::SeqCst);
            let _ = events.blocking_send(Event::Cloud { client, result });
        };
        let thread = std::thread::Builder::new().name("cloud".into()).stack_size(STACK);
        match thread.spawn(answer) {
            Ok(_) => None,
            Err(error) => {
                self.asking.fetch_sub(1, Ordering::SeqCst);
                busy(&error.to_string())
            }
        }
    }

    /// Closes the doors, and returns when all that was given stands in the log.
    pub(super) fn end(&self) {
        self.desk.end();
    }
}
