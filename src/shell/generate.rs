//! The generated files: what the managed blocks source.
//!
//! | file | read by | says |
//! |---|---|---|
//! | `env.sh` | sh, bash, zsh in every mode | environment, PATH |
//! | `env.fish` | fish in every mode | the same |
//! | `login.sh` | the login file of bash and sh | `env.sh`, then `shell.bash` where that is due |
//! | `shell.bash`, `shell.zsh`, `shell.fish` | that shell | its env file; when interactive, the rest |
//! | `early.*`, `late.*` | `shell.*`, once a shell | snippets |
//! | `completions/*` | `shell.*`, on the first TAB | completion of `devboot` |
//!
//! None starts a process (only a completion asks `devboot`, at the first TAB), prints, or fails; reading one twice
//! changes nothing; `DEVBOOT_DISABLE=1` makes each of them do nothing. The static half of each
//! `shell.*` is `dotfiles/shell/hook.*`.

use std::fmt::Write;

use super::dialect::{Dialect, SHELLS, Shell};
use super::posix::Posix;
use super::spec::{ShellSpec, Slot, SpecError};
use crate::base::digest::Digest;

/// One file of the config directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Its path relative to the config directory.
    pub name: String,
    /// Its whole text.
    pub text: String,
    /// The command that checks its syntax on standard input.
    pub check: &'static [&'static str],
    /// It holds no code of the profile, only values in quotes.
    pub own: bool,
}

const HEADER: &str =
    "Written by devboot and written anew by `devboot apply`: change the profile, not this file.";

/// All files for the given shells, in the order they are best written: each after those it reads.
/// `env.sh` and `login.sh` are always among them.
pub fn generate(spec: &ShellSpec, shells: &[Shell]) -> Result<Vec<Generated>, SpecError> {
    spec.check()?;
    let mut files = vec![file("env.sh", env_sh(spec), &Posix)];
    for (shell, dialect) in SHELLS.iter().filter(|(shell, _)| shells.contains(shell)) {
        if *shell == Shell::Fish {
            files.push(file("env.fish", env_fish(spec), *dialect));
        }
        for slot in [Slot::Early, Slot::Late] {
            if let Some(text) = snippets(spec, *shell, slot) {
                files.push(Generated { own: false, ..file(&snippet_file(*shell, slot), text, *dialect) });
            }
        }
        if let Some(text) = spec.completions.get(*shell) {
            files.push(file(completion_file(*shell), text.clone(), *dialect));
        }
        let own = !holds_code(spec, *shell);
        files.push(Generated {
            own,
            ..file(&format!("shell.{}", shell.name()), shell_file(spec, *shell), *dialect)
        });
    }
    files.push(file("login.sh", login_sh(spec), &Posix));
    Ok(files)
}

/// A generation for this spec: the same for the same files, another for others. The field `generation` itself
/// does not count.
pub fn generation(spec: &ShellSpec, shells: &[Shell]) -> Result<String, SpecError> {
    let blank = ShellSpec { generation: "0".into(), ..spec.clone() };
    let files = generate(&blank, shells)?;
    let parts = files.iter().flat_map(|file| [file.name.as_bytes(), file.text.as_bytes()]);
    Ok(Digest::of_parts(parts).short())
}

fn file(name: &str, text: String, dialect: &dyn Dialect) -> Generated {
    Generated { name: name.to_owned(), text, check: dialect.check(), own: true }
}

fn snippet_file(shell: Shell, slot: Slot) -> String {
    let slot = if slot == Slot::Early { "early" } else { "late" };
    format!("{slot}.{}", shell.name())
}

fn completion_file(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => "completions/devboot.bash",
        Shell::Zsh => "completions/_devboot",
        Shell::Fish => "completions/devboot.fish",
    }
}

fn set_lines(spec: &ShellSpec, dialect: &dyn Dialect, indent: &str) -> String {
    let lines = spec.environment.iter().map(|(name, value)| dialect.set_env(name, value));
    lines.map(|line| format!("{indent}{line}\n")).collect()
}

