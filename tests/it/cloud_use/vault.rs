//! The vault from the command line, and what is left of a day's work.

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Home, PASSPHRASE};
use crate::world::{lives, until};

#[test]
fn records_that_found_no_room_are_counted_in_the_next_one() {
    let home = Home::new();
    let log = home.world.path(".local/state/devboot/audit.log");
    let kept = home.world.path("kept.log");
    std::fs::rename(&log, &kept).unwrap();
    std::fs::create_dir(&log).unwrap();
    let _ = home.devboot(&["cloud", "check", "base"]).exits(0);
    let _ = home.devboot(&["cloud", "check", "nobody"]).exits(64);
    std::fs::remove_dir(&log).unwrap();
    std::fs::rename(&kept, &log).unwrap();
    let _ = home.devboot(&["cloud", "check", "base"]).exits(0);
    let text = home.devboot(&["cloud", "audit"]).exits(0).stdout;
    let lines: Vec<&str> = text.lines().collect();
    let [.., lost, last] = lines[..] else { panic!("{text}") };
    assert!(lost.contains("lost") && lost.ends_with("2 records could not be written"), "{text}");
    assert!(last.contains("check") && last.ends_with("ok"), "{text}");
    let _ = home.devboot(&["cloud", "audit", "--verify"]).exits(0);
}

#[test]
fn who_looks_is_told_what_the_log_lacks_and_why() {
    let home = Home::new();
    let (log, elsewhere) = (home.world.path(".local/state/devboot/audit.log"), home.world.path("elsewhere"));
    let told = "credentials are handed over without a record";
    let service = || home.world.text(".local/state/devboot/logs/daemon.log").matches(told).count();
    let quiet = home.devboot(&["--json", "cloud", "status"]).exits(0).stdout;
    let quiet: serde_json::Value = serde_json::from_str(&quiet).unwrap();
    assert_eq!((service(), &quiet["unrecorded"]), (0, &serde_json::Value::Null));
    // What somebody else put in its place is not written.
    fs::rename(&log, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &log).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    let _ = home.devboot(&["cloud", "check", "base"]).exits(0);
    let _ = home.devboot(&["cloud", "exec", "base", "--", "true"]).exits(0);
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
    let lacks = "the audit log lacks 2 records: cannot write the audit log ";
    let _ = home.devboot(&["cloud", "status"]).exits(0).says(lacks).says("symbolic link");
    let _ = home.devboot(&["cloud", "audit", "--verify"]).says(lacks);
    until("the service's log has it", || service() == 1);
    fs::remove_file(&log).unwrap();
    fs::rename(&elsewhere, &log).unwrap();
    // All is well with the file, and yet something is missing in it.
    let json = home.devboot(&["--json", "cloud", "audit", "--verify"]).exits(2).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["whole"], &json["unrecorded"]["count"]), (&true.into(), &2.into()));
    let _ = home.devboot(&["cloud", "check", "base"]).exits(0);
    let _ = home.devboot(&["cloud", "audit"]).exits(0).says("2 records could not be written");
    let ran = home.devboot(&["cloud", "audit", "--verify"]).exits(0);
    assert!(!ran.stderr.contains("lacks"), "{}", ran.stderr);
    let _ = home.devboot(&["cloud", "status"]).exits(0);
    assert_eq!(service(), 1);
}

#[test]
fn it_is_made_once_opened_with_its_passphrase_and_closed() {
    let home = Home::new();
    let _ = home.given(&["cloud", "init", "--passphrase-stdin"], PASSPHRASE).exits(4).says("there is");
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    let _ = home.given(&["cloud", "unlock", "--passphrase-stdin"], "wrong").exits(3).says("passphrase");
    let _ = home.devboot(&["cloud", "unlock"]).exits(3).says("there is no terminal to ask");
    let _ = home
        .shell("bash", "devboot use dev")
        .exits(3)
        .says("the vault is locked")
        .says("devboot cloud unlock");
    home.unlock();
    let _ = home.shell("bash", "devboot use dev").exits(0);
    let _ = home.devboot(&["cloud", "remove", "base", "--yes"]).exits(0);
    let _ = home.devboot(&["cloud", "check", "dev"]).exits(64);
}

