//! What a switch gives back is what there was, in each shell's own words; and a shell that began with a switch gets rid of it.

use super::Home;

/// What the shell itself says of the variables that a script makes, before a switch, after it and after a second one.
fn told(home: &Home, shell: &str, make: &str, tell: &str) {
    let script = format!(
        "{make}\n{tell} >before 2>&1\ndevboot use base\ndevboot use dev\ndevboot use --off\n{tell} >after 2>&1\n\
         devboot use dev\ndevboot use --off\n{tell} >again 2>&1\n"
    );
    let ran = home.shell(shell, &script).exits(0).says("'dev' is off");
    let before = home.world.text("before");
    assert!(before.contains("AWS_PROFILE"), "{shell}: {before} {}", ran.stderr);
    assert_eq!(home.world.text("after"), before, "{shell}: {}", ran.stderr);
    assert_eq!(home.world.text("again"), before, "{shell}: {}", ran.stderr);
}

#[test]
fn arrays_numbers_lists_and_scopes_come_back_as_they_were() {
    let home = Home::new();
    let names = "AWS_PROFILE AWS_REGION AWS_SESSION_TOKEN AWS_ACCOUNT_ID AWS_ROLE_ARN AWS_DEFAULT_PROFILE";
    let bash = "AWS_PROFILE=(a 'b c' $'d\\n$(touch gone)'); export AWS_PROFILE; declare -i AWS_REGION=5; \
                declare -ux AWS_SESSION_TOKEN=x; declare -A AWS_ACCOUNT_ID=([k]='v w'); export AWS_ROLE_ARN; \
                AWS_DEFAULT_PROFILE=plain";
    told(&home, "bash", bash, &format!("declare -p {names}"));
    let zsh = "AWS_PROFILE=(a 'b c' $'d\\n$(touch gone)'); typeset -i AWS_REGION=5; \
               typeset -ux AWS_SESSION_TOKEN=x; typeset -A AWS_ACCOUNT_ID=(k 'v w'); export AWS_ROLE_ARN=; \
               AWS_DEFAULT_PROFILE=plain";
    told(&home, "zsh", zsh, &format!("typeset -p {names}"));
    let fish = "set -gx AWS_PROFILE foo 'b ar'; set -g AWS_REGION a b; set -gx AWS_SESSION_TOKEN; \
                set -Ux AWS_ACCESS_KEY_ID U; set -Ux AWS_ACCOUNT_ID U; set -gx AWS_ACCOUNT_ID g; set -U AWS_ROLE_ARN u v; \
                set -gx --path AWS_CREDENTIAL_FILE /a /b";
    let names = format!("{names} AWS_ACCESS_KEY_ID AWS_CREDENTIAL_FILE");
    told(&home, "fish", fish, &format!("set -S {names}"));
    assert!(!home.world.path("gone").exists());
}

#[test]
fn fish_s_universal_variables_are_hidden_and_stay() {
    let home = Home::new();
    let variables = "set -Ux AWS_ACCESS_KEY_ID AKIAOTHER; set -Ux AWS_SECRET_ACCESS_KEY other; set -Ux AWS_PROFILE locked; \
                     set -Ux AWS_PAGER cat";
    let _ = home.shell("fish", variables).exits(0);
    let python = format!("python3 -c \"{}\" 2>&1 | tail -1", home.who());
    home.world.write("who", format!("printenv AWS_PAGER\n{python}\n"));
    // A shell that begins with the switch does not bring them back, and has them when it is off.
    let nested = "sh who; devboot use --off; printenv AWS_PROFILE; devboot use base; sh who; devboot use --off; printenv AWS_PROFILE";
    home.world.write("nested", nested);
    let tell = "set -S AWS_ACCESS_KEY_ID AWS_PROFILE";
    let script = format!(
        "{tell} >before; devboot use dev; {tell} >during; sh who; fish -ic 'source nested'; sh who; devboot use --off; {tell} >after"
    );
    let ran = home.shell("fish", &script).exits(0);
    let base = format!("arn:aws:iam::{}", "123456789012:user/alice");
    let dev = super::DEV;
    assert_eq!(
        ran.stdout.lines().collect::<Vec<_>>(),
        ["cat", dev, "cat", dev, "locked", "cat", &base, "locked", "cat", dev],
        "{}",
        ran.stderr
    );
    assert!(home.world.text("before").contains("universal scope, exported"));
    assert_eq!(home.world.text("after"), home.world.text("before"));
    assert!(home.world.text("during").contains("AKIAOTHER"), "the universal one is as it was");
    // The same by a directory.
    home.world.write("p/devboot.toml", "[project]\ncloud = 'dev'\n");
    let _ = home.devboot(&["project", "trust", "--yes", "p"]).exits(0);
    let script = format!(
        "{tell} >before; cd p; _devboot_hook; sh ../who; cd ..; _devboot_hook; printenv AWS_PROFILE; {tell} >after"
    );
    let ran = home.shell("fish", &script).exits(0);
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), ["cat", dev, "locked"], "{}", ran.stderr);
    assert_eq!(home.world.text("after"), home.world.text("before"));
    // The same by what `cloud env` prints, which must not take away what every shell has.
    let script =
        format!("devboot cloud env dev --format fish | source; and sh who; {tell} | grep -c universal");
    let ran = home.shell("fish", &script).exits(0);
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), ["cat", dev, "2"], "{}", ran.stderr);
}

