//! The endpoints of the service, with the clients of all three clouds, and with those who should not be answered.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use super::{DEV, Home};
use crate::cloud_tokens::gcp::service_account;
use crate::cloud_tokens::{TokenServer, python};
use crate::full_disk::privileged;
use crate::world::{Ran, lives, until};

pub const TENANT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";

/// The profile `all`: a part for each cloud.
pub fn all(home: &Home, server: &TokenServer) {
    let key = service_account(&format!("{}/token", server.url));
    let _ = home.given(&["cloud", "add", "all", "--stdin", "--project", "p-1"], &key).exits(0);
    let lines = format!(
        "AZURE_TENANT_ID={TENANT}\nAZURE_CLIENT_ID={CLIENT}\nAZURE_CLIENT_SECRET=s~1\nAZURE_SUBSCRIPTION_ID={CLIENT}\n"
    );
    let _ = home.given(&["cloud", "add", "all", "--stdin", "--authority", &server.url], &lines).exits(0);
    let _ = home.devboot(&["cloud", "add", "all", "--aws-profile", "work", "--via", "endpoint"]).exits(0);
}

fn variables(home: &Home, profile: &str, via: &str) -> BTreeMap<String, String> {
    let text = home.devboot(&["cloud", "env", profile, "--via", via, "--format", "json"]).exits(0).stdout;
    serde_json::from_str(&text).unwrap()
}

fn pid(home: &Home) -> u32 {
    home.world.text(".local/state/devboot/run/address").lines().next().unwrap().parse().unwrap()
}

const WHO: &str = "import google.auth, google.auth.transport.requests as t
from azure.identity import DefaultAzureCredential
credential, project = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])
credential.refresh(t.Request())
print(credential.token, project)
for scope in 'https://management.azure.com/.default', 'https://vault.azure.net/.default':
    print(DefaultAzureCredential().get_token(scope).token.split('.')[1] != '')";

#[test]
fn one_switch_serves_the_clients_of_all_three_clouds() {
    let (home, server) = (Home::new(), TokenServer::start());
    all(&home, &server);
    let python = python().display().to_string();
    let who = home.who();
    for shell in ["bash", "zsh", "fish"] {
        let script = format!(
            "devboot use all\n{python} -c \"{who}\"\n{python} -c \"{WHO}\"\nenv > during\ndevboot use --off\nenv > after"
        );
        let ran = home
            .shell(shell, &script)
            .exits(0)
            .says("GCP p-1 robot@p-1.iam.gserviceaccount.com")
            .says(TENANT);
        let expected = format!("{DEV}\nof-robot@p-1.iam.gserviceaccount.com p-1\nTrue\nTrue\n");
        assert_eq!(ran.stdout, expected, "{shell}: {}", ran.stderr);
        let during = home.world.text("during");
        assert!(
            !during.contains("s~1") && !during.contains("of-robot") && !during.contains("ASIA"),
            "{during}"
        );
        let after = home.world.text("after");
        assert!(
            !after.contains("AWS_") && !after.contains("GOOGLE_") && !after.contains("AZURE_"),
            "{shell}: {after}"
        );
    }
    let _ = home.devboot(&["cloud", "check", "all"]).exits(0);
    let value = variables(&home, "all", "value");
    assert_eq!(value["GOOGLE_OAUTH_ACCESS_TOKEN"], "of-robot@p-1.iam.gserviceaccount.com");
    assert_eq!(value["AZURE_CLIENT_SECRET"], "s~1");
    home.world.write("none.json", "{}");
    let _ = home.devboot(&["cloud", "add", "wrong", "--gcp-file", "~/none.json"]).exits(0);
    std::fs::remove_file(home.world.path("none.json")).unwrap();
    let _ = home.devboot(&["cloud", "check", "wrong"]).exits(1).says("cannot read the credential file");
    // Everything that was handed over stands in the log, which holds together.
    let log = home.world.read(".local/state/devboot/audit.log");
    let count = devboot::cloud::audit::verify(&log).unwrap();
    assert!(count.records > 10);
    let records: Vec<_> = devboot::cloud::audit::records(&log).collect();
    let has = |event: &str, provider: Option<&str>| {
        records.iter().any(|record| record.event == event && record.provider.as_deref() == provider)
    };
    assert!(
        has("use", None)
            && has("hand-over", Some("aws"))
            && has("hand-over", Some("gcp"))
            && has("hand-over", Some("azure"))
    );
    assert!(!String::from_utf8_lossy(&log).contains("s~1"));
    // Also of what was asked for over the network it is known which program it was, and where.
    let asked = records.iter().filter(|record| record.kind.as_deref() == Some("endpoint"));
    let asked: Vec<_> = asked.map(|record| &record.who).collect();
    assert!(asked.len() >= 9, "{asked:?}");
    for who in asked {
        assert!(who.pid.is_some() && who.exe.as_deref().is_some_and(|exe| exe.contains("python")), "{who:?}");
        assert_eq!(who.cwd.as_deref().map(Path::new), Some(Path::new(home.world.home())), "{who:?}");
    }
}

