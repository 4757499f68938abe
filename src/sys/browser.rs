//! The browser of the person at this machine, and sending it to an address that no argument list may hold.
//!
//! Every user of the machine can read the arguments of a program. So the browser is started with an address of ours, good for
//! one visit of our own user, which sends it on.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::loopback::peer::{Owner, owner};
use super::{process, signal};
use crate::base::secret::Secret;

/// The largest head of a visit that is read, in bytes.
const HEAD: usize = 16 << 10;

/// How long one visitor may take.
const VISIT: Duration = Duration::from_secs(2);

/// How often the wait looks whether the person wants to stop.
const GLANCE: Duration = Duration::from_millis(200);

/// A program that opens addresses in the person's browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    program: PathBuf,
}

impl Browser {
    /// The one of this machine's screen; `None` over ssh, in WSL, or where there is no screen. `find` looks programs up.
    pub fn of(
        var: impl Fn(&str) -> Option<String>,
        find: impl Fn(&str) -> Option<PathBuf>,
        os: &str,
    ) -> Option<Self> {
        let has = |name: &str| var(name).is_some_and(|value| !value.is_empty());
        if ["SSH_CONNECTION", "SSH_TTY", "WSL_DISTRO_NAME"].into_iter().any(has) {
            return None;
        }
        let opener = match os {
            "macos" => "open",
            _ if has("DISPLAY") || has("WAYLAND_DISPLAY") => "xdg-open",
            _ => return None,
        };
        find(opener).map(|program| Self { program })
    }

    /// Shows `address`, and waits until the browser has fetched it, for at most `patience`. False: it did not come, or the
    /// person wants to stop.
    ///
    /// # Errors
    /// The program cannot be started, or no port can be had.
    pub fn show(&self, address: &Secret<String>, patience: Duration) -> io::Result<bool> {
        if address.expose().chars().any(|c| !c.is_ascii_graphic()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the address is none"));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        set_socket_timeout(&listener, Timeout::Recv, Some(GLANCE))?;
        let host = listener.local_addr()?.to_string();
        let path = format!("/{}", one_time_word()?);
        self.start(&format!("http://{host}{path}"))?;
        let ends = Instant::now() + patience;
        while Instant::now() < ends && !signal::interrupted() {
            let Ok((mut stream, _)) = listener.accept() else { continue };
            let ours = match owner(&stream) {
                Owner::User(uid, _) => uid == process::owner().0,
                Owner::Unknown => true,
                Owner::Gone => false,
            };
            let is_it = ours && read_head(&mut stream).is_ok_and(|head| is_visit(&head, &host, &path));
            if is_it && send_on(&mut stream, address).is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// In a group of its own, so that Ctrl-C at our terminal does not close the browser.
    fn start(&self, address: &str) -> io::Result<()> {
        let mut command = Command::new(&self.program);
        command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.process_group(0).spawn()?;
        std::thread::spawn(move || child.wait());
        Ok(())
    }
}

fn one_time_word() -> io::Result<String> {
    let mut random = [0; 32];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    stream.set_write_timeout(Some(VISIT))?;
    let ends = Instant::now() + VISIT;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1024];
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let left = ends.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > HEAD {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

fn is_visit(head: &str, host: &str, path: &str) -> bool {
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default();
    let hosts: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, value)| value.trim())
        .collect();
    let asked = line.strip_prefix("GET ").and_then(|rest| rest.split_once(' ')).map(|(target, _)| target);
    asked == Some(path) && hosts == [host]
}

fn send_on(stream: &mut TcpStream, address: &Secret<String>) -> io::Result<()> {
    let answer = Secret::new(format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nConnection: close\r\n\r\n",
        address.expose()
    ));
    stream.write_all(answer.expose().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vars: &[(&str, &str)], os: &str) -> Option<Browser> {
        let var = |name: &str| vars.iter().find(|(own, _)| *own == name).map(|(_, v)| (*v).to_owned());
        Browser::of(var, |name| Some(PathBuf::from(name)), os)
    }

    #[test]
    fn it_is_that_of_a_screen_in_front_of_the_person() {
        let program = |vars: &[(&str, &str)], os| of(vars, os).map(|it| it.program);
        assert_eq!(program(&[("DISPLAY", ":0")], "linux"), Some("xdg-open".into()));
        assert_eq!(program(&[("WAYLAND_DISPLAY", "w")], "linux"), Some("xdg-open".into()));
        assert_eq!(program(&[], "macos"), Some("open".into()));
        assert_eq!(program(&[("DISPLAY", "")], "linux"), None);
        for far in ["SSH_CONNECTION", "SSH_TTY", "WSL_DISTRO_NAME"] {
            assert_eq!(program(&[("DISPLAY", ":0"), (far, "x")], "linux"), None, "{far}");
        }
    }

    #[test]
    fn only_the_one_time_address_is_sent_on() {
        let head = "GET /word HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n";
        assert!(is_visit(head, "127.0.0.1:9", "/word"));
        assert!(!is_visit(head, "127.0.0.1:9", "/other"));
        assert!(!is_visit(&head.replace("127.0.0.1:9", "evil.example"), "127.0.0.1:9", "/word"));
        assert!(!is_visit(&head.replace("GET", "POST"), "127.0.0.1:9", "/word"));
        let two = head.replace("\r\n\r\n", "\r\nHost: evil.example\r\n\r\n");
        assert!(!is_visit(&two, "127.0.0.1:9", "/word"));
    }

    #[test]
    fn an_address_that_would_break_the_answer_is_refused() {
        let browser = Browser { program: "true".into() };
        let odd = Secret::new("https://a\r\nSet-Cookie: x".to_owned());
        assert!(browser.show(&odd, Duration::from_secs(1)).is_err());
    }
}
