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

/// Gives back what is free between the small things, too, and the program's own code. Takes a millisecond or two for some tens
/// of megabytes.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time, on any thread.
    unsafe {
        libc::malloc_trim(0);
    }
    #[cfg(target_os = "linux")]
    code::let_go();
}

/// What is mapped of the program and its libraries. Reading one page of it maps its neighbours, too, and most of what ran at the
/// start never runs again: two thirds of a service that waits are code.
#[cfg(target_os = "linux")]
mod code {
    use std::ffi::{c_int, c_void};
    use std::ptr;

    use rustix::mm::{Advice, madvise};
    use rustix::param::page_size;

    /// Lets it go. What is needed again is mapped again, from the file's pages that the system has anyway.
    pub fn let_go() {
        // SAFETY: `one` has the form that is asked for, and uses the object only while it is called.
        unsafe { libc::dl_iterate_phdr(Some(one), ptr::null_mut()) };
    }

    /// One object: the program, or a library.
    unsafe extern "C" fn one(object: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
        // SAFETY: the loader calls with an object that stays as it is meanwhile, and with as many headers as it says.
        let (base, headers) = unsafe {
            let object = &*object;
            if object.dlpi_phdr.is_null() {
                return 0;
            }
            (object.dlpi_addr, std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum)))
        };
        let page = page_size();
        for part in headers {
            // What may be written holds what was written there, relocations among it.
            if part.p_type != libc::PT_LOAD || part.p_flags & libc::PF_W != 0 {
                continue;
            }
            let first = base as usize + part.p_vaddr as usize;
            let (begin, end) = (first.next_multiple_of(page), (first + part.p_filesz as usize) / page * page);
            if begin < end {
                // SAFETY: the pages are those of a file, or the kernel's own, and were never written: what is read there
                // next is what was read before.
                let _ = unsafe { madvise(begin as *mut c_void, end - begin, Advice::LinuxDontNeed) };
            }
        }
        0
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    /// What is mapped of files, in kB.
    fn of_files() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn code_that_is_let_go_is_there_again_when_it_runs() {
        // Other tests run in this process, and bring back what they use.
        let least = (0..20).any(|_| {
            let before = of_files();
            super::give_back();
            of_files() < before
        });
        assert!(least);
        assert_eq!("1 2".split(' ').map(|word| word.parse::<u8>().unwrap()).sum::<u8>(), 3);
    }
}