#[test]
fn a_door_is_open_again_when_the_service_is() {
    let (home, server) = (Home::new(), TokenServer::start());
    all(&home, &server);
    let before = variables(&home, "all", "pointer");
    let old = pid(&home);
    assert!(std::process::Command::new("kill").args(["-KILL", &old.to_string()]).status().unwrap().success());
    until("its death", || !lives(old));
    home.unlock();
    until("the door", || TcpStream::connect(&before["GCE_METADATA_HOST"]).is_ok());
    let mut client = home.command(&python().display().to_string());
    let ran = Ran::of(client.args(["-c", WHO]).envs(&before).output().unwrap()).exits(0);
    assert!(ran.stdout.starts_with("of-robot@p-1"));
    assert_eq!(variables(&home, "all", "pointer"), before);
}

#[test]
fn a_door_that_needs_no_vault_is_open_again_without_a_command() {
    let (home, server) = (Home::new(), TokenServer::start());
    home.world.write("key.json", service_account(&format!("{}/token", server.url)));
    let _ = home.devboot(&["cloud", "add", "filed", "--gcp-file", "~/key.json", "--project", "p-1"]).exits(0);
    let before = variables(&home, "filed", "endpoint");
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    let old = pid(&home);
    assert!(std::process::Command::new("kill").args(["-KILL", &old.to_string()]).status().unwrap().success());
    until("its death", || !lives(old));
    until("the door", || TcpStream::connect(&before["GCE_METADATA_HOST"]).is_ok());
    let script = "import google.auth, google.auth.transport.requests as t\n\
                  credential, project = google.auth.default()\ncredential.refresh(t.Request())\n\
                  print(credential.token, project)";
    let mut client = home.command(&python().display().to_string());
    let ran = Ran::of(client.args(["-c", script]).envs(&before).output().unwrap()).exits(0);
    assert_eq!(ran.stdout, "of-robot@p-1.iam.gserviceaccount.com p-1\n");
    assert_ne!(pid(&home), old);
}

