//! A bound for what libgit2 takes from memory at once: a few bytes of a pack can ask for an object of any size.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;

/// The largest object of a repository, in bytes; git itself handles larger ones in another way.
pub const LARGEST: usize = 512 << 20;

/// libgit2's `git_allocator`.
#[repr(C)]
struct Allocator {
    malloc: extern "C" fn(usize, *const c_char, c_int) -> *mut c_void,
    realloc: extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void,
    free: extern "C" fn(*mut c_void),
}

extern "C" fn malloc(size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    if size > LARGEST {
        return std::ptr::null_mut();
    }
    // SAFETY: malloc(3) may be called with any size.
    unsafe { libc::malloc(size) }
}

extern "C" fn realloc(old: *mut c_void, size: usize, _: *const c_char, _: c_int) -> *mut c_void {
    if size > LARGEST {
        return std::ptr::null_mut();
    }
    // SAFETY: libgit2 hands back what malloc or realloc gave it, or null.
    unsafe { libc::realloc(old, size) }
}

extern "C" fn free(old: *mut c_void) {
    // SAFETY: as above.
    unsafe { libc::free(old) }
}

/// From now on libgit2 fails, and nothing worse, where it would take more than [`LARGEST`] at once.
pub fn bound() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        let allocator = Allocator { malloc, realloc, free };
        // SAFETY: the structure has libgit2's layout and is copied before the call returns. What was allocated before
        // came from the same malloc(3), so either set of functions may release it, whichever a thread sees.
        unsafe {
            libgit2_sys::git_libgit2_opts(
                libgit2_sys::GIT_OPT_SET_ALLOCATOR as c_int,
                std::ptr::from_ref(&allocator),
            );
        }
    });
}
