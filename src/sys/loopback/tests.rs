//! The server with real clients: good ones, hostile ones, and one of another user.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use super::*;

/// A server that answers with what it was asked, and how often it was asked.
fn echo() -> (Loopback, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let handler: Handler = Arc::new(move |ask| {
        counter.fetch_add(1, Ordering::SeqCst);
        let body = String::from_utf8_lossy(ask.body).into_owned();
        let token = ask.header("authorization").unwrap_or("none");
        let text = format!("{}|{}|{:?}|{token}|{body}|{:?}", ask.method, ask.path(), ask.query(), ask.uid);
        Answer {
            headers: vec![("X-More", "more".into()), ("X-Bad", "a\r\nX-Evil: 1".into())],
            ..Answer::text(200, &text)
        }
    });
    (Loopback::bind(0, handler, Arc::new(|_| ())).unwrap(), asked)
}

fn connect(server: &Loopback) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn read_all(mut stream: TcpStream) -> String {
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text
}

/// What comes back for these bytes, in which `HOST` is the server's.
fn say(server: &Loopback, request: &str) -> String {
    let mut stream = connect(server);
    stream.write_all(request.replace("HOST", &server.host()).as_bytes()).unwrap();
    read_all(stream)
}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[test]
fn a_request_is_answered_and_its_sender_known() {
    let (server, asked) = echo();
    let got = say(&server, "GET /a/b?c=d&e HTTP/1.1\r\nHost: HOST\r\nAuthorization: t\r\n\r\n");
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    assert!(got.contains("\r\nX-More: more\r\n") && !got.contains("X-Evil"), "{got}");
    let known = if cfg!(target_os = "linux") { Some(us()) } else { None };
    assert!(got.ends_with(&format!("\r\n\r\nGET|/a/b|Some(\"c=d&e\")|t||{known:?}")), "{got}");
    let got = say(&server, "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 4\r\n\r\nbody");
    assert!(got.contains("POST|/|None|none|body|"), "{got}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_request_that_comes_in_drops_is_one_request() {
    let (server, _) = echo();
    let mut stream = connect(&server);
    let request = format!("POST / HTTP/1.1\r\nHost: {}\r\nContent-Length: 4\r\n\r\nbody", server.host());
    for byte in request.bytes() {
        stream.write_all(&[byte]).unwrap();
    }
    assert!(read_all(stream).contains("POST|/|None|none|body|"));
}

#[test]
fn what_may_not_be_asked_never_reaches_the_handler() {
    let (server, asked) = echo();
    let long = "a".repeat(HEAD);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), 403),
        ("GET / HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\n\r\n".to_owned(), 403),
        ("GET / HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Mode: no-cors\r\n\r\n".to_owned(), 403),
        ("GET http://HOST/ HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), 400),
        ("DELETE / HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), 405),
        ("POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 16385\r\n\r\n".to_owned(), 413),
        (format!("GET /{long} HTTP/1.1\r\nHost: HOST\r\n\r\n"), 413),
        ("GET / HTTP/1.1\r\nHost: HOST\r\n\r\nGET / HTTP/1.1\r\nHost: HOST\r\n\r\n".to_owned(), 400),
    ] {
        let got = say(&server, &request);
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {got}");
        assert!(!got.contains("Access-Control"));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn who_says_nothing_is_sent_away() {
    let (server, asked) = echo();
    let mut silent = connect(&server);
    silent.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let got = read_all(silent);
    assert!(got.starts_with("HTTP/1.1 408 "), "{got}");
    let gone = connect(&server);
    gone.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(gone), "");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_slow_client_keeps_nobody_waiting() {
    let (server, asked) = echo();
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = connect(&server);
            stream.write_all(b"POST /slow HTTP/1.1\r\n").unwrap();
            stream
        })
        .collect();
    let got = say(&server, "GET /fast HTTP/1.1\r\nHost: HOST\r\n\r\n");
    assert!(got.contains("GET|/fast|"), "{got}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    for mut stream in slow {
        let rest = format!("Host: {}\r\nContent-Length: 4\r\n\r\nbody", server.host());
        stream.write_all(rest.as_bytes()).unwrap();
        let got = read_all(stream);
        assert!(got.contains("POST|/slow|"), "{got}");
    }
}

#[test]
fn only_so_many_are_inside_at_once() {
    let (entered, inside) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let (entered, may_leave) = (Mutex::new(entered), Mutex::new(may_leave));
    let handler: Handler = Arc::new(move |ask| {
        ask.takes_long();
        entered.lock().unwrap().send(()).unwrap();
        let _ = may_leave.lock().unwrap().recv();
        Answer::text(200, "in")
    });
    let server = Loopback::bind(0, handler, Arc::new(|_| ())).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.host());
    let ask = || {
        let mut stream = connect(&server);
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let streams: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let stream = ask();
            inside.recv().unwrap();
            stream
        })
        .collect();
    let mut over = connect(&server);
    let _ = over.write_all(request.as_bytes());
    assert_eq!(read_all(over), "", "one more is turned away");
    drop(leave);
    for stream in streams {
        assert!(read_all(stream).ends_with("in"));
    }
    // The last place is given back when its thread ends, which is a moment after its answer.
    while !read_all(ask()).ends_with("in") {}
}

#[test]
fn a_dropped_server_is_gone_and_its_port_free() {
    let (server, asked) = echo();
    let port = server.port();
    let mut waiting = connect(&server);
    waiting.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let host = server.host();
    drop(server);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    let _ = waiting.write_all(format!("Host: {host}\r\n\r\n").as_bytes());
    assert_eq!(read_all(waiting), "", "who was still speaking is not answered");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let again = Loopback::bind(port, Arc::new(|_| Answer::text(200, "again")), Arc::new(|_| ())).unwrap();
    assert!(Loopback::bind(port, Arc::new(|_| Answer::text(200, "twice")), Arc::new(|_| ())).is_err());
    assert!(say(&again, "GET / HTTP/1.1\r\nHost: HOST\r\n\r\n").ends_with("again"));
}

/// One needs to be root to become somebody else, or to have a namespace in which one is.
#[test]
#[cfg(target_os = "linux")]
fn a_program_of_another_user_is_refused() {
    let (server, asked) = echo();
    let script = "exec 3<>/dev/tcp/127.0.0.1/$1 && \
        printf 'GET / HTTP/1.1\\r\\nHost: 127.0.0.1:%s\\r\\n\\r\\n' $1 >&3 && cat <&3";
    let as_user = |user: &[&str]| {
        let port = server.port().to_string();
        let words = [user, &["bash", "-c", script, "-", &port]].concat();
        let done = std::process::Command::new(words[0]).args(&words[1..]).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
    };
    let ours = as_user(&[]);
    assert!(ours.starts_with("HTTP/1.1 200 ") && ours.contains(&format!("Some({})", us())), "{ours}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    if us() == 0 {
        let theirs = as_user(&["setpriv", "--reuid", "65534", "--clear-groups"]);
        assert!(theirs.starts_with("HTTP/1.1 403 ") && theirs.contains("other users"), "{theirs}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
