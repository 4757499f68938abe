//! The prompt hook: beside other tools' hooks, on a terminal, with a new generation, without a process.

use super::*;

#[test]
fn the_hook_lives_with_every_prompt_command() {
    let setups = [
        ("", ""),
        ("PROMPT_COMMAND='say one $?'", "one"),
        ("PROMPT_COMMAND='say one $?;'", "one"),
        ("PROMPT_COMMAND='say one $? # why'", "one"),
        ("PROMPT_COMMAND=('say one $?' 'say two $?')", "one two"),
        ("declare -a PROMPT_COMMAND; PROMPT_COMMAND[3]='say one $?'", "one"),
        ("PROMPT_COMMAND=; declare -a PROMPT_COMMAND=()", ""),
        ("PROMPT_COMMAND='say one $?'; readonly PROMPT_COMMAND", "one"),
        (
            "PROMPT_COMMAND='say one $?'; PROMPT_COMMAND=\"_direnv_hook${PROMPT_COMMAND:+;$PROMPT_COMMAND}\"",
            "direnv one",
        ),
        ("PROMPT_COMMAND=_starship; PROMPT_COMMAND+=${PROMPT_COMMAND:+;}'say one $?'", "starship one"),
    ];
    let say = "say() { local s=${2-}; case ${quiet-1} in '') seen=\"$seen$1:$s \";; esac; return \"$s\"; }\n\
        _direnv_hook() { local s=$?; say direnv \"$s\"; }\n_starship() { local s=$?; say starship \"$s\"; }\n";
    for (setup, hooks) in setups {
        let home = Home::new(&spec(), &[(".bashrc", &format!("{say}{setup}\n"))]);
        // The second line is a status of 7; the third prints what the hooks saw of it and the count of ours.
        let input = "quiet= seen=; set_it() { seen=; return 7; }\nset_it\n\
            quiet=1; echo \"$seen\"; all=\"${PROMPT_COMMAND[*]-}\"; rest=${all//_devboot_hook/}; echo $(((${#all} - ${#rest}) / 13))\n\
            quiet=1; . ./.bashrc >/dev/null 2>&1\nset_it\necho $?\nexport -p | grep -c PROMPT_COMMAND\n";
        let text = home.run(&["bash", "-i"], input);
        let seen: String = hooks.split_whitespace().map(|hook| format!("{hook}:7 ")).collect();
        let count = if setup.contains("readonly") { 0 } else { 1 };
        assert_eq!(text, format!("{seen}\n{count}\n7\n0\n"), "{setup}");
    }
}

fn first() -> ShellSpec {
    let mut first = spec();
    first.aliases.extend([alias("mine", "echo theirs"), alias("kept", "echo theirs")]);
    first
}

const SWAP: &str = "cp -R new/. .config/devboot/";

#[test]
fn open_bash_and_zsh_follow_a_new_generation() {
    for shell in ["bash", "zsh"] {
        let home = Home::new(&first(), &[]);
        home.apply_to(&next(), "new");
        home.apply_to(&first(), "old");
        let input = format!(
            "alias mine='echo own' kept='echo own'\ngs\n{SWAP}\ngs; fresh; mine; kept\nalias .. >/dev/null 2>&1 || echo gone\n\
             echo \"$EDITOR $early\"\nEDITOR=mine\n(exit 5)\necho $? $EDITOR\n\
             cp -R old/. .config/devboot/\ngs; mine; alias .. >/dev/null && echo back; alias fresh >/dev/null 2>&1 || echo gone\n"
        );
        let text = home.run(&[shell, "-i"], &input);
        assert_eq!(
            text, "status\nchanged\nfresh\nown\nown\ngone\nemacs e\n5 mine\nstatus\nown\nback\ngone\n",
            "{shell}"
        );
    }
}

#[test]
fn open_fish_follows_a_new_generation() {
    let home = Home::new(&first(), &[]);
    home.apply_to(&next(), "new");
    // A fish without a terminal fires no prompt event, so the test does.
    let input = format!(
        "functions -e __fish_on_interactive\nfunction mine; echo own; end; function kept; echo own; end\ngs\n{SWAP}\nfalse\nemit fish_prompt\n\
         gs; fresh; mine; kept; functions -q ..; or echo gone\necho $EDITOR $early\n\
         set -gx EDITOR mine\nemit fish_prompt\necho $EDITOR; ls -d . \n"
    );
    let text = home.run(&["fish", "-i"], &input);
    assert_eq!(text, "status\nchanged\nfresh\nown\nown\ngone\nemacs e\nmine\n.\n");
}

