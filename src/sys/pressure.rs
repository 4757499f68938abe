//! When the machine is short of memory, as the kernel tells those who wait for it:
//! <https://docs.kernel.org/accounting/psi.html>, "Monitoring for pressure thresholds".

use std::fs::OpenOptions;
use std::future::pending;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

/// In two seconds some programs have waited for memory for two fifths of one, in microseconds. Without privileges the window must be
/// a multiple of two seconds.
const TRIGGER: &[u8] = b"some 400000 2000000\0";

/// Comes back when programs have to wait for memory; never where the kernel does not tell.
pub async fn memory_is_short() {
    let told = match asked() {
        Ok(file) => urgent(file).await,
        Err(error) => Err(error),
    };
    if told.is_err() {
        pending::<()>().await;
    }
}

fn asked() -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC);
    let mut file = options.open("/proc/pressure/memory")?;
    file.write_all(TRIGGER)?;
    Ok(file.into())
}

/// Waits until a file has something urgent, as `POLLPRI` of poll(2).
#[cfg(target_os = "linux")]
async fn urgent(file: OwnedFd) -> io::Result<()> {
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    // SAFETY: the file is owned by what is made of it, so it stays open and the same as long as that lives.
    let file = unsafe { AsyncFd::register_with_interest(file, Interest::PRIORITY) }?;
    file.ready(Interest::PRIORITY).await.map(drop)
}

#[cfg(not(target_os = "linux"))]
async fn urgent(_: OwnedFd) -> io::Result<()> {
    pending().await
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::net::{SendFlags, send};

    use super::*;

    #[tokio::test]
    async fn what_is_urgent_is_waited_for_and_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut waits = std::pin::pin!(urgent(theirs.into()));
        ours.write_all(b"x").unwrap();
        tokio::select! {
            biased;
            _ = &mut waits => panic!("plain bytes are not urgent"),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
        }
        // Data out of band is what poll(2) has as POLLPRI, too.
        send(&ours, b"!", SendFlags::OOB).unwrap();
        waits.await.unwrap();
    }

    #[test]
    fn the_kernel_takes_what_it_is_asked() {
        // One that has no such file, or does not let us, tells nothing; what it refuses as wrong would be our fault.
        let refused = asked().err().and_then(|error| error.raw_os_error());
        assert!(refused != Some(libc::EINVAL), "{refused:?}");
    }
}
