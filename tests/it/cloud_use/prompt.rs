//! What a prompt shows of the profile, in the real shells.

use super::Home;

/// Runs the hook and draws the prompt, in the language of each shell.
fn draw(shell: &str) -> &'static str {
    match shell {
        "bash" => "_devboot_hook; printf '%s\\n' \"${PS1@P}\"\n",
        "zsh" => "for f in $precmd_functions; do $f; done; print -P -- \"$PS1\"\n",
        _ => "_devboot_hook; fish_prompt; echo\n",
    }
}

#[test]
fn the_profile_its_time_and_its_guard_are_shown_and_nothing_is_carried_out() {
    let home = Home::new();
    for (shell, with, ends) in [
        ("bash", "PS1='> '; eval \"$(devboot cloud prompt bash)\"\n", "m\u{1}"),
        ("zsh", "PS1='> '; eval \"$(devboot cloud prompt zsh)\"\n", "m"),
        ("fish", "function fish_prompt; echo -n '> '; end; devboot cloud prompt fish | source\n", "until "),
    ] {
        let draw = draw(shell);
        let set = |name: &str, value: &str| {
            if shell == "fish" {
                format!("set -gx {name} '{value}'\n")
            } else {
                format!("export {name}='{value}'\n")
            }
        };
        let mut script = format!("{with}{draw}devboot use dev\n{draw}devboot use dev --via value\n{draw}");
        script += &(set("DEVBOOT_CLOUD_GUARD", "prod") + draw);
        for name in ["DEVBOOT_CLOUD_UNTIL", "DEVBOOT_CLOUD_ENDS", "DEVBOOT_CLOUD"] {
            script += &(set(name, "a[$(touch gone)]`touch gone`") + draw);
        }
        let ran = home.command(shell).args(["-ic", &script]).env("TERM", "xterm").output().unwrap();
        let errors = String::from_utf8_lossy(&ran.stderr);
        let text = String::from_utf8_lossy(&ran.stdout);
        let lines: Vec<&str> = text.lines().filter(|line| line.ends_with("> ")).collect();
        assert_eq!(lines.len(), 7, "{shell}: {text:?} {errors}");
        let [plain, pointer, value, guarded] = lines[..4] else { panic!("{lines:?}") };
        assert_eq!(plain, "> ", "{shell}");
        // Cyan, and no time where tools get new credentials by themselves.
        assert!(pointer.contains("\u{1b}[36m") && pointer.contains("dev"), "{shell}: {pointer:?}");
        let tail = value.split_once("dev").map(|(_, tail)| tail).unwrap_or_default();
        assert!(
            tail.contains(ends) && tail.contains(char::is_numeric) && value != pointer,
            "{shell}: {value:?}"
        );
        assert!(guarded.contains("\u{1b}[31m"), "{shell}: {guarded:?}");
        assert!(!errors.contains("math") && !errors.contains("syntax"), "{shell}: {errors}");
        assert!(!home.world.path("gone").exists(), "{shell}");
    }
    let text = home.devboot(&["cloud", "prompt", "starship"]).exits(0).stdout;
    let snippet: toml::Table = text.parse().unwrap();
    let shown: Vec<_> = snippet["env_var"].as_table().unwrap().keys().collect();
    assert_eq!(shown, ["DEVBOOT_CLOUD", "DEVBOOT_CLOUD_ENDS", "DEVBOOT_CLOUD_GUARD"]);
}

#[test]
fn the_time_that_is_left_is_shown_to_its_end() {
    let home = Home::new();
    for shell in ["bash", "zsh"] {
        let print = if shell == "bash" {
            "printf '%s\\n' \"$_devboot_segment\""
        } else {
            "print -r -- $_devboot_segment"
        };
        let mut script = "export DEVBOOT_CLOUD=dev\n".to_owned();
        for left in ["3600 + 30", "59", "-1"] {
            script +=
                &format!("export DEVBOOT_CLOUD_UNTIL=$(($(date +%s) + {left}))\n_devboot_prompt\n{print}\n");
        }
        let text = home.shell(shell, &script).exits(0).stdout;
        let shown: Vec<&str> = text
            .lines()
            .map(|line| line.split(['\u{1}', '%']).find(|part| part.contains("dev")).unwrap())
            .collect();
        assert!(shown[0].ends_with(" 60m"), "{shell}: {shown:?}");
        assert!(shown[1].ends_with('s'), "{shell}: {shown:?}");
        assert!(shown[2].ends_with(" over"), "{shell}: {shown:?}");
    }
}

#[test]
fn options_that_help_does_not_show_are_not_completed() {
    let home = Home::new();
    let bash = "_devboot_complete; COMP_WORDS=(devboot use --); COMP_CWORD=2; _devboot devboot -- use; echo ${COMPREPLY[@]}";
    let mut all = vec![home.shell("bash", bash).stdout];
    all.push(home.shell("fish", "complete -C 'devboot use --'").stdout);
    all.push(home.devboot(&["completions", "zsh"]).exits(0).stdout);
    for text in all {
        assert!(text.contains("--off") && text.contains("--via") && text.contains("--json"), "{text}");
        for hidden in ["--emit", "--auto", "--kept", "--before", "--here", "--fixed", "--previous"] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
    }
}

#[test]
fn the_names_of_profiles_are_completed() {
    let home = Home::new();
    let bash = "_devboot_complete; COMP_WORDS=(devboot use d); COMP_CWORD=2; _devboot devboot d use; echo ${COMPREPLY[@]}";
    assert_eq!(home.shell("bash", bash).stdout, "dev\n");
    let zsh = "autoload -Uz compinit; compinit -u -D; _devboot >/dev/null 2>&1; whence -f _devboot";
    let zsh = home.shell("zsh", zsh).stdout;
    assert!(zsh.contains("(base dev prod)"), "{zsh}");
    let fish = home.shell("fish", "complete -C 'devboot use '; complete -C 'devboot cloud check '").stdout;
    assert_eq!(fish.lines().filter(|line| ["base", "dev", "prod"].contains(line)).count(), 6, "{fish}");
}
