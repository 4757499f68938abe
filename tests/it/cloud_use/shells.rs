//! Switching real shells, with AWS's own clients in them.

use super::{DEV, Home};
use crate::world::Ran;

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

/// A variable, in the language of each shell.
fn export(shell: &str, name: &str, value: &str) -> String {
    if shell == "fish" { format!("set -gx {name} '{value}'\n") } else { format!("export {name}='{value}'\n") }
}

#[test]
fn a_shell_is_switched_proved_and_given_back_as_it_was() {
    let home = Home::new();
    for shell in SHELLS {
        let mut script = String::new();
        for (name, value) in [
            ("AWS_SECURITY_TOKEN", "stale"),
            ("AWS_DEFAULT_PROFILE", "mine"),
            ("AWS_ACCESS_KEY_ID", "AKIASTALE"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:1338/x y"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the host'\\''s $(id) `id`"),
        ] {
            let value = if shell == "fish" { value.replace("'\\''", "\\'") } else { value.to_owned() };
            script += &export(shell, name, &value);
        }
        script += "env | sort > before\ndevboot use dev\n";
        script += &format!(
            "python3 -c \"{}\"\naws sts get-caller-identity --endpoint-url {} --query Arn\n",
            home.who(),
            home.moto.endpoint.url("")
        );
        script += "env | sort > during\ndevboot use base\ndevboot use -\nenv | sort > again\ndevboot use --off\nenv | sort > after\n";
        let ran = home
            .shell(shell, &script)
            .exits(0)
            .says("'dev' is off")
            .says(&format!("dev AWS 123456789012 {DEV}"));
        assert!(ran.stdout.contains(&format!("{DEV}\n\"{DEV}\"")), "{shell}: {}{}", ran.stdout, ran.stderr);
        let of = |name: &str| {
            let own = |line: &&str| !line.starts_with("_=") && !line.starts_with("SHLVL=");
            home.world.text(name).lines().filter(own).map(str::to_owned).collect::<Vec<_>>()
        };
        let (before, during, again, after) = (of("before"), of("during"), of("again"), of("after"));
        assert_eq!(before, after, "{shell}");
        assert_eq!(during, again, "{shell}");
        let has = |line: &str| during.iter().any(|other| other.starts_with(line));
        assert!(
            has("DEVBOOT_CLOUD=dev")
                && has("AWS_REGION=eu-central-1")
                && has("AWS_DEFAULT_REGION=eu-central-1")
        );
        for gone in ["AWS_SECURITY_TOKEN=", "AWS_DEFAULT_PROFILE=", "AWS_ACCESS_KEY_ID=", "AWS_CONTAINER_"] {
            assert!(!has(gone), "{shell}: {gone}");
        }
    }
}

