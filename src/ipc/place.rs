//! Where the service is found. There is one for each home.
//!
//! ```text
//! <state>/run/             0700
//! <state>/run/lock         held by the service as long as it runs
//! <state>/run/keeper       held by what starts it again when it is killed
//! <state>/run/address      its process id and its socket, a line each: what clients and shells look at
//! <state>/logs/daemon.log  its log
//! ```
//!
//! The socket is in `$XDG_RUNTIME_DIR/devboot`, which is on a local disk, or else in `<state>/run`. Only the address
//! says where: the variable may be set in one session and unset in another.

use std::path::{Path, PathBuf};

use crate::base::digest::Digest;
use crate::sys::dirs::Dirs;
use crate::sys::system::ReadSystem;
use crate::sys::{env, socket};

/// A file in the state directory: the service is wanted, and a shell that finds it starts one that does not run.
pub const MARK: &str = "service";

/// An address file is longer than this only when it is not ours.
const LARGEST: u64 = 8 << 10;

/// Where the service of one home is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    state: PathBuf,
    runtime: Option<PathBuf>,
}

/// Where a service listens, or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Its process id.
    pub pid: u32,
    /// Its socket.
    pub socket: PathBuf,
}

impl Place {
    /// The place for a home.
    pub fn of(dirs: &Dirs) -> Self {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        // Another one, such as that of the user who became root by `su`, is not ours to use.
        let runtime = runtime.filter(|dir| dir.is_absolute() && socket::is_private(dir));
        Self { state: dirs.state.clone(), runtime }
    }

    /// The directory of what belongs to the running service.
    pub fn run_dir(&self) -> PathBuf {
        self.state.join("run")
    }

    /// What the running service holds.
    pub fn lock(&self) -> PathBuf {
        self.run_dir().join("lock")
    }

    /// What is held by whatever starts the service again when it is killed.
    pub fn keeper(&self) -> PathBuf {
        self.run_dir().join("keeper")
    }

    /// What says where it listens.
    pub fn address_file(&self) -> PathBuf {
        self.run_dir().join("address")
    }

    /// Where its log is.
    pub fn log(&self) -> PathBuf {
        self.state.join("logs/daemon.log")
    }

    /// Where a service that starts now listens.
    pub fn socket(&self) -> PathBuf {
        match &self.runtime {
            // One directory for all homes of a user: those of `devboot try` and of `--home` are others.
            Some(dir) => {
                use std::os::unix::ffi::OsStrExt;
                let home = Digest::of(self.state.as_os_str().as_bytes()).short();
                dir.join("devboot").join(format!("{home}.sock"))
            }
            None => self.run_dir().join("daemon.sock"),
        }
    }

    /// Where a service says that it listens; `None` when none does.
    pub fn address(&self, system: &dyn ReadSystem) -> Option<Address> {
        let bytes = system.read(&self.address_file(), LARGEST).ok()?;
        Address::parse(&bytes)
    }
}

impl Address {
    fn parse(bytes: &[u8]) -> Option<Self> {
        use std::os::unix::ffi::OsStrExt;
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let pid = std::str::from_utf8(&bytes[..end]).ok()?.parse().ok()?;
        let socket = bytes[end + 1..].strip_suffix(b"\n")?;
        let socket = Path::new(std::ffi::OsStr::from_bytes(socket)).to_owned();
        socket.is_absolute().then_some(Self { pid, socket })
    }

    pub(super) fn text(&self) -> Vec<u8> {
        use std::os::unix::ffi::OsStrExt;
        let mut text = format!("{}\n", self.pid).into_bytes();
        text.extend_from_slice(self.socket.as_os_str().as_bytes());
        text.push(b'\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_was_written_and_nothing_else_is() {
        let address = Address { pid: 7, socket: "/a b/c\u{e9}.sock".into() };
        assert_eq!(Address::parse(&address.text()), Some(address));
        for bad in ["", "7", "7\n", "x\n/a\n", "7\nrelative\n", "7\n/cut off"] {
            assert_eq!(Address::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
