//! Credentials of another account than the profile is for: nobody gets them, whichever way is asked.

use std::io::Read;
use std::process::Stdio;

use super::doors::{TENANT, all};
use super::{DEV, Home};
use crate::cloud_tokens::gcp::service_account;
use crate::cloud_tokens::{TokenServer, python};
use crate::world::{DEVBOOT, Ran};

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
fn an_account_of_another_project_is_handed_to_nobody_unless_the_profile_says_so() {
    let (home, server) = (Home::new(), TokenServer::start());
    let key = service_account(&format!("{}/token", server.url));
    home.world.write("robot.json", &key);
    let _ = home.given(&["cloud", "add", "sealed", "--stdin"], &key).exits(0);
    let _ = home.devboot(&["cloud", "add", "file", "--gcp-file", "~/robot.json"]).exits(0);
    // The switch is made while all is well; then the profile is for another project.
    let asks = "curl -sS -o /dev/null -w '%{http_code}\\n' -H 'Metadata-Flavor: Google' \
                http://$GCE_METADATA_HOST/computeMetadata/v1/instance/service-accounts/default/token";
    let config = ".config/devboot/cloud.toml";
    let script = format!("devboot use sealed && {asks}; sed -i 's/\"p-1\"/\"p-2\"/' {config}; {asks}");
    assert_eq!(home.shell("bash", &script).stdout, "200\n503\n");
    let _ = home.devboot(&["cloud", "add", "file", "--project", "p-2"]).exits(0);
    for name in ["sealed", "file"] {
        for ask in [
            &["cloud", "check", name][..],
            &["cloud", "exec", name, "--", "echo", "ran"],
            &["cloud", "exec", name, "--via", "value", "--", "echo", "ran"],
            &["cloud", "env", name],
        ] {
            let ran = home.devboot(ask).exits(4).says("of the project p-1, and the profile is for p-2");
            let ran = ran.says(&format!("devboot cloud add {name} --account-project p-1"));
            assert!(ran.stdout.is_empty(), "{ask:?}: {}", ran.stdout);
        }
        let _ = home.devboot(&["cloud", "add", name, "--account-project", "p-1"]).exits(0);
        let told = home.devboot(&["cloud", "check", name]).exits(0).stdout;
        assert!(told.contains("GCP p-2 robot@p-1.iam"), "{told}");
        let _ = home.devboot(&["cloud", "add", name, "--account-project", "p-3"]).exits(0);
        let _ = home.devboot(&["cloud", "check", name]).exits(4).says("the profile is for p-3");
    }
}

#[test]
fn who_gives_an_account_and_another_project_has_both_recorded() {
    let (home, server) = (Home::new(), TokenServer::start());
    let key = service_account(&format!("{}/token", server.url));
    let home_of = "one of the project p-1, which is recorded as account-project";
    let add = ["cloud", "add", "sealed", "--stdin", "--project", "shared"];
    let _ = home.given(&add, &key).exits(0).says(home_of);
    let _ = home.devboot(&["cloud", "check", "sealed"]).exits(0);
    home.world.write("robot.json", &key);
    let add = ["cloud", "add", "file", "--gcp-file", "robot.json", "--project", "shared"];
    let _ = home.devboot(&add).exits(0).says(home_of);
    let _ = home.devboot(&["cloud", "check", "file"]).exits(0);
    // With its own project there is nothing more to say.
    let own = home.given(&["cloud", "add", "sealed", "--stdin", "--project", "p-1"], &key).exits(0);
    assert!(!own.stderr.contains("account-project"), "{}", own.stderr);
    let config = home.world.text(".config/devboot/cloud.toml");
    assert_eq!(config.matches("account-project = \"p-1\"").count(), 1, "{config}");
    let target = ["--impersonate", "robot@p-9.iam.gserviceaccount.com", "--project", "shared"];
    let _ =
        home.devboot(&[&["cloud", "add", "acting", "--gcp-host"], &target[..]].concat()).exits(0).says("p-9");
    let gcloud = "[core]\naccount = robot@p-7.iam.gserviceaccount.com\nproject = shared\n";
    home.world.write(".config/gcloud/configurations/config_work", gcloud);
    let imported = home.devboot(&["cloud", "import", "--from", "gcp", "--yes"]).exits(0).stdout;
    assert!(imported.contains("its account is one of the project p-7"), "{imported}");
    let _ = home.devboot(&["cloud", "exec", "work", "--", "true"]).exits(0);
    let _ = home.devboot(&["cloud", "add", "work", "--account-project", "p-8"]).exits(0);
    let _ = home.devboot(&["cloud", "exec", "work", "--", "true"]).exits(4).says("of the project p-7");
}

