//! A guarded profile: a person opens it, and nobody else.

use super::doors::all;
use super::{DEV, Home};
use crate::cloud_tokens::{TokenServer, python};
use crate::world::Ran;
use devboot::base::time::Timestamp;
use devboot::sys::clock;

/// Runs a script in bash on a terminal; answers the question with yes when it comes.
const TERMINAL: &str = "import os, pty, sys, time\n\
    pid, fd = pty.fork()\n\
    if pid == 0: os.execvp('bash', ['bash', '-ic', sys.argv[1]])\n\
    out = b''\n\
    asked = False\n\
    while True:\n\
    \x20   try: data = os.read(fd, 4096)\n\
    \x20   except OSError: break\n\
    \x20   if not data: break\n\
    \x20   out += data\n\
    \x20   if not asked and b'and use it in this shell?' in out:\n\
    \x20       asked = True\n\
    \x20       os.write(fd, sys.argv[2].encode())\n\
    sys.stdout.write(out.decode())\n\
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";

fn on_terminal(home: &Home, script: &str, answer: &str) -> Ran {
    let mut command = home.command("python3");
    Ran::of(command.args(["-c", TERMINAL, script, answer]).env("TERM", "xterm").output().unwrap())
}

#[test]
fn only_a_person_opens_it_and_only_for_a_while() {
    let home = Home::new();
    let _ = home
        .shell("bash", "devboot use prod")
        .exits(4)
        .says("nobody has confirmed it")
        .says("a person opens it");
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(4).says("is guarded and not open");
    let _ = home.devboot(&["cloud", "env", "prod"]).exits(4);
    let _ = on_terminal(&home, "devboot use prod", "n")
        .exits(4)
        .says("Open it for all your processes for 5 min, and use it in this shell?")
        .says("was not confirmed");
    // Who only presses return has not said yes.
    let _ = on_terminal(&home, "devboot use prod", "\r").exits(4).says("was not confirmed");
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(4);
    let said = on_terminal(
        &home,
        "devboot use prod; echo \"guard $DEVBOOT_CLOUD_GUARD until $DEVBOOT_CLOUD_UNTIL\"",
        "y",
    )
    .exits(0);
    let said = said.says(DEV).says("guard prod until 1");
    assert!(said.stdout.contains("5 min") || said.stdout.contains("4 min"), "{}", said.stdout);
    // Opened by a person: tools without a terminal get what they ask for, until it is closed.
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(0).says("ASIA");
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    home.unlock();
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(4);
}

#[test]
fn an_identity_that_is_not_the_pinned_one_is_refused() {
    let home = Home::new();
    let _ = home
        .devboot(&["cloud", "add", "other", "--aws-profile", "work", "--account", "999999999999"])
        .exits(0);
    let ran = home
        .shell("bash", "devboot use other; echo \"[$DEVBOOT_CLOUD]\"")
        .says("those of the account 123456789012");
    assert!(ran.stdout.ends_with("[]\n"));
    let _ = home.devboot(&["cloud", "check", "other"]).exits(4);
    let _ = home.devboot(&["cloud", "check", "dev"]).exits(0).says("verified");
    let _ = home.devboot(&["cloud", "add", "shut", "--aws-profile", "locked"]).exits(0);
    let _ = home.shell("bash", "devboot use shut").says("AccessDenied");
}

/// Prints when what each door gives ends, as seconds since 1970.
const ENDS: &str = "import calendar, json, os, time, urllib.request as u
import google.auth, google.auth.transport.requests as t
from datetime import datetime
e, now = os.environ, int(time.time())
def ask(url, name, value): return json.load(u.urlopen(u.Request(url, headers={name: value})))
token = open(e['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE']).read()
aws = ask(e['AWS_CONTAINER_CREDENTIALS_FULL_URI'], 'Authorization', token)['Expiration']
gce = 'http://' + e['GCE_METADATA_HOST'] + '/computeMetadata/v1/instance/service-accounts/default/token'
gce = ask(gce, 'Metadata-Flavor', 'Google')['expires_in']
azure = e['IDENTITY_ENDPOINT'] + '?resource=https://management.azure.com/&api-version=2019-08-01'
azure = ask(azure, 'X-IDENTITY-HEADER', e['IDENTITY_HEADER'])['expires_on']
google = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])[0]
google.refresh(t.Request())
print(calendar.timegm(datetime.strptime(aws, '%Y-%m-%dT%H:%M:%SZ').timetuple()), now + int(gce), int(azure),
    calendar.timegm(google.expiry.timetuple()))";

#[test]
fn what_is_handed_over_ends_with_the_confirmation() {
    let (home, server) = (Home::new(), TokenServer::start());
    all(&home, &server);
    let guard = ["--guard", "prod", "--minutes", "5"];
    let _ = home.devboot(&[&["cloud", "add", "all"][..], &guard].concat()).exits(0);
    // Keys of a user have no end of their own.
    let _ = home.devboot(&[&["cloud", "add", "keys", "--aws-profile", "base"][..], &guard].concat()).exits(0);
    let open = |name: &str| {
        let script = format!("devboot use {name}; echo \"until=$DEVBOOT_CLOUD_UNTIL.\"");
        let said = on_terminal(&home, &script, "y").exits(0).stdout;
        let until = said.split("until=").last().unwrap().split('.').next().unwrap();
        Timestamp(until.parse().unwrap_or_else(|_| panic!("{said}")))
    };
    let process = |name: &str| {
        let said = home.devboot(&["cloud", "credential-process", name]).exits(0).stdout;
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        Timestamp::parse(said["Expiration"].as_str().unwrap()).unwrap()
    };
    let until = open("keys");
    assert_eq!(process("keys"), until);
    let until = open("all");
    assert_eq!(process("all"), until);
    let value = home.devboot(&["cloud", "env", "all", "--via", "value", "--format", "json"]).exits(0).stdout;
    let value: serde_json::Value = serde_json::from_str(&value).unwrap();
    assert_eq!(value["AWS_CREDENTIAL_EXPIRATION"], until.to_string());
    home.world.write("ends.py", ENDS);
    let python = python().display().to_string();
    let ends = home
        .devboot(&["cloud", "exec", "all", "--via", "endpoint", "--", &python, "ends.py"])
        .exits(0)
        .stdout;
    let ends: Vec<i64> = ends.split_whitespace().map(|end| end.parse().unwrap()).collect();
    assert_eq!(ends.len(), 4);
    // Some say how many seconds are left, a moment later; their own end is an hour away.
    assert!(ends.iter().all(|end| (end - until.0).abs() < 200), "{ends:?} {until:?}");
    // Without the guard its own end shows: the role is for the shortest time that AWS has, and not for an hour.
    let config = home.world.text(".config/devboot/cloud.toml");
    home.world.write(".config/devboot/cloud.toml", config.replace("guard = \"prod\"\n", ""));
    let own = process("all");
    assert!(own > until && own.0 - clock::now().0 <= 900, "{own:?} {until:?}");
}
