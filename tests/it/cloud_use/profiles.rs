//! The profiles' file and the vault, which are changed together; and what a profile may say.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;

use super::Home;

const KEYS: &str = "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE\nAWS_SECRET_ACCESS_KEY=hush\n";

#[test]
fn profiles_that_are_added_at_the_same_time_are_all_there() {
    let home = Home::new();
    let names: Vec<String> = (1..=8).map(|at| format!("par{at}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| home.given(&["cloud", "add", name, "--stdin"], KEYS).exits(0).says("is there"));
        }
    });
    let list = home.devboot(&["cloud", "list"]).exits(0).stdout;
    let status = home.devboot(&["cloud", "status"]).exits(0).stdout;
    for name in &names {
        assert!(list.contains(name.as_str()), "{list}");
        assert!(status.contains(&format!("aws/{name}\n")), "{status}");
    }
}

#[test]
fn no_secret_is_left_that_no_profile_names_and_one_that_is_can_be_removed() {
    let home = Home::new();
    // No profile can be written while this is there.
    let barrier = home.world.path(".config/devboot/.cloud.toml.tmp");
    fs::create_dir(&barrier).unwrap();
    let _ = home.given(&["cloud", "add", "new", "--stdin"], KEYS).exits(1).says("cloud.toml");
    let _ = home.devboot(&["cloud", "remove", "base", "--yes"]).exits(1).says("cloud.toml");
    fs::remove_dir(&barrier).unwrap();
    let status = home.devboot(&["cloud", "status"]).exits(0).stdout;
    assert!(!status.contains("aws/new") && status.contains("aws/base"), "{status}");
    // The profile goes while the vault is locked, and its secret later.
    let _ = home.given(&["cloud", "add", "new", "--stdin"], KEYS).exits(0);
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    let _ = home.devboot(&["cloud", "remove", "new", "--yes"]).exits(0).says("devboot cloud remove new");
    let _ = home.devboot(&["cloud", "remove", "new", "--yes"]).exits(64).says("the vault is locked");
    home.unlock();
    let status = home.devboot(&["cloud", "status"]).exits(0).stdout;
    assert!(status.contains("aws/new  (no profile names it: devboot cloud remove aws/new)"), "{status}");
    assert!(status.contains("aws/base\n"), "{status}");
    let json = home.devboot(&["--json", "cloud", "status"]).exits(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["unused"], serde_json::json!(["aws/new"]));
    let _ = home.devboot(&["cloud", "remove", "new", "--yes"]).exits(0).says("removed 'new'");
    assert!(!home.devboot(&["cloud", "status"]).exits(0).stdout.contains("aws/new"));
    // What a profile names is not removed under the vault's name of it.
    let _ = home.devboot(&["cloud", "remove", "aws/base", "--yes"]).exits(64).says("is used by 'base'");
    let _ = home.devboot(&["cloud", "remove", "nothing", "--yes"]).exits(64).says("no credential profile");
}

#[test]
fn no_value_holds_what_a_terminal_obeys() {
    let home = Home::new();
    let add = |more: &[&str]| home.devboot(&[&["cloud", "add", "ok"], more].concat());
    let ran = add(&["--aws-profile", "ba\u{1b}se"]).exits(64).says("has a control character");
    assert!(!ran.stderr.contains("\u{1b}se"), "{}", ran.stderr);
    let _ = add(&["--aws-profile", "base", "--region", "us\neast"]).exits(64).says("has a control character");
    let _ = add(&["--mfa", "arn:\u{1b}[2J"]).exits(64).says("is no MFA device");
    assert!(!home.devboot(&["cloud", "list"]).exits(0).stdout.contains("ok"));
    // Nor is one taken from the file.
    let path = ".config/devboot/cloud.toml";
    let text = home.world.text(path);
    home.world.write(path, format!("{text}\n[profile.odd.aws]\nprofile = \"ba\\u001bse\"\n"));
    let ran = home.devboot(&["cloud", "list"]).exits(64).says("profile 'odd': the AWS profile");
    assert!(!ran.stderr.contains("\u{1b}se"), "{}", ran.stderr);
}

