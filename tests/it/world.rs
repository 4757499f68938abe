//! A sealed home for one test: its own directory, a cleared environment, the real programs.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program under test.
pub const DEVBOOT: &str = env!("CARGO_BIN_EXE_devboot");

/// A home directory of its own.
pub struct World {
    root: tempfile::TempDir,
    home: PathBuf,
}

/// What stands at one path: kind, mode, bytes or link text. Directories count with their mode.
#[derive(Clone, PartialEq, Eq)]
pub enum Node {
    Dir(u32),
    File(u32, Vec<u8>),
    Link(PathBuf),
    Other,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Node::Dir(mode) => write!(f, "dir {mode:o}"),
            Node::File(mode, bytes) => write!(f, "file {mode:o} {:?}", String::from_utf8_lossy(bytes)),
            Node::Link(to) => write!(f, "-> {}", to.display()),
            Node::Other => f.write_str("special"),
        }
    }
}

/// A tree of nodes, by path below its root.
pub type Tree = BTreeMap<PathBuf, Node>;

/// How a run of the program ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    /// An empty home.
    pub fn new() -> Self {
        Self::at("home")
    }

    /// An empty home in a directory of this name.
    pub fn at(name: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join(name);
        fs::create_dir(&home).unwrap();
        Self { root, home }
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// A directory outside the home.
    pub fn outside(&self) -> &Path {
        self.root.path()
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.home.join(below)
    }

    /// Writes a file into the home, its directories included.
    pub fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    pub fn read(&self, below: &str) -> Vec<u8> {
        fs::read(self.path(below)).unwrap()
    }

    pub fn text(&self, below: &str) -> String {
        String::from_utf8(self.read(below)).unwrap()
    }

    pub fn mode(&self, below: &str, mode: u32) -> &Self {
        fs::set_permissions(self.path(below), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// A command with nothing of our environment but a plain `PATH`.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        command
            .env("HOME", &self.home)
            .env("PATH", path_variable())
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb");
        command.env("USER", "tester").env("GIT_CONFIG_NOSYSTEM", "1").env("TMPDIR", self.root.path());
        command.current_dir(&self.home).stdin(Stdio::null());
        command
    }

    /// Runs devboot without a terminal.
    #[must_use]
    pub fn devboot<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        Ran::of(self.command(DEVBOOT).args(args).output().unwrap())
    }

    /// Runs a script in a shell started like this, such as `["bash", "-ic"]`.
    #[must_use]
    pub fn shell(&self, how: &[&str], script: &str) -> Ran {
        Ran::of(self.command(how[0]).args(&how[1..]).arg(script).output().unwrap())
    }

    /// Everything in the home.
    pub fn tree(&self) -> Tree {
        tree(&self.home)
    }

    /// Asserts that bash and zsh start, interactive and not, without a word.
    pub fn shells_start_cleanly(&self, when: &str) {
        for how in [["bash", "-ic"], ["bash", "-lc"], ["zsh", "-ic"], ["zsh", "-lc"]] {
            let ran = self.shell(&how, "echo started");
            let noise: Vec<&str> = ran
                .stderr
                .lines()
                // What bash says of itself when its input is no terminal.
                .filter(|line| {
                    !line.contains("no job control") && !line.contains("cannot set terminal process group")
                })
                .collect();
            assert_eq!((ran.stdout.trim(), noise.as_slice()), ("started", &[][..]), "{how:?} {when}");
        }
    }
}

impl Ran {
    /// From what a command put out.
    pub fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or(0));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that standard error or output has this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(
            all.contains(text),
            "does not say {text:?}:\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout,
            self.stderr
        );
        self
    }
}

/// The tests' own `PATH`, so that interpreters installed by hand are found.
pub fn path_variable() -> String {
    std::env::var("PATH").unwrap()
}

/// Everything below `root`.
pub fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    walk(root, root, &mut found);
    found
}

fn walk(root: &Path, path: &Path, found: &mut Tree) {
    let meta = fs::symlink_metadata(path).unwrap();
    let mode = meta.mode() & 0o7777;
    let node = if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            walk(root, &entry.unwrap().path(), found);
        }
        Node::Dir(mode)
    } else if meta.is_symlink() {
        Node::Link(fs::read_link(path).unwrap())
    } else if meta.is_file() {
        Node::File(mode, fs::read(path).unwrap())
    } else {
        Node::Other
    };
    found.insert(path.strip_prefix(root).unwrap().to_owned(), node);
}