#[test]
fn start_and_prompt_make_no_process() {
    let mut spec = spec();
    spec.snippets.clear();
    let home = Home::new(&spec, &[]);
    home.apply_to(&next(), "new");
    let prompts = "true\necho() { :; }\n:\nprintf 'x\\n' >.config/devboot/generation\n:\n:\n";
    for (argv, input) in [
        (&["bash", "-i"][..], prompts),
        (&["bash", "-li"], prompts),
        (&["zsh", "-fi"], ". ./.zshenv; . ./.zshrc\nprintf 'x\\n' >.config/devboot/generation\n:\n:\n"),
        (&["dash", "-l"], ":\n"),
        (
            &["fish", "--no-config", "-i"],
            "source .config/fish/config.fish\necho x >.config/devboot/generation\nemit fish_prompt\n",
        ),
    ] {
        let count = |disable: bool| {
            let log = home.path.join("trace");
            let strace = ["strace", "-f", "-qq", "-e", "trace=execve,fork,vfork,clone,clone3", "-o", "trace"];
            let mut command = home.command(&[&strace[..], argv].concat());
            if disable {
                command.env("DEVBOOT_DISABLE", "1");
            }
            stdout(feed(command, input));
            let trace = fs::read_to_string(log).unwrap();
            assert!(trace.contains("execve("), "strace saw nothing");
            trace.lines().filter(|line| !line.contains("CLONE_THREAD") && line.contains('(')).count()
        };
        assert_eq!(count(false), count(true), "{argv:?}");
    }
}

/// Types into a shell on a real terminal, each piece when the prompt that shows the one before it is there.
const TYPIST: &str = r#"
import os, pty, select, sys
shell, steps = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(shell, [shell, "-i"])
seen = b""
def until(mark):
    global seen
    while mark not in seen:
        if not select.select([terminal], [], [], 60)[0]:
            sys.exit("no %r in %r" % (mark, seen))
        seen += os.read(terminal, 65536)
    seen = seen[seen.index(mark) + len(mark):]
for step in steps:
    mark, text = step.split("|", 1)
    until(mark.encode())
    os.write(terminal, text.encode() + b"\r")
try:
    while os.read(terminal, 65536): pass
except OSError:
    pass
os.waitpid(pid, 0)
"#;

#[test]
fn on_a_terminal_prompts_keep_the_status_and_follow_a_new_generation() {
    let zsh = "setopt prompt_subst\nprecmd() { last=$?; }\nPROMPT='[$?:$last]'\n";
    let bash = "PROMPT_COMMAND='last=$?'\nPS1='[$?:$last]'\n";
    let fish = "set -g fish_greeting\nfunction fish_prompt; set -l s $status; echo \"[$s:$s]\"; end\n";
    let rc = [(".zshrc", zsh), (".bashrc", bash), (".config/fish/config.fish", fish)];
    for (shell, fail) in [("bash", "(exit 7)"), ("zsh", "(exit 7)"), ("fish", "sh -c 'exit 7'")] {
        let home = Home::new(&first(), &rc);
        home.apply_to(&next(), "new");
        let steps = [
            format!("[0:0]|{fail}"),
            format!("[7:7]|{SWAP}; {fail}"),
            "[7:7]|fresh >answer; gs >>answer".to_owned(),
            "[0:0]|exit".to_owned(),
        ];
        let mut argv = vec!["/usr/bin/env", "python3", "-c", TYPIST, shell];
        argv.extend(steps.iter().map(String::as_str));
        let mut command = home.command(&argv);
        command.env("PATH", std::env::var_os("PATH").unwrap());
        let output = feed(command, "");
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fs::read_to_string(home.path.join("answer")).unwrap(), "fresh\nchanged\n", "{shell}");
    }
}

#[test]
fn zsh_keeps_other_precmd_functions_and_adds_one() {
    let kit = "autoload -Uz add-zsh-hook\nother() { :; }\nadd-zsh-hook precmd other\n";
    for rc in [kit, "setopt ksh_arrays\n", "typeset -Ua precmd_functions=(x); x() { :; }\n"] {
        let home = Home::new(&spec(), &[(".zshrc", rc)]);
        let ask = ". ./.zshrc\nsetopt no_ksh_arrays\necho ${(j: :)precmd_functions}\n";
        let text = home.run(&["zsh", "-i"], ask);
        assert_eq!(text.matches("_devboot_hook").count(), 1, "{rc}: {text}");
        assert_eq!(text.contains("other"), rc == kit, "{text}");
    }
}

#[test]
fn an_exported_prompt_command_does_no_harm_in_a_child() {
    let home = Home::new(&spec(), &[(".bashrc", "export PROMPT_COMMAND='x=1'\n")]);
    let text = home.run(&["bash", "-i"], "bash --norc -i\necho \"$x\"\n");
    assert_eq!(text, "1\n");
}
