//! Processes that another process forks for us: asked for over a socket that carries files, heard through pipes of their own, and
//! ended by their session.

use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::{Receiver, pipe};

/// How long a request is, in bytes, filled up with spaces: not every system has sockets that keep what is sent apart, and files
/// come with the bytes that they were sent with.
const REQUEST: usize = 64;

/// The longest answer that is read, in bytes.
const ANSWER: usize = 64 << 10;

/// How much is read at once, in bytes: what a pipe holds.
const CHUNK: usize = 64 << 10;

/// So much is read of a pipe without waiting, in bytes: who writes on and on must not keep us.
const MOST: usize = 1 << 20;

/// The end of a socket that we keep: requests go with files, answers come as lines.
pub struct Control {
    socket: AsyncFd<UnixStream>,
    /// What came of answers that are not whole, and of those after the first.
    read: Vec<u8>,
}

/// Our end of a socket, and the one that a child gets as its standard input.
///
/// # Errors
/// No file is left, or this is not on a runtime.
pub fn control() -> io::Result<(Control, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    // SAFETY: the file is owned by what is made of it, so it stays open and the same as long as that lives.
    let socket =
        unsafe { AsyncFd::register_with_interest(ours, Interest::READABLE) }.map_err(io::Error::from)?;
    Ok((Control { socket, read: Vec::new() }, theirs.into()))
}

impl Control {
    /// Sends a request, with files that the other end gets as its own. It never waits: an end that reads nothing is an error.
    ///
    /// # Errors
    /// The other end has gone, or does not read; or the request is too long.
    pub fn send(&self, request: &str, files: &[OwnedFd]) -> io::Result<()> {
        let packet = format!("{request:REQUEST$}");
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)) || packet.len() != REQUEST {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // An end that has gone sends no signal: programs in Rust ignore it.
        let sent =
            sendmsg(&self.socket, &[IoSlice::new(packet.as_bytes())], &mut ancillary, SendFlags::empty())?;
        if sent == packet.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// The next answer; `None` when the other end has gone, or says too much at once. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(end + 1);
                return Some(std::mem::replace(&mut self.read, rest));
            }
            let have = self.read.len();
            if have > ANSWER {
                return None;
            }
            let mut ready = self.socket.readable().await.ok()?;
            self.read.resize(have + CHUNK, 0);
            let came = recv(&self.socket, &mut self.read[have..], RecvFlags::empty());
            self.read.truncate(have + came.as_ref().map_or(0, |(count, _)| *count));
            match came {
                Ok((0, _)) => return None,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(_) => return None,
            }
        }
    }
}

/// A file that has these bytes and is read from its start, once; they are nowhere but in memory.
///
/// # Errors
/// No memory or file is left.
pub fn in_memory(bytes: &[u8]) -> io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use std::io::Seek;
        let file = rustix::fs::memfd_create("devboot", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(file);
        file.write_all(bytes)?;
        file.rewind()?;
        Ok(file.into())
    }
    #[cfg(not(target_os = "linux"))]
    piped(bytes)
}

/// The end of a pipe that these bytes come out of.
#[cfg(any(test, not(target_os = "linux")))]
fn piped(bytes: &[u8]) -> io::Result<OwnedFd> {
    let (reader, mut writer) = io::pipe()?;
    let bytes = bytes.to_vec();
    // A pipe does not hold all of it. Who reads it no more ends the thread.
    std::thread::Builder::new().spawn(move || writer.write_all(&bytes))?;
    Ok(reader.into())
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

/// The time that all processes of a session have computed so far, in a unit of the system's; `None` when none is left. See
/// proc_pid_stat(5): the fields follow the name in parentheses.
#[cfg(target_os = "linux")]
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

/// The time that all processes of a group have computed so far, in a unit of the system's; `None` when none is left. See libproc.h:
/// the group of a session's leader stands for the session.
#[cfg(target_os = "macos")]
pub fn computed(leader: u32) -> Option<u64> {
    let group = libc::pid_t::try_from(leader).ok()?;
    let mut pids = [0 as libc::pid_t; 1024];
    let size = libc::c_int::try_from(size_of_val(&pids)).ok()?;
    // SAFETY: the place is valid for writing `size` bytes.
    let count = unsafe { libc::proc_listpgrppids(group, pids.as_mut_ptr().cast(), size) };
    let mut total = None;
    for pid in pids.iter().take(usize::try_from(count).unwrap_or(0)) {
        let mut info = MaybeUninit::<libc::proc_taskinfo>::zeroed();
        let size = libc::c_int::try_from(size_of::<libc::proc_taskinfo>()).ok()?;
        // SAFETY: the place is valid for writing `size` bytes, and all-zero is a value of it.
        let info = unsafe {
            let told =
                libc::proc_pidinfo(*pid, libc::PROC_PIDTASKINFO, 0, info.as_mut_ptr().cast(), size) == size;
            told.then(|| info.assume_init())
        };
        if let Some(info) = info {
            let sum = info.pti_total_user.wrapping_add(info.pti_total_system);
            total = Some(total.unwrap_or(0_u64).wrapping_add(sum));
        }
    }
    total
}

/// Nobody tells, so nothing is taken to hang.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn computed(_: u32) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn answers_are_lines_however_they_come() {
        let (mut control, theirs) = control().unwrap();
        let mut theirs = UnixStream::from(theirs);
        theirs.write_all(b"{\"ready\"").unwrap();
        tokio::select! {
            biased;
            _ = control.next() => panic!("half an answer is none"),
            () = tokio::task::yield_now() => {}
        }
        theirs.write_all(b":1}\n{}\n").unwrap();
        assert_eq!(control.next().await.unwrap(), b"{\"ready\":1}\n");
        assert_eq!(control.next().await.unwrap(), b"{}\n");
        drop(theirs);
        assert_eq!(control.next().await, None);
    }

    #[tokio::test]
    async fn who_says_too_much_at_once_has_gone() {
        let (mut control, theirs) = control().unwrap();
        let writes = std::thread::spawn(move || UnixStream::from(theirs).write_all(&[b'x'; 4 * ANSWER]));
        assert_eq!(control.next().await, None);
        drop(control);
        assert!(writes.join().unwrap().is_err());
    }

    #[tokio::test]
    async fn requests_have_one_length() {
        let (control, theirs) = control().unwrap();
        control.send("{}", &[]).unwrap();
        assert!(control.send(&"x".repeat(REQUEST + 1), &[]).is_err());
        drop(control);
        let mut read = String::new();
        UnixStream::from(theirs).read_to_string(&mut read).unwrap();
        assert_eq!((read.len(), read.trim_end()), (REQUEST, "{}"));
    }

    #[test]
    fn more_than_a_pipe_holds_comes_out_of_it() {
        let bytes = vec![b'y'; 1 << 20];
        for file in [piped(&bytes).unwrap(), in_memory(&bytes).unwrap()] {
            let mut read = Vec::new();
            File::from(file).read_to_end(&mut read).unwrap();
            assert!(read == bytes);
        }
    }
}
