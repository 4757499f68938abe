//! A process that outlives us: what we started and could not end, because we were killed, it ends.
//!
//! A guard before each command would do so, too, but the system starts a command faster that has nothing between fork and exec.

use std::io::{self, PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, WaitOptions, waitpid};

/// The heir, as long as there is one.
static HEIR: Mutex<Option<Heir>> = Mutex::new(None);

struct Heir {
    pid: Pid,
    /// Its end is our end.
    will: PipeWriter,
}

/// Begins to have one. Before there are threads.
///
/// # Errors
/// No process, or no file, is left.
pub fn appoint() -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    // SAFETY: the child calls only functions that are safe after a fork, and never returns.
    let pid = match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => unsafe { inherit(reader.as_raw_fd()) },
        pid => pid,
    };
    let heir = Pid::from_raw(pid).map(|pid| Heir { pid, will: writer });
    *HEIR.lock().unwrap_or_else(PoisonError::into_inner) = heir;
    Ok(())
}

/// This group is to be ended when we are gone; `None`: nothing is, any more.
pub(super) fn bequeath(group: Option<Pid>) {
    if let Some(heir) = HEIR.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        let number = group.map_or(0, |group| group.as_raw_nonzero().get());
        // Without an heir nobody is worse off than before.
        let _ = heir.will.write_all(&number.to_ne_bytes());
    }
}

/// Has none any more; fine when there never was one.
pub fn dismiss() {
    let heir = HEIR.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(Heir { pid, will }) = heir {
        drop(will);
        let _ = waitpid(Some(pid), WaitOptions::empty());
    }
}

/// Reads what is to be ended, until nobody is there any more who could end it.
unsafe fn inherit(will: libc::c_int) -> ! {
    // SAFETY: system calls on values of this frame; nothing is allocated.
    unsafe {
        // What ends us at the keyboard must not end it first.
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        libc::setsid();
        // Its copies of our files would keep pipes open.
        libc::dup2(will, 0);
        for file in 1..1024 {
            libc::close(file);
        }
        let mut group: libc::pid_t = 0;
        loop {
            let mut next: libc::pid_t = 0;
            match libc::read(0, (&raw mut next).cast(), size_of::<libc::pid_t>()) {
                4 => group = next,
                -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        if group > 1 {
            libc::kill(-group, libc::SIGKILL);
        }
        libc::_exit(0)
    }
}
