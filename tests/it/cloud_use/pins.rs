//! Credentials of another account than the profile is for: nobody gets them, whichever way is asked.

use super::doors::{TENANT, all};
use super::{DEV, Home};
use crate::cloud_tokens::{TokenServer, python};
use crate::world::Ran;

const OTHER: &str = "222222222222";

#[test]
fn what_is_of_another_account_is_handed_to_nobody() {
    let home = Home::new();
    for (name, source) in [("keys", "base"), ("role", "work")] {
        let add = ["cloud", "add", name, "--aws-profile", source, "--account", OTHER];
        let _ = home.devboot(&add).exits(0);
        for ask in [
            &["cloud", "credential-process", name][..],
            &["cloud", "check", name],
            &["cloud", "exec", name, "--", "echo", "ran"],
            &["cloud", "exec", name, "--via", "endpoint", "--", "echo", "ran"],
            &["cloud", "env", name],
        ] {
            let ran = home.devboot(ask).exits(4).says(&format!("the profile is for {OTHER}"));
            assert!(ran.stdout.is_empty(), "{ask:?}: {}", ran.stdout);
        }
    }
    let log = home.devboot(&["cloud", "audit"]).exits(0).stdout;
    assert!(log.lines().any(|line| line.contains("hand-over") && line.contains(OTHER)), "{log}");
}

#[test]
fn what_could_not_be_proved_at_first_is_refused_once_it_is() {
    let home = Home::new();
    let (url, config) = (home.moto.endpoint.url(""), home.world.text(".aws/config"));
    let url = url.trim_end_matches('/');
    let add = ["cloud", "add", "keys", "--aws-profile", "base", "--account", OTHER, "--via", "endpoint"];
    let _ = home.devboot(&add).exits(0);
    // Nobody can be asked whose keys they are.
    home.world.write(".aws/config", config.replace(url, "http://127.0.0.1:9"));
    let ran = home.devboot(&["cloud", "exec", "keys", "--", "echo", "ran"]).exits(0);
    assert!(ran.stdout == "ran\n" && ran.stderr.contains("not verified"), "{}", ran.stderr);
    let _ = home.devboot(&["cloud", "credential-process", "keys"]).exits(0);
    home.world.write(".aws/config", config);
    let _ = home.devboot(&["cloud", "check", "keys"]).exits(4).says(OTHER);
    let _ = home.devboot(&["cloud", "credential-process", "keys"]).exits(4).says(OTHER);
}

#[test]
fn a_token_of_another_tenant_is_handed_to_nobody() {
    let (home, server) = (Home::new(), TokenServer::start());
    all(&home, &server);
    let other = TENANT.replace('a', "f");
    let config = home.world.text(".config/devboot/cloud.toml");
    // The switch is made while all is well; then the profile is for another tenant.
    let asks = "python3 -c 'import os, urllib.request as u
url = os.environ[\"IDENTITY_ENDPOINT\"] + \"?resource=https://management.azure.com/&api-version=2019-08-01\"
ask = u.Request(url, headers={\"X-IDENTITY-HEADER\": os.environ[\"IDENTITY_HEADER\"]})
try: print(u.urlopen(ask).read().decode()[:15])
except u.HTTPError as error: print(error.code)'";
    let changed = config.replace(TENANT, &other);
    assert_ne!(config, changed);
    home.world.write("changed.toml", changed);
    let script = format!("devboot use all && {asks}; cp changed.toml .config/devboot/cloud.toml; {asks}");
    let ran = home.shell("bash", &script);
    assert_eq!(ran.stdout, "{\"access_token\"\n503\n");
}

#[test]
fn keys_without_an_end_serve_clients_of_the_endpoint() {
    let home = Home::new();
    let mut command = home.command("bash");
    let python = python().display().to_string();
    let line = format!("devboot cloud exec base --via endpoint -- {python} -c \"{}\"", home.who());
    let ran = Ran::of(command.args(["-c", &line]).output().unwrap()).exits(0);
    assert!(ran.stdout.contains("arn:aws:") && ran.stdout.trim() != DEV, "{}", ran.stdout);
}

#[test]
fn credentials_that_have_ended_are_not_handed_on() {
    let home = Home::new();
    let json = r#"{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Expiration\":\"2020-01-01T00:00:00Z\"}"#;
    let config = home.world.text(".aws/config");
    let program = home.world.path("old-keys");
    home.world.write("old-keys", format!("#!/bin/sh\necho \"{json}\"\n")).mode("old-keys", 0o755);
    home.world
        .write(".aws/config", format!("{config}[profile old]\ncredential_process = {}\n", program.display()));
    let _ = home.devboot(&["cloud", "add", "old", "--aws-profile", "old"]).exits(0);
    for ask in ["check", "credential-process", "env"] {
        let _ = home.devboot(&["cloud", ask, "old"]).exits(3).says("ended at 2020-01-01");
    }
}
