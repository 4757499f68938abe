//! Real ssh against a real sshd on loopback: keys from an agent, hosts known, unknown and changed.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::apart::clone_apart;
use super::world::World;

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn run(program: &str, args: &[&str], env: &[(&str, &str)]) -> String {
    let done = Command::new(program).args(args).envs(env.iter().copied()).output().unwrap();
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn key(world: &World, name: &str) -> String {
    let file = world.path(name).to_str().unwrap().to_owned();
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &file], &[]);
    fs::read_to_string(format!("{file}.pub")).unwrap()
}

/// An sshd that lets the owner of the key `user` in, once it listens.
fn sshd(world: &World) -> (Running, u16) {
    // As root it separates privileges by way of this folder, which the system makes for its own sshd.
    if Command::new("id").arg("-u").output().unwrap().stdout == b"0\n" {
        fs::create_dir_all("/run/sshd").unwrap();
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = |name: &str| world.path(name).display().to_string();
    fs::write(world.path("authorized"), key(world, "user")).unwrap();
    let mut config =
        format!("Port {port}\nListenAddress 127.0.0.1\nPidFile none\nStrictModes no\nUsePAM no\n");
    let _ = writeln!(config, "HostKey {}\nAuthorizedKeysFile {}", path("host"), path("authorized"));
    config += "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n";
    fs::write(world.path("sshd_config"), config).unwrap();
    let program = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
    let program = program.into_iter().find(|path| Path::new(path).exists()).unwrap();
    let mut child = Command::new(program)
        .args(["-D", "-e", "-f", &path("sshd_config")])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("Server listening")), "sshd did not start");
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), port)
}

/// An agent that holds the key `user`, and its socket.
fn agent(world: &World) -> (Running, String) {
    let socket = world.path("agent.sock").to_str().unwrap().to_owned();
    let mut child =
        Command::new("ssh-agent").args(["-D", "-a", &socket]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let user = world.path("user");
    run("ssh-add", &["-q", user.to_str().unwrap()], &[("SSH_AUTH_SOCK", &socket)]);
    (Running(child), socket)
}

/// `ssh` on a PATH of its own: the machine's, with a configuration that knows nothing of the machine's.
fn path_with_ssh(world: &World) -> String {
    let bin = world.path("bin");
    fs::create_dir(&bin).unwrap();
    let ssh = run("sh", &["-c", "command -v ssh"], &[]);
    let (config, known) = (world.path("ssh_config"), world.path("known_hosts"));
    let text = format!(
        "UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\nIdentityFile /nowhere/key\n",
        known.display()
    );
    fs::write(&config, text).unwrap();
    let program: PathBuf = bin.join("ssh");
    fs::write(&program, format!("#!/bin/sh\nexec {ssh} -F {} \"$@\"\n", config.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

#[test]
fn keys_come_from_the_agent_and_hosts_must_be_known() {
    let world = World::new();
    let made = world.repo("x", 2);
    let host = key(&world, "host");
    let (_sshd, port) = sshd(&world);
    let path = path_with_ssh(&world);
    let me = run("id", &["-un"], &[]);
    let url = format!("ssh://{me}@127.0.0.1:{port}{}", world.path("srv/x").display());
    let call = format!("ssh -p {port} {me}@127.0.0.1");
    let know = |key: &str| fs::write(world.path("known_hosts"), format!("[127.0.0.1]:{port} {key}")).unwrap();
    let without = [("PATH", path.as_str()), ("SSH_AUTH_SOCK", "")];

    let said = clone_apart(&world, &url, &without);
    assert!(said.contains("does not know the key of the host") && said.contains(&call), "{said}");
    assert!(!world.path("known_hosts").exists(), "nobody was trusted");

    know(&host);
    let said = clone_apart(&world, &url, &without);
    assert!(said.contains("takes none of your ssh keys") && said.contains("ssh-add -l"), "{said}");

    let (_agent, socket) = agent(&world);
    let with = [("PATH", path.as_str()), ("SSH_AUTH_SOCK", socket.as_str())];
    know(&key(&world, "stranger"));
    let said = clone_apart(&world, &url, &with);
    assert!(said.contains("has another key than the one that ssh knows"), "{said}");

    know(&host);
    let said = clone_apart(&world, &url, &with);
    assert!(said.contains("Cloned") && said.contains(&made[1]), "{said}");
}

#[test]
fn a_host_that_cannot_be_reached_is_tried_another_time() {
    let world = World::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = path_with_ssh(&world);
    let cases = [("nowhere.invalid".to_owned(), "resolve"), (format!("127.0.0.1:{closed}"), "refused")];
    for (host, why) in cases {
        let said = clone_apart(&world, &format!("ssh://{host}/x"), &[("PATH", &path)]);
        assert!(said.contains("Postponed") && said.contains(why), "{said}");
    }
    assert!(!world.path("home/x").exists());
}
