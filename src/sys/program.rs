//! A program that is started without a copy of our memory: everything that exec(2) is told is laid out before the
//! first fork, and the second one shares the memory of its parent until then, as vfork(2) does.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use super::process::CommandSpec;

/// What to exec.
pub(super) struct Program {
    /// The places where it may be, in their order; pointers below go into these texts.
    places: Vec<CString>,
    _args: Vec<CString>,
    _env: Vec<CString>,
    /// Room for a shell's name, then the arguments, then the end.
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    stack: Vec<u128>,
    /// The guard that starts it.
    parent: libc::pid_t,
    error: libc::c_int,
}

// SAFETY: the pointers go into texts that the value owns and never changes.
unsafe impl Send for Program {}
// SAFETY: as above; what changes needs the value to be borrowed for that.
unsafe impl Sync for Program {}

/// The places of programs when `PATH` is not set, as the C library has it.
const PLACES: &str = "/bin:/usr/bin";
/// How much the few calls before exec may need, in words of 16 bytes.
const STACK: usize = 4096;

impl Program {
    /// Lays out what a command says.
    pub(super) fn of(spec: &CommandSpec) -> io::Result<Self> {
        let text = |text: &OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let mut env: BTreeMap<OsString, OsString> =
            if spec.clear_env { BTreeMap::new() } else { std::env::vars_os().collect() };
        for (name, value) in &spec.env {
            match value {
                Some(value) => env.insert(name.clone(), value.clone()),
                None => env.remove(name),
            };
        }
        let path = env.get(OsStr::new("PATH")).map_or(OsStr::new(PLACES), OsString::as_os_str);
        let places = places(&spec.program, path).iter().map(|place| text(place)).collect::<Result<_, _>>()?;
        let args = std::iter::once(&spec.program).chain(&spec.args);
        let args: Vec<CString> = args.map(|arg| text(arg)).collect::<Result<_, _>>()?;
        let pair = |(name, value): (&OsString, &OsString)| {
            text(&[name.as_os_str(), OsStr::new("="), value.as_os_str()].into_iter().collect::<OsString>())
        };
        let env: Vec<CString> = env.iter().map(pair).collect::<Result<_, _>>()?;
        let pointers = |texts: &[CString]| {
            texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect::<Vec<_>>()
        };
        let argv = std::iter::once(ptr::null()).chain(pointers(&args)).collect();
        let (envp, stack) = (pointers(&env), vec![0; STACK]);
        Ok(Self { places, _args: args, _env: env, argv, envp, stack, parent: 0, error: 0 })
    }

    /// Starts it as a child of this process and returns when it runs; its signals are as at a login.
    ///
    /// # Safety
    /// No other thread runs in this process, as after a fork, and all signals are blocked.
    pub(super) unsafe fn start(&mut self) -> io::Result<libc::pid_t> {
        // SAFETY: the stack is ours and grows down from its end; this process stands still until the child has left
        // it, so the borrow of `self` is the only one in use.
        unsafe {
            self.parent = libc::getpid();
            let top = self.stack.as_mut_ptr_range().end;
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            let child = libc::clone(become_it, top.cast(), flags, ptr::from_mut(self).cast());
            if child < 0 {
                return Err(io::Error::last_os_error());
            }
            match self.error {
                0 => Ok(child),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// Tries the places in their order, as execvp(3) does; returns the error that says most.
    unsafe fn exec(&mut self) -> libc::c_int {
        let mut denied = false;
        let mut last = libc::ENOENT;
        for place in &self.places {
            // SAFETY: both lists end with a null pointer, and their texts with a zero.
            unsafe { libc::execve(place.as_ptr(), self.argv[1..].as_ptr(), self.envp.as_ptr()) };
            last = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
            match last {
                libc::ENOEXEC => {
                    // A script that does not name its interpreter: it takes its own name's place in the arguments.
                    self.argv[0] = c"sh".as_ptr();
                    self.argv[1] = place.as_ptr();
                    // SAFETY: as above.
                    unsafe { libc::execve(c"/bin/sh".as_ptr(), self.argv.as_ptr(), self.envp.as_ptr()) };
                    return libc::ENOEXEC;
                }
                libc::EACCES => denied = true,
                libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
                other => return other,
            }
        }
        if denied { libc::EACCES } else { last }
    }
}

/// The child until it is the program. It shares all memory with its parent, which stands still.
extern "C" fn become_it(program: *mut libc::c_void) -> libc::c_int {
    // SAFETY: the pointer is the `self` of `start`, which waits; the set is initialised by `sigemptyset`.
    unsafe {
        let program = &mut *program.cast::<Program>();
        // Without its guard it must not begin.
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0
            || libc::getppid() != program.parent
        {
            libc::_exit(1);
        }
        // A handler of ours must not run in it: it would wake us.
        for signal in 1..libc::SIGRTMAX() {
            let mut action: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(signal, ptr::null(), &raw mut action) == 0
                && !matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN)
            {
                action.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const action, ptr::null_mut());
            }
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
        program.error = program.exec();
        libc::_exit(127)
    }
}

/// Where a program may be: at its path, or below the directories of `PATH`.
fn places(program: &OsStr, path: &OsStr) -> Vec<OsString> {
    if program.is_empty() || program.as_bytes().contains(&b'/') {
        return vec![program.to_owned()];
    }
    let below = |dir: std::path::PathBuf| dir.join(program).into_os_string();
    std::env::split_paths(path).map(below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_where_the_path_says() {
        let places = |program: &str, path: &str| places(program.as_ref(), path.as_ref());
        assert_eq!(places("tool", "/a:/b/c"), ["/a/tool", "/b/c/tool"]);
        assert_eq!(places("tool", "/a::b"), ["/a/tool", "tool", "b/tool"]);
        assert_eq!(places("./tool", "/a"), ["./tool"]);
        assert_eq!(places("", "/a"), [""]);
    }

    #[test]
    fn a_zero_in_an_argument_is_an_error() {
        assert!(Program::of(&CommandSpec::new("x").args(["a\0b"])).is_err());
        assert!(Program::of(&CommandSpec::new("x").args(["ab"])).is_ok());
    }
}
