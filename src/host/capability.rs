//! What this host can do, probed and never inferred from its name. Nothing here writes.

use std::path::Path;

use serde::Serialize;

use crate::sys::disk;
use crate::sys::process;
use crate::sys::system::ReadSystem;
use crate::sys::{env, terminal};

/// What was probed.
#[derive(Clone, Debug, Serialize)]
pub struct Capabilities {
    /// Bytes that may still be written in the home.
    pub home_free: Option<u64>,
    /// Bytes of the home's file system in all.
    pub home_size: Option<u64>,
    /// The home's file system, such as `ext4`, `nfs4`.
    pub home_filesystem: String,
    /// Over a network or a foreign layer, where file events, locks or modes may be missing.
    pub home_is_remote: bool,
    /// Files can be created in the home.
    pub home_writable: bool,
    /// Programs in the home can be run.
    pub home_executable: bool,
    /// We are root.
    pub root: bool,
    /// There is a `sudo`; whether it lets us is only known once it is used.
    pub sudo: bool,
    /// systemd is process 1, and this user has a session with it.
    pub systemd_user: bool,
    /// Standard input and standard error are a terminal.
    pub terminal: bool,
    /// The shells that are there.
    pub shells: Vec<String>,
    /// The package managers that are there.
    pub package_managers: Vec<String>,
    /// Other programs that setup uses, of those that are there.
    pub programs: Vec<String>,
}

/// Types of file systems that are remote or layered by a program.
const REMOTE: [&str; 12] =
    ["nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "ceph", "glusterfs", "afs", "drvfs"];

/// Probes this host. The home's facts are `None` when the system does not tell them.
pub fn probe(system: &dyn ReadSystem, home: &Path) -> Capabilities {
    let found = disk::disk(home).ok();
    let kind = found.as_ref().map_or_else(String::new, |disk| disk.kind.clone());
    let have = |names: &[&str]| -> Vec<String> {
        names.iter().filter(|name| process::find(name).is_some()).map(|name| (*name).to_owned()).collect()
    };
    let there = |path: &Path| matches!(system.meta(path), Ok(Some(_)));
    let runtime = env::var("XDG_RUNTIME_DIR");
    // The socket, not the directory: a container may have the directory of a systemd that does not run.
    let session = runtime.is_some_and(|dir| there(&Path::new(&dir).join("systemd/private")));
    Capabilities {
        home_free: found.as_ref().map(|disk| disk.free),
        home_size: found.as_ref().map(|disk| disk.size),
        home_is_remote: REMOTE.contains(&kind.as_str()) || kind.starts_with("fuse"),
        home_filesystem: kind,
        home_writable: disk::writable(home) && found.as_ref().is_none_or(|disk| !disk.read_only),
        home_executable: found.as_ref().is_none_or(|disk| !disk.noexec),
        root: process::owner().0 == 0,
        sudo: process::find("sudo").is_some(),
        systemd_user: there(Path::new("/run/systemd/system")) && session,
        terminal: terminal::can_ask(),
        shells: have(&["bash", "zsh", "fish"]),
        package_managers: have(&["apt-get", "dnf", "tdnf", "apk", "pacman", "zypper", "brew"]),
        programs: have(&["git", "python3", "uv", "make", "vim", "ssh", "curl"]),
    }
}
