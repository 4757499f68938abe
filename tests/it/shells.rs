//! The generated shell files in the real bash, zsh, fish and dash.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use devboot::shell::generate::generation;
use devboot::shell::posix::Posix;
use devboot::shell::{
    Alias, Dialect, Function, PerShell, Position, RcFacts, SHELLS, Shell, ShellSpec, Slot, Snippet, generate,
    placements,
};

/// A home whose path has a space, quotes, a dollar and a glob in it, with all blocks spliced in.
struct Home {
    _root: tempfile::TempDir,
    path: PathBuf,
}

impl Home {
    fn new(spec: &ShellSpec, rc: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a b'c\"$d[e]*");
        fs::create_dir(&path).unwrap();
        let home = Home { _root: root, path };
        for (name, text) in rc {
            home.write(name, text);
        }
        home.apply(spec);
        let facts = RcFacts {
            home: home.text(),
            config_dir: home.config_text(),
            existing: rc.iter().map(|(name, _)| (*name).to_owned()).collect(),
            ..Default::default()
        };
        for placement in SHELLS.iter().flat_map(|(shell, _)| placements(*shell, &facts)) {
            let old = fs::read_to_string(home.path.join(&placement.file)).unwrap_or_default();
            let id = placement.id;
            let block = format!("# >>> {id} >>>\n{}# <<< {id} <<<\n", placement.body);
            let new = match placement.position {
                Position::Top => block + &old,
                Position::Bottom => old + &block,
            };
            assert_syntax(placement.check, &new);
            home.write(&placement.file, &new);
        }
        home
    }

    fn text(&self) -> String {
        self.path.to_str().unwrap().to_owned()
    }

    fn config_text(&self) -> String {
        self.text() + "/.config/devboot"
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The spec with this home's places and the right generation.
    fn place(&self, spec: &ShellSpec) -> ShellSpec {
        let mut spec = ShellSpec { home: self.text(), config_dir: self.config_text(), ..spec.clone() };
        spec.path_prepend.iter_mut().for_each(|entry| *entry = entry.replace("@", &self.text()));
        spec.generation = generation(&spec, &ALL).unwrap();
        spec
    }

    fn apply_to(&self, spec: &ShellSpec, folder: &str) {
        let spec = self.place(spec);
        for file in generate(&spec, &ALL).unwrap() {
            assert_syntax(file.check, &file.text);
            self.write(&format!("{folder}/{}", file.name), &file.text);
        }
        self.write(&format!("{folder}/generation"), &(spec.generation + "\n"));
    }

    fn apply(&self, spec: &ShellSpec) {
        self.apply_to(spec, ".config/devboot");
    }

    /// A command in this home with a bare environment.
    fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).env_clear().current_dir(&self.path);
        command.env("HOME", &self.path).env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TERM", "dumb");
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn run(&self, argv: &[&str], input: &str) -> String {
        stdout(feed(self.command(argv), input))
    }
}

const ALL: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

fn feed(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A shell that ends early closes the pipe; what it printed is judged, not this.
    let _ = writer.join().unwrap();
    output
}

fn stdout(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    for complaint in
        ["unbound", "not found", "syntax", "parse error", "readonly", "read-only", "No such", "Unknown"]
    {
        assert!(!errors.contains(complaint), "stdout: {text}\nstderr: {errors}");
    }
    text
}

fn assert_syntax(check: &[&str], text: &str) {
    let mut command = Command::new(check[0]);
    command.args(&check[1..]);
    let output = feed(command, text);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{check:?}: {errors}\n{text}");
}

fn alias(name: &str, body: &str) -> Alias {
    Alias { name: name.into(), body: body.into(), ..Default::default() }
}

fn each(text: &str) -> PerShell<Option<String>> {
    PerShell { bash: Some(text.into()), zsh: Some(text.into()), fish: Some(text.into()) }
}