#[test]
fn its_passphrase_and_its_key_are_changed_and_its_secrets_carried() {
    let home = Home::new();
    let opens = |passphrase: &str| home.given(&["cloud", "unlock", "--passphrase-stdin"], passphrase).code;
    let _ = home.given(&["cloud", "passwd", "--passphrase-stdin"], "wrong\nnew\n").exits(3);
    let _ =
        home.given(&["cloud", "passwd", "--passphrase-stdin"], PASSPHRASE).exits(64).says("no second line");
    let _ = home.given(&["cloud", "passwd", "--passphrase-stdin"], &format!("{PASSPHRASE}\nnew\n")).exits(0);
    assert_eq!((opens(PASSPHRASE), opens("new")), (3, 0));
    // The service goes on with the vault open, though its key is another now.
    let _ = home.given(&["cloud", "rotate", "--passphrase-stdin"], "new\n").exits(0);
    let _ = home.devboot(&["cloud", "check", "dev"]).exits(0);
    let _ =
        home.given(&["cloud", "export", "all.sealed", "--passphrase-stdin"], "new\nfor the way\n").exits(0);
    let text = home.world.text("all.sealed");
    assert!(!text.contains(home.moto.keys.secret_access_key.expose().as_str()));
    let _ = home
        .given(&["cloud", "export", "all.sealed", "--passphrase-stdin"], "new\nother\n")
        .exits(1)
        .says("cannot write");
    assert_eq!(home.world.text("all.sealed"), text);
    let _ = home.devboot(&["cloud", "remove", "base", "--yes"]).exits(0);
    let _ = home.given(&["cloud", "import-sealed", "all.sealed", "--passphrase-stdin"], "wrong").exits(3);
    let ran =
        home.given(&["cloud", "import-sealed", "all.sealed", "--passphrase-stdin"], "for the way").exits(0);
    let _ = ran.says("1 secret taken in");
    let _ = home.devboot(&["cloud", "check", "dev"]).exits(0);
    let ran =
        home.given(&["cloud", "import-sealed", "all.sealed", "--passphrase-stdin"], "for the way").exits(0);
    let _ = ran.says("stays as it is");
}

#[test]
fn a_command_opens_it() {
    let home = Home::new();
    let open = |command: &str| home.devboot(&["cloud", "unlock", "--passphrase-command", command]);
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    let _ = open("echo wrong").exits(3).says("passphrase");
    let _ = open("echo no key >&2; exit 2").exits(1).says("gave none").says("no key").says("exit code 2");
    let _ = open("true").exits(1).says("it printed nothing");
    let _ = open(&format!("printf '%s\\nuser: me\\n' '{PASSPHRASE}'")).exits(0);
    let _ = home.devboot(&["cloud", "check", "dev"]).exits(0);
    let json = home.devboot(&["--json", "cloud", "env", "dev"]).exits(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["AWS_SECRET_ACCESS_KEY"].is_string());
    let _ =
        home.devboot(&["cloud", "env", "dev", "--json", "--format", "fish"]).exits(64).says("--format fish");
}

#[test]
fn the_log_tells_who_got_what_and_that_nobody_changed_it() {
    let home = Home::new();
    let _ = home.shell("bash", &format!("devboot use dev; python3 -c \"{}\"", home.who())).exits(0);
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(4);
    let told = || home.devboot(&["cloud", "audit"]).exits(0).stdout;
    crate::world::until("the refusal in the log", || told().contains("is guarded and not open"));
    let text = told();
    assert!(
        text.contains("unlock")
            && text.contains("use")
            && text.contains("credential-process")
            && text.contains("python3"),
        "{text}"
    );
    let _ = home.devboot(&["cloud", "audit", "--verify"]).exits(0).says("the log is whole");
    let json = home.devboot(&["--json", "cloud", "audit", "--since", "1h"]).exits(0).stdout;
    assert!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["records"].as_array().unwrap().len() > 4
    );
    let path = ".local/state/devboot/audit.log";
    let log = home.world.text(path);
    home.world.write(path, log.replacen("\"dev\"", "\"xxx\"", 1));
    let _ = home.devboot(&["cloud", "audit", "--verify"]).exits(2).says("the log is broken in line");
}

#[test]
fn a_service_that_ends_has_written_down_what_it_gave() {
    let home = Home::new();
    for _ in 0..5 {
        let _ = home.devboot(&["cloud", "credential-process", "base"]).exits(0);
    }
    let _ = home.devboot(&["daemon", "stop"]).exits(0);
    let log = home.world.read(".local/state/devboot/audit.log");
    let given = devboot::cloud::audit::records(&log).filter(|record| record.event == "hand-over").count();
    assert_eq!(given, 5);
}

#[test]
fn uninstall_leaves_what_has_no_other_copy_and_says_so() {
    let home = Home::new();
    let _ = home.shell("bash", "devboot use dev").exits(0);
    let ran = home
        .devboot(&["uninstall", "--yes"])
        .exits(0)
        .says("your sealed secrets")
        .says("your credential profiles");
    assert!(
        ran.stderr.contains("~/.local/share/devboot/vault")
            && ran.stderr.contains("~/.config/devboot/cloud.toml")
    );
    let left: Vec<_> = home
        .world
        .tree()
        .into_iter()
        .filter(|(_, node)| matches!(node, crate::world::Node::File(..)))
        .collect();
    let left: Vec<String> = left.iter().map(|(path, _)| path.display().to_string()).collect();
    let ours = |path: &&String| path.contains("devboot");
    assert_eq!(
        left.iter().filter(ours).collect::<Vec<_>>(),
        [".config/devboot/cloud.toml", ".local/share/devboot/vault"]
    );
}

