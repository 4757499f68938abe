//! Values of every kind through a switch, in the real shells: nothing is carried out, the same bytes come back, and so does
//! what was there before.

use std::process::Command;

use devboot::shell::switch::{Steps, switch};
use devboot::shell::{SHELLS, Shell};

use crate::world::{World, path_variable};

const VARIABLES: usize = 50;
const ROUNDS: usize = 67;

/// Made of what shells read in their own way, by a fixed sequence.
fn values(seed: u64) -> Vec<String> {
    const PARTS: [&str; 40] = [
        "$(touch gone)",
        "`touch gone`",
        "'",
        "\"",
        "\\",
        "$HOME",
        "${x}",
        ";touch gone;",
        "|",
        "&",
        "\n",
        "\r",
        "\t",
        "*",
        "?",
        "[a]",
        "~",
        "!",
        "!!",
        "#",
        "%s",
        "%n",
        "{a,b}",
        "<(id)",
        ">gone",
        "\u{1b}[2J",
        "\u{7f}",
        "\u{1}",
        "é",
        "字",
        "\u{202e}",
        " ",
        "  ",
        "-n",
        "--",
        "=",
        ":",
        "$'x'",
        "\\x41",
        "@",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..VARIABLES)
        .map(|_| (0..next() % 6).map(|_| PARTS[usize::try_from(next() % 40).unwrap()]).collect())
        .collect()
}

fn functions(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("../../../dotfiles/shell/use.bash"),
        Shell::Zsh => include_str!("../../../dotfiles/shell/use.zsh"),
        Shell::Fish => include_str!("../../../dotfiles/shell/use.fish"),
    }
}

#[test]
fn ten_thousand_values_come_back_as_they_went_in() {
    let python =
        "import os, sys\nfor i in range(50): sys.stdout.write(os.environ.get('V%d' % i, 'UNSET') + '\\0')";
    for (shell, dialect) in SHELLS {
        let world = World::new();
        let mut script = functions(shell).to_owned() + "\n";
        let mut expected = Vec::new();
        let before: Vec<String> = values(999);
        for (at, value) in before.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
            script += &(dialect.set_env(&format!("V{at}"), value) + "\n");
        }
        for round in 0..ROUNDS {
            let names: Vec<String> = (0..VARIABLES).map(|at| format!("V{at}")).collect();
            let values = values(round as u64 + 1);
            let changes: Vec<(&str, Option<&str>)> = names
                .iter()
                .zip(&values)
                .map(|(name, value)| (name.as_str(), Some(value.as_str())))
                .collect();
            script += &switch(shell, &Steps { changes: &changes, ..Steps::default() });
            script += &format!("{python_program} -c {}\n", dialect.quote(python), python_program = "python3");
            expected.extend(values);
        }
        script += &switch(shell, &Steps::default());
        script += &format!("python3 -c {}\n", dialect.quote(python));
        expected.extend(
            before
                .iter()
                .enumerate()
                .map(|(at, value)| if at % 2 == 0 { value.clone() } else { "UNSET".into() }),
        );
        world.write("script", &script);
        let output = Command::new(dialect.name())
            .env_clear()
            .env("PATH", path_variable())
            .env("HOME", world.home())
            .env("LANG", "C.UTF-8")
            .current_dir(world.home())
            .arg(world.path("script"))
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{}: {}", dialect.name(), String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Vec<&str> = text.trim_end_matches('\0').split('\0').collect();
        assert_eq!(found.len(), expected.len(), "{}", dialect.name());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{}", dialect.name());
        }
        assert!(!world.path("gone").exists(), "{}", dialect.name());
    }
}
