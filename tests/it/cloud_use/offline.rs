//! Days on which something is not there: the cloud, time, a name.

use super::{Home, PASSPHRASE};
use crate::world::{Ran, until};

#[test]
fn without_the_cloud_a_switch_says_that_nothing_was_verified() {
    let home = Home::new();
    let url = home.moto.endpoint.url("");
    let config = home.world.text(".aws/config").replace(url.trim_end_matches('/'), "http://127.0.0.1:9");
    home.world.write(".aws/config", config);
    for shell in ["bash", "zsh", "fish"] {
        let ran =
            home.shell(shell, "devboot use base; echo \"[$DEVBOOT_CLOUD]\"").exits(0).says("not verified");
        assert!(ran.stdout.ends_with("[base]\n"), "{shell}");
    }
    let _ = home.devboot(&["cloud", "check", "base"]).exits(2).says("not verified");
    let log = home.devboot(&["cloud", "audit"]).exits(0).stdout;
    assert!(log.lines().next_back().unwrap().trim_end().ends_with("ok, not verified"), "{log}");
    // What cannot be had is not handed over.
    let _ = home.devboot(&["cloud", "env", "dev", "--via", "value"]).exits(1).says("127.0.0.1:9");
    let _ = home.devboot(&["cloud", "credential-process", "dev"]).exits(1);
}

#[test]
fn the_vault_closes_by_itself() {
    let home = Home::new();
    for (flag, span) in [("--for", "2s"), ("--idle", "1s")] {
        let args = ["cloud", "unlock", "--passphrase-stdin", flag, span];
        let _ = home.given(&args, PASSPHRASE).exits(0).says("open for");
        // To look whether it is open is not to use it.
        until("it is closed", || {
            let status = home.devboot(&["--json", "cloud", "status"]).exits(0).stdout;
            serde_json::from_str::<serde_json::Value>(&status).unwrap()["open"] == false
        });
        let _ = home.devboot(&["cloud", "credential-process", "base"]).exits(3);
    }
}

#[test]
fn without_a_name_one_is_picked_from_a_list() {
    let home = Home::new();
    let _ = home.shell("bash", "devboot use").exits(3).says("there is no terminal to ask");
    // Down once, then return: the second in the list.
    let script = "import os, pty, sys\n\
        pid, fd = pty.fork()\n\
        if pid == 0: os.execvp('bash', ['bash', '-ic', 'devboot use; echo \"[$DEVBOOT_CLOUD]\"'])\n\
        out, typed = b'', False\n\
        while True:\n\
        \x20   try: data = os.read(fd, 4096)\n\
        \x20   except OSError: break\n\
        \x20   out += data\n\
        \x20   if not typed and b'prod' in out: typed = True; os.write(fd, b'\\x1b[B\\r')\n\
        sys.stdout.write(out.decode()); os.waitpid(pid, 0)";
    let mut command = home.command("python3");
    let ran = Ran::of(command.args(["-c", script]).env("TERM", "xterm").output().unwrap()).exits(0);
    assert!(ran.stdout.contains("[dev]"), "{}", ran.stdout);
}

#[test]
fn a_configuration_of_gcloud_goes_with_its_own_credentials() {
    let home = Home::new();
    let dir = ".config/gcloud";
    home.world.write(
        &format!("{dir}/configurations/config_work"),
        "[core]\naccount = me@example.com\nproject = p-2\n",
    );
    home.world.write(&format!("{dir}/active_config"), "work");
    let adc = "{\"type\":\"authorized_user\",\"client_id\":\"c\",\"client_secret\":\"s\",\"refresh_token\":\"1//good\"}";
    home.world.write(&format!("{dir}/legacy_credentials/me@example.com/adc.json"), adc);
    let _ = home.devboot(&["cloud", "add", "g", "--gcp-configuration", "work"]).exits(0);
    let _ = home.devboot(&["cloud", "add", "h", "--gcp-configuration", "none"]).exits(0);
    let script = "devboot use g; echo $CLOUDSDK_ACTIVE_CONFIG_NAME $GOOGLE_CLOUD_PROJECT $GOOGLE_APPLICATION_CREDENTIALS";
    let ran = home.shell("bash", script).exits(0).says("me@example.com");
    let file = home.world.path(&format!("{dir}/legacy_credentials/me@example.com/adc.json"));
    assert_eq!(ran.stdout.trim(), format!("work p-2 {}", file.display()));
    let ran = home.shell("bash", "devboot use h").says("gcloud has no configuration 'none'");
    drop(ran);
}

#[test]
fn temporary_keys_are_handed_out_with_their_end_and_not_after_it() {
    let home = Home::new();
    let keys = |seconds: i64| {
        let end = devboot::base::time::Timestamp(devboot::sys::clock::now().0 + seconds);
        let keys = r#"{"Version":1,"AccessKeyId":"ASIATEMPORARY","SecretAccessKey":"s","SessionToken":"t","Expiration":"#;
        (end.to_string(), format!("{keys}\"{end}\"}}"))
    };
    let (end, json) = keys(7200);
    let _ = home.given(&["cloud", "add", "long", "--stdin"], &json).exits(0);
    let _ = home.devboot(&["cloud", "credential-process", "long"]).exits(0).says(&end);
    let _ = home.given(&["cloud", "add", "short", "--stdin"], &keys(5).1).exits(0);
    until("their end", || home.devboot(&["cloud", "credential-process", "short"]).code == 3);
    let ran = home.devboot(&["cloud", "credential-process", "short"]).exits(3);
    let _ = ran.says("the sealed keys were good until").says("devboot cloud add NAME --stdin");
    let ran = home.given(&["cloud", "add", "late", "--stdin"], &keys(-1).1).exits(64);
    let _ = ran.says("these keys were good until");
}