/// Asserts that two trees are the same, naming only what differs.
#[track_caller]
pub fn assert_same(before: &Tree, after: &Tree, when: &str) {
    let paths: std::collections::BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    let differing: Vec<String> = paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| format!("{}: {:?} became {:?}", path.display(), before.get(path), after.get(path)))
        .collect();
    assert!(differing.is_empty(), "{when}:\n{}", differing.join("\n"));
}

/// The rc files that the three cloud shells ship, written from what is known of them.
pub mod stock {
    use super::World;

    pub const AWS_BASHRC: &str = "# .bashrc\n\n# Source global definitions\nif [ -f /etc/bashrc ]; then\n\t. /etc/bashrc\nfi\n\n\
        # User specific environment\nif ! [[ \"$PATH\" =~ \"$HOME/.local/bin:$HOME/bin:\" ]]\nthen\n    \
        PATH=\"$HOME/.local/bin:$HOME/bin:$PATH\"\nfi\nexport PATH\n\nexport AWS_EXECUTION_ENV=CloudShell\n\
        complete -C '/usr/local/bin/aws_completer' aws\n";
    const AWS_PROFILE: &str =
        "# .bash_profile\n\n# Get the aliases and functions\nif [ -f ~/.bashrc ]; then\n\t. ~/.bashrc\nfi\n";
    const GOOGLE_BASHRC: &str = "# ~/.bashrc: executed by bash(1) for non-login shells.\n\ncase $- in\n    *i*) ;;\n      *) return;;\n\
        esac\n\nHISTCONTROL=ignoreboth\nshopt -s histappend\nalias ll='ls -alF'\n\n\
        if [ -f \"/google/devshell/bashrc.google\" ]; then\n  source \"/google/devshell/bashrc.google\"\nfi";
    const DEBIAN_PROFILE: &str = "# ~/.profile: executed by the command interpreter for login shells.\n\n\
        if [ -n \"$BASH_VERSION\" ]; then\n    if [ -f \"$HOME/.bashrc\" ]; then\n\t. \"$HOME/.bashrc\"\n    fi\nfi\n\n\
        if [ -d \"$HOME/bin\" ] ; then\n    PATH=\"$HOME/bin:$PATH\"\nfi\n";
    const AZURE_BASHRC: &str = "# Take caution when editing this file\nsource /etc/bash.bashrc 2>/dev/null || true\r\n\
        export ACC_LOCATION=westeurope\nPS1='\\u@Azure:\\w$ '\n";

    /// AWS CloudShell.
    pub fn aws(world: &World) {
        world.write(".bashrc", AWS_BASHRC).mode(".bashrc", 0o644);
        world.write(".bash_profile", AWS_PROFILE).write(".bash_logout", "# ~/.bash_logout\n");
        world.write(".zshrc", "").mode(".zshrc", 0o640);
    }

    /// Google Cloud Shell; its `.bashrc` ends without a line feed.
    pub fn google(world: &World) {
        world.write(".bashrc", GOOGLE_BASHRC).mode(".bashrc", 0o600).write(".profile", DEBIAN_PROFILE);
        world.write(".config/gcloud/active_config", "default");
        std::os::unix::fs::symlink("/google/devshell/README", world.path("README-cloudshell.txt")).unwrap();
    }

    /// Azure Cloud Shell; one line with a carriage return, and the `clouddrive` link.
    pub fn azure(world: &World) {
        world
            .write(".bashrc", AZURE_BASHRC)
            .write(".profile", DEBIAN_PROFILE)
            .write(".zshrc", "export ZSHENV_SEEN=1\n");
        std::os::unix::fs::symlink("/usr/csuser/clouddrive", world.path("clouddrive")).unwrap();
    }
}

/// Longer than anything takes on a busy machine; a test that waits so long has failed.
pub const LONG: std::time::Duration = std::time::Duration::from_secs(60);

/// Waits for something that nobody tells.
#[track_caller]
pub fn until(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + LONG;
    while !there() {
        assert!(std::time::Instant::now() < deadline, "no {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Whether a process still does something.
pub fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}
