//! `doctor` says of a shell's credentials what boto3 itself does in that shell.

use crate::world::{DEVBOOT, Ran, World};

/// Prints what boto3 takes, then what `doctor` says, in one environment; with `SERVE` an endpoint such as a container has.
const ASK: &str = r#"
import http.server, json, os, subprocess, sys, threading
class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(AccessKeyId='A', SecretAccessKey='s', Token='t', Expiration='2999-01-01T00:00:00Z')).encode()
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *args): pass
if os.environ.pop('SERVE', None):
    server = http.server.HTTPServer(('127.0.0.1', 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = 'http://127.0.0.1:%d/' % server.server_port
import boto3, botocore.exceptions
try:
    found = boto3.Session().get_credentials()
    took = found.method if found else 'none'
except botocore.exceptions.BotoCoreError as error:
    took = type(error).__name__
print(took)
sys.stdout.flush()
subprocess.run([sys.argv[1], '--json', 'doctor', '--runs', '0'])
"#;

/// What boto3 took, and what `doctor` says of Python's SDK.
fn ask(world: &World, vars: &[(&str, &str)]) -> (String, String) {
    let mut command = world.command("python3");
    command.args(["-c", ASK, DEVBOOT]).env("AWS_EC2_METADATA_DISABLED", "true").envs(vars.iter().copied());
    let ran = Ran::of(command.output().unwrap()).exits(0);
    let (took, told) = ran.stdout.split_once('\n').unwrap();
    let told: serde_json::Value = serde_json::from_str(told).unwrap();
    let chains = told["cloud"]["chains"].as_array().unwrap();
    let python = chains.iter().find(|chain| chain["sdk"] == "AWS, Python and CLI").unwrap();
    (took.to_owned(), python["wins"].as_str().unwrap().to_owned())
}

#[test]
fn doctor_and_boto3_agree() {
    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let printed = r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s"}"#;
    let world = World::new();
    world.write("answer.json", printed);
    let program = format!("credential_process = cat {}", world.path("answer.json").display());
    let keys = "aws_access_key_id = A\naws_secret_access_key = s\n";
    let home = |config: &str, credentials: &str| {
        world.write(".aws/config", config).write(".aws/credentials", credentials);
    };
    let agree = |vars: &[(&str, &str)], method: &str, wins: &str| {
        let (took, told) = ask(&world, vars);
        assert_eq!(took, method, "boto3 with {vars:?}");
        assert!(told.contains(wins), "{told} with {vars:?}");
    };
    home("", "");
    agree(&[], "none", "nothing");
    agree(&KEYS, "env", "the keys of the environment");
    agree(&KEYS[..1], "PartialCredentialsError", "nothing");
    agree(&[("AWS_PROFILE", "")], "ProfileNotFound", "nothing");
    agree(&[KEYS[0], KEYS[1], ("AWS_PROFILE", "gone")], "ProfileNotFound", "nothing");
    agree(&[("SERVE", "1")], "container-role", "the container's endpoint");
    home(&format!("[default]\n{program}\n[profile p]\n{program}\n{keys}[profile c]\n{keys}"), "");
    agree(&[("SERVE", "1")], "custom-process", "the credential_process of the profile 'default'");
    agree(&[("AWS_PROFILE", "p")], "custom-process", "the credential_process of the profile 'p'");
    agree(&[("AWS_PROFILE", "c")], "config-file", "the keys in the config file of the profile 'c'");
    agree(&[("AWS_PROFILE", "p"), ("AWS_DEFAULT_PROFILE", "c")], "config-file", "the profile 'c'");
    agree(&[KEYS[0], KEYS[1], ("AWS_PROFILE", "p")], "env", "the keys of the environment");
    home(&format!("[default]\n{program}\n"), &format!("[default]\n{keys}"));
    agree(&[("SERVE", "1")], "shared-credentials-file", "the keys in the credentials file");
}

#[test]
fn traps_are_named_with_what_to_do_and_no_secret_is_shown() {
    let world = World::new();
    world.write(".aws/credentials", "[default]\naws_access_key_id = A\naws_secret_access_key = hush\n");
    world.mode(".aws/credentials", 0o644);
    for dir in [world.outside(), world.home()] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = world.command(DEVBOOT);
    command.args(["doctor", "--runs", "0"]).envs([
        ("AWS_SECURITY_TOKEN", "hush"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN", "hush"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json"),
        ("AZURE_CLIENT_SECRET", "hush"),
    ]);
    let ran = Ran::of(command.output().unwrap())
        .says("unset AWS_SECURITY_TOKEN")
        .says("keys of [default] in AWS's files win over the endpoint")
        .says("unset CLOUDSDK_AUTH_ACCESS_TOKEN")
        .says("names a file that is not there: /nowhere.json")
        .says("AZURE_CLIENT_SECRET is in the environment")
        .says("chmod 600 ~/.aws/credentials");
    assert!(!ran.stdout.contains("hush") && !ran.stderr.contains("hush"));
}
