//! The address that signs a browser in to AWS's console.

use super::Home;
use crate::cloud_aws::bad_days::{Fake, answer};
use crate::world::{DEVBOOT, Ran};

fn console(home: &Home, server: &Fake, args: &[&str]) -> Ran {
    let mut command = home.command(DEVBOOT);
    command.args(["cloud", "console"]).args(args).env("AWS_ENDPOINT_URL_SIGNIN", &server.url);
    Ran::of(command.output().unwrap())
}

fn server(answers: usize) -> Fake {
    Fake::answering(vec![answer("200 OK", "", r#"{"SigninToken":"one-time"}"#); answers])
}

#[test]
fn the_address_is_printed_where_no_terminal_is_and_said_nowhere_else() {
    let home = Home::new();
    let fake = server(3);
    let ran = console(&home, &fake, &["dev"]).exits(0);
    let base = format!("{}/federation?Action=login&Issuer=devboot&Destination=", fake.url);
    assert!(
        ran.stdout.starts_with(&base) && ran.stdout.ends_with("&SigninToken=one-time\n"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("region%3Deu-central-1"), "{}", ran.stdout);
    assert_eq!(ran.stderr, "");
    let sent = fake.requests.recv().unwrap();
    assert!(sent.starts_with("GET /federation?Action=getSigninToken&Session=%7B%22sessionId%22"), "{sent}");
    let lease = home.devboot(&["cloud", "credential-process", "dev"]).exits(0).stdout;
    let lease: serde_json::Value = serde_json::from_str(&lease).unwrap();
    assert!(sent.contains(lease["AccessKeyId"].as_str().unwrap()), "the session is that of the lease");

    let ran = console(&home, &fake, &["dev", "--print", "--to", "s3", "-v"]).exits(0);
    assert!(ran.stdout.contains("%2Fs3%2Fhome%3Fregion%3Deu-central-1&"), "{}", ran.stdout);
    assert!(!ran.stderr.contains("one-time") && !ran.stderr.contains("sessionKey"), "{}", ran.stderr);
    let json = console(&home, &fake, &["--json", "dev"]).exits(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["url"].as_str().unwrap().ends_with("one-time"));
}

#[test]
fn other_hosts_keys_without_a_session_and_guarded_profiles_are_refused() {
    let home = Home::new();
    let fake = server(0);
    let _ = console(&home, &fake, &["dev", "--to", "https://evil.example/"])
        .exits(4)
        .says("not one of console.aws");
    let _ = console(&home, &fake, &["dev", "--to", "S 3"]).exits(64).says("neither a service's name");
    let _ = console(&home, &fake, &["base"]).exits(64).says("keys without a session");
    let _ = console(&home, &fake, &["prod"]).exits(4).says("is guarded and not open");
    let _ = home.devboot(&["cloud", "add", "far", "--gcp-configuration", "work"]).exits(0);
    let _ = console(&home, &fake, &["far"]).exits(64).says("has no AWS part");
    let broken = Fake::answering(vec![answer("400 Bad Request", "", "<html>no")]);
    let ran = console(&home, &broken, &["dev"]).exits(1).says("web page");
    assert!(!ran.stderr.contains("Session"), "{}", ran.stderr);
}