fn path_lines(spec: &ShellSpec, dialect: &dyn Dialect) -> String {
    let word = |entry: &String| dialect.path_word(&spec.home, entry);
    let front = spec.path_prepend.iter().rev().map(|entry| dialect.prepend_path(&word(entry)));
    let back = spec.path_append.iter().map(|entry| dialect.append_path(&word(entry)));
    front.chain(back).map(|line| line + "\n").collect()
}

/// The environment is set once a shell and again when it changes, so that a variable which the user sets
/// further down, or in an open shell, stays theirs. `$$` makes the mark worthless to a child that inherits it.
fn env_sh(spec: &ShellSpec) -> String {
    let set = set_lines(spec, &Posix, "    ");
    let path = path_lines(spec, &Posix);
    let mark = Digest::of(set.as_bytes()).short();
    // Values are literal text, and PATH is meant.
    let directive = "# shellcheck shell=sh disable=SC2016,SC2123";
    let mut out = format!("{directive}\n{}\n", Posix.comment(HEADER));
    out.push_str("case \"${DEVBOOT_DISABLE-}\" in 1) return 0 ;; esac\n");
    if !set.is_empty() {
        let _ = write!(
            out,
            "case \"${{_devboot_env-}}\" in\n  \"$$ {mark}\") ;;\n  *)\n{set}    _devboot_env=\"$$ {mark}\"\n    ;;\nesac\n"
        );
    }
    if !path.is_empty() {
        let _ = writeln!(out, "{path}\\export PATH");
    }
    out.push_str(":\n");
    out
}

fn env_fish(spec: &ShellSpec) -> String {
    let dialect = Shell::Fish.dialect();
    let set = set_lines(spec, dialect, "        ");
    let mark = Digest::of(set.as_bytes()).short();
    let mut out = format!("{}\nif test \"$DEVBOOT_DISABLE\" != 1\n", dialect.comment(HEADER));
    if !set.is_empty() {
        let _ = write!(
            out,
            "    if test \"$_devboot_env\" != \"$fish_pid {mark}\"\n{set}        set -g _devboot_env \"$fish_pid {mark}\"\n    end\n"
        );
    }
    path_lines(spec, dialect).lines().for_each(|line| {
        let _ = writeln!(out, "    {line}");
    });
    out.push_str("end\n");
    out
}

fn login_sh(spec: &ShellSpec) -> String {
    format!(
        "# shellcheck shell=sh\n{}\n{}={}\n{}",
        Posix.comment(HEADER),
        "_devboot_dir",
        Posix.path_word(&spec.home, &spec.config_dir),
        include_str!("../../dotfiles/shell/login.sh")
    )
}

fn snippets(spec: &ShellSpec, shell: Shell, slot: Slot) -> Option<String> {
    let dialect = shell.dialect();
    let mut out = String::new();
    for snippet in spec.snippets.iter().filter(|snippet| snippet.shell == shell && snippet.slot == slot) {
        let _ =
            write!(out, "\n{}\n{}\n", dialect.comment(&snippet.name), snippet.text.trim_end_matches('\n'));
    }
    (!out.is_empty()).then(|| format!("{}\n{out}", dialect.comment(HEADER)))
}

