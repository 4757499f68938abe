//! The home is kept: a saved profile is followed, what is the user's waits, drift is noticed, what was postponed is done.

use std::io::BufRead;

use serde_json::Value;

use super::*;

fn profile(greeting: &str, tool: &str) -> String {
    format!("[aliases]\nhi = 'echo {greeting}'\n[[dotfile]]\ntarget = '~/.toolrc'\ntext = '{tool}'\n")
}

/// A home that was set up with a profile of its own, and its service.
fn kept(text: &str) -> Served {
    let served = Served::new();
    served.world.write(".bashrc", "").write("p.toml", text);
    let path = served.world.path("p.toml");
    let args = ["setup", "--yes", "--offline", "--profile", path.to_str().unwrap()];
    let _ = served.devboot(args).exits(0);
    let _ = served.devboot(["daemon", "start"]).exits(0);
    served.wait_for_home(|home| home["waiting"] == Value::Array(Vec::new()));
    served
}

impl Served {
    fn home_status(&self) -> Value {
        let status = self.devboot(["daemon", "status", "--json"]).exits(0);
        serde_json::from_str::<Value>(&status.stdout).unwrap()["home"].clone()
    }

    #[track_caller]
    fn wait_for_home(&self, is: impl Fn(&Value) -> bool) {
        until("home", || is(&self.home_status()));
    }
}

#[test]
fn a_saved_profile_reaches_an_open_shell_at_its_next_prompt() {
    let served = kept(&profile("one", "a"));
    let mut command = served.world.command("bash");
    command.args(["--noediting", "-i"]).env("PS1", "").env("PATH", crate::world::path_variable());
    let mut shell =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = shell.stdin.take().unwrap();
    let mut output = std::io::BufReader::new(shell.stdout.take().unwrap());
    let mut said = |input: &mut std::process::ChildStdin| {
        // Two lines: aliases are expanded when a line is read.
        writeln!(input, ":\nhi").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    assert_eq!(said(&mut input), "one");
    served.world.write("p.toml", profile("two", "a"));
    until("new alias in the open shell", || said(&mut input) == "two");
    drop(input);
    shell.wait().unwrap();
}

#[test]
fn files_of_the_user_wait_for_apply_and_a_wrong_profile_changes_nothing() {
    let served = kept(&profile("one", "a"));
    served.world.write("p.toml", profile("one", "b"));
    served.wait_for_log("~/.toolrc waits for `devboot apply`");
    assert_eq!(fs::read_to_string(served.world.path(".toolrc")).unwrap(), "a");
    served.wait_for_home(|home| home["waiting"][0] == "~/.toolrc");
    let _ = served.devboot(["daemon", "status"]).exits(0).says("waits for `devboot apply`: ~/.toolrc");
    served.world.write("p.toml", "[alises]\n");
    served.wait_for_home(|home| home["problem"].is_string());
    assert_eq!(fs::read_to_string(served.world.path(".toolrc")).unwrap(), "a");
    served.world.write("p.toml", profile("one", "a"));
    served.wait_for_home(|home| home["problem"].is_null() && home["waiting"] == Value::Array(Vec::new()));
}

#[test]
fn what_was_waited_for_waits_no_longer_once_it_is_made_or_taken_back() {
    let served = kept(&profile("one", "a"));
    let more = "[[dotfile]]\ntarget = '~/.newrc'\ntext = 'new'\n";
    served.world.write("p.toml", profile("one", "a") + more);
    served.wait_for_home(|home| home["waiting"][0] == "~/.newrc");
    let _ = served.devboot(["apply", "--yes"]).exits(0);
    served.wait_for_home(|home| home["waiting"] == Value::Array(Vec::new()));
    let _ = served.devboot(["undo", "--yes"]).exits(0);
    served.wait_for_home(|home| home["waiting"][0] == "~/.newrc");
}

#[test]
fn drift_is_noticed_and_gone_when_it_is_gone() {
    let served = kept(&profile("one", "a"));
    served.world.write(".toolrc", "mine");
    served.wait_for_log("~/.toolrc is not as devboot wrote it");
    served.wait_for_home(|home| home["drifted"][0] == "~/.toolrc");
    served.world.write(".toolrc", "a");
    served.wait_for_home(|home| home["drifted"] == Value::Array(Vec::new()));
}

#[test]
fn a_profile_that_was_saved_while_nothing_ran_is_caught_up_with() {
    let served = kept(&profile("one", "a"));
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    served.world.write("p.toml", profile("two", "a"));
    let _ = served.devboot(["daemon", "start"]).exits(0);
    served.wait_for_log("open shells follow at their next prompt");
}

#[test]
fn without_a_wish_for_a_service_the_home_is_left_alone() {
    let served = Served::new();
    served.world.write(".bashrc", "").write("p.toml", profile("one", "a"));
    let path = served.world.path("p.toml");
    let args = ["setup", "--yes", "--offline", "--skip", "service", "--profile", path.to_str().unwrap()];
    let _ = served.devboot(args).exits(0);
    let _ = served.devboot(["daemon", "start"]).exits(0);
    assert_eq!(served.home_status(), Value::Null);
}

/// In a network of its own that is down at first: a repository is postponed, and cloned when the network comes.
const NETWORK: &str = r#"
set -e
devboot setup --yes --profile "$HOME/p.toml" || true
devboot daemon start
until devboot daemon status --json | tr -d ' \n' | grep -q '"postponed":{"'; do sleep 0.05; done
python3 -c '
import fcntl, socket, struct
up = struct.pack("16sH14x", b"lo", 1)
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, up)'
git daemon --base-path="$ORIGIN" --export-all --listen=127.0.0.1 --port=9418 --reuseaddr & server=$!
until [ -e "$HOME/repos/one/a.txt" ] || [ -e "$HOME/one/a.txt" ]; do sleep 0.05; done
until devboot daemon status --json | tr -d ' \n' | grep -q '"postponed":{}'; do sleep 0.05; done
kill "$server"
devboot daemon stop
"#;

#[test]
fn what_was_postponed_is_done_when_the_network_is_back() {
    let served = Served::new();
    let origin = served.world.outside().join("origin");
    fs::create_dir_all(&origin).unwrap();
    let script = "git init -q -b main one && cd one && echo a > a.txt && git add . && git -c user.name=a -c user.email=a@b commit -qm one";
    let mut command = served.world.command("sh");
    assert!(command.args(["-c", script]).current_dir(&origin).status().unwrap().success());
    served.world.write(".bashrc", "").write("p.toml", "[repo.one]\nurl = 'git://127.0.0.1/one'\n");
    let sealed = served.world.command("sh");
    let mut command = crate::full_disk::privileged("unshare");
    command.args(["-n", "timeout", "60", "sh", "-c", NETWORK]).env_clear();
    command.envs(sealed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let dir = Path::new(DEVBOOT).parent().unwrap().to_str().unwrap();
    command.env("PATH", format!("{dir}:{}", crate::world::path_variable())).env("ORIGIN", &origin);
    let output = command.current_dir(served.world.home()).output().unwrap();
    assert!(output.status.success(), "{output:?}\n{}", served.log());
}
