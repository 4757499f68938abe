//! Memory that is needed for a while, in a program that runs for days.

/// Buffers of so many bytes and more are the system's own mappings, which are gone when they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 128 << 10;

/// From now on what is freed goes back to the system. Otherwise glibc counts up what it takes for large with every buffer
/// that is freed, and keeps as much as the largest peak has taken, in each thread's own heap.
pub fn keep_small() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time, on any thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

/// Gives back what is free between the small things, too. Takes a millisecond or two for some tens of megabytes.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time, on any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