/// The status of an answer.
fn status(host: &str, request: &str) -> u16 {
    let mut stream = TcpStream::connect(host).unwrap();
    let _ = stream.write_all(request.replace("HOST", host).as_bytes());
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text);
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn strangers_web_pages_and_other_users_get_nothing() {
    let (home, server) = (Home::new(), TokenServer::start());
    all(&home, &server);
    let vars = variables(&home, "all", "endpoint");
    let host = vars["GCE_METADATA_HOST"].clone();
    let token = std::fs::read_to_string(&vars["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]).unwrap();
    let secret = vars["IDENTITY_HEADER"].clone();
    let aws = format!("GET /aws HTTP/1.1\r\nHost: HOST\r\nAuthorization: {token}\r\n");
    let azure = format!(
        "GET /azure?resource=https%3A%2F%2Fmanagement.azure.com HTTP/1.1\r\nHost: HOST\r\nX-IDENTITY-HEADER: {secret}\r\n"
    );
    let gce = "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1\r\nHost: HOST\r\nMetadata-Flavor: Google\r\n".to_owned();
    for request in [&aws, &azure, &gce] {
        assert_eq!(status(&host, &format!("{request}\r\n")), 200, "{request}");
        assert_eq!(status(&host, &format!("{request}Origin: http://evil.example\r\n\r\n")), 403);
        assert_eq!(status(&host, &format!("{request}Sec-Fetch-Site: cross-site\r\n\r\n")), 403);
        assert_eq!(
            status(&host, &format!("{}\r\n", request.replace("Host: HOST", "Host: evil.example"))),
            403
        );
    }
    assert_eq!(status(&host, &format!("{}\r\n", aws.replace(&token, "wrong"))), 403);
    assert_eq!(status(&host, &format!("{}\r\n", azure.replace(&secret, "wrong"))), 403);
    assert_eq!(status(&host, &format!("{}\r\n", gce.replace("Metadata-Flavor: Google", "X: y"))), 403);
    until("it is written down that somebody was turned away", || {
        let log = home.devboot(&["cloud", "audit"]).exits(0).stdout;
        log.contains("hand-over") && log.contains("is not this endpoint's")
    });
    for at in 0..200 {
        let head = aws.replace("Host: HOST", &format!("Host: evil{at}.example"));
        assert_eq!(status(&host, &format!("{head}\r\n")), 403);
    }
    // Another user of this machine, with everything that there is to know.
    let script = "import socket, sys
s = socket.create_connection((sys.argv[1].split(':')[0], int(sys.argv[1].split(':')[1])))
s.sendall(sys.argv[2].encode()); print(s.makefile().readline())";
    for request in [&aws, &azure, &gce] {
        let request = format!("{}\r\n", request.replace("HOST", &host));
        let mut other = privileged("setpriv");
        other.args(["--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-c", script, &host, &request]);
        let ran = Ran::of(other.current_dir("/").output().unwrap());
        assert!(ran.stdout.contains(" 403 "), "{}{}", ran.stdout, ran.stderr);
    }
    // The vault is closed: nothing is given, and nobody is waited for.
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    for request in [&aws, &azure, &gce] {
        assert_eq!(status(&host, &format!("{request}\r\n")), 503, "{request}");
    }
    // Nobody who was not even let near a door is missing in the log, and nobody fills it.
    let _ = home.devboot(&["daemon", "stop"]).exits(0);
    let log = home.world.read(".local/state/devboot/audit.log");
    devboot::cloud::audit::verify(&log).unwrap();
    let records: Vec<_> = devboot::cloud::audit::records(&log).collect();
    let of = |why: &str| -> Vec<_> { records.iter().filter(|one| one.result.starts_with(why)).collect() };
    let hosts = of("the Host header is not this server's");
    let count = |text: &str| text.split(' ').rev().nth(3).and_then(|count| count.parse().ok()).unwrap_or(1);
    let told: u64 = hosts.iter().map(|one| count(&one.result)).sum();
    assert!(hosts[0].result.ends_with("'evil.example'") && hosts.len() < 20, "{hosts:?}");
    assert_eq!(told, 203, "{hosts:?}");
    assert!(hosts[0].who.pid.is_some() && hosts[0].profile.as_deref() == Some("all"), "{hosts:?}");
    assert!(!of("web pages are not answered: 'http://evil.example'").is_empty(), "{records:?}");
    assert!(!of("the header Metadata-Flavor: Google is missing").is_empty(), "{records:?}");
    let others = of("programs of other users are not answered");
    assert!(!others.is_empty() && others.iter().all(|one| one.who.uid == Some(65534)), "{others:?}");
    let text = String::from_utf8_lossy(&log);
    assert!(!text.contains(&token) && !text.contains(&secret));
}