fn shell_file(spec: &ShellSpec, shell: Shell) -> String {
    let hook = match shell {
        Shell::Bash => include_str!("../../dotfiles/shell/hook.bash"),
        Shell::Zsh => include_str!("../../dotfiles/shell/hook.zsh"),
        Shell::Fish => include_str!("../../dotfiles/shell/hook.fish"),
    };
    let early = spec.snippets.iter().any(|snippet| snippet.shell == shell && snippet.slot == Slot::Early);
    let late = spec.snippets.iter().any(|snippet| snippet.shell == shell && snippet.slot == Slot::Late);
    let completes = spec.completions.get(shell).is_some();
    let dialect = shell.dialect();
    let mut out = format!("{}\n", dialect.comment(HEADER));
    if shell == Shell::Bash {
        out.insert_str(0, "# shellcheck shell=bash\n");
    }
    for line in hook.split_inclusive('\n') {
        match line.trim() {
            "#@dir" => {
                let word = dialect.path_word(&spec.home, &spec.config_dir);
                match shell {
                    Shell::Fish => writeln!(out, "    set -g _devboot_dir {word}"),
                    _ => writeln!(out, "_devboot_dir={word}"),
                }
                .unwrap_or_default();
            }
            "#@generation" => match shell {
                Shell::Fish => {
                    out.push_str(&format!("        set -g _devboot_generation {}\n", spec.generation))
                }
                _ => out.push_str(&format!("_devboot_generation={}\n", dialect.quote(&spec.generation))),
            },
            "#@use" => out.push_str(match shell {
                Shell::Bash => include_str!("../../dotfiles/shell/use.bash"),
                Shell::Zsh => include_str!("../../dotfiles/shell/use.zsh"),
                Shell::Fish => include_str!("../../dotfiles/shell/use.fish"),
            }),
            "#@functions" => out.push_str(&functions(spec, shell)),
            "#@aliases" => out.push_str(&aliases(spec, shell)),
            marked => match marked.split_once(" #@") {
                Some((_, "early")) if !early => {}
                Some((_, "late")) if !late => {}
                Some((_, "completion")) if !completes => {}
                Some((_, "functions")) if !has_functions(spec, shell) => {}
                Some((kept, "early" | "late" | "completion" | "functions")) => {
                    let indent = &line[..line.len() - line.trim_start().len()];
                    let _ = writeln!(out, "{indent}{}", kept.trim_end());
                }
                _ => out.push_str(line),
            },
        }
    }
    out
}

fn has_functions(spec: &ShellSpec, shell: Shell) -> bool {
    spec.functions.iter().any(|function| function.body.get(shell).is_some())
}

/// Whether `shell.*` has code of the profile in it: functions, and in fish the aliases, which are functions there.
fn holds_code(spec: &ShellSpec, shell: Shell) -> bool {
    has_functions(spec, shell) || shell == Shell::Fish && !spec.aliases.is_empty()
}

fn functions(spec: &ShellSpec, shell: Shell) -> String {
    let dialect = shell.dialect();
    let bodies = spec
        .functions
        .iter()
        .filter_map(|function| Some((&function.name, function.body.get(shell).as_ref()?)));
    bodies.map(|(name, body)| dialect.function(name, body) + "\n").collect()
}

/// bash and zsh get a list of `name=body`; the static half defines them and knows later which are ours.
fn aliases(spec: &ShellSpec, shell: Shell) -> String {
    let dialect = shell.dialect();
    let bodies = || spec.aliases.iter().filter_map(|alias| Some((&alias.name, alias.in_shell(shell)?)));
    if shell == Shell::Fish {
        let mut out = String::new();
        let mut names = Vec::new();
        for (name, body) in bodies() {
            let name_word = dialect.quote(name);
            let _ = writeln!(
                out,
                "if not contains -- {name_word} $_devboot_theirs\n{}\nend",
                dialect.alias(name, &body)
            );
            names.push(name_word);
        }
        let _ = writeln!(out, "set _devboot_want {}", names.join(" "));
        let missing = spec.not_in_fish();
        if !missing.is_empty() {
            let _ = writeln!(
                out,
                "{}",
                dialect.comment(&format!("without a body for fish: {}", missing.join(" ")))
            );
        }
        return out;
    }
    let mut out = String::from("_devboot_want=(\n");
    for (name, body) in bodies() {
        let _ = writeln!(out, "  {}", dialect.quote(&format!("{name}={body}")));
    }
    out.push_str(")\n");
    out
}
