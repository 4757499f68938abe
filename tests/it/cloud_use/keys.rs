//! What opens a vault: passphrases and age identities, from one to the other, without a terminal.

use std::io::Write;
use std::process::Stdio;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;

use crate::world::{DEVBOOT, Ran, World};

const KEYS: &str = "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nAWS_SECRET_ACCESS_KEY=hush\n";
const WORDS: &str = "three new words";

struct Home(World);

impl Home {
    fn new() -> Self {
        Self(World::new())
    }

    fn given(&self, args: &[&str], input: &str) -> Ran {
        let mut command = self.0.command(DEVBOOT);
        command.arg("cloud").args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that refuses does not read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Ran::of(child.wait_with_output().unwrap())
    }

    fn ran(&self, args: &[&str]) -> Ran {
        self.given(args, "")
    }

    /// Writes a file with these identities.
    fn identities(&self, name: &str, identities: &[&Identity]) {
        let lines: Vec<String> =
            identities.iter().map(|one| one.to_string().expose_secret().to_owned()).collect();
        self.0.write(name, lines.join("\n")).mode(name, 0o600);
    }

    fn events(&self) -> Vec<(String, String)> {
        let log = self.0.read(".local/state/devboot/audit.log");
        devboot::cloud::audit::records(&log)
            .filter(|record| record.who.pid.is_some() && record.who.uid.is_some())
            .map(|record| (record.event, record.result))
            .collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.0.devboot(["daemon", "stop"]);
    }
}

#[test]
fn a_vault_goes_from_an_identity_to_a_passphrase_and_back_without_a_terminal() {
    let home = Home::new();
    let (first, second) = (Identity::generate(), Identity::generate());
    let other = second.to_public().to_string();
    home.identities("id.txt", &[&first]);
    home.identities("second.txt", &[&second]);
    home.identities("both.txt", &[&first, &second]);
    home.0.mode("id.txt", 0o644);
    let _ = home.ran(&["init", "--identity", "id.txt"]).exits(4).says("chmod 600");
    home.0.mode("id.txt", 0o600);
    let _ = home.ran(&["init", "--identity", "id.txt"]).exits(0);
    home.0.mode("id.txt", 0o640);
    let _ = home.ran(&["unlock", "--identity", "id.txt"]).exits(4).says("its mode is 640");
    home.0.mode("id.txt", 0o600);
    let _ = home.ran(&["unlock", "--identity", "id.txt"]).exits(0);
    let _ = home.given(&["add", "base", "--stdin"], KEYS).exits(0);

    // Nobody is asked for a passphrase that the vault does not have.
    for verb in [&["export", "x"][..], &["passwd"], &["rotate"], &["unlock"], &["restore", "x"]] {
        let _ = home.ran(verb).exits(64).says("opens with an age identity").says("--identity FILE");
    }
    let id = ["--identity", "id.txt"];
    let with = |verb: &[&str], more: &[&str], input: &str| home.given(&[verb, &id, more].concat(), input);
    let _ =
        with(&["export", "a.sealed"], &["--new-passphrase-stdin"], WORDS).exits(0).says("1 sealed secret");
    let _ = with(&["export", "b.sealed"], &["--recipient", &other], "").exits(0);
    let _ = with(&["export", "c.sealed"], &[], "").exits(3).says("--new-passphrase-command");
    let _ = home.given(&["import-sealed", "a.sealed", "--passphrase-stdin"], "wrong").exits(3);
    let _ = home
        .given(&["import-sealed", "a.sealed", "--passphrase-stdin"], WORDS)
        .exits(0)
        .says("stays as it is");
    let _ = home.ran(&["import-sealed", "b.sealed"]).exits(64).says("--identity FILE");
    let _ =
        home.ran(&["import-sealed", "b.sealed", "--identity", "second.txt"]).exits(0).says("stays as it is");

    let _ = with(&["passwd"], &[], "").exits(3).says("--new-passphrase-stdin");
    let _ = with(&["passwd"], &["--new-passphrase-stdin"], WORDS).exits(0);
    let opens = |input: &str| home.given(&["unlock", "--passphrase-stdin"], input).code;
    assert_eq!((opens("wrong"), opens(WORDS)), (3, 0));
    let _ = with(&["passwd"], &["--new-passphrase-stdin"], "x").exits(64).says("opens with a passphrase");
    let _ = home.ran(&["rotate", "--passphrase-command", &format!("echo '{WORDS}'")]).exits(0);
    assert_eq!(opens(WORDS), 0);
    let _ = home.given(&["passwd", "--passphrase-stdin", "--recipient", &other], "wrong").exits(3);
    let _ = home.given(&["passwd", "--passphrase-stdin", "--recipient", &other], WORDS).exits(0);
    // The new key is sealed for the identity that opens the vault, not for another one of the file.
    let _ = home.ran(&["rotate", "--identity", "both.txt"]).exits(0);
    let _ = home.ran(&["unlock", "--identity", "id.txt"]).exits(3);
    let _ = home.ran(&["unlock", "--identity", "second.txt"]).exits(0);
    assert!(home.ran(&["status"]).exits(0).stdout.contains("aws/base"));

    let events = home.events();
    let ended = |event: &str, ok: bool| {
        events.iter().filter(|(name, result)| name == event && (result == "ok") == ok).count()
    };
    assert_eq!((ended("export", true), ended("export", false)), (2, 0), "{events:?}");
    assert_eq!((ended("import-sealed", true), ended("import-sealed", false)), (2, 1), "{events:?}");
    assert_eq!((ended("passwd", true), ended("passwd", false)), (2, 1), "{events:?}");
    assert_eq!(ended("rotate", true), 2, "{events:?}");
    assert_eq!(ended("unlock", false), 2, "{events:?}");
    let _ = home.ran(&["audit", "--verify"]).exits(0);
}

