//! The vault from the command line, and what is left of a day's work.

use std::fs;

use super::{Home, PASSPHRASE};

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
}
