//! A moment that can be waited for like a file, exact where timers of a runtime count whole milliseconds: timerfd(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer that becomes readable once its time is over.
#[derive(Debug)]
pub struct Timer {
    file: OwnedFd,
}

impl Timer {
    /// A timer that is not set.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self { file: timerfd_create(TimerfdClockId::Monotonic, flags)? })
    }

    /// From now so long, instead of what it was set to.
    pub fn set(&self, wait: Duration) -> io::Result<()> {
        // Zero would switch it off.
        let wait = wait.max(Duration::from_nanos(1));
        let tv_sec = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let value = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec, tv_nsec: wait.subsec_nanos().into() },
        };
        timerfd_settime(&self.file, TimerfdTimerFlags::empty(), &value)?;
        Ok(())
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}