#[test]
fn a_name_that_is_not_there_changes_nothing_and_falls_to_nothing_else() {
    let home = Home::new();
    for shell in SHELLS {
        for name in ["nope", "deu", "default", "a b", "$(touch gone)", "../dev", "dév"] {
            let and = if shell == "fish" { "; and" } else { " &&" };
            let script =
                format!("env | sort > before; devboot use '{name}'{and} echo switched; env | sort > after");
            let ran = home.shell(shell, &script).exits(0);
            assert!(!ran.stdout.contains("switched"), "{shell} {name}");
            let of = |file: &str| {
                home.world
                    .text(file)
                    .lines()
                    .filter(|l| !l.starts_with("_="))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            assert_eq!(of("before"), of("after"), "{shell} {name}");
            assert!(!home.world.path("gone").exists());
        }
        let _ = home.shell(shell, "devboot use deu").says("did you mean 'dev'?");
        let _ = home.shell(shell, "devboot use --help").says("Usage: devboot use");
        let _ = home.shell(shell, "devboot use -").says("used no other profile");
        let _ = home.shell(shell, "devboot cloud list").says("dev").says("guarded");
    }
}

#[test]
fn values_and_commands_get_credentials_and_traces_show_none() {
    let home = Home::new();
    let who = home.who();
    for via in ["pointer", "value"] {
        let args = ["cloud", "exec", "dev", "--via", via, "--", "python3", "-c", &who];
        assert_eq!(home.devboot(&args).exits(0).stdout.trim(), DEV, "{via}");
    }
    let _ = home.devboot(&["cloud", "exec", "dev", "--", "sh", "-c", "exit 7"]).exits(7);
    let _ = home
        .devboot(&["cloud", "exec", "dev", "--", "no-such-program"])
        .exits(64)
        .says("cannot start no-such-program");
    for format in ["bash", "zsh", "fish"] {
        let text = home.devboot(&["cloud", "env", "dev", "--format", format]).exits(0).stdout;
        let script = format!("{text}\npython3 -c \"{who}\"");
        assert_eq!(home.shell(format, &script).exits(0).stdout.trim(), DEV, "{format}");
    }
    let json = home.devboot(&["cloud", "env", "dev", "--format", "json"]).exits(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let secret = json["AWS_SECRET_ACCESS_KEY"].as_str().unwrap();
    let github = home.devboot(&["cloud", "env", "dev", "--format", "github"]).exits(0).stdout;
    assert!(github.contains(&format!("AWS_SECRET_ACCESS_KEY={secret}\n")));
    for (shell, trace) in [
        ("bash", "set -x"),
        ("bash", "set -v"),
        ("bash", "set -xv"),
        ("zsh", "set -xv"),
        ("fish", "set -g fish_trace 1"),
    ] {
        let script = format!(
            "export AWS_SECRET_ACCESS_KEY=of-the-shell\n{trace}\ndevboot use dev --via value\necho $AWS_ACCESS_KEY_ID\ndevboot use --off\necho over"
        );
        let ran = home.shell(shell, &script).exits(0);
        assert!(ran.stdout.contains("ASIA"), "{shell}: {}", ran.stdout);
        let (_, traced) = ran.stderr.split_once("devboot use dev").unwrap();
        assert!(!traced.contains(secret) && !traced.contains("of-the-shell"), "{shell} {trace}: {traced}");
        assert!(traced.contains("echo over"), "it is on again: {shell} {trace}: {traced}");
    }
}

#[test]
fn a_tool_asks_in_the_home_that_was_switched_whichever_home_it_has_itself() {
    let home = Home::new();
    let other = home.world.path("other");
    std::fs::create_dir(&other).unwrap();
    let other_path = other.to_str().unwrap();
    let keys = "AWS_ACCESS_KEY_ID=AKIAOFTHEOTHERHOME00\nAWS_SECRET_ACCESS_KEY=other\n";
    let _ = home
        .given(&["--home", other_path, "cloud", "init", "--passphrase-stdin"], "another passphrase")
        .exits(0);
    let _ = home
        .given(&["--home", other_path, "cloud", "unlock", "--passphrase-stdin"], "another passphrase")
        .exits(0);
    let _ = home.given(&["--home", other_path, "cloud", "add", "base", "--stdin"], keys).exits(0);
    let key = "import boto3; print(boto3.Session().get_credentials().access_key)";
    let ours = home.moto.keys.access_key_id.clone();
    for (of, expected) in [(other_path, "AKIAOFTHEOTHERHOME00"), (home.world.home().to_str().unwrap(), &ours)]
    {
        let args = ["--home", of, "cloud", "env", "base", "--via", "pointer", "--format", "json"];
        let text = home.devboot(&args).exits(0).stdout;
        let vars: std::collections::BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
        for at in [other_path, home.world.home().to_str().unwrap()] {
            let mut client = home.command("python3");
            let ran =
                Ran::of(client.args(["-c", key]).envs(&vars).env("HOME", at).output().unwrap()).exits(0);
            assert_eq!(ran.stdout.trim(), expected, "{of} asked from {at}");
        }
    }
    let _ = home.devboot(&["--home", other_path, "daemon", "stop"]).exits(0);
}

#[test]
fn fifty_callers_cost_one_call_and_the_service_comes_back_for_the_next() {
    let home = Home::new();
    let call =
        || home.command(crate::world::DEVBOOT).args(["cloud", "credential-process", "dev"]).output().unwrap();
    let before = home.moto.calls();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..50).map(|_| scope.spawn(call)).collect();
        let answers: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        let first = &answers[0];
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
        for answer in &answers {
            assert_eq!(answer.stdout, first.stdout, "{}", String::from_utf8_lossy(&answer.stderr));
        }
    });
    crate::world::until("the call", || home.moto.calls() > before);
    assert_eq!(home.moto.calls(), before + 1);
    // A client goes on when the service was killed; with a vault it needs its passphrase again.
    let script = format!(
        "import boto3, os, subprocess, sys\n\
         def who(): print(boto3.client('sts', endpoint_url='{}').get_caller_identity()['Arn'], flush=True)\n\
         who(); sys.stdin.readline(); who()",
        home.moto.endpoint.url("")
    );
    let config =
        home.devboot(&["cloud", "env", "dev", "--via", "pointer", "--format", "json"]).exits(0).stdout;
    let config: std::collections::BTreeMap<String, String> = serde_json::from_str(&config).unwrap();
    let mut client = home.command("python3");
    client
        .args(["-c", &script])
        .envs(config)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped());
    let mut client = client.spawn().unwrap();
    let mut said = String::new();
    let mut output = std::io::BufReader::new(client.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut output, &mut said).unwrap();
    assert_eq!(said.trim(), DEV);
    let address = home.world.text(".local/state/devboot/run/address");
    let pid: u32 = address.lines().next().unwrap().parse().unwrap();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    crate::world::until("its death", || !crate::world::lives(pid));
    let _ = home.devboot(&["cloud", "credential-process", "dev"]).exits(3).says("the vault is locked");
    home.unlock();
    drop(client.stdin.take());
    std::io::BufRead::read_line(&mut output, &mut said).unwrap();
    assert!(client.wait().unwrap().success());
    assert_eq!(said, format!("{DEV}\n{DEV}\n"));
}
