//! The Flask starter on a terminal: the handler is edited, the service restarts, the smoke stage turns red with the right
//! message, and green again.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::world::{DEVBOOT, path_variable};

/// Types and waits as a person does: reads what `devboot watch` writes on a terminal of its own.
const PERSON: &str = r#"
import os, pty, re, select, sys, time
app, devboot = sys.argv[1], sys.argv[2:]
pid, fd = pty.fork()
if pid == 0:
    os.execvp(devboot[0], devboot)
seen, at = '', 0
def wait(words):
    global seen, at
    end = time.monotonic() + 60
    while words not in seen[at:]:
        if time.monotonic() > end or not select.select([fd], [], [], 60)[0]:
            sys.exit(f'no {words!r} in:\n{seen[at:]}')
        try:
            seen += re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', os.read(fd, 65536).decode(errors='replace'))
        except OSError:
            sys.exit(f'it has ended before {words!r}:\n{seen[at:]}')
    at = seen.index(words, at) + len(words)
def save(old, new):
    text = open(app).read()
    assert old in text, text
    with open(app + '.new', 'w') as file:
        file.write(text.replace(old, new))
    os.rename(app + '.new', app)
wait('GREEN')
save('Hello, ML!', 'Bye, ML!')
wait('changed: app.py')
wait("expected the text 'Hello, ML!' in the body; it begins: Bye, ML!")
wait('RED in')
os.write(fd, b'?')
wait('this help')
save('Bye, ML!', 'Hello, ML!')
wait('GREEN')
os.write(fd, b'r')
wait('GREEN')
os.write(fd, b'q')
while True:
    try:
        if not os.read(fd, 65536):
            break
    except OSError:
        break
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn an_edited_handler_turns_the_smoke_test_red_and_green_again() {
    for args in [&["--no-service"][..], &[]] {
        let world = World::new();
        let profile = world.outside().join("p.toml");
        fs::write(&profile, "starters = ['hello-ml']\n[service]\nenabled = false\n").unwrap();
        let args_of =
            ["setup", "--yes", "--offline", "--only", "repos", "--profile", profile.to_str().unwrap()];
        let _ = world.devboot(args_of).exits(0);
        let root = world.path("hello-ml");
        let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv");
        std::os::unix::fs::symlink(venv, root.join(".venv")).unwrap();
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        for file in ["app.py", "devboot.toml"] {
            let text = fs::read_to_string(root.join(file)).unwrap();
            assert!(text.contains("8080"), "{file}: {text}");
            fs::write(root.join(file), text.replace("8080", &port)).unwrap();
        }
        let mut command: Command = world.command("python3");
        command.args(["-", root.join("app.py").to_str().unwrap(), DEVBOOT, "watch", "--trust"]).args(args);
        command.arg(&root).env("TERM", "xterm").env("PATH", path_variable());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(PERSON.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let _ = world.devboot(["daemon", "stop"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
        let server = format!("127.0.0.1:{port}").parse().unwrap();
        let open = || std::net::TcpStream::connect_timeout(&server, Duration::from_secs(1)).is_ok();
        until("end of the app", || !open());
    }
}
