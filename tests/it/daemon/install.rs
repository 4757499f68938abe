//! Installed by setup: as a unit of systemd, or started by shells; and taken away without a trace.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::full_disk::privileged;
use crate::world::{assert_same, path_variable};

const PROFILE: &str = "[aliases]\nhi = 'echo hi'\n";

impl Served {
    /// Set up with a small profile; `devboot` is on the `PATH` of [`Served::shell`].
    fn set_up(profile: &str, more: &[&str]) -> Self {
        let served = Self::new();
        served.world.write(".bashrc", "").write(".zshrc", "").write(".config/fish/config.fish", "");
        served.set_up_again(profile, more);
        served
    }

    #[track_caller]
    fn set_up_again(&self, profile: &str, more: &[&str]) {
        let path = self.world.outside().join("profile.toml");
        fs::write(&path, profile).unwrap();
        let args = ["setup", "--yes", "--offline", "--profile", path.to_str().unwrap()];
        let _ = self.world.devboot([&args[..], more].concat()).exits(0);
    }

    fn shell(&self, program: &str) -> Command {
        let mut command = self.world.command(program);
        let dir = Path::new(DEVBOOT).parent().unwrap().to_str().unwrap();
        command.env("PATH", format!("{dir}:{}", path_variable()));
        command
    }

    fn is_told_to_run(&self) -> bool {
        self.state("run/address").exists()
    }
}

#[test]
fn a_shell_starts_it_where_it_is_wanted_and_does_not_wait() {
    for (shell, args) in [("bash", vec!["-ic", ":"]), ("zsh", vec!["-ic", ":"]), ("fish", vec!["-ic", ":"])] {
        let served = Served::set_up(PROFILE, &[]);
        assert!(!served.is_told_to_run(), "setup itself starts nothing");
        // Output is closed at the shell's end, not at the service's.
        let output = served.shell(shell).args(&args).output().unwrap();
        assert!(output.status.success());
        until("service", || served.is_told_to_run());
        let pid = served.pid();
        // It runs: no second one, and no process for the look at it.
        let count = |disable: bool| {
            let trace = served.world.outside().join("trace");
            let mut command = served.shell("strace");
            command.args(["-f", "-qq", "-e", "trace=execve,fork,vfork,clone,clone3", "-o"]).arg(&trace);
            command.arg(shell).args(&args);
            if disable {
                command.env("DEVBOOT_DISABLE", "1");
            }
            assert!(command.output().unwrap().status.success());
            let text = fs::read_to_string(&trace).unwrap();
            text.lines().filter(|line| !line.contains("CLONE_THREAD") && line.contains('(')).count()
        };
        assert_eq!(count(false), count(true), "{shell}");
        assert_eq!(served.pid(), pid);
        // Killed: what it leaves behind deceives no shell.
        kill(pid, "-KILL");
        until("death", || !lives(pid));
        assert!(served.shell(shell).args(&args).output().unwrap().status.success());
        until("another one", || served.is_told_to_run() && served.pid() != pid);
    }
}

#[test]
fn on_a_terminal_nothing_is_said_of_it() {
    let script = "import os, pty, sys\nout = b''\ndef read(fd):\n    global out\n    data = os.read(fd, 4096)\n    out += data\n    \
                  return data\nsys.stdin.close()\nos.environ['TERM'] = 'dumb'\npid, fd = pty.fork()\nif pid == 0:\n    \
                  os.execvp(sys.argv[1], [sys.argv[1], '-ic', 'echo one; sleep 0.2; echo two'])\n\
                  try:\n    while True: read(fd)\nexcept OSError: pass\nos.waitpid(pid, 0)\nprint(out.decode())\n";
    for shell in ["bash", "zsh", "fish"] {
        let served = Served::set_up(PROFILE, &[]);
        let output = served.shell("python3").args(["-c", script, shell]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words, ["one", "two"], "{shell}: {text}");
        until("service", || served.is_told_to_run());
    }
}

#[test]
fn without_a_wish_no_shell_starts_it_but_for_a_project() {
    for (profile, more) in
        [(PROFILE, &["--skip", "service"][..]), (&format!("{PROFILE}[service]\nenabled = false\n"), &[][..])]
    {
        let served = Served::set_up(profile, more);
        let start = || assert!(served.shell("bash").args(["-ic", ":"]).output().unwrap().status.success());
        assert!(!served.state("service").exists());
        let log = served.world.outside().join("trace");
        let mut command = served.shell("strace");
        command.args(["-f", "-qq", "-e", "trace=execve", "-o"]).arg(&log).args(["bash", "-ic", ":"]);
        assert!(command.output().unwrap().status.success());
        assert!(!fs::read_to_string(&log).unwrap().contains("daemon"));
        let _ = served.devboot(["project", "add", "--no-service"]).exits(0);
        start();
        let wants_projects = !profile.contains("service");
        if wants_projects {
            until("service", || served.is_told_to_run());
        }
        // Wanted after all, and then no more.
        served.set_up_again(PROFILE, &[]);
        assert!(served.state("service").exists());
        served.set_up_again(&format!("{PROFILE}[service]\nenabled = false\n"), &[]);
        assert!(!served.state("service").exists());
    }
}

