//! Signing in to IAM Identity Center from the command line.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use super::{DEV, Home};
use crate::cloud_aws::moto::{ROLE, role};
use crate::cloud_aws::sso::Portal;
use crate::world::{DEVBOOT, Ran};

/// A home with the profiles `sso`, `chained` (a role by means of it) and `plain` (keys), and the portal.
fn home(portal: impl FnOnce(&Home) -> Portal) -> (Home, Portal) {
    let home = Home::new();
    let portal = portal(&home);
    let sts = home.moto.endpoint.url("");
    let sts = sts.trim_end_matches('/');
    let url = &portal.url;
    let config = home.world.text(".aws/config");
    home.world.write(
        ".aws/config",
        format!(
            "{config}[profile sso]\nregion = eu-west-1\nsso_session = work\nsso_account_id = 123456789012\n\
             sso_role_name = dev\nservices = doubles\n\
             [profile chained]\nregion = eu-west-1\nsource_profile = sso\nrole_arn = {ROLE}\n\
             role_session_name = me@example\nservices = doubles\n\
             [sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://d-123.awsapps.com/start\n\
             [services doubles]\nsts =\n  endpoint_url = {sts}\nsso =\n  endpoint_url = {url}\nsso_oidc =\n  endpoint_url = {url}\n"
        ),
    );
    for name in ["sso", "chained"] {
        let _ = home.devboot(&["cloud", "add", name, "--aws-profile", name]).exits(0);
    }
    (home, portal)
}

/// The portal of a person who may assume the role `dev`.
fn of_person(home: &Home) -> Portal {
    Portal::giving(&home.moto.sts().assume_role(&home.moto.keys, &role(ROLE), None).unwrap().keys)
}

#[test]
fn a_code_signs_in_for_devboot_and_for_awss_own_tools() {
    let (home, _portal) = home(of_person);
    let _ = home.devboot(&["cloud", "check", "sso"]).exits(3).says("nobody is signed in to 'work'");
    let ran = home.devboot(&["cloud", "login", "sso", "--device"]).exits(0);
    let ran = ran.says("open https://device.sso.eu-west-1.amazonaws.com/?user_code=ABCD-EFGH");
    let ran = ran.says("ABCD-EFGH, if the page").says("signed in to work until").says("verified").says(DEV);
    assert!(!ran.stdout.contains("access-1") && !ran.stderr.contains("access-1"));
    let json = home.devboot(&["--json", "cloud", "login", "chained", "--device"]).exits(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["session"], &json["proof"]["parts"][0]["verified"]), (&"work".into(), &true.into()));
    let caller = ["sts", "get-caller-identity", "--profile", "sso", "--query", "Arn", "--output", "text"];
    assert_eq!(Ran::of(home.command("aws").args(caller).output().unwrap()).exits(0).stdout.trim(), DEV);
}

#[test]
fn a_browser_signs_in_and_sees_no_secret_in_its_arguments() {
    let (home, _portal) = home(of_person);
    let opener = "#!/usr/bin/env python3\nimport sys, urllib.request\n\
                  open('opened', 'a').write(sys.argv[1] + '\\n')\nurllib.request.urlopen(sys.argv[1]).read()\n";
    home.world.write("bin/xdg-open", opener).mode("bin/xdg-open", 0o755);
    let mut command = home.command(DEVBOOT);
    let path = format!("{}:{}", home.world.path("bin").display(), crate::world::path_variable());
    command
        .args(["cloud", "login", "sso", "--browser"])
        .env("PATH", path)
        .env("DISPLAY", ":9")
        .env("DEVBOOT_HOST", "vm");
    let ran = Ran::of(command.output().unwrap()).exits(0).says("/authorize?").says("verified").says(DEV);
    let opened = home.world.text("opened");
    let state = ran.stderr.split_once("state=").unwrap().1.split_once('&').unwrap().0.to_owned();
    assert!(opened.starts_with("http://127.0.0.1:") && !opened.contains(&state), "{opened}");
}

#[test]
fn what_has_no_sign_in_says_what_it_is() {
    let (home, _portal) = home(|_| Portal::deserted());
    let login = |name: &str| home.devboot(&["cloud", "login", name]).exits(64);
    let _ = login("base").says("nobody signs in to 'base'").says("access keys");
    let _ = login("dev").says("access keys");
    let _ = login("nope").says("there is no credential profile 'nope'");
    let _ = home.devboot(&["cloud", "add", "far", "--gcp-configuration", "work"]).exits(0);
    let _ = login("far").says("gcloud auth login --configuration=work");
    let _ = home.devboot(&["cloud", "add", "host", "--aws-host"]).exits(0);
    let _ = login("host").says("the identity that the host gives");
}

/// A login that waits for a code that nobody confirms.
fn waiting(home: &Home) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut command = home.command(DEVBOOT);
    command.args(["cloud", "login", "sso", "--device"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("open https://"), "{line}");
    (child, said)
}

#[test]
fn ctrl_c_ends_the_wait_and_nothing_is_written() {
    let (home, _portal) = home(|_| Portal::deserted());
    let (mut child, mut said) = waiting(&home);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("nobody was signed in"), "{rest}");
    assert!(!home.world.path(".aws/sso").exists());
}