#[test]
fn a_machine_of_another_project_is_refused_where_it_can_be_known() {
    let (home, server) = (Home::new(), TokenServer::start());
    let host = server.url.strip_prefix("http://").unwrap();
    // The service asks.
    let on_machine = |host: &str, args: &[&str]| {
        let _ = home.devboot(&["daemon", "stop"]);
        let mut service = home.command(DEVBOOT);
        service.args(["daemon", "run", "--detached"]).env("GCE_METADATA_HOST", host).stdout(Stdio::piped());
        let mut service = service.spawn().unwrap();
        let mut said = String::new();
        let _ = service.stdout.take().unwrap().read_to_string(&mut said);
        let ran = home.devboot(args);
        let _ = home.devboot(&["daemon", "stop"]);
        let _ = service.wait();
        ran
    };
    let runs = ["cloud", "exec", "machine", "--", "echo", "ran"];
    let _ = home.devboot(&["cloud", "add", "machine", "--gcp-host", "--project", "p-2"]).exits(0);
    let refused = on_machine(host, &runs).exits(4).says("of the project p-1, and the profile is for p-2");
    assert!(refused.stdout.is_empty());
    let _ = home.devboot(&["cloud", "add", "machine", "--account-project", "p-1"]).exits(0);
    assert_eq!(on_machine(host, &runs).exits(0).stdout, "ran\n");
    // Where nobody can be asked, it is said.
    assert_eq!(on_machine("127.0.0.1:9", &runs).exits(0).says("not verified").stdout, "ran\n");
}

#[test]
fn an_address_of_another_project_is_refused_without_a_network() {
    let home = Home::new();
    // Nobody listens there.
    home.world.write("robot.json", service_account("http://127.0.0.1:9/token"));
    let robot = "robot@p-9.iam.gserviceaccount.com";
    let _ = home.devboot(&["cloud", "add", "own", "--gcp-file", "~/robot.json"]).exits(0);
    let acting = ["cloud", "add", "acting", "--gcp-file", "~/robot.json", "--impersonate", robot];
    let _ = home.devboot(&acting).exits(0);
    let _ = home.devboot(&["cloud", "add", "host", "--gcp-host", "--impersonate", robot]).exits(0);
    for (name, lives) in [("own", "p-1"), ("acting", "p-9"), ("host", "p-9")] {
        let _ = home.devboot(&["cloud", "add", name, "--project", "p-2"]).exits(0);
        for ask in [
            &["cloud", "check", name][..],
            &["cloud", "exec", name, "--", "echo", "ran"],
            &["cloud", "exec", name, "--via", "value", "--", "echo", "ran"],
            &["cloud", "env", name],
        ] {
            let ran = home.devboot(ask).exits(4);
            let ran = ran.says(&format!("of the project {lives}, and the profile is for p-2"));
            assert!(ran.stdout.is_empty(), "{ask:?}: {}", ran.stdout);
        }
        let _ = home.devboot(&["cloud", "add", name, "--account-project", lives]).exits(0);
        let ran = home.devboot(&["cloud", "exec", name, "--", "echo", "ran"]);
        assert_eq!(ran.exits(0).says("not verified").stdout, "ran\n");
    }
}

#[test]
fn who_is_acted_as_by_a_configuration_without_credentials_is_not_its_person() {
    let home = Home::new();
    home.world
        .write(".config/gcloud/configurations/config_mine", "[core]\naccount = me@x.org\nproject = p-9\n");
    let robot = "robot@p-9.iam.gserviceaccount.com";
    let _ = home
        .devboot(&["cloud", "add", "bot", "--gcp-configuration", "mine", "--impersonate", robot])
        .exits(0);
    for ask in [
        &["cloud", "exec", "bot", "--", "echo", "ran"][..],
        &["cloud", "env", "bot"],
        &["cloud", "check", "bot"],
    ] {
        let ran = home.devboot(ask).exits(4).says(&format!("nothing is there to act as {robot} with"));
        assert!(ran.stdout.is_empty(), "{ask:?}: {}", ran.stdout);
    }
    // The machine takes the place of what was there, and is no longer that person.
    let _ = home.devboot(&["cloud", "add", "bot", "--gcp-host"]).exits(0);
    let config = home.world.text(".config/devboot/cloud.toml");
    assert!(!config.contains("mine") && !config.contains(robot), "{config}");
    let _ = home.devboot(&["cloud", "add", "bot", "--gcp-host", "--gcp-configuration", "mine"]).exits(64);
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
