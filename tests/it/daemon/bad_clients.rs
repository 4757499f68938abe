//! Clients that are someone else's, send garbage, or never read: they are let go, and the service goes on.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::full_disk::privileged;

#[test]
fn garbage_closes_the_connection_and_nothing_else() {
    let served = Served::started();
    let (pid, socket) = served.address();
    let request = |text: &str| {
        let mut frame = (text.len() as u32).to_be_bytes().to_vec();
        frame.extend(text.bytes());
        frame
    };
    // Before the hello.
    for bytes in [request("garbage"), vec![0xff; 64], request("{}"), request("\"status\""), request("")] {
        let mut talk = Talk::silent(&socket);
        talk.raw(&bytes);
        talk.is_closed();
    }
    // And after it.
    for bytes in [request("garbage"), vec![0xff; 64], request(&"[".repeat(100_000))] {
        let mut talk = Talk::open(&socket, "0.1.0");
        talk.raw(&bytes);
        talk.is_closed();
    }
    served.wait_for_log("its connection is closed");
    // Half a frame, and gone.
    let mut talk = Talk::open(&socket, "0.1.0");
    talk.raw(&request("{\"request\":\"status\"}")[..9]);
    drop(talk);
    served.wait_for_log("it ends in the middle");
    assert!(matches!(served.client().ask(Request::Status), Response::Status(status) if status.pid == pid));
}

#[test]
fn a_request_of_a_later_devboot_is_answered_and_the_connection_goes_on() {
    let served = Served::started();
    let mut talk = served.client();
    let text = r#"{"request":{"later":{"x":1}}}"#;
    talk.raw(&(text.len() as u32).to_be_bytes());
    talk.raw(text.as_bytes());
    assert!(matches!(
        talk.next(),
        Some(FromService::Response(Response::Failed(failure))) if failure.kind == "usage"
    ));
    assert!(matches!(talk.ask(Request::Status), Response::Status(_)));
}

#[test]
fn a_frame_that_is_too_large_is_not_waited_for() {
    let served = Served::started();
    let mut talk = served.client();
    talk.raw(&(frame::REQUEST as u32 + 1).to_be_bytes());
    talk.is_closed();
    served.wait_for_log("1048577 bytes, where 1048576 are allowed");
    // The largest is still read.
    let mut talk = served.client();
    let mut body = br#"{"request":"status"}"#.to_vec();
    body.resize(frame::REQUEST, b' ');
    talk.raw(&(body.len() as u32).to_be_bytes());
    talk.raw(&body);
    assert!(matches!(talk.next(), Some(FromService::Response(Response::Status(_)))));
}

#[test]
fn a_client_that_never_reads_is_let_go_and_costs_little() {
    let served = Served::started();
    let memory = |served: &Served| match served.client().ask(Request::Status) {
        Response::Status(status) => status.memory.unwrap(),
        other => panic!("{other:?}"),
    };
    let before = memory(&served);
    let mut talk = served.client();
    let frame = frame::encode(&FromClient::Request(Request::Status), 1000).unwrap();
    let many = frame.repeat(1000);
    let mut sent = 0;
    while talk.stream.write_all(&many).is_ok() {
        sent += 1;
        assert!(sent < 1000, "a million unread answers");
    }
    served.wait_for_log("a client does not read");
    let grown = memory(&served).saturating_sub(before);
    assert!(grown < 40 << 20, "{grown} bytes");
}

/// A Python script, run as a user who is nobody; the system's Python, which everybody may run.
fn nobody(script: &str) -> Command {
    let mut command = privileged("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "env",
        "PATH=/usr/bin:/bin",
        "python3",
        "-c",
    ]);
    command.arg(script);
    command
}

#[test]
fn another_user_is_refused_and_it_is_written_down() {
    let served = Served::started();
    let (pid, socket) = served.address();
    let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ntry:\n    s.connect(sys.argv[1])\n    \
                  print(len(s.recv(1000)))\nexcept PermissionError:\n    print('no way')\n";
    let as_nobody = || {
        let output = nobody(script).arg(&socket).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(as_nobody(), "no way\n");
    // Were the directories and the socket open, the kernel's word on who it is would still be there.
    for path in socket.ancestors().take_while(|path| path.starts_with(served.world.outside())) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    assert_eq!(as_nobody(), "0\n");
    served.wait_for_log("refused a connection of another user (65534");
    assert!(matches!(served.client().ask(Request::Status), Response::Status(status) if status.pid == pid));
}

#[test]
fn a_socket_of_another_user_is_not_spoken_with() {
    let served = Served::started();
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    let dir = served.world.outside().join("theirs");
    fs::create_dir(&dir).unwrap();
    for path in [served.world.outside(), &dir] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let script = "import os, socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\nos.chmod(sys.argv[1], 0o777)\n\
                  s.listen()\nprint('listens', flush=True)\nc, _ = s.accept()\nprint(len(c.recv(1000)), flush=True)\n";
    let socket = dir.join("socket");
    let mut theirs = nobody(script).arg(&socket).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = theirs.stdout.take().unwrap();
    let mut word = [0; 8];
    out.read_exact(&mut word).unwrap();
    fs::write(served.state("run/address"), format!("1\n{}\n", socket.display())).unwrap();
    let _ = served.devboot(["daemon", "status"]).exits(4).says("belongs to another user (65534)");
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    theirs.wait().unwrap();
    assert_eq!(rest, "0\n", "it was told something");
    fs::remove_file(served.state("run/address")).unwrap();
}
