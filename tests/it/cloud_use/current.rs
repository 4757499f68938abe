//! Who a shell is after its switch, when something has come between.

use super::Home;
use crate::world::Ran;

#[test]
fn what_wins_over_the_switch_is_said_and_is_a_difference() {
    let home = Home::new();
    for shell in ["bash", "fish"] {
        let (status, export) = if shell == "fish" { ("$status", "set -gx") } else { ("$?", "export") };
        let set = |name: &str, value: &str| match shell {
            "fish" => format!("{export} {name} {value}"),
            _ => format!("{export} {name}={value}"),
        };
        let script = format!(
            "devboot use dev; devboot cloud current; echo is {status}; {}; {}; devboot cloud current; echo is {status}; \
             devboot --json cloud current; devboot doctor --runs 0; devboot use dev; devboot cloud current; echo is {status}",
            set("AWS_ACCESS_KEY_ID", "AKIAOTHER"),
            set("AWS_SECRET_ACCESS_KEY", "other"),
        );
        let ran = home.shell(shell, &script).exits(0);
        let is: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("is ")).collect();
        assert_eq!(is, ["is 0", "is 2", "is 0"], "{shell}: {}", ran.stderr);
        let ran = ran
            .says("AWS's tools need not be 'dev' here: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY are not what the switch")
            .says("this shell was switched to 'dev', and AWS's tools need not be it")
            .says("\"in_use\": false");
        assert_eq!(ran.stdout.matches("dev AWS 123456789012").count(), 2, "{shell}: {}", ran.stdout);
        assert!(!ran.stdout.contains("this shell is switched to 'dev'"), "{shell}");
    }
}

#[test]
fn a_name_in_the_environment_is_no_switch_and_a_command_with_a_profile_has_one() {
    let home = Home::new();
    let ask = |args: &[&str]| {
        Ran::of(home.command(crate::world::DEVBOOT).args(args).env("DEVBOOT_CLOUD", "dev").output().unwrap())
    };
    let _ = ask(&["cloud", "current"]).exits(2).says("was not switched to it");
    let json = ask(&["--json", "cloud", "current"]).exits(2).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["profile"].as_str(), json["in_use"].as_bool()), (Some("dev"), Some(false)));
    let _ = ask(&["doctor", "--runs", "0"])
        .says("DEVBOOT_CLOUD names 'dev', and this shell was not switched to it");
    for via in ["pointer", "endpoint", "value"] {
        let args = ["cloud", "exec", "dev", "--via", via, "--", crate::world::DEVBOOT, "cloud", "current"];
        let _ = home.devboot(&args).exits(0).says("dev AWS 123456789012");
    }
}

#[test]
fn json_is_what_is_printed_when_it_is_asked_for() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = "devboot use dev --json >one; devboot --json cloud current >two; devboot use --off --json >three; \
                      devboot use --off --json >four; devboot use nope --json >five; echo \"[$DEVBOOT_CLOUD]\"";
        let ran = home.shell(shell, script).exits(0);
        assert_eq!(ran.stdout, "[]\n", "{shell}: {}", ran.stderr);
        let json = |name: &str| {
            let text = home.world.text(name);
            serde_json::from_str::<serde_json::Value>(&text)
                .unwrap_or_else(|why| panic!("{shell} {name}: {why}: {text}"))
        };
        assert_eq!(json("one")["profile"], "dev");
        assert_eq!((&json("two")["profile"], &json("two")["in_use"]), (&"dev".into(), &true.into()));
        assert!(json("one")["parts"][0]["account"] == "123456789012" && json("three")["profile"].is_null());
        assert!(json("four")["profile"].is_null() && json("five")["profile"].is_null(), "{shell}");
    }
}
