//! The service, with the real program: one of it, found, ended, replaced, and not impressed by bad clients and bad days.

mod bad_clients;
mod bad_days;
mod home;
mod install;
mod life;
mod projects;
mod work;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use devboot::ipc::frame::{self, Decoder};
use devboot::ipc::message::{FromClient, FromService, Hello, PROTOCOL, Request, Response};

use crate::world::{DEVBOOT, LONG, Ran, World, lives, until};

/// A home whose service is ended with it.
struct Served {
    world: World,
}

impl Served {
    fn new() -> Self {
        Self { world: World::new() }
    }

    #[track_caller]
    fn started() -> Self {
        let served = Self::new();
        let _ = served.devboot(["daemon", "start"]).exits(0);
        served
    }

    #[must_use]
    fn devboot<const N: usize>(&self, args: [&str; N]) -> Ran {
        self.world.devboot(args)
    }

    fn state(&self, below: &str) -> PathBuf {
        self.world.path(".local/state/devboot").join(below)
    }

    /// The process id and the socket, as the address says.
    #[track_caller]
    fn address(&self) -> (u32, PathBuf) {
        let text = fs::read_to_string(self.state("run/address")).unwrap();
        let (pid, socket) = text.trim_end().split_once('\n').unwrap();
        (pid.parse().unwrap(), socket.into())
    }

    fn pid(&self) -> u32 {
        self.address().0
    }

    fn log(&self) -> String {
        fs::read_to_string(self.state("logs/daemon.log")).unwrap_or_default()
    }

    #[track_caller]
    fn wait_for_log(&self, text: &str) {
        until(&format!("{text:?} in the log"), || self.log().contains(text));
    }

    #[track_caller]
    fn client(&self) -> Talk {
        Talk::open(&self.address().1, "0.1.0")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.world.devboot(["daemon", "stop"]);
    }
}

/// What would start a service again, as long as it lives.
fn keeper(pid: u32) -> u32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn kill(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// A service in the foreground, ready.
struct Foreground {
    child: Child,
    supervisor: UnixDatagram,
}

impl Foreground {
    /// Starts it and waits until it has told its supervisor that it is ready.
    fn start(world: &World, args: &[&str]) -> Self {
        let mut command = world.command(DEVBOOT);
        command.args(["daemon", "run"]).args(args);
        Self::of(world, command)
    }

    fn of(world: &World, mut command: Command) -> Self {
        let path = world.outside().join("notify");
        let supervisor = UnixDatagram::bind(&path).unwrap();
        supervisor.set_read_timeout(Some(LONG)).unwrap();
        let child = command.env("NOTIFY_SOCKET", &path).stderr(Stdio::null()).spawn().unwrap();
        let foreground = Self { child, supervisor };
        assert_eq!(foreground.told(), "READY=1");
        foreground
    }

    fn told(&self) -> String {
        let mut buffer = [0; 100];
        let count = self.supervisor.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    fn ends_with(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of our own making.
struct Talk {
    stream: UnixStream,
    decoder: Decoder,
}

impl Talk {
    /// Connects and says nothing.
    #[track_caller]
    fn silent(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        Self { stream, decoder: Decoder::new(frame::RESPONSE) }
    }

    /// Connects as a devboot of this version.
    #[track_caller]
    fn open(socket: &Path, version: &str) -> Self {
        let mut talk = Self::silent(socket);
        talk.send(&FromClient::Hello(hello(version)));
        assert!(matches!(talk.next(), Some(FromService::Hello(_))));
        talk
    }

    #[track_caller]
    fn send(&mut self, message: &FromClient) {
        self.raw(&frame::encode(message, usize::MAX).unwrap());
    }

    #[track_caller]
    fn raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    #[track_caller]
    fn ask(&mut self, request: Request) -> Response {
        self.send(&FromClient::Request(request));
        loop {
            match self.next() {
                Some(FromService::Response(response)) => return response,
                Some(_) => {}
                None => panic!("the connection was closed"),
            }
        }
    }

    /// The next message; `None` when the connection is closed.
    #[track_caller]
    fn next<T: serde::de::DeserializeOwned>(&mut self) -> Option<T> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(body) = self.decoder.next_body().unwrap() {
                return Some(frame::decode(&body).unwrap());
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.decoder.add(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads until the connection is closed.
    #[track_caller]
    fn is_closed(&mut self) {
        while self.next::<FromService>().is_some() {}
    }
}

fn hello(version: &str) -> Hello {
    Hello { protocol: PROTOCOL, version: version.into(), build: 0, pid: 1 }
}
