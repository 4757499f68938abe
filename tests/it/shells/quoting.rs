//! Quoted text, aliases and names as the shells read them.

use super::*;

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

/// Whatever the shells themselves hold as variables is either refused as a name or can be exported in each.
#[test]
fn every_name_that_passes_can_be_exported_everywhere() {
    let ask =
        [("bash", "--norc", "compgen -v"), ("zsh", "-f", "typeset +"), ("fish", "--no-config", "set -n")];
    let mut names = std::collections::BTreeSet::new();
    for (shell, bare, list) in ask {
        let mut command = Command::new(shell);
        command.args([bare, "-ic", list]);
        let output = feed(command, "");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        names.extend(text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned));
    }
    names.retain(|name| devboot::shell::names::valid_env_name(name).is_ok());
    assert!(names.len() > 50, "the shells named too few: {names:?}");
    let mut wrong = Vec::new();
    for (shell, dialect) in SHELLS {
        let bare = if shell == Shell::Fish {
            "--no-config"
        } else if shell == Shell::Zsh {
            "-f"
        } else {
            "--norc"
        };
        for name in &names {
            let mut command = Command::new(shell.name());
            // A locale has to exist: bash says so of any other.
            let value = if name.starts_with("LC_") || name.starts_with("LANG") { "C" } else { "7" };
            let script = format!("{}\n{}", dialect.set_env(name, value), "/usr/bin/env; echo alive");
            command.args([bare, "-c", &script]);
            let output = feed(command, "");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if !output.stderr.is_empty() || !text.contains(&format!("{name}=")) || !text.ends_with("alive\n")
            {
                wrong.push(format!("{} {name} {}", shell.name(), String::from_utf8_lossy(&output.stderr)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
