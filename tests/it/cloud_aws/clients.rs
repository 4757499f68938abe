//! botocore and the AWS CLI with what is handed over to them, against a server that checks their signatures.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use devboot::base::secret::Secret;
use devboot::cloud::aws::config::Settings;
use devboot::cloud::aws::container::{self, Door, Head};
use devboot::cloud::aws::credential_process;
use devboot::cloud::aws::environment::{HandOver, changes, process_config, settings_config};
use devboot::cloud::aws::lease::AwsLease;

use super::bad_days::{answer, request};
use super::moto::{Moto, ROLE, role};
use crate::world::World;

/// A Python that has boto3: the one that tests/run installs, or the machine's own.
pub fn python() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    let has_boto3 = |python: &Path| {
        let output = Command::new(python).args(["-c", "import boto3"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if has_boto3(&installed) { installed } else { "python3".into() }
}

/// What a long day leaves behind in a shell; each of it would win, or break the call.
const STALE: [(&str, &str); 10] = [
    ("AWS_ACCESS_KEY_ID", "AKIASTALE"),
    ("AWS_SECRET_ACCESS_KEY", "stale"),
    ("AWS_SESSION_TOKEN", "stale"),
    ("AWS_SECURITY_TOKEN", "stale"),
    ("AWS_PROFILE", "gone"),
    ("AWS_DEFAULT_PROFILE", "gone"),
    ("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/gone"),
    ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/stale"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "/gone"),
];

const WHO: &str = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])";

/// Who botocore and the AWS CLI are after a switch, in a shell with stale variables and keys in the default profile.
#[track_caller]
fn are_assumed(moto: &Moto, world: &World, hand_over: &HandOver) {
    world
        .write(".aws/credentials", "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = file\n");
    let python = python();
    let script = ["-c", WHO];
    let aws = ["sts", "get-caller-identity", "--query", "Arn", "--output", "text"];
    for (program, args) in [(python.as_path(), script.as_slice()), (Path::new("aws"), aws.as_slice())] {
        let mut command = world.command(program);
        command.args(args).envs(STALE).env("AWS_ENDPOINT_URL", moto.endpoint.url(""));
        for change in changes(hand_over, Some("us-east-1")) {
            match change.value {
                Some(value) => command.env(change.name, value.expose()),
                None => command.env_remove(change.name),
            };
        }
        let output = command.output().unwrap();
        let who = String::from_utf8_lossy(&output.stdout).into_owned();
        let wanted = "arn:aws:sts::123456789012:assumed-role/dev/me@example";
        assert_eq!(who.trim(), wanted, "{program:?} {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn assumed(moto: &Moto) -> AwsLease {
    moto.sts().assume_role(&moto.keys, &role(ROLE), None).unwrap()
}

#[test]
fn command_lines_are_split_as_botocore_splits_them() {
    // Every line of up to five of these pieces.
    let pieces = ["a", " ", "'", "\"", "\\", "$", "#"];
    let mut lines = vec![String::new()];
    let mut from = 0;
    for _ in 0..5 {
        let to = lines.len();
        for at in from..to {
            lines.extend(pieces.map(|piece| format!("{}{piece}", lines[at])));
        }
        from = to;
    }
    let script = "import json, sys\nfrom botocore.compat import compat_shell_split\n\
        def split(line):\n    try:\n        return compat_shell_split(line)\n    except ValueError:\n        return None\n\
        print(json.dumps([split(line) for line in json.load(open(sys.argv[1]))]))";
    let world = World::new();
    world.write("lines", serde_json::to_vec(&lines).unwrap());
    let output = world.command(python()).args(["-c", script]).arg(world.path("lines")).output().unwrap();
    let theirs: Vec<Option<Vec<String>>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(theirs.len(), lines.len());
    for (line, theirs) in lines.iter().zip(theirs) {
        assert_eq!(credential_process::split(line), theirs, "{line:?}");
    }
}

#[test]
fn a_program_s_answer_is_taken() {
    let (moto, world) = (Moto::start(), World::new());
    let lease = assumed(&moto);
    world.write("run dir/answer", credential_process::answer(&lease).expose());
    let line = format!("cat \"{}\"", world.path("run dir/answer").display());
    world.write("run dir/config", process_config(&line, Some("us-east-1"), &Settings::default()).unwrap());
    let config_file = world.path("run dir/config").display().to_string();
    are_assumed(&moto, &world, &HandOver::Process { config_file });
}

#[test]
fn values_are_taken() {
    let (moto, world) = (Moto::start(), World::new());
    are_assumed(&moto, &world, &HandOver::Values(Box::new(assumed(&moto))));
}

#[test]
fn an_endpoint_s_answer_is_taken() {
    let (moto, world) = (Moto::start(), World::new());
    let lease = assumed(&moto);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let door = Door { host, path: "/v1/credentials".into(), token: Secret::new("of this shell".into()) };
    world.write("token", door.token.expose());
    let address = format!("http://{}{}", door.host, door.path);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let text = request(&mut stream);
            let mut lines = text.lines();
            let mut first = lines.next().unwrap_or_default().split(' ');
            let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
            let headers: Vec<_> =
                lines.filter_map(|line| line.split_once(':')).map(|(n, v)| (n, v.trim())).collect();
            let bytes = match container::admit(&Head { method, target, headers: &headers }, &door) {
                Ok(()) => answer("200 OK", "", container::answer(&lease, lease.obtained).expose()),
                Err(refusal) => answer(&format!("{} Refused", refusal.status()), "", refusal.body()),
            };
            let _ = stream.write_all(&bytes);
        }
    });
    let token_file = world.path("token").display().to_string();
    let config = settings_config(Some("us-east-1"), &Settings::default()).unwrap();
    let config_file = world.write("settings", config).path("settings").display().to_string();
    are_assumed(&moto, &world, &HandOver::Container { config_file, address, token_file });
}
