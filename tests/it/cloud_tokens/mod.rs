//! Access tokens of Google Cloud and Azure: servers that give them, real clients that take them.

mod azure;
mod bad_days;
pub mod gcp;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use devboot::cloud::change::Change;
use devboot::cloud::head::Head;

use crate::cloud_aws::bad_days::request;
use crate::world::World;

/// A Python that has Google's and Azure's libraries: the one that tests/run installs, or the machine's own.
pub fn python() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    let has_both = |python: &Path| {
        let output = Command::new(python).args(["-c", "import google.auth, azure.identity"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if has_both(&installed) { installed } else { "python3".into() }
}

/// The token servers of both clouds, and the hosts that give tokens, in one.
pub struct TokenServer {
    child: Child,
    pub url: String,
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl TokenServer {
    pub fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cloud_tokens/token_server.py");
        let mut child =
            Command::new(python()).arg(script).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, url: format!("http://127.0.0.1:{}", port.trim()) }
    }
}

/// An endpoint that answers each request, head and body, with what `answer` makes of it; its host and port.
fn endpoint(answer: impl Fn(&Head<'_>, &str, &str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let own = host.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let text = request(&mut stream);
            let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
            let mut lines = head.lines();
            let mut first = lines.next().unwrap_or_default().split(' ');
            let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
            let headers: Vec<_> =
                lines.filter_map(|line| line.split_once(':')).map(|(n, v)| (n, v.trim())).collect();
            let bytes = answer(&Head { method, target, headers: &headers }, body, &own);
            let _ = stream.write_all(&bytes);
        }
    });
    host
}

/// What a script of Python prints after a switch, in a shell with variables of earlier days.
#[track_caller]
fn says(world: &World, stale: &[(&str, &str)], changes: Vec<Change>, script: &str) -> String {
    let mut command = world.command(python());
    command.args(["-c", script]).envs(stale.iter().copied());
    for change in changes {
        match change.value {
            Some(value) => command.env(change.name, value.expose()),
            None => command.env_remove(change.name),
        };
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    said
}
