//! Which user is at the other end of a connection on this machine.

use std::net::{SocketAddr, SocketAddrV4, TcpStream};
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A program of this user, by a socket of this inode.
    User(u32, u64),
    /// Nobody: the client has closed its socket, and an answer would reach no one.
    Gone,
    /// The system does not tell: the client is in another network namespace, or this is not Linux.
    Unknown,
}

/// Who is at the other end of a connection that was made to us.
pub fn owner(stream: &TcpStream) -> Owner {
    match (stream.peer_addr(), stream.local_addr()) {
        (Ok(SocketAddr::V4(theirs)), Ok(SocketAddr::V4(ours))) => Kernel::default().owner(theirs, ours),
        _ => Owner::Unknown,
    }
}

/// Where the kernel is asked who is at the other end: one socket for as many questions as there are.
#[derive(Default)]
pub struct Kernel {
    #[cfg(target_os = "linux")]
    socket: Option<OwnedFd>,
    /// The number of the last question: no answer to another one is taken for its own.
    #[cfg(target_os = "linux")]
    asked: u32,
}

#[cfg(not(target_os = "linux"))]
impl Kernel {
    /// Whose `theirs` is, connected to `ours`: nobody tells here.
    pub fn owner(&mut self, _: SocketAddrV4, _: SocketAddrV4) -> Owner {
        Owner::Unknown
    }
}

#[cfg(target_os = "linux")]
impl Kernel {
    /// Whose `theirs` is, connected to `ours`.
    pub fn owner(&mut self, theirs: SocketAddrV4, ours: SocketAddrV4) -> Owner {
        match self.ask(theirs, ours) {
            Ok(found) => return found,
            // Whatever else would come from it is the answer to an old question.
            Err(_) => self.socket = None,
        }
        // Java, for one, speaks IPv4 through sockets of IPv6.
        for (table, mapped) in [("/proc/net/tcp", false), ("/proc/net/tcp6", true)] {
            let Ok(table) = std::fs::read_to_string(table) else { continue };
            if let Some(found) = find(&table, &address(theirs, mapped), &address(ours, mapped)) {
                return found;
            }
        }
        Owner::Unknown
    }

    /// Asks the kernel for the one socket with these two ends, whatever family it is of; sock_diag(7). A machine with much memory
    /// has a table of half a million rows, and to read it takes ten milliseconds; this takes microseconds. An error where there is
    /// no such socket family: then the tables are read.
    fn ask(&mut self, local: SocketAddrV4, remote: SocketAddrV4) -> rustix::io::Result<Owner> {
        use rustix::net::{RecvFlags, SendFlags, recv, send};
        self.asked = self.asked.wrapping_add(1);
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.socket.insert(open()?),
        };
        send(socket, &question(self.asked, local, remote), SendFlags::empty())?;
        let mut buffer = [0_u8; 1024];
        // The kernel has answered when it has taken the question.
        let (count, _) = recv(socket, &mut buffer[..], RecvFlags::DONTWAIT)?;
        answer(&buffer[..count], self.asked).ok_or(rustix::io::Errno::BADMSG)?
    }
}