#[test]
fn what_cannot_work_is_refused_before_a_secret_is_asked_for() {
    let home = Home::new();
    let add = |more: &[&str]| home.devboot(&[&["cloud", "add", "x"], more].concat());
    let _ = add(&["--aws-profile", "base", "--account", "abc"]).exits(64).says("twelve digits");
    let _ = add(&["--region", "us-east-1.evil.com/"]).exits(64).says("is no region");
    let _ = add(&["--tenant", "t/..", "--client", "c"]).exits(64).says("is no client id");
    let _ =
        add(&["--gcp-file", "/nonexistent"]).exits(64).says("cannot read the credential file /nonexistent");
    let _ = add(&["--gcp-file", "~/none.json"]).exits(64).says("cannot read the credential file ~/none.json");
    // What other tools' files may have tomorrow is warned of.
    let _ =
        add(&["--aws-profile", "nope"]).exits(0).says("cannot be used yet: there is no AWS profile 'nope'");
    let _ = add(&["--gcp-configuration", "nope"]).exits(0).says("gcloud has no configuration 'nope'");
    let ran = add(&["--aws-profile", "work"]).exits(0);
    assert!(!ran.stderr.contains("cannot be used yet"), "{}", ran.stderr);
    // A file is found from everywhere.
    home.world.write("keys/sa.json", "{}");
    let mut command = home.world.command(crate::world::DEVBOOT);
    command.args(["cloud", "add", "file", "--gcp-file", "./sa.json"]);
    command.current_dir(home.world.path("keys"));
    let _ = crate::world::Ran::of(command.output().unwrap()).exits(0);
    let file = home.world.path("keys/sa.json");
    let _ = home.devboot(&["cloud", "show", "file"]).exits(0).says(&format!("\"{}\"", file.display()));
}

#[test]
fn flags_and_lines_are_enough_together() {
    const TENANT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
    const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
    let home = Home::new();
    let add =
        |more: &[&str], lines: &str| home.given(&[&["cloud", "add", "az", "--stdin"], more].concat(), lines);
    let flags = ["--tenant", TENANT, "--client", CLIENT];
    let _ = add(&flags[..2], "AZURE_CLIENT_SECRET=s~1\n").exits(64).says("AZURE_CLIENT_ID is missing");
    let _ = add(&flags, &format!("AZURE_CLIENT_SECRET=s\nAZURE_TENANT_ID={CLIENT}\n"))
        .exits(64)
        .says("another AZURE_TENANT_ID");
    let _ = add(&flags, "AZURE_CLIENT_SECRET=s~1\n").exits(0);
    let _ = home.devboot(&["cloud", "show", "az"]).exits(0).says("sealed = \"az\"").says(TENANT).says(CLIENT);
    let _ = add(&flags[2..], &format!("AZURE_CLIENT_SECRET=s~1\nAZURE_TENANT_ID={TENANT}\n")).exits(0);
}

#[test]
fn what_others_could_have_written_is_used_by_nobody() {
    let home = Home::new();
    let (file, linked) = (home.world.path(".config/devboot/cloud.toml"), home.world.path("dotfiles.toml"));
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let path = ".config/devboot/cloud.toml";
    // A shell is switched while all is well.
    let _ = home.devboot(&["cloud", "exec", "base", "--via", "endpoint", "--", "true"]).exits(0);
    let refused = |why: &str| {
        let _ = home.devboot(&["cloud", "credential-process", "base"]).exits(4).says(why);
        for ask in [
            &["cloud", "check", "base"][..],
            &["cloud", "list"],
            &["cloud", "env", "base"],
            &["cloud", "exec", "base", "--", "echo", "ran"],
            &["cloud", "add", "new", "--aws-profile", "work"],
        ] {
            let ran = home.devboot(ask).exits(4).says(path).says(why);
            assert!(ran.stdout.is_empty(), "{ask:?}: {}", ran.stdout);
        }
        let _ = home.shell("bash", "devboot use base").exits(4).says(why);
    };
    let used = || home.devboot(&["cloud", "credential-process", "base"]).exits(0).says("AKIA");
    mode(&file, 0o666);
    refused("every user can write it");
    refused("chmod go-w ");
    mode(&file, 0o664);
    let _ = used();
    // A repository of dotfiles has it.
    fs::rename(&file, &linked).unwrap();
    symlink(&linked, &file).unwrap();
    let _ = used();
    mode(&linked, 0o646);
    refused("every user can write it");
    mode(&linked, 0o644);
    let _ = used();
    // Only root can give files away.
    if chown(&linked, Some(12345), None).is_ok() {
        refused("it belongs to another user (12345)");
        chown(&linked, Some(0), Some(12345)).unwrap();
        let _ = used();
        mode(&linked, 0o664);
        refused("the group 12345 can write it");
    }
}
