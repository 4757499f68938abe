//! Processes that another process forks for us: asked for over a socket that carries files, heard through pipes of their own, and
//! ended by their session.

use std::io::{self, IoSlice, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    recv, sendmsg, socketpair,
};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::{Receiver, pipe};

/// The longest packet that is read, in bytes.
const PACKET: usize = 64 << 10;

/// How much is read at once, in bytes: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// So much is read of a pipe without waiting, in bytes: who writes on and on must not keep us.
const MOST: usize = 1 << 20;

/// The end of a socket of packets that we keep.
pub struct Control(AsyncFd<OwnedFd>);

/// A socket of packets: our end, and the one that a child gets as its standard input.
///
/// # Errors
/// No file is left, or this is not on a runtime.
pub fn control() -> io::Result<(Control, OwnedFd)> {
    let kind = SocketType::SEQPACKET;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    // SAFETY: the file is owned by what is made of it, so it stays open and the same as long as that lives.
    let ours =
        unsafe { AsyncFd::register_with_interest(ours, Interest::READABLE) }.map_err(io::Error::from)?;
    Ok((Control(ours), theirs))
}

impl Control {
    /// Sends a packet, with files that the other end gets as its own. It never waits: an end that reads nothing is an error.
    ///
    /// # Errors
    /// The other end has gone, or does not read.
    pub fn send(&self, packet: &[u8], files: &[OwnedFd]) -> io::Result<()> {
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let sent = sendmsg(&self.0, &[IoSlice::new(packet)], &mut ancillary, SendFlags::NOSIGNAL)?;
        if sent == packet.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// The next packet; `None` when the other end has gone. Nothing is lost when the wait is given up.
    pub async fn next(&self) -> Option<Vec<u8>> {
        loop {
            let mut ready = self.0.readable().await.ok()?;
            let mut buffer = vec![0; PACKET];
            match recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((0, _)) => return None,
                Ok((count, _)) => {
                    buffer.truncate(count);
                    return Some(buffer);
                }
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
    }
}

/// A file in memory with these bytes, to be read from its start.
///
/// # Errors
/// No memory or file is left.
pub fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("devboot", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file.into())
}

/// Pipes that another process writes on; the number of each is its place in the list.
pub struct Incoming {
    pipes: Vec<Option<Receiver>>,
    /// Who was heard last has its turn last.
    last: usize,
    /// How much of each was read without waiting.
    late: Vec<usize>,
    buffer: Vec<u8>,
}

/// So many pipes, and their other ends.
///
/// # Errors
/// No file is left.
pub fn incoming(count: usize) -> io::Result<(Incoming, Vec<OwnedFd>)> {
    let (mut pipes, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (sender, receiver) = pipe()?;
        pipes.push(Some(receiver));
        ends.push(sender.into_blocking_fd()?);
    }
    Ok((Incoming { pipes, last: 0, late: vec![0; count], buffer: vec![0; CHUNK] }, ends))
}

impl Incoming {
    /// What comes next, and on which pipe; `None` when all have ended. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<(usize, &[u8])> {
        loop {
            let which = {
                let count = self.pipes.len();
                let turns = (1..=count).map(|turn| (self.last + turn) % count);
                let waits = turns.filter_map(|at| Some((at, self.pipes[at].as_ref()?)));
                let mut waits: Vec<_> = waits
                    .map(|(at, pipe)| {
                        Box::pin(async move {
                            let _ = pipe.readable().await;
                            at
                        })
                    })
                    .collect();
                if waits.is_empty() {
                    return None;
                }
                std::future::poll_fn(|context| {
                    let ready = waits.iter_mut().find_map(|wait| match wait.as_mut().poll(context) {
                        std::task::Poll::Ready(at) => Some(at),
                        std::task::Poll::Pending => None,
                    });
                    ready.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
                })
                .await
            };
            self.last = which;
            let Some(pipe) = &self.pipes[which] else { continue };
            match pipe.try_read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => self.pipes[which] = None,
                Ok(count) => return Some((which, &self.buffer[..count])),
            }
        }
    }

    /// What is there already, and on which pipe; `None` when nothing is, and after `MOST` bytes of one pipe.
    pub fn there(&mut self) -> Option<(usize, &[u8])> {
        for at in 0..self.pipes.len() {
            let Some(pipe) = &self.pipes[at] else { continue };
            // Not by the runtime, which may not have heard yet that there is something.
            match rustix::io::retry_on_intr(|| rustix::io::read(pipe, self.buffer.as_mut_slice())) {
                Ok(count @ 1..) if self.late[at] < MOST => {
                    self.late[at] += count;
                    return Some((at, &self.buffer[..count]));
                }
                _ => self.pipes[at] = None,
            }
        }
        None
    }
}

/// Sends a signal to the session that a forked process leads.
pub fn signal(leader: u32, last: bool) {
    let signal = if last { Signal::KILL } else { Signal::TERM };
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

/// The time that all processes of a session have computed so far, in ticks of the system's clock; `None` when none is left. See
/// proc_pid_stat(5): the fields follow the name in parentheses.
pub fn computed(leader: u32) -> Option<u64> {
    let mut total = None;
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else {
            continue;
        };
        let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after = stat.iter().rposition(|&byte| byte == b')').map_or(stat.len(), |at| at + 1);
        let rest = String::from_utf8_lossy(&stat[after..]);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        if number(3) == u64::from(leader) {
            total = Some(total.unwrap_or(0) + number(11) + number(12));
        }
    }
    total
}
