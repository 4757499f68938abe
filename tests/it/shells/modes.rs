//! Login, interactive, script, ssh command: what reaches which mode, and what the switch stops.

use super::*;

const DEBIAN_GUARD: &str = "case $- in\n    *i*) ;;\n      *) return;;\nesac\nmine=1\n";
const SHOW: &str = "printf '<%s>' \"$GREETING\" \"$PATH\"";
const GREETING: &str = "it's \"$HOME\" `id` \\ !";

/// Debian's /etc/profile sets PATH anew in a login shell.
const LOGIN_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const PLAIN_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

fn expected_env(home: &Home) -> String {
    let front = format!("{}/.local/bin:/opt/x [y]*", home.text());
    format!("<{GREETING}><{front}:/usr/local/bin:/usr/bin:/bin:/opt/z>")
}

#[test]
fn environment_and_path_reach_every_mode_once() {
    let home = Home::new(&spec(), &[(".bashrc", DEBIAN_GUARD), (".bash_profile", ". ~/.bashrc\n")]);
    let sh_home = Home::new(&spec(), &[]);
    let expected = expected_env(&home);
    for argv in [
        &["bash", "-lc", SHOW][..],
        &["bash", "-ic", SHOW],
        &["bash", "-lic", SHOW],
        &["zsh", "-c", SHOW],
        &["zsh", "-lc", SHOW],
        &["zsh", "-ic", SHOW],
    ] {
        // Nested shells see the same PATH, not a longer one.
        for nested in [false, true] {
            let inner: Vec<&str> =
                if nested { [&["bash", "-ic", "exec \"$@\"", "x"], argv].concat() } else { argv.into() };
            let expected = if argv[0] == "bash" && argv[1].starts_with("-l") {
                expected.replace(PLAIN_PATH, LOGIN_PATH)
            } else {
                expected.clone()
            };
            let text = home.run(&inner, "");
            assert_eq!(text, expected, "{inner:?}");
        }
    }
    // fish adds /etc paths of its own in a login shell; ours stay once and in front.
    for argv in [
        &["fish", "-c", "printf '<%s>' $GREETING (string join : $PATH)"][..],
        &["fish", "-ic", "printf '<%s>' $GREETING (string join : $PATH)"],
    ] {
        assert_eq!(home.run(argv, ""), expected, "{argv:?}");
    }
    assert_eq!(
        sh_home.run(&["dash", "-l", "-c", SHOW], ""),
        expected_env(&sh_home).replace(PLAIN_PATH, LOGIN_PATH)
    );
    assert_eq!(
        sh_home.run(&["bash", "-lc", SHOW], ""),
        expected_env(&sh_home).replace(PLAIN_PATH, LOGIN_PATH)
    );
    assert_eq!(
        sh_home.run(&["bash", "-lc", &format!("sh -c {}", Posix.quote(SHOW))], ""),
        expected_env(&sh_home).replace(PLAIN_PATH, LOGIN_PATH)
    );
}

#[test]
fn a_command_over_ssh_has_environment_and_path() {
    let home = Home::new(&spec(), &[(".bashrc", DEBIAN_GUARD)]);
    let mut command = home.command(&["bash", "-c", SHOW]);
    command.env("SSH_CLIENT", "1 2 3").env("SSH_CONNECTION", "1 2 3 4");
    assert_eq!(stdout(feed(command, "")), expected_env(&home));
}

#[test]
fn aliases_functions_and_snippets_are_for_interactive_shells() {
    for login in [".profile", ".bash_profile", ".bash_login"] {
        let home = Home::new(&spec(), &[(".bashrc", DEBIAN_GUARD), (login, "")]);
        let ask = "gs; hello-you me; echo \"$early\" \"$late\"\n";
        let expected = "status\nhello me\ne alias gs='echo status'\n";
        assert_eq!(home.run(&["bash", "-i"], ask), expected);
        assert_eq!(home.run(&["bash", "-li"], ask), expected);
        assert_eq!(home.run(&["zsh", "-i"], ask), expected.replace("alias gs", "gs"));
        let output = feed(home.command(&["bash", "-lc", "type gs"]), "");
        assert!(!output.status.success());
    }
    let home = Home::new(&spec(), &[]);
    let ask = "gs x; hello-you me; echo $early; string match -q '*status*' -- \"$late\"; and echo late";
    assert_eq!(home.run(&["fish", "-ic", ask], ""), "status x\nhello me\ne\nlate\n");
    assert_eq!(home.run(&["fish", "-c", "functions -q gs; or echo none"], ""), "none\n");
}

#[test]
fn strict_shells_start_and_stay() {
    let strict = "set -eu\nIFS=_/:\nset -f\ncase ${twice-} in '') alias export=false unset=false alias=false;; esac\ntwice=1\n";
    let home = Home::new(
        &spec(),
        &[(".bashrc", strict), (".zshrc", "set -eu\nsetopt ksh_arrays sh_word_split null_glob\n")],
    );
    let ask = "gs\nprintf '%s\\n' \"$GREETING\"\n. ./.RC\n:\ngs\n";
    for (argv, rc) in [(["bash", "-i"], "bashrc"), (["zsh", "-i"], "zshrc")] {
        let text = home.run(&argv, &ask.replace("RC", rc));
        assert_eq!(text, format!("status\n{GREETING}\nstatus\n"), "{argv:?}");
    }
    let run = format!("set -eu; IFS=_/; set -f; . .config/devboot/env.sh; . .config/devboot/env.sh; {SHOW}");
    for shell in ["dash", "bash", "zsh"] {
        assert_eq!(home.run(&[shell, "-c", &run], ""), expected_env(&home), "{shell}");
    }
    // Without HOME and PATH nothing fails, and no empty entry (the current directory) gets onto PATH.
    for shell in ["/bin/dash", "/bin/bash"] {
        let run = "set -eu; unset HOME PATH; . ./.config/devboot/env.sh; printf %s \"$PATH\"";
        assert_eq!(home.run(&[shell, "-c", run], ""), "/.local/bin:/opt/x [y]*:/opt/z");
    }
}

