//! Being interrupted: Ctrl-C and termination end the child processes and are noticed by whoever works.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static WAKE: AtomicI32 = AtomicI32::new(-1);
/// Where [`requests`] is told, -1 while nobody asked.
static REQUESTS: AtomicI32 = AtomicI32::new(-1);
/// What runs: its group, and whether a guard leads it.
static GROUPS: Mutex<Vec<(Pid, bool)>> = Mutex::new(Vec::new());
/// The program that has the terminal: its process id, -1 while it is being started, 0 for none.
static FOREGROUND: AtomicI32 = AtomicI32::new(0);
static TOLD: tokio::sync::Notify = tokio::sync::Notify::const_new();
static STARTED: OnceLock<()> = OnceLock::new();
/// The other end of [`WAKE`], until somebody is there to be told.
static UNHEARD: Mutex<Option<UnixStream>> = Mutex::new(None);

/// How long children have between the polite signal and the final one.
pub const GRACE: Duration = Duration::from_secs(2);

extern "C" fn on_signal(signal: libc::c_int) {
    if signal == libc::SIGINT && FOREGROUND.load(Ordering::SeqCst) != 0 {
        // The terminal sends it to the program in the foreground too, which knows what it means.
        catch(signal);
        return;
    }
    INTERRUPTED.store(true, Ordering::SeqCst);
    for place in [&WAKE, &REQUESTS] {
        let fd = place.load(Ordering::SeqCst);
        if fd >= 0 {
            // SAFETY: write(2) is async-signal-safe, the descriptors stay open for the life of the process, and
            // the buffer is one byte of static data.
            unsafe { libc::write(fd, b"x".as_ptr().cast(), 1) };
        }
    }
}

/// A stream that gets a byte with each signal that asks us to stop, for those who wait for several things at once.
/// [`watch`] must have been called.
pub fn requests() -> std::io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    REQUESTS.store(std::os::fd::IntoRawFd::into_raw_fd(writer), Ordering::SeqCst);
    Ok(reader)
}

/// Asks a process to end.
pub fn ask_to_end(pid: u32) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, Signal::TERM)?)
}

/// Ends a process that does not do so when it is asked.
pub fn kill(pid: u32) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, Signal::KILL)?)
}

/// From now on SIGINT, SIGTERM and SIGHUP set the flag that [`interrupted`] reads and end the process groups
/// that are running. A second signal while the first is being handled ends this process at once.
pub fn watch() {
    STARTED.get_or_init(|| {
        let Ok((reader, writer)) = UnixStream::pair() else { return };
        // Never block inside a signal handler.
        let _ = writer.set_nonblocking(true);
        WAKE.store(std::os::fd::IntoRawFd::into_raw_fd(writer), Ordering::SeqCst);
        *UNHEARD.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader);
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            catch(signal);
        }
    });
}

/// Starts the thread that acts on signals, once [`watch`] was called and there is something to end or somebody to tell: most
/// commands are over before, and the thread would be a good part of what they cost. A signal that came earlier waits for it.
fn attend() {
    let Some(mut reader) = UNHEARD.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let spawned = std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut byte = [0];
        while reader.read_exact(&mut byte).is_ok() {
            TOLD.notify_waiters();
            end_groups(Signal::TERM);
            // What a shell expects when its terminal goes; it ignores the other one.
            end_foreground(Signal::HUP);
            std::thread::sleep(GRACE);
            end_groups(Signal::KILL);
            end_foreground(Signal::KILL);
        }
    });
    if spawned.is_err() {
        // Nobody would act on them: they end this process, as they do by themselves.
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: signal(2) with the default action has no further conditions.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

/// Sets the handler for the next signal of this kind. sigaction(2) is async-signal-safe.
fn catch(signal: libc::c_int) {
    // SAFETY: the structure is fully initialised by zeroing plus the fields set here, and the handler calls only
    // async-signal-safe functions.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESTART | libc::SA_RESETHAND;
        libc::sigaction(signal, &action, std::ptr::null_mut());
    }
}

/// While it lives, a program of ours has the terminal: Ctrl-C is its own affair, and it ends when we are ended.
pub(super) struct Foreground;

impl Foreground {
    pub(super) fn begin() -> Self {
        attend();
        FOREGROUND.store(-1, Ordering::SeqCst);
        Self
    }

    pub(super) fn started(&self, id: u32) {
        FOREGROUND.store(i32::try_from(id).unwrap_or(-1), Ordering::SeqCst);
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        FOREGROUND.store(0, Ordering::SeqCst);
    }
}

fn end_foreground(signal: Signal) {
    let id = FOREGROUND.load(Ordering::SeqCst);
    if let Some(program) = (id > 0).then(|| Pid::from_raw(id)).flatten() {
        let _ = kill_process(program, signal);
    }
}

/// Waits until the person (or the system) asks us to stop; at once when they have.
pub async fn wait() {
    attend();
    let told = TOLD.notified();
    if !interrupted() {
        told.await;
    }
}

/// Whether the person (or the system) has asked us to stop.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

pub(super) fn register(group: Pid, guarded: bool) {
    attend();
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner).push((group, guarded));
}

pub(super) fn unregister(group: Pid) {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != group);
}

fn end_groups(signal: Signal) {
    for (group, guarded) in GROUPS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        end_group(*group, *guarded, signal);
    }
}

/// Sends a signal to a group. The final one goes to its guard, if it has one, who reaches more than the group.
pub(super) fn end_group(group: Pid, guarded: bool, signal: Signal) {
    #[cfg(target_os = "linux")]
    if guarded && signal == Signal::KILL {
        let _ = kill_process(group, super::guard::END);
        return;
    }
    let _ = (guarded, kill_process_group(group, signal));
}
