//! Keeping what is in our memory to ourselves: no core file, no other program that reads it, no swap.
//!
//! None of it helps against root, and the kernel's own buffers are out of reach.

use std::fmt;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use zeroize::Zeroize;

use crate::base::redact::MASK;
use crate::base::secret::Secret;

/// Closes this process to the other programs of its user: no core dump, and nobody may look into its memory or its
/// environment. Best effort. What we start may be looked into, and may raise the limit of its core dumps again. The umask
/// stays: what we start would inherit it, and our own files say their modes.
pub fn protect() {
    let maximum = getrlimit(Resource::Core).maximum;
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    close();
}

/// The same without a limit, which what we start or become would inherit: for a command, before it reads a secret. Best
/// effort, and nothing where the system has no other way.
pub fn close() {
    #[cfg(target_os = "linux")]
    {
        let never = rustix::process::DumpableBehavior::NotDumpable;
        let _ = rustix::process::set_dumpable_behavior(never);
    }
}

/// Bytes on pages of their own that are not swapped out where the system allows it, stand in no core file, and are
/// overwritten before they are given back. For the few secrets that are held for long.
pub struct LockedBytes {
    start: NonNull<u8>,
    length: usize,
    mapped: usize,
}

// SAFETY: the pages belong to this value alone, and nothing changes them while it can be shared.
unsafe impl Send for LockedBytes {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for LockedBytes {}

impl LockedBytes {
    /// Copies a secret to locked pages. That they could not be locked is no error: a container may allow none at all.
    ///
    /// # Errors
    /// There is no memory left.
    pub fn new(secret: &Secret<Vec<u8>>) -> io::Result<Self> {
        let bytes = secret.expose();
        // The kernel gives whole pages; it refuses to give none at all.
        let mapped = bytes.len().max(1);
        // SAFETY: a new private mapping at a place of the kernel's choice touches no memory of anyone else.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                mapped,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: the range is the mapping made above, and neither call changes its bytes.
        unsafe {
            #[cfg(target_os = "linux")]
            let _ = rustix::mm::madvise(start.as_ptr().cast(), mapped, rustix::mm::Advice::LinuxDontDump);
            let _ = rustix::mm::mlock(start.as_ptr().cast(), mapped);
        }
        // SAFETY: the mapping is at least as long as the bytes, and it is new, so the two do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.as_ptr(), bytes.len()) };
        Ok(Self { start, length: bytes.len(), mapped })
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        // SAFETY: `new` mapped and wrote as many bytes, and they live as long as this value.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        // SAFETY: the whole mapping is ours, was zeroed by the kernel, and no reference to it is left.
        unsafe {
            std::slice::from_raw_parts_mut(self.start.as_ptr(), self.mapped).zeroize();
            let _ = rustix::mm::munmap(self.start.as_ptr().cast(), self.mapped);
        }
    }
}

impl fmt::Debug for LockedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_bytes_are_the_bytes_and_are_not_shown() {
        for length in [0, 1, 4096, 4097] {
            let locked = LockedBytes::new(&Secret::new(vec![7; length])).unwrap();
            assert_eq!(locked.expose(), vec![7; length]);
            assert_eq!(format!("{locked:?}"), MASK);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_pages_are_kept_out_of_the_swap_and_of_core_files() {
        let locked = LockedBytes::new(&Secret::new(vec![7; 4096])).unwrap();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let wanted = format!("{:08x}-", locked.expose().as_ptr() as usize);
        let ours = maps.split_once(&wanted).map(|(_, rest)| rest).unwrap_or_default();
        let flags = ours.lines().find(|line| line.starts_with("VmFlags")).unwrap_or_default();
        assert!(flags.contains(" lo") && flags.contains(" dd"), "{flags}");
    }

    /// It lasts as long as the process, so the test runs itself once more.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_protected_process_is_closed_to_its_own_user() {
        use std::process::Command;

        const INSIDE: &str = "DEVBOOT_TEST_PROTECTED";
        if std::env::var_os(INSIDE).is_none() {
            let name = "sys::hardening::tests::a_protected_process_is_closed_to_its_own_user";
            let mut again = Command::new(std::env::current_exe().unwrap());
            let done = again.args(["--exact", name]).env(INSIDE, "1").output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
            assert!(String::from_utf8_lossy(&done.stdout).contains("1 passed"));
            return;
        }
        let maximum = getrlimit(Resource::Core).maximum;
        setrlimit(Resource::Core, Rlimit { current: maximum, maximum }).unwrap();
        protect();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(getrlimit(Resource::Core).maximum, maximum);
        let behaviour = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(behaviour, rustix::process::DumpableBehavior::NotDumpable);
    }
}