#[test]
fn the_users_own_later_lines_win_and_lost_path_entries_return() {
    let home = Home::new(&spec(), &[(".bashrc", "export EDITOR=nano PATH=/usr/bin:/bin\n")]);
    let text = home.run(&["bash", "-i"], "echo \"$EDITOR\" \"$PATH\"\n");
    assert_eq!(text, format!("nano {}/.local/bin:/opt/x [y]*:/usr/bin:/bin:/opt/z\n", home.text()));
}

#[test]
fn the_switch_makes_everything_inert() {
    let home = Home::new(&spec(), &[]);
    let ask = [
        (&["bash", "-i"][..], "alias; set | grep -i '^_devboot\\|^GREETING'; echo \"$PATH\"\n"),
        (&["bash", "-li"], "alias; set | grep -i '^_devboot\\|^GREETING'; echo \"$PATH\"\n"),
        (&["zsh", "-i"], "alias gs; set | grep -i '^_devboot\\|^GREETING'; echo \"$PATH\"\n"),
        (
            &["fish", "-i"],
            "functions -q gs; and echo bad; set -n | grep -i '^_devboot\\|^GREETING'; string join : $PATH\n",
        ),
    ];
    for (argv, input) in ask {
        let mut command = home.command(argv);
        command.env("DEVBOOT_DISABLE", "1");
        let text = stdout(feed(command, input));
        let expected = if argv[1] == "-li" { LOGIN_PATH } else { PLAIN_PATH };
        assert_eq!(text.trim_end(), expected, "{argv:?}");
    }
    // An open shell obeys it too, and an uninstalled one is silent.
    let bash =
        "DEVBOOT_DISABLE=1\necho x > .config/devboot/generation\necho \"$_devboot_generation\" | grep -c x\n";
    assert_eq!(home.run(&["bash", "-i"], bash), "0\n");
    for shell in ["bash", "zsh"] {
        let output = feed(
            home.command(&[shell, "-i"]),
            "mv .config/devboot gone 2>&1\nfalse\necho $?\nmv gone .config/devboot\n",
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("generation"), "{shell}");
    }
}

#[test]
fn completion_is_loaded_on_first_use() {
    let home = Home::new(&spec(), &[(".zshrc", "autoload -Uz compinit; compinit -u -D\n")]);
    let bash = "complete -p devboot; _devboot_complete; echo $?; complete -p devboot\n";
    assert_eq!(
        home.run(&["bash", "-i"], bash),
        "complete -F _devboot_complete devboot\n124\ncomplete -F _devboot devboot\n"
    );
    let zsh = "echo $_comps[devboot]; autoload +X _devboot && echo $+functions[_devboot]\n";
    assert_eq!(home.run(&["zsh", "-i"], zsh), "_devboot\n1\n");
    assert_eq!(home.run(&["fish", "-ic", "function devboot; end; complete -C 'devboot '"], ""), "setup\n");
}

#[test]
fn generated_files_are_lint_free() {
    let home = Home::new(&spec(), &[]);
    let dir = home.path.join(".config/devboot");
    for (name, dialect) in [
        ("env.sh", "dash"),
        ("env.sh", "sh"),
        ("login.sh", "dash"),
        ("login.sh", "sh"),
        ("shell.bash", "bash"),
    ] {
        let output = feed(home.command(&["shellcheck", "-s", dialect, dir.join(name).to_str().unwrap()]), "");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
    for name in ["env.sh", "login.sh"] {
        assert_syntax(&["dash", "-n"], &fs::read_to_string(dir.join(name)).unwrap());
    }
}

#[test]
fn files_do_not_depend_on_the_run() {
    let home = Home::new(&spec(), &[]);
    let place = home.place(&spec());
    assert_eq!(generate(&place, &ALL), generate(&place, &ALL));
    assert_eq!(generation(&place, &ALL), Ok(place.generation.clone()));
    assert_ne!(generation(&home.place(&next()), &ALL), Ok(place.generation));
    assert!(Path::new(&place.config_dir).is_absolute());
}

#[test]
fn only_files_without_code_of_the_profile_are_our_own() {
    let foreign = |spec: &ShellSpec| -> Vec<String> {
        let files = generate(spec, &ALL).unwrap();
        files.into_iter().filter(|file| !file.own).map(|file| file.name).collect()
    };
    let home = Home::new(&spec(), &[]);
    let all = foreign(&home.place(&spec()));
    let snippets = ["early.bash", "late.bash", "early.zsh", "late.zsh", "early.fish", "late.fish"];
    let expected = |name: &String| snippets.contains(&name.as_str()) || name.starts_with("shell.");
    assert!(all.iter().all(expected) && all.len() == 9, "{all:?}");
    // In fish an alias is a function.
    let aliases = ShellSpec { functions: Vec::new(), snippets: Vec::new(), ..home.place(&spec()) };
    assert_eq!(foreign(&aliases), ["shell.fish"]);
}