fn spec() -> ShellSpec {
    let snippet = |shell, slot, text: &str| Snippet { shell, slot, name: "a\nkit".into(), text: text.into() };
    let mut snippets = Vec::new();
    for shell in [Shell::Bash, Shell::Zsh] {
        snippets.push(snippet(shell, Slot::Early, "early=${early-}e; alias gs='echo kit'\nreturn 3"));
        snippets.push(snippet(shell, Slot::Late, "late=\"${late-}$(alias gs)\""));
    }
    snippets.push(snippet(Shell::Fish, Slot::Early, "set -ga early e"));
    snippets.push(snippet(Shell::Fish, Slot::Late, "set -g late (functions gs)"));
    ShellSpec {
        environment: vec![
            ("GREETING".into(), "it's \"$HOME\" `id` \\ !".into()),
            ("EDITOR".into(), "vim".into()),
        ],
        path_prepend: vec!["@/.local/bin".into(), "/opt/x [y]*".into()],
        path_append: vec!["/opt/z".into()],
        aliases: vec![alias("gs", "echo status"), alias("..", "cd .."), alias("ls", "ls -d")],
        functions: vec![Function {
            name: "hello-you".into(),
            body: each("echo \"hello $argv[1]$1\"").posix("echo \"hello $1\""),
        }],
        snippets,
        completions: PerShell {
            bash: Some("_devboot() { COMPREPLY=(setup); }\ncomplete -F _devboot devboot\n".into()),
            zsh: Some("#compdef devboot\n_devboot() { compadd setup }\n".into()),
            fish: Some("complete -c devboot -f -a setup\n".into()),
        },
        ..Default::default()
    }
}

trait Bodies {
    fn posix(self, text: &str) -> Self;
}

impl Bodies for PerShell<Option<String>> {
    fn posix(mut self, text: &str) -> Self {
        (self.bash, self.zsh) = (Some(text.into()), Some(text.into()));
        self.fish = Some("echo \"hello $argv[1]\"".into());
        self
    }
}

/// xorshift: the same cases in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn text(&mut self) -> String {
        const NASTY: [&str; 40] = [
            "'",
            "\"",
            "\\",
            "\n",
            "\r",
            "\t",
            "$",
            "`",
            "$(",
            ")",
            "!",
            "!!",
            "-",
            "--",
            "*",
            "?",
            "[",
            "]",
            "{",
            "}",
            "~",
            "#",
            " ",
            "  ",
            "&",
            ";",
            "|",
            "<",
            ">",
            "=",
            "%",
            "^",
            "$'",
            "${x}",
            "\\n",
            "''",
            "é",
            "\u{1}",
            "\u{7f}",
            "\u{1b}[31m",
        ];
        let mut text = String::new();
        for _ in 0..self.below(12) {
            match self.below(8) {
                0 => text.push(char::from(1 + self.below(127) as u8)),
                1 => text.extend(char::from_u32(1 + self.below(0x10_fffe) as u32)),
                2 => text.push_str(
                    ["\u{f601}", "\u{fdd0}", "\u{202e}", "\u{85}", "😀", "\u{feff}", "\u{ffff}"]
                        [self.below(7)],
                ),
                3 => text.push(char::from(b'a' + self.below(26) as u8)),
                _ => text.push_str(NASTY[self.below(NASTY.len())]),
            }
        }
        text
    }
}

fn quote_round_trip(dialect: &dyn Dialect, program: &[&str]) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let fixed = [
        "",
        "-n",
        "-",
        "--",
        "'",
        "''",
        "a'",
        "'a",
        "\n",
        "\n\n",
        "$(exit 1)",
        "`id`",
        "!!",
        "~",
        "\\",
        "a\\",
    ];
    let mut cases: Vec<String> = fixed.iter().map(|case| (*case).to_owned()).collect();
    cases.extend((0..10_000).map(|_| random.text()));
    let mut script = String::new();
    for batch in cases.chunks(200) {
        script.push_str("printf '%s\\0'");
        batch.iter().for_each(|case| script.push_str(&format!(" {}", dialect.quote(case))));
        script.push('\n');
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), script).unwrap();
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(file.path()).env("LC_ALL", "C.UTF-8");
    let output = feed(command, "");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let read: Vec<&[u8]> = output.stdout.strip_suffix(b"\0").unwrap().split(|byte| *byte == 0).collect();
    assert_eq!(read.len(), cases.len());
    for (case, read) in cases.iter().zip(read) {
        assert_eq!(case.as_bytes(), read, "{program:?} read {case:?} as {:?}", String::from_utf8_lossy(read));
    }
}

