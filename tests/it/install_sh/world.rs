//! A release on a server of this machine, an empty home, and a shell that runs `install.sh`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh");

/// A server of files that says its port when it listens, and logs what it was asked for.
const SERVER: &str = "\
import functools, http.server, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *rest):
        pass
    def do_GET(self):
        with open(sys.argv[2], 'a') as log:
            log.write(self.path + '\\n')
        super().do_GET()
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Handler, directory=sys.argv[1]))
print(server.server_address[1], flush=True)
server.serve_forever()
";

/// What stands for devboot: it tells its version, and writes down what it was called with.
pub const FAKE: &str = "#!/bin/sh\ncase $1 in --version) echo 'devboot 9.9.9'; exit ;; esac\n\
    read -r line && echo \"read $line\"\nprintf '<%s>' \"$0\" \"$@\" >\"$HOME/called\"\nexit \"${FAKE_CODE:-0}\"\n";

/// What stood there before.
pub const OLD: &str = "#!/bin/sh\necho old\n";

/// A release on a server, and an empty home.
pub struct World {
    pub root: tempfile::TempDir,
    server: Child,
    port: String,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn target() -> String {
    let arch = std::env::consts::ARCH;
    if cfg!(target_os = "macos") {
        format!("{arch}-apple-darwin")
    } else {
        format!("{arch}-unknown-linux-musl")
    }
}

pub fn archive() -> String {
    format!("devboot-{}.tar.gz", target())
}

impl World {
    /// A server whose latest release holds this program.
    pub fn new(program: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["home", "tmp", "served/latest/download"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let mut server = Command::new("python3")
            .args(["-c", SERVER])
            .arg(root.path().join("served"))
            .arg(root.path().join("asked"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let world = Self { root, server, port: port.trim().to_owned() };
        world.release("latest/download", program);
        world
    }

    /// Makes a release of this program.
    pub fn release(&self, below: &str, program: &str) {
        let dir = self.path("served").join(below);
        fs::create_dir_all(&dir).unwrap();
        fs::write(self.path("devboot"), program).unwrap();
        fs::set_permissions(self.path("devboot"), fs::Permissions::from_mode(0o755)).unwrap();
        self.pack(below);
    }

    /// Packs what stands as `devboot` beside the served directory, and signs it.
    pub fn pack(&self, below: &str) {
        let mut tar = Command::new("tar");
        tar.arg("-czf").arg(self.path("served").join(below).join(archive()));
        assert!(tar.arg("-C").arg(self.root.path()).arg("devboot").status().unwrap().success());
        self.sign(below);
    }

    /// Writes the checksums of what is in the release, among those of another build.
    pub fn sign(&self, below: &str) {
        let dir = self.path("served").join(below);
        let sum = Command::new("sha256sum").arg(archive()).current_dir(&dir).output().unwrap();
        let other = format!("{}  devboot-other.tar.gz\n", "0".repeat(64));
        fs::write(dir.join("SHA256SUMS"), [other.as_bytes(), &sum.stdout].concat()).unwrap();
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    pub fn installed(&self) -> PathBuf {
        self.path("home/.local/bin/devboot")
    }

    /// Puts a program there that an installation would replace.
    pub fn old(&self) {
        fs::create_dir_all(self.installed().parent().unwrap()).unwrap();
        fs::write(self.installed(), OLD).unwrap();
    }

    /// A shell with nothing of our environment but `PATH`.
    pub fn command(&self, shell: &str) -> Command {
        let mut command = Command::new(shell);
        command.env_clear().env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command.env("PATH", std::env::var("PATH").unwrap());
        command.env("DEVBOOT_RELEASE_URL", format!("http://127.0.0.1:{}/", self.port));
        command.current_dir(self.path("home")).stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        self.end(self.command("sh").arg(SCRIPT).args(args))
    }

    /// Runs to the end; nothing temporary may be left, in the one place or the other.
    pub fn end(&self, command: &mut Command) -> Ran {
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(names(&self.path("tmp")), [""; 0], "{ran:?}");
        if let Some(bin) = self.installed().parent().filter(|bin| bin.is_dir()) {
            assert!(names(bin).iter().all(|name| name == "devboot"), "{:?}", names(bin));
        }
        ran
    }

    /// A directory with all programs that the script uses, but none that downloads.
    pub fn programs(&self) -> PathBuf {
        let dir = self.path("programs");
        fs::create_dir(&dir).unwrap();
        for name in [
            "tar",
            "gzip",
            "mktemp",
            "uname",
            "sha256sum",
            "rm",
            "mkdir",
            "cat",
            "chmod",
            "mv",
            "tail",
            "grep",
        ] {
            symlink(which(name), dir.join(name)).unwrap();
        }
        dir
    }

    /// What the installed program was called with.
    pub fn called(&self) -> String {
        fs::read_to_string(self.path("home/called")).unwrap_or_default()
    }

    /// What the server was asked for.
    pub fn asked(&self) -> String {
        fs::read_to_string(self.path("asked")).unwrap_or_default()
    }
}

pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts that it failed, saying this and what to do next.
    #[track_caller]
    pub fn refuses(&self, why: &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.stderr.contains(why) && self.stderr.contains("\n  next: "), "{}", self.stderr);
    }
}

pub fn which(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file()).unwrap()
}