#[test]
fn no_secret_is_left_anywhere_by_a_day_in_pointer_mode() {
    let home = Home::new();
    let canary = home.moto.keys.secret_access_key.expose().clone();
    let who = home.who();
    let script = format!(
        "devboot use dev; python3 -c \"{who}\"; devboot use base; python3 -c \"{who}\"; devboot cloud current; \
         devboot -v cloud check dev; devboot cloud list; devboot --json cloud show base; env > now; \
         cat /proc/$$/environ /proc/$$/cmdline > mine; history > hist; devboot use --off"
    );
    let ran = home.shell("bash", &script).exits(0);
    let lease = home.devboot(&["cloud", "credential-process", "dev"]).exits(0).stdout;
    let lease: serde_json::Value = serde_json::from_str(&lease).unwrap();
    let derived = lease["SecretAccessKey"].as_str().unwrap().to_owned();
    let holds = |bytes: &[u8]| {
        [&canary, &derived, &PASSPHRASE.to_owned()]
            .iter()
            .any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()))
    };
    assert!(!holds(ran.stdout.as_bytes()) && !holds(ran.stderr.as_bytes()));
    let mut files = 0;
    for (path, node) in crate::world::tree(home.world.outside()) {
        if let crate::world::Node::File(mode, bytes) = node {
            files += 1;
            assert!(!holds(&bytes), "{}", path.display());
            let below =
                path.starts_with("home/.local/state/devboot/cloud") || path.ends_with("devboot/vault");
            assert!(!below || mode & 0o077 == 0, "{} {mode:o}", path.display());
        }
    }
    assert!(files > 10);
    let own = home.world.home().display().to_string();
    let mut seen = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        let (environ, cmdline) = (read("environ"), read("cmdline"));
        if environ.windows(own.len()).any(|part| part == own.as_bytes()) {
            seen += 1;
            assert!(!holds(&environ) && !holds(&cmdline), "{:?}", entry.path());
        }
    }
    assert!(seen > 0, "the service runs in that home");
    // The service holds the secrets. However it dies, it leaves no core file, also where core files are asked for.
    let service: u32 =
        home.world.text(".local/state/devboot/run/address").lines().next().unwrap().parse().unwrap();
    let dir = fs::read_link(format!("/proc/{service}/cwd")).unwrap();
    let cores = |dir: &Path| {
        let names = fs::read_dir(dir).unwrap().flatten().map(|entry| entry.path());
        let is_core = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name == "core" || name == format!("core.{service}")
        };
        names.filter(is_core).filter_map(|path| fs::metadata(path).ok()?.modified().ok()).collect::<Vec<_>>()
    };
    let before = cores(&dir);
    let shell =
        |script: &str| Command::new("sh").args(["-c", script]).current_dir(home.world.outside()).status();
    let raised = format!("prlimit --pid {service} --core=unlimited:unlimited && kill -ABRT {service}");
    assert!(shell(&raised).unwrap().success());
    until("the service has ended", || !lives(service));
    assert_eq!(cores(&dir), before);
    // A program that holds nothing leaves one here, so that the above can fail.
    let _ = shell("ulimit -c unlimited; kill -ABRT $$");
    let here = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().trim() == "core";
    assert!(
        !here
            || fs::read_dir(home.world.outside())
                .unwrap()
                .flatten()
                .any(|entry| { entry.file_name().to_string_lossy().starts_with("core") })
    );
}

#[test]
fn a_command_that_has_read_a_secret_leaves_no_core_file() {
    let home = Home::new();
    // Aborts a program that has read the passphrase and waits for more; whether there was a core file, and of which limit.
    let aborted = |program: &str| {
        let mut command = home.command("sh");
        let script = format!("ulimit -c unlimited; exec {program}");
        command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.current_dir(home.world.outside()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(PASSPHRASE.as_bytes()).unwrap();
        until("it has read", || rustix::io::ioctl_fionread(&input).unwrap() == 0);
        let limits = fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
        let _ = Command::new("kill").args(["-ABRT", &child.id().to_string()]).status().unwrap();
        let ended = child.wait().unwrap();
        assert_eq!(ended.signal(), Some(6), "{program}");
        let limit = limits.lines().find(|line| line.starts_with("Max core file size")).map(str::to_owned);
        (ended.core_dumped(), limit)
    };
    // The limit stays: what such a command becomes or starts would inherit it.
    let (_, limit) = aborted("cat");
    for command in ["unlock --passphrase-stdin", "add more --stdin", "passwd --passphrase-stdin"] {
        assert_eq!(aborted(&format!("devboot cloud {command}")), (false, limit.clone()), "{command}");
    }
    // A program that closes nothing leaves one here, so that the above can fail.
    let here = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().trim() == "core";
    assert!(!here || aborted("cat").0);
}
