//! A folder of repositories, and the servers that offer them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use devboot::repos::git::batch::{BatchOptions, CloneOutcome, clone_all};
use devboot::repos::git::{CloneLimits, CloneSpec, History};

/// Repositories under `srv`, clones under `home`.
pub struct World {
    pub dir: tempfile::TempDir,
}

/// A server that ends with the test.
pub struct Server {
    child: Child,
    pub port: u16,
    pub log: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["srv", "home"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs git and returns what it prints.
    pub fn git(&self, dir: &Path, args: &[&str], stdin: &[u8]) -> String {
        let mut child = Command::new("git")
            .args(["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"])
            .args(args)
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(["AUTHOR", "COMMITTER"].iter().flat_map(|who| {
                [
                    (format!("GIT_{who}_NAME"), "me"),
                    (format!("GIT_{who}_EMAIL"), "me@example.org"),
                    (format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z"),
                ]
            }))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "git {args:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// A repository `srv/NAME` with as many commits as asked for, oldest first.
    pub fn repo(&self, name: &str, commits: usize) -> Vec<String> {
        let dir = self.path("srv").join(name);
        fs::create_dir(&dir).unwrap();
        self.git(&dir, &["init", "-q"], b"");
        fs::create_dir(dir.join("sub")).unwrap();
        (0..commits)
            .map(|number| {
                // Text that does not compress well, so that a half transfer is really half.
                let noise: String =
                    (0..2000).map(|i| format!("{:x}", (i * 7919 + number) * 104_729)).collect();
                fs::write(dir.join("file.txt"), format!("{number}\n{noise}")).unwrap();
                fs::write(dir.join("sub/other.txt"), format!("{number}\n")).unwrap();
                self.git(&dir, &["add", "-A"], b"");
                self.git(&dir, &["commit", "-q", "-m", &format!("number {number}")], b"");
                self.git(&dir, &["rev-parse", "HEAD"], b"")
            })
            .collect()
    }

    /// A repository whose only commit has the tree that `git mktree` makes of these lines; `BLOB` in them is
    /// a blob with the given bytes.
    pub fn hostile(&self, name: &str, blob: &[u8], tree: &str) {
        let dir = self.path("srv").join(name);
        fs::create_dir(&dir).unwrap();
        self.git(&dir, &["init", "-q"], b"");
        let blob = self.git(&dir, &["hash-object", "-w", "--stdin"], blob);
        let tree = self.git(&dir, &["mktree", "-z", "--missing"], tree.replace("BLOB", &blob).as_bytes());
        let commit = self.git(&dir, &["commit-tree", &tree, "-m", "x"], b"");
        self.git(&dir, &["update-ref", "refs/heads/main", &commit], b"");
    }

    pub fn http(&self) -> Server {
        self.server(&[])
    }

    /// A TLS server for `127.0.0.1`, and the certificate that vouches for itself.
    pub fn https(&self) -> (Server, PathBuf) {
        let (cert, key) = (self.path("cert.pem"), self.path("key.pem"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
            ])
            .args(["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"])
            .arg(&cert)
            .arg("-keyout")
            .arg(&key)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (self.server(&[&cert, &key]), cert)
    }

    fn server(&self, more: &[&PathBuf]) -> Server {
        let log = self.path("requests");
        fs::write(&log, "").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/repos/server.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(self.path("srv"))
            .arg(&log)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Server { child, port: line.trim().parse().unwrap(), log }
    }

    pub fn spec(&self, name: &str, url: String) -> CloneSpec {
        spec(name, url, &self.path("home"))
    }

    pub fn clone(&self, spec: &CloneSpec) -> CloneOutcome {
        clone_all(std::slice::from_ref(spec), ONLINE, &|_| {}).remove(0)
    }

    /// The names in `home`, leftovers included.
    pub fn at_home(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path("home"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A whole clone of `url` at `home/NAME`.
pub fn spec(name: &str, url: String, home: &Path) -> CloneSpec {
    CloneSpec {
        name: name.into(),
        url,
        reference: None,
        history: History::Full,
        submodules: true,
        dest: home.join(name),
        limits: CloneLimits { stall: Duration::from_secs(60), ..CloneLimits::default() },
    }
}

pub const ONLINE: BatchOptions = BatchOptions { jobs: 4, offline: false };

/// `git daemon` over `srv`, once it accepts connections.
pub fn git_daemon(world: &World) -> Server {
    // The port is free a moment before; nothing else of this test binds ports in between.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // The program itself: `git daemon` would leave it behind when it is ended.
    let folder = Command::new("git").arg("--exec-path").output().unwrap().stdout;
    let program = Path::new(String::from_utf8(folder).unwrap().trim()).join("git-daemon");
    let child = Command::new(program)
        .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1", "--verbose"])
        .arg(format!("--port={port}"))
        .arg(format!("--base-path={}", world.path("srv").display()))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Server { child, port, log: PathBuf::new() };
    let mut lines = BufReader::new(server.child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Ready to rumble")), "git daemon did not start");
    std::thread::spawn(move || lines.for_each(drop));
    server
}
