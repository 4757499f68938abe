//! One connection: who it is, what is asked, the answer.

use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use zeroize::Zeroize;

use super::crew::Turn;
use super::head::{Head, Refusal};
use super::peer::{Kernel, Owner};
use super::{Answer, Ask, BODY, HEAD, LINGER, PATIENCE, Refused};

/// What a thread keeps from one client to the next.
#[derive(Default)]
pub(super) struct Desk {
    kernel: Kernel,
    buffer: Buffer,
}

/// The bytes of a request. It never grows: that would leave a copy behind.
struct Buffer {
    bytes: Box<[u8]>,
    used: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { bytes: vec![0; HEAD + BODY].into_boxed_slice(), used: 0 }
    }
}

impl Buffer {
    fn wipe(&mut self) {
        self.bytes[..self.used].zeroize();
        self.used = 0;
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// Answers one request.
pub(super) fn serve(stream: &TcpStream, from: SocketAddr, turn: &Turn<'_>, desk: &mut Desk) {
    let Desk { kernel, buffer } = desk;
    // Before anything is read, so that no other user can keep us waiting.
    let (peer, asked) = match admit(kernel, from, turn) {
        None => return,
        Some((peer, true)) => (peer, receive(stream, buffer, turn)),
        Some((peer, false)) => (peer, Err(Refusal::User)),
    };
    let (uid, inode) = peer.unzip();
    if !turn.door.is_closed() {
        match asked {
            Ok(None) => {}
            Ok(Some((head, body))) => {
                let Head { method, target, headers, .. } = head;
                let answer = (turn.door.handler)(&Ask { method, target, headers, body, uid, inode, turn });
                tell(stream, &answer, turn);
            }
            Err(why) => {
                let answer = Answer::text(why.status(), &format!("devboot: {why}\n"));
                let is_told = tell(stream, &answer, turn);
                let sent = &buffer.bytes[..buffer.used];
                (turn.door.told)(&Refused { why, uid, inode, sent, turn });
                if is_told {
                    linger(stream, why, turn);
                }
            }
        }
    }
    buffer.wipe();
}

/// The user at the other end and its socket, where the system knows, and whether it is let in; `None` when the client has gone.
fn admit(kernel: &mut Kernel, from: SocketAddr, turn: &Turn<'_>) -> Option<(Option<(u32, u64)>, bool)> {
    let SocketAddr::V4(from) = from else { return None };
    match kernel.owner(from, turn.door.ours) {
        Owner::Gone => None,
        Owner::Unknown => Some((None, true)),
        Owner::User(uid, inode) => Some((Some((uid, inode)), uid == rustix::process::geteuid().as_raw())),
    }
}

/// The head and the body; `None` when the client has gone.
fn receive<'a>(
    stream: &TcpStream,
    buffer: &'a mut Buffer,
    turn: &Turn<'_>,
) -> Result<Option<(Head<'a>, &'a [u8])>, Refusal> {
    let Buffer { bytes, used } = buffer;
    let mut until = None;
    let mut seen = 0;
    let end = loop {
        if let Some(at) = bytes[seen..*used].windows(4).position(|window| window == b"\r\n\r\n") {
            break seen + at + 4;
        }
        seen = used.saturating_sub(3);
        if *used >= HEAD {
            return Err(Refusal::Large);
        }
        match more(stream, &mut bytes[*used..HEAD], &mut until, turn)? {
            0 => return Ok(None),
            count => *used += count,
        }
    };
    let (head, rest) = bytes.split_at_mut(end);
    let head = Head::read(head, turn.door.port())?;
    if head.body > BODY {
        return Err(Refusal::Large);
    }
    until = None;
    while *used < end + head.body {
        match more(stream, &mut rest[*used - end..head.body], &mut until, turn)? {
            0 => return Ok(None),
            count => *used += count,
        }
    }
    if *used > end + head.body {
        return Err(Refusal::Head("more than one request on a connection"));
    }
    let body = &rest[..head.body];
    Ok(Some((head, body)))
}

/// Reads what has come, or what comes next; 0 at the end. `until` is set when it has to be waited for the first time.
fn more(
    stream: &TcpStream,
    room: &mut [u8],
    until: &mut Option<Instant>,
    turn: &Turn<'_>,
) -> Result<usize, Refusal> {
    loop {
        match recv(stream, &mut *room, RecvFlags::DONTWAIT) {
            Ok((count, _)) => return Ok(count),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                turn.takes_long();
                let until = *until.get_or_insert_with(|| Instant::now() + PATIENCE);
                if !wait(stream, PollFlags::IN, until) {
                    return Err(Refusal::Slow);
                }
            }
            // A connection that broke is one that has ended.
            Err(_) => return Ok(0),
        }
    }
}

/// Sends an answer. False: not all of it was taken.
fn tell(stream: &TcpStream, answer: &Answer, turn: &Turn<'_>) -> bool {
    let bytes = answer.bytes();
    let mut rest = bytes.expose().as_slice();
    let mut until = None;
    while !rest.is_empty() {
        // Who hung up sends no signal: programs in Rust ignore it.
        match send(stream, rest, SendFlags::DONTWAIT) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                turn.takes_long();
                if !wait(stream, PollFlags::OUT, *until.get_or_insert_with(|| Instant::now() + PATIENCE)) {
                    return false;
                }
            }
            Err(_) => return false,
        }
    }
    true
}

/// Reads what a refused client still sends: closing a socket with unread bytes in it takes the answer back. Another user is waited
/// for only while there is much room, so that ours always has some.
fn linger(stream: &TcpStream, refusal: Refusal, turn: &Turn<'_>) {
    let mut sink = [0; 4096];
    let until = Instant::now() + LINGER;
    if shutdown(stream, Shutdown::Write).is_err() {
        return;
    }
    loop {
        match recv(stream, &mut sink, RecvFlags::DONTWAIT) {
            Ok((count, _)) if count > 0 && Instant::now() < until => {}
            Err(Errno::AGAIN) if refusal != Refusal::User || turn.has_room() => {
                turn.takes_long();
                if !wait(stream, PollFlags::IN, until) {
                    break;
                }
            }
            _ => break,
        }
    }
    sink.zeroize();
}

/// Waits until a socket is ready. False: it is not by then.
fn wait(stream: &TcpStream, ready: PollFlags, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { return false };
        match poll(&mut [PollFd::new(stream, ready)], Some(&left)) {
            Ok(count) => return count > 0,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
