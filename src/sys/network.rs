//! Being told that the network has changed, instead of asking again and again.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Something to wait for: it becomes readable when an address or a route comes or goes (rtnetlink(7)). Whether the
/// network is really there is another question; this only says when to ask it.
#[derive(Debug)]
pub struct NetworkChanges(OwnedFd);

impl NetworkChanges {
    /// Begins to listen. An error where the system does not tell, such as in a sandbox or on another kernel.
    #[cfg(target_os = "linux")]
    pub fn open() -> io::Result<Self> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, netlink};
        // RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE of <linux/rtnetlink.h>.
        const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // Protocol 0 of this family is NETLINK_ROUTE.
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        rustix::net::bind(&socket, &netlink::SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self(socket))
    }

    /// Begins to listen: nothing tells here.
    #[cfg(not(target_os = "linux"))]
    pub fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes what there is without waiting; whether anything has changed. Messages that were lost count as a change.
    pub fn drain(&self) -> bool {
        let mut buffer = [0_u8; 8192];
        let mut changed = false;
        loop {
            match rustix::io::read(&self.0, &mut buffer) {
                Ok(0) => return changed,
                Ok(_) | Err(rustix::io::Errno::NOBUFS) => changed = true,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return changed,
            }
        }
    }
}

impl AsFd for NetworkChanges {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for NetworkChanges {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_while_nothing_changes() {
        assert!(!NetworkChanges::open().unwrap().drain());
    }
}