#[test]
fn uninstall_ends_it_and_leaves_the_home_as_it_was() {
    let served = Served::new();
    served.world.write(".bashrc", "true\n");
    let before = served.world.tree();
    served.set_up_again(PROFILE, &[]);
    let _ = served.devboot(["daemon", "start"]).exits(0);
    let _ = served.devboot(["project", "add"]).exits(0);
    let pid = served.pid();
    let _ = served.devboot(["uninstall", "--yes"]).exits(0);
    until("end", || !lives(pid));
    assert_same(&before, &served.world.tree(), "after uninstall");
}

#[test]
fn a_service_of_a_throwaway_home_ends_with_it() {
    let served = Served::new();
    let script = format!("{DEVBOOT} daemon start && cat ~/.local/state/devboot/run/address");
    let path = served.world.outside().join("profile.toml");
    fs::write(&path, PROFILE).unwrap();
    let args = ["try", "--offline", "--profile", path.to_str().unwrap(), "--", "sh", "-c", &script];
    let ran = served.world.devboot(args).exits(0);
    let pid: u32 = ran.stdout.lines().next().unwrap().parse().unwrap();
    until("end", || !lives(pid));
}

/// devboot on a machine where systemd seems to run; `systemctl` is this script.
struct Systemd<'a> {
    served: &'a Served,
    bin: PathBuf,
    runtime: PathBuf,
}

impl<'a> Systemd<'a> {
    fn new(served: &'a Served, systemctl: &str) -> Self {
        let bin = served.world.outside().join("bin");
        let runtime = served.world.outside().join("runtime");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(runtime.join("systemd")).unwrap();
        fs::set_permissions(&runtime, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(runtime.join("systemd/private"), "").unwrap();
        fs::write(
            bin.join("systemctl"),
            format!("#!/bin/sh\necho \"$@\" >>{}/asked\n{systemctl}\n", bin.display()),
        )
        .unwrap();
        fs::set_permissions(bin.join("systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { served, bin, runtime }
    }

    #[track_caller]
    fn devboot(&self, args: &[&str]) -> String {
        let script = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && exec \"$@\"";
        let mut command = privileged("unshare");
        command.args(["-m", "sh", "-c", script, "sh", "env", "-i"]);
        command.arg(format!("HOME={}", self.served.world.home().display()));
        command.arg(format!("PATH={}:{}", self.bin.display(), path_variable()));
        command.arg(format!("XDG_RUNTIME_DIR={}", self.runtime.display()));
        let output = command.arg(DEVBOOT).args(args).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}");
        text
    }

    fn asked(&self) -> String {
        fs::read_to_string(self.bin.join("asked")).unwrap_or_default()
    }
}

#[test]
fn systemd_gets_a_unit_and_gives_it_back() {
    let served = Served::new();
    let before = served.world.tree();
    let systemd = Systemd::new(&served, "exit 0");
    let said = systemd.devboot(&["daemon", "install"]);
    assert!(said.contains("systemd starts it"), "{said}");
    assert_eq!(systemd.asked(), "--user daemon-reload\n--user start devboot.service\n");
    let unit = served.world.text(".config/systemd/user/devboot.service");
    assert!(unit.contains(&format!("ExecStart=\"{DEVBOOT}\" daemon run")));
    let link = served.world.path(".config/systemd/user/default.target.wants/devboot.service");
    assert_eq!(fs::read_to_string(link).unwrap(), unit);
    let said = systemd.devboot(&["daemon", "install"]);
    assert!(said.contains("installed already"), "{said}");
    systemd.devboot(&["daemon", "uninstall"]);
    assert!(systemd.asked().ends_with("--user stop devboot.service\n--user daemon-reload\n"));
    assert!(!served.world.path(".config").exists());
    systemd.devboot(&["daemon", "install"]);
    systemd.devboot(&["uninstall", "--yes"]);
    assert_same(&before, &served.world.tree(), "after uninstall");
}

#[test]
fn a_session_that_does_not_start_it_is_said_and_shells_do() {
    let served = Served::new();
    let systemd = Systemd::new(&served, "echo 'Failed to connect to bus' >&2; exit 1");
    let said = systemd.devboot(&["daemon", "install"]);
    assert!(said.contains("Failed to connect to bus") && said.contains("a shell that starts"), "{said}");
    assert!(served.state("service").exists());
    let _ = served.devboot(["daemon", "uninstall"]).exits(0);
    assert!(!served.world.path(".config").exists());
}

#[test]
fn the_unit_is_one_that_systemd_understands() {
    let served = Served::new();
    let systemd = Systemd::new(&served, "exit 0");
    systemd.devboot(&["daemon", "install"]);
    let unit = served.world.path(".config/systemd/user/devboot.service");
    let verified = || {
        let mut command = served.world.command("systemd-analyze");
        command.env("XDG_RUNTIME_DIR", &systemd.runtime).args(["--user", "verify"]).arg(&unit);
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // What it does not know it says, and takes the unit all the same.
    assert_eq!(verified(), (true, String::new()));
    let spoilt = fs::read_to_string(&unit).unwrap().replace("KillMode", "KillMood");
    fs::write(&unit, spoilt).unwrap();
    assert!(verified().1.contains("KillMood"));
}
