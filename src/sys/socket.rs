//! Unix sockets between processes of one user: where they may lie, who is at the other end, and no wait without end.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, sockopt};

/// The longest path that fits into a socket's address, its final zero byte not counted.
#[cfg(target_os = "linux")]
const LONGEST: usize = 107;
#[cfg(not(target_os = "linux"))]
const LONGEST: usize = 103;

/// Who is at the other end of a connection, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user that it ran as when it connected or began to listen.
    pub uid: u32,
    /// Its process id, where the kernel tells.
    pub pid: Option<u32>,
}

/// Who is at the other end.
#[cfg(target_os = "linux")]
pub fn peer(socket: impl AsFd) -> io::Result<Peer> {
    let found = sockopt::socket_peercred(socket)?;
    let pid = u32::try_from(found.pid.as_raw_nonzero().get()).ok();
    Ok(Peer { uid: found.uid.as_raw(), pid })
}

/// Who is at the other end.
#[cfg(not(target_os = "linux"))]
pub fn peer(socket: impl AsFd) -> io::Result<Peer> {
    use std::os::fd::AsRawFd;
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: the descriptor is open for the length of the call, and both places are valid for writing.
    let result = unsafe { libc::getpeereid(socket.as_fd().as_raw_fd(), &raw mut uid, &raw mut gid) };
    if result == 0 { Ok(Peer { uid, pid: None }) } else { Err(io::Error::last_os_error()) }
}

/// Why a directory cannot hold a socket.
#[derive(Debug)]
pub enum Unfit {
    /// It is no directory, or a symbolic link to one.
    NoDirectory,
    /// It belongs to this user, who is another one.
    Foreign(u32),
    /// It could not be looked at, made or closed to others.
    Io(io::Error),
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoDirectory => f.write_str("it is no directory, or a symbolic link"),
            Self::Foreign(uid) => write!(f, "it belongs to another user ({uid})"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

/// Makes a directory that only we can enter, or makes sure that it is one. Its parent must exist.
pub fn private_dir(path: &Path) -> Result<(), Unfit> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(Unfit::Io(error)),
    }
    is_private_dir(path, true)
}

fn is_private_dir(path: &Path, close: bool) -> Result<(), Unfit> {
    let meta = fs::symlink_metadata(path).map_err(Unfit::Io)?;
    if !meta.is_dir() {
        return Err(Unfit::NoDirectory);
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(Unfit::Foreign(meta.uid()));
    }
    if meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    if !close {
        return Err(Unfit::Io(io::Error::new(io::ErrorKind::PermissionDenied, "others can enter it")));
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(Unfit::Io)
}

/// Whether this is a directory of ours that no other user can enter, and no symbolic link.
pub fn is_private(path: &Path) -> bool {
    is_private_dir(path, false).is_ok()
}

/// Listens at a path, for ourselves alone. What a dead listener left there must have been removed.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = with_address(path, |short| UnixListener::bind(short))?;
    // The directory is closed already; this is the second lock of two.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Removes a socket; fine when none is there. Anything that is no socket stays, and is an error.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(meta) if meta.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there")),
    }
}

/// Connects within `limit`, which then holds for each reading and each writing, too.
pub fn connect(path: &Path, limit: Duration) -> io::Result<UnixStream> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    // A listener that accepts nothing lets a connect wait; this bounds it.
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(limit))?;
    with_address(path, |short| {
        rustix::net::connect(&socket, &SocketAddrUnix::new(short)?).map_err(io::Error::from)
    })?;
    let stream = UnixStream::from(socket);
    stream.set_read_timeout(Some(limit))?;
    Ok(stream)
}

/// Calls with a path that fits into an address: a longer one goes through its opened directory.
fn with_address<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    use std::os::unix::ffi::OsStrExt;
    if path.as_os_str().as_bytes().len() <= LONGEST {
        return act(path);
    }
    let (Some(dir), Some(name), true) = (path.parent(), path.file_name(), cfg!(target_os = "linux")) else {
        return Err(io::Error::new(io::ErrorKind::InvalidFilename, "the path is too long for a socket"));
    };
    let dir = fs::File::open(dir)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&dir))).join(name);
    act(&short)
}

/// Tells the supervisor that started us (systemd) how far we are, such as `READY=1`; nothing without one.
pub fn tell_supervisor(state: &str) {
    let Some(address) = super::env::var_os("NOTIFY_SOCKET") else { return };
    let Ok(socket) = std::os::unix::net::UnixDatagram::unbound() else { return };
    // Who cannot be told learns it from our end.
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::ffi::OsStrExt;
        if let Some(name) = address.as_bytes().strip_prefix(b"@") {
            if let Ok(address) = std::os::unix::net::SocketAddr::from_abstract_name(name) {
                let _ = socket.send_to_addr(state.as_bytes(), &address);
            }
            return;
        }
    }
    let _ = socket.send_to(state.as_bytes(), Path::new(&address));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_know_each_other_even_at_a_path_too_long_for_an_address() {
        let root = tempfile::tempdir().unwrap();
        let long = root.path().join("a".repeat(200));
        private_dir(&long).unwrap();
        for dir in [root.path(), &long] {
            let path = dir.join("socket");
            let listener = listen(&path).unwrap();
            assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o600);
            let ours = connect(&path, Duration::from_secs(5)).unwrap();
            let (theirs, _) = listener.accept().unwrap();
            for end in [peer(&ours).unwrap(), peer(&theirs).unwrap()] {
                assert_eq!(end.uid, rustix::process::geteuid().as_raw());
                assert_eq!(end.pid, Some(std::process::id()));
            }
            drop(listener);
            remove(&path).unwrap();
            assert_eq!(connect(&path, Duration::from_secs(5)).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_listener_that_accepts_nothing_does_not_hold_us() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("socket");
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::listen(&socket, 0).unwrap();
        let first = connect(&path, Duration::from_secs(5));
        let rest: Vec<_> = (0..3).map(|_| connect(&path, Duration::from_millis(10))).collect();
        assert!(first.is_ok() && rest.iter().any(Result::is_err));
    }

    #[test]
    fn directories_that_others_could_reach_are_unfit() {
        let root = tempfile::tempdir().unwrap();
        let open = root.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!is_private(&open));
        private_dir(&open).unwrap();
        assert!(is_private(&open));
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&open, &link).unwrap();
        assert!(matches!(private_dir(&link), Err(Unfit::NoDirectory)));
        let file = root.path().join("file");
        fs::write(&file, "mine").unwrap();
        assert!(matches!(private_dir(&file), Err(Unfit::NoDirectory)));
        assert!(remove(&file).is_err() && file.exists());
    }
}
