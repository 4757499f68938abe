//! A process of ours between us and a child whose whole offspring must end with it: builds and tests of others.
//!
//! A group reaches no process that has left it, and the kernel ends only our direct child when we are killed. The
//! guard adopts every orphan below it (`PR_SET_CHILD_SUBREAPER`), so nothing escapes by a second fork or a session
//! of its own. It ends them when the child has ended and they have had their time, when it gets [`END`], and when
//! we are gone. Then it ends as the child did.

use std::io;
use std::process::Command;
use std::time::Duration;

use super::process::CommandSpec;

#[cfg(target_os = "linux")]
use rustix::process::Signal;

/// Tells a guard to end everything below it at once.
#[cfg(target_os = "linux")]
pub(super) const END: Signal = Signal::USR1;

/// Tells a guard that its child is being ended politely: what the child leaves behind has its time until [`END`].
#[cfg(target_os = "linux")]
pub(super) const POLITE: Signal = Signal::USR2;

/// Puts a guard before the command: the process that is started is the guard, and the command is its child. Orphans
/// have `clear_up` when the child has ended: the end of a pipe may still be on its way.
#[cfg(target_os = "linux")]
pub(super) fn put_before(command: &mut Command, spec: &CommandSpec, clear_up: Duration) -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    let us = rustix::process::getpid().as_raw_nonzero().get();
    let clear_up = libc::timespec {
        tv_sec: libc::time_t::try_from(clear_up.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: clear_up.subsec_nanos().into(),
    };
    let mut program = super::program::Program::of(spec)?;
    // SAFETY: between fork and exec only async-signal-safe functions are called, and nothing is allocated.
    unsafe { command.pre_exec(move || linux::split(us, clear_up, &mut program)) };
    Ok(())
}

/// Elsewhere the group has to do.
#[cfg(not(target_os = "linux"))]
pub(super) fn put_before(_: &mut Command, _: &CommandSpec, _: Duration) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::mem::zeroed;

    use crate::sys::program::Program;

    /// How often it looks for orphans that come in while it ends them.
    const AGAIN: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 20_000_000 };

    /// Starts the program as a child and stays as its guard; returns only when the program cannot be started.
    pub(super) fn split(us: libc::pid_t, clear_up: libc::timespec, program: &mut Program) -> io::Result<()> {
        // SAFETY: system calls with valid arguments; the set is initialised by `sigfillset`.
        unsafe {
            let mut set: libc::sigset_t = zeroed();
            libc::sigfillset(&raw mut set);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
            check(libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))?;
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGUSR1, 0, 0, 0))?;
            if libc::getppid() != us {
                libc::_exit(1);
            }
            let child = program.start()?;
            watch(child, clear_up)
        }
    }

    fn check(result: libc::c_int) -> io::Result<()> {
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    unsafe fn watch(child: libc::pid_t, clear_up: libc::timespec) -> ! {
        // SAFETY: system calls on values of this frame; all signals are blocked, so no handler runs.
        unsafe {
            close_all();
            let mut set: libc::sigset_t = zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
            libc::sigaddset(&raw mut set, libc::SIGUSR1);
            libc::sigaddset(&raw mut set, libc::SIGUSR2);
            let (mut status, mut ending, mut polite) = (None, false, false);
            loop {
                loop {
                    let mut one = 0;
                    match libc::waitpid(-1, &raw mut one, libc::WNOHANG) {
                        0 => break,
                        -1 => end_as(status.unwrap_or(libc::SIGKILL)),
                        pid if pid == child => status = Some(one),
                        _ => {}
                    }
                }
                if ending {
                    end_children();
                }
                // While it ends them, orphans that were not seen yet come in; else what is left has its time.
                let wait = if ending { AGAIN } else { clear_up };
                let signal = if !ending && (polite || status.is_none()) {
                    libc::sigwaitinfo(&raw const set, std::ptr::null_mut())
                } else {
                    libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const wait)
                };
                polite |= signal == libc::SIGUSR2;
                ending |= signal == libc::SIGUSR1 || signal < 0 && status.is_some();
            }
        }
    }

    /// Its copies of our files would keep pipes open, and a lock held.
    unsafe fn close_all() {
        // SAFETY: the guard uses no file but those that it opens later.
        unsafe {
            if libc::syscall(libc::SYS_close_range, 0, libc::c_uint::MAX, 0) == 0 {
                return;
            }
            for file in 0..65_536 {
                libc::close(file);
            }
        }
    }

    /// Kills every direct child; theirs become ours by that. Where the kernel does not list them, the group.
    unsafe fn end_children() {
        // SAFETY: the path ends with a zero, the buffer is as long as is said, and no number in the list is ours.
        unsafe {
            let file = libc::open(c"/proc/thread-self/children".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            if file < 0 {
                libc::kill(0, libc::SIGKILL);
                return;
            }
            let mut buffer = [0_u8; 4096];
            let count = libc::read(file, buffer.as_mut_ptr().cast(), buffer.len());
            libc::close(file);
            let mut number: libc::pid_t = 0;
            // A number that is cut off by the end of the buffer has no blank after it, and its turn comes later.
            for byte in buffer.iter().take(usize::try_from(count).unwrap_or(0)) {
                if byte.is_ascii_digit() {
                    number = number.wrapping_mul(10).wrapping_add(libc::pid_t::from(byte - b'0'));
                } else {
                    if number > 1 {
                        libc::kill(number, libc::SIGKILL);
                    }
                    number = 0;
                }
            }
        }
    }

    /// The same exit code, or the same signal.
    unsafe fn end_as(status: libc::c_int) -> ! {
        // SAFETY: system calls on values of this frame; whatever they answer, the process ends.
        unsafe {
            if libc::WIFSIGNALED(status) {
                let signal = libc::WTERMSIG(status);
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
                libc::signal(signal, libc::SIG_DFL);
                let mut set: libc::sigset_t = zeroed();
                libc::sigemptyset(&raw mut set);
                libc::sigaddset(&raw mut set, signal);
                libc::kill(libc::getpid(), signal);
                libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
            }
            libc::_exit(libc::WEXITSTATUS(status))
        }
    }
}