#[test]
fn a_vault_where_others_can_write_is_refused() {
    let home = Home::new();
    let data = ".local/share/devboot";
    home.0.write(&format!("{data}/x"), "").mode(data, 0o777);
    let init = || home.given(&["init", "--passphrase-stdin"], WORDS);
    let _ = init().exits(4).says("chmod go-w");
    home.0.mode(data, 0o755);
    let _ = init().exits(0);
    home.0.mode(data, 0o1777);
    let _ = home.given(&["unlock", "--passphrase-stdin"], WORDS).exits(4).says("chmod go-w");
    home.0.mode(data, 0o700);
    let _ = home.given(&["unlock", "--passphrase-stdin"], WORDS).exits(0);
}

#[test]
fn a_short_passphrase_is_warned_of_and_what_is_wrong_with_a_file_is_said_of_the_file() {
    let home = Home::new();
    let _ = home.given(&["init", "--passphrase-stdin"], "ab").exits(0).says("shorter than 8");
    let ran = home.given(&["unlock", "--passphrase-stdin"], "ab").exits(0);
    assert!(!ran.stderr.contains("shorter"), "{}", ran.stderr);
    let _ = home.given(&["add", "base", "--stdin"], KEYS).exits(0);
    let _ =
        home.given(&["export", "a.sealed", "--passphrase-stdin"], "ab\ncd\n").exits(0).says("shorter than 8");
    let text = home.0.text("a.sealed");
    home.0.write("a.sealed", &text[..text.len() / 2]);
    let ran = home.given(&["import-sealed", "a.sealed", "--passphrase-stdin"], "cd").exits(4);
    let ran = ran.says("a.sealed cannot be taken in").says("it ends in the middle");
    assert!(!ran.stderr.contains("cloud init"), "{}", ran.stderr);
    let _ = home.given(&["passwd", "--passphrase-stdin"], &format!("ab\n{WORDS}\n")).exits(0);
    for verb in ["list", "show", "check", "current", "lock", "remove", "rotate"] {
        let help = home.ran(&[verb, "--help"]).exits(0).stdout;
        assert!(help.contains(&format!("\n  devboot cloud {verb}")), "{help}");
    }
}