#[test]
fn bash_reads_quoted_text_exactly() {
    quote_round_trip(Shell::Bash.dialect(), &["bash", "--norc"]);
}

#[test]
fn zsh_reads_quoted_text_exactly() {
    quote_round_trip(Shell::Zsh.dialect(), &["zsh", "-f"]);
    quote_round_trip(Shell::Zsh.dialect(), &["zsh", "-f", "-o", "rcquotes", "-o", "csh_junkie_quotes"]);
}

#[test]
fn fish_reads_quoted_text_exactly() {
    quote_round_trip(Shell::Fish.dialect(), &["fish", "--no-config"]);
}

#[test]
fn every_sh_reads_quoted_text_exactly() {
    quote_round_trip(&Posix, &["dash"]);
    quote_round_trip(&Posix, &["bash", "--posix"]);
}

#[test]
fn aliases_keep_nasty_bodies_and_names() {
    let bodies = [
        "echo 'it''s' \"$HOME\"",
        "printf '%s|' 'a  b' \"c'd\" \\\\ '`x`'",
        "echo a && echo 'b;c' | cat; echo \"d\"",
        "echo $((1+2)) $(echo sub) !",
        "echo one\necho two",
    ];
    let names = ["..", "g++", "a:b", "k8s-ctx", "l.", ",x", "4"];
    for (shell, dialect) in &SHELLS[..2] {
        let mut script = String::from("shopt -s expand_aliases 2>/dev/null || :\nHOME=/h\n");
        for (at, body) in bodies.iter().enumerate() {
            script.push_str(&format!("{}\n", dialect.alias(names[at], body)));
            script.push_str(&format!("{}\n", names[at]));
        }
        for name in names {
            script.push_str(&format!("{}\n{}\n", dialect.alias(name, "echo named"), name));
            script.push_str(&format!("{}\n{}\n", dialect.unalias(name), dialect.unalias(name)));
        }
        let mut command = Command::new(shell.name());
        command.arg(if *shell == Shell::Bash { "--norc" } else { "-f" });
        let expected = "its /h\na  b|c'd|\\|`x`|a\nb;c\nd\n3 sub !\none\ntwo\n".to_owned()
            + &"named\n".repeat(names.len());
        assert_eq!(stdout(feed(command, &script)), expected, "{}", shell.name());
    }
    let fish = Shell::Fish.dialect();
    let mut script = String::new();
    for name in names {
        script.push_str(&format!(
            "{}\n{name} b 'c  d'\n{}\n",
            fish.alias(name, "echo a"),
            fish.unalias(name)
        ));
    }
    let mut command = Command::new("fish");
    command.arg("--no-config");
    assert_eq!(stdout(feed(command, &script)), "a b c  d\n".repeat(names.len()));
}

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

/// The same spec with one alias changed, one gone, one new, and another environment.
fn next() -> ShellSpec {
    let mut next = spec();
    next.aliases =
        vec![alias("gs", "echo changed"), alias("fresh", "echo fresh"), alias("mine", "echo theirs2")];
    next.environment[1].1 = "emacs".into();
    next
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
        let input = format!(
            "alias mine='echo own' kept='echo own'\ngs\n{SWAP}\ngs; fresh; mine; kept\nalias .. >/dev/null 2>&1 || echo gone\n\
             echo \"$EDITOR $early\"\nEDITOR=mine\n(exit 5)\necho $? $EDITOR\n"
        );
        let text = home.run(&[shell, "-i"], &input);
        assert_eq!(text, "status\nchanged\nfresh\nown\nown\ngone\nemacs e\n5 mine\n", "{shell}");
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