/// A socket that the kernel alone can answer.
#[cfg(target_os = "linux")]
fn open() -> rustix::io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, netlink, socket_with};
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(netlink::SOCK_DIAG))?;
    connect(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

/// `SOCK_DIAG_BY_FAMILY`, and the type of an error.
#[cfg(target_os = "linux")]
const BY_FAMILY: u16 = 20;
#[cfg(target_os = "linux")]
const ERROR: u16 = 2;

/// A `nlmsghdr` and an `inet_diag_req_v2` of linux/inet_diag.h.
#[cfg(target_os = "linux")]
fn question(number: u32, local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(72);
    bytes.extend(72_u32.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    // A request for one, not for a list.
    bytes.extend(1_u16.to_ne_bytes());
    bytes.extend(number.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend([libc::AF_INET as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    for address in [local, remote] {
        bytes.extend(address.ip().octets());
        bytes.extend([0; 12]);
    }
    // Any interface; no cookie.
    bytes.extend([0; 4]);
    bytes.extend([0xff; 8]);
    bytes
}

/// What the kernel says to the question of this number; `None` when it is no answer to it.
#[cfg(target_os = "linux")]
fn answer(bytes: &[u8], asked: u32) -> Option<rustix::io::Result<Owner>> {
    let number = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
    if number(8)? != asked {
        return None;
    }
    Some(match kind {
        // The user and the inode stand behind the header of 16 bytes, 4 bytes of state, 48 of addresses and 12 of queues.
        BY_FAMILY if number(84)? == 0 => Ok(Owner::Gone),
        BY_FAMILY => Ok(Owner::User(number(80)?, number(84)?.into())),
        ERROR => match number(16)?.cast_signed().wrapping_neg() {
            libc::ENOENT => Ok(Owner::Unknown),
            error => Err(rustix::io::Errno::from_raw_os_error(error)),
        },
        _ => return None,
    })
}

/// The owner of the socket with these two ends in a table of proc(5).
#[cfg(target_os = "linux")]
fn find(table: &str, local: &str, remote: &str) -> Option<Owner> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next() != Some(local) || fields.next() != Some(remote) {
            return None;
        }
        // After the two: state, queues, timer, retransmits, uid, timeout, inode.
        let uid = fields.nth(4)?.parse().ok()?;
        // A socket that no program holds any more is said to be root's.
        let inode = fields.nth(1)?.parse().ok()?;
        Some(if inode == 0 { Owner::Gone } else { Owner::User(uid, inode) })
    })
}

/// An address as the tables write it: each four bytes as a number of this machine.
#[cfg(target_os = "linux")]
fn address(address: SocketAddrV4, mapped: bool) -> String {
    let word = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
    let prefix =
        if mapped { [word([0; 4]), word([0; 4]), word([0, 0, 0xff, 0xff])].concat() } else { String::new() };
    format!("{prefix}{}:{:04X}", word(address.ip().octets()), address.port())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:9C40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0 0 10 0
   1: 0100007F:9C40 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 65534        0 13 1 0 20 4 30 10 -1
   3: 0100007F:C351 0100007F:9C40 05 00000000:00000000 02:00000000 00000000     0        0 0 2 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_client_s_own_row_tells() {
        let at = |port| address(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port), false);
        assert_eq!(find(TABLE, &at(50000), &at(40000)), Some(Owner::User(65534, 13)));
        assert_eq!(find(TABLE, &at(50001), &at(40000)), Some(Owner::Gone));
        assert_eq!(find(TABLE, &at(50002), &at(40000)), None);
        let mapped = address(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80), true);
        assert_eq!(mapped, "0000000000000000FFFF00000100007F:0050");
        assert_eq!(find("", "", ""), None);
    }

    #[test]
    fn the_kernel_is_asked_for_one_socket() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(ours) = listener.local_addr().unwrap() else { panic!("it is of IPv4") };
        let client = TcpStream::connect(ours).unwrap();
        let SocketAddr::V4(theirs) = client.local_addr().unwrap() else { panic!("it is of IPv4") };
        let (_served, _) = listener.accept().unwrap();
        let mut kernel = Kernel::default();
        let inode = rustix::fs::fstat(&client).unwrap().st_ino;
        assert_eq!(kernel.ask(theirs, ours), Ok(Owner::User(rustix::process::geteuid().as_raw(), inode)));
        assert_eq!(kernel.ask(SocketAddrV4::new(*theirs.ip(), 1), ours), Ok(Owner::Unknown));
        // An answer that nobody took is not that to the next question.
        let late = question(7, theirs, ours);
        rustix::net::send(kernel.socket.as_ref().unwrap(), &late, rustix::net::SendFlags::empty()).unwrap();
        drop(client);
        assert_eq!(kernel.ask(theirs, ours), Err(rustix::io::Errno::BADMSG));
        assert_eq!(kernel.owner(theirs, ours), Owner::Gone);
        assert_eq!(kernel.ask(theirs, ours), Ok(Owner::Gone));
        assert!(answer(b"short", 1).is_none());
    }

    #[test]
    fn our_own_connection_is_ours() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (served, _) = listener.accept().unwrap();
        let inode = rustix::fs::fstat(&client).unwrap().st_ino;
        assert_eq!(owner(&served), Owner::User(rustix::process::geteuid().as_raw(), inode));
        drop(client);
        assert_eq!(owner(&served), Owner::Gone);
    }
}
