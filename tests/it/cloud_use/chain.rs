//! `doctor` says of a shell's credentials what boto3 itself does in that shell.

use crate::world::{DEVBOOT, Ran, World};

/// Prints what a program takes, a word on a line, then what `doctor` says, in one environment; with `SERVE` an endpoint such as a
/// container has.
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
print(subprocess.run(sys.argv[2:], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0], flush=True)
subprocess.run([sys.argv[1], '--json', 'doctor', '--runs', '0'])
"#;

const BOTO3: &str = r#"
import boto3, botocore.exceptions
try:
    found = boto3.Session().get_credentials()
    print(found.method if found else 'none')
except botocore.exceptions.BotoCoreError as error:
    print(type(error).__name__)
"#;

/// With the SDK as Debian has it.
const GO: &str = r#"package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/config"
)

func main() {
	loaded, err := config.LoadDefaultConfig(context.Background(), config.WithRegion("us-east-1"))
	if err != nil {
		fmt.Println("unloaded", err)
		return
	}
	found, err := loaded.Credentials.Retrieve(context.Background())
	if err != nil {
		fmt.Println("none", err)
		return
	}
	fmt.Println(found.Source)
}
"#;

/// Homes in which SDKs are asked.
struct Asked {
    world: World,
    program: Vec<String>,
    /// The SDK, as `doctor` names it where it does not do as Python does.
    sdk: &'static str,
}

const PYTHON: &str = "AWS, Python and CLI";

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
const FILE_KEYS: &str = "aws_access_key_id = A\naws_secret_access_key = s\n";

impl Asked {
    fn new(world: World, program: &[&str], sdk: &'static str) -> Self {
        world.write("answer.json", r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s"}"#);
        Self { world, program: program.iter().map(|&word| word.to_owned()).collect(), sdk }
    }

    fn home(&self, config: &str, credentials: &str) {
        self.world.write(".aws/config", config).write(".aws/credentials", credentials);
    }

    /// A line of a profile.
    fn process(&self) -> String {
        format!("credential_process = cat {}", self.world.path("answer.json").display())
    }

    /// The SDK takes `method` with these variables, and `doctor` says that `wins` does.
    #[track_caller]
    fn takes(&self, vars: &[(&str, &str)], method: &str, wins: &str) {
        let mut command = self.world.command("python3");
        command.args(["-c", ASK, DEVBOOT]).args(&self.program);
        command.env("AWS_EC2_METADATA_DISABLED", "true").envs(vars.iter().copied());
        let ran = Ran::of(command.output().unwrap()).exits(0);
        let (took, told) = ran.stdout.split_once('\n').unwrap();
        let told: serde_json::Value = serde_json::from_str(told).unwrap();
        let chains = told["cloud"]["chains"].as_array().unwrap();
        let of = |sdk: &str| chains.iter().find(|chain| chain["sdk"] == sdk);
        let said = of(self.sdk).or_else(|| of(PYTHON)).unwrap()["wins"].as_str().unwrap();
        assert_eq!(took, method, "the SDK with {vars:?}");
        assert!(said.contains(wins), "{said} with {vars:?}");
    }
}

#[test]
fn doctor_and_boto3_agree() {
    let asked = Asked::new(World::new(), &["python3", "-c", BOTO3], PYTHON);
    let program = asked.process();
    asked.home("", "");
    asked.takes(&[], "none", "nothing");
    asked.takes(&KEYS, "env", "the keys of the environment");
    asked.takes(&KEYS[..1], "PartialCredentialsError", "nothing");
    asked.takes(&[("AWS_PROFILE", "")], "ProfileNotFound", "nothing");
    asked.takes(&[KEYS[0], KEYS[1], ("AWS_PROFILE", "gone")], "ProfileNotFound", "nothing");
    asked.takes(&[("SERVE", "1")], "container-role", "the container's endpoint");
    asked.home(
        &format!("[default]\n{program}\n[profile p]\n{program}\n{FILE_KEYS}[profile c]\n{FILE_KEYS}"),
        "",
    );
    asked.takes(&[("SERVE", "1")], "custom-process", "the credential_process of the profile 'default'");
    asked.takes(&[("AWS_PROFILE", "p")], "custom-process", "the credential_process of the profile 'p'");
    asked.takes(&[("AWS_PROFILE", "c")], "config-file", "the keys in the config file of the profile 'c'");
    asked.takes(&[("AWS_PROFILE", "p"), ("AWS_DEFAULT_PROFILE", "c")], "config-file", "the profile 'c'");
    asked.takes(&[KEYS[0], KEYS[1], ("AWS_PROFILE", "p")], "env", "the keys of the environment");
    asked.home(&format!("[default]\n{program}\n"), &format!("[default]\n{FILE_KEYS}"));
    asked.takes(&[("SERVE", "1")], "shared-credentials-file", "the keys in the credentials file");
}

#[test]
fn doctor_and_the_sdk_for_go_agree() {
    let world = World::new();
    world.write("who/main.go", GO);
    let mut build = world.command("go");
    build.args(["build", "-o", "ask", "main.go"]).current_dir(world.path("who"));
    let _ = Ran::of(build.env("GO111MODULE", "off").env("GOPATH", "/usr/share/gocode").output().unwrap())
        .exits(0);
    let program = world.path("who/ask").display().to_string();
    let asked = Asked::new(world, &[&program], "AWS, Go and Terraform");
    let process = asked.process();
    let config = asked.world.path(".aws/config").display().to_string();
    let credentials = asked.world.path(".aws/credentials").display().to_string();
    asked.home("", "");
    asked.takes(&[], "none", "nothing");
    asked.takes(&KEYS, "EnvConfigCredentials", "the keys of the environment");
    // Go passes over one key of two. That it stops at a profile that is not there is newer than what Debian has.
    asked.takes(&KEYS[..1], "none", "nothing");
    asked.takes(&[("AWS_PROFILE", "")], "none", "nothing");
    let gone = [KEYS[0], KEYS[1], ("AWS_DEFAULT_PROFILE", "gone")];
    asked.takes(&gone, "EnvConfigCredentials", "the keys of the environment");
    asked.takes(&[("SERVE", "1")], "CredentialsEndpointProvider", "the container's endpoint");
    asked.home(
        &format!("[default]\n{process}\n[profile p]\n{process}\n{FILE_KEYS}[profile c]\n{FILE_KEYS}"),
        "",
    );
    asked.takes(&[("SERVE", "1")], "ProcessProvider", "the credential_process of the profile 'default'");
    let keys = |file: &str| format!("SharedConfigCredentials: {file}").split(' ').next().unwrap().to_owned();
    asked.takes(&[("AWS_PROFILE", "p")], &keys(&config), "the keys in the config file of the profile 'p'");
    asked.takes(&[("AWS_PROFILE", "c"), ("AWS_DEFAULT_PROFILE", "p")], &keys(&config), "the profile 'c'");
    asked.takes(
        &[KEYS[0], KEYS[1], ("AWS_PROFILE", "p")],
        "EnvConfigCredentials",
        "the keys of the environment",
    );
    asked.home(&format!("[default]\n{process}\n"), &format!("[default]\n{FILE_KEYS}"));
    asked.takes(&[("SERVE", "1")], &keys(&credentials), "the keys in the credentials file");
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
