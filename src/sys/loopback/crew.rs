//! The threads of a server. Each takes a client, answers it and takes the next, so that nothing is handed from one to another.
//!
//! Few threads answer faster than many: an answer takes microseconds, and threads that want the same processor put each other off for
//! milliseconds. So one that is about to wait, for a client that is slow or for a cloud, says so first and has another take its
//! place.

use std::cell::Cell;
use std::io;
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::holder::Holders;
use super::serve::{Desk, serve};
use super::{CONNECTIONS, Handler, Told};

/// Threads that wait for clients: where one has to give its processor up to other programs, another goes on.
const READY: usize = 2;

/// What is listened at, and who listens.
pub(super) struct Door {
    listener: TcpListener,
    pub(super) ours: SocketAddrV4,
    pub(super) handler: Handler,
    pub(super) told: Told,
    pub(super) holders: Holders,
    stopped: AtomicBool,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    /// Those that wait for a client, or will in a moment.
    ready: usize,
    /// Those that have a client and may take long.
    long: usize,
}

impl Door {
    /// Begins to answer.
    pub(super) fn open(listener: TcpListener, handler: Handler, told: Told) -> io::Result<Arc<Self>> {
        let SocketAddr::V4(ours) = listener.local_addr()? else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        let (stopped, threads) = (AtomicBool::new(false), Mutex::default());
        let door =
            Arc::new(Self { listener, ours, handler, told, holders: Holders::default(), stopped, threads });
        door.fill()?;
        Ok(door)
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.ours.port()
    }

    /// Takes no more clients.
    pub(super) fn close(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Whoever waits for a client is woken by it.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if cfg!(not(target_os = "linux")) {
            let _ = TcpStream::connect(self.ours);
        }
    }

    /// Whether it is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has as many threads wait as there should.
    fn fill(self: &Arc<Self>) -> io::Result<()> {
        loop {
            let mut threads = self.threads();
            if threads.ready >= READY || self.is_closed() {
                return Ok(());
            }
            threads.ready += 1;
            drop(threads);
            let door = Arc::clone(self);
            let thread = thread::Builder::new().name("loopback".into()).spawn(move || door.work());
            if let Err(error) = thread {
                self.threads().ready -= 1;
                return Err(error);
            }
        }
    }

    fn work(self: Arc<Self>) {
        let mut desk = Desk::default();
        while !self.is_closed() {
            let (stream, from) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(_) if self.is_closed() => break,
                Err(_) => {
                    // No file is left, say: the client stays in the queue, and asking again at once would not help.
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            if self.threads().long >= CONNECTIONS {
                continue;
            }
            let turn = Turn { door: &self, long: Cell::new(false) };
            serve(&stream, from, &turn, &mut desk);
            drop(stream);
            if !turn.end() {
                return;
            }
        }
        self.threads().ready -= 1;
    }
}

/// One thread's way with one client.
pub(super) struct Turn<'a> {
    pub(super) door: &'a Arc<Door>,
    long: Cell<bool>,
}

impl Turn<'_> {
    /// Lets another thread take the next client, if none else would.
    pub(super) fn takes_long(&self) {
        if self.long.replace(true) {
            return;
        }
        let mut threads = self.door.threads();
        threads.long += 1;
        threads.ready -= 1;
        drop(threads);
        // Where no thread can be had, clients wait for this one.
        let _ = self.door.fill();
    }

    /// Whether there is room for many more that take long.
    pub(super) fn has_room(&self) -> bool {
        self.door.threads().long < CONNECTIONS / 2
    }

    /// Whether this thread is to take another client.
    fn end(self) -> bool {
        if !self.long.get() {
            return true;
        }
        let mut threads = self.door.threads();
        threads.long -= 1;
        let is_wanted = threads.ready < READY;
        threads.ready += usize::from(is_wanted);
        is_wanted
    }
}