#[test]
fn success_is_success_and_failures_keep_their_codes() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let status = if shell == "fish" { "$status" } else { "$?" };
        let mut script = String::new();
        for command in [
            "use base",
            "use dev",
            "use -",
            "use --off",
            "use --off",
            "use nope",
            "use prod",
            "use --help",
            "cloud list",
        ] {
            script += &format!("devboot {command} >/dev/null 2>&1; echo {status}\n");
        }
        let ran = home.shell(shell, &script).exits(0);
        assert_eq!(
            ran.stdout.lines().collect::<Vec<_>>(),
            ["0", "0", "0", "0", "0", "64", "4", "0", "0"],
            "{shell}"
        );
    }
}

#[test]
fn the_options_of_every_command_may_stand_before_its_name() {
    let home = Home::new();
    let at = home.world.home().display().to_string();
    for shell in ["bash", "zsh", "fish"] {
        let strict = if shell == "fish" { "" } else { "set -u\n" };
        let script = format!(
            "{strict}function told; printenv DEVBOOT_CLOUD || echo none; end\ndevboot --json use dev\ntold\n\
             devboot -q --home '{at}' use base\ntold\ndevboot --home='{at}' -v --json use --off\ntold\n\
             devboot use base\ndevboot use dev --json\ndevboot --json use -\ntold\n\
             # What is a value is no command, and what follows a command is its own.\n\
             devboot --home use status >out 2>&1\ndevboot --json cloud exec dev -- echo use\ntold\n\
             devboot --json\ndevboot --quiet use nope\ntold\n"
        );
        let script = match shell {
            "fish" => script,
            _ => script.replace("function told; ", "told() { ").replace("none; end", "none; }"),
        };
        let ran = home.shell(shell, &script);
        let told: Vec<&str> =
            ran.stdout.lines().filter(|line| line.chars().all(char::is_alphanumeric)).collect();
        assert_eq!(
            told,
            ["dev", "base", "none", "base", "use", "base", "base"],
            "{shell}: {}{}",
            ran.stdout,
            ran.stderr
        );
        let names: Vec<_> = ran.stdout.match_indices("\"profile\": \"dev\"").collect();
        assert_eq!(names.len(), 2, "{shell}: {}", ran.stdout);
        let _ = ran.says("there is no credential profile 'nope'");
    }
}

#[test]
fn a_read_only_variable_refuses_the_switch_before_anything_changes() {
    let home = Home::new();
    for shell in ["bash", "zsh"] {
        let script = "readonly AWS_PROFILE=mine; env | sort | grep -v ^_= >before; devboot use dev; echo \"code $?\"; \
                      env | sort | grep -v ^_= >after";
        let ran =
            home.shell(shell, script).exits(0).says("code 4").says("AWS_PROFILE is read-only in this shell");
        assert!(!ran.stderr.contains("123456789012"), "{shell}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("read-only in this").count(), 1, "{shell}: {}", ran.stderr);
        assert_eq!(home.world.text("before"), home.world.text("after"), "{shell}");
        // One that was made so since.
        let script =
            "devboot use dev; readonly AWS_PROFILE; devboot use --off; echo \"code $? $DEVBOOT_CLOUD\"";
        let _ = home.shell(shell, script).exits(0).says("code 4 dev");
    }
}

#[test]
fn a_shell_that_began_with_a_switch_gets_rid_of_it_and_the_outer_one_keeps_it() {
    let home = Home::new();
    home.world.write("left", "env | grep -E '^(AWS|DEVBOOT_CLOUD)' | sort");
    let left = "sh ~/left";
    for shell in ["bash", "zsh", "fish"] {
        let set = if shell == "fish" { "set -gx AWS_REGION mine" } else { "export AWS_REGION=mine" };
        let inner = format!(
            "{set}; devboot use --off; echo status $status$?; {left}; devboot use base; devboot use -; devboot use -; \
             echo \"now $DEVBOOT_CLOUD\"; devboot use --off; {left}"
        );
        let inner = if shell == "fish" {
            inner.replace("$status$?", "$status")
        } else {
            inner.replace("$status$?", "$?")
        };
        home.world.write("inner", &inner);
        let outer = if shell == "fish" { "set -gx AWS_PROFILE own" } else { "export AWS_PROFILE=own" };
        let source = if shell == "fish" { "source" } else { "." };
        let script = format!(
            "{outer}; devboot use dev; {left} >switched; {shell} -ic '{source} ~/inner'; {left} >still; \
             devboot use --off; {left}; devboot use dev; exec {shell} -ic 'devboot use --off; {left}; echo end'"
        );
        let ran = home.shell(shell, &script).exits(0).says("is known only where it was switched");
        let ran = ran.says("AWS_REGION was changed since, and stays as it is");
        assert_eq!(home.world.text("switched"), home.world.text("still"), "{shell}");
        assert_eq!(
            ran.stdout.lines().collect::<Vec<_>>(),
            ["status 0", "AWS_REGION=mine", "now base", "AWS_REGION=mine", "AWS_PROFILE=own", "end"],
            "{shell}: {}",
            ran.stderr
        );
    }
}
