//! Which rc files get which managed block, and where in the file.
//!
//! - bash reads `.bashrc` when interactive, and Debian's also for a command over ssh: the environment stands at
//!   the top, before a `case $- in *i*) ;; *) return;; esac` guard; the rest at the bottom. A login bash reads the first
//!   of `.bash_profile`, `.bash_login`, `.profile`; that one gets `login.sh` at its bottom, in POSIX syntax
//!   because a login `sh` reads `.profile` too.
//! - zsh reads `.zshenv` in every mode and `.zshrc` when interactive, both from `$ZDOTDIR`, or from home while
//!   that is unset. So when `~/.zshenv` itself sets ZDOTDIR, the environment goes into `~/.zshenv` (a first zsh
//!   reads that one, and nested ones inherit) and the rest into `$ZDOTDIR/.zshrc`; when ZDOTDIR comes from outside,
//!   both go to `$ZDOTDIR`. A ZDOTDIR outside the home directory is not ours to write to: no block.
//! - fish reads `config.fish` in every mode.

use super::dialect::{Dialect, Shell, below};
use super::posix::Posix;

/// What has to be known of a home directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcFacts {
    /// The home directory, absolute.
    pub home: String,
    /// The directory of the generated files, absolute.
    pub config_dir: String,
    /// Names of files directly in home that exist; only the login files of bash matter.
    pub existing: Vec<String>,
    /// ZDOTDIR as the environment has it.
    pub zdotdir: Option<String>,
    /// ZDOTDIR as `~/.zshenv` sets it ([`zdotdir_in`]).
    pub zshenv_zdotdir: Option<String>,
    /// fish's config directory, absolute; `None`: `~/.config/fish`.
    pub fish_dir: Option<String>,
}

/// Where a block stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Before everything else.
    Top,
    /// After everything else.
    Bottom,
}

/// One managed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The rc file, relative to home.
    pub file: String,
    /// The word in the markers `# >>> ID >>>` and `# <<< ID <<<`: `devboot env` or `devboot`.
    pub id: &'static str,
    /// Where a new block goes.
    pub position: Position,
    /// The three lines between the markers, each with its newline.
    pub body: String,
    /// The command that checks the whole file on standard input.
    pub check: &'static [&'static str],
}

const ENV: &str = "devboot env";
const SHELL: &str = "devboot";

/// The blocks for one shell, in the order they are best written.
pub fn placements(shell: Shell, facts: &RcFacts) -> Vec<Placement> {
    let block = |file: &str, id, position, generated: &str, dialect: &dyn Dialect| Placement {
        file: file.to_owned(),
        id,
        position,
        body: body(dialect, &facts.home, &facts.config_dir, generated),
        check: match file {
            ".bash_profile" | ".bash_login" => Shell::Bash.dialect().check(),
            _ if shell == Shell::Zsh => shell.dialect().check(),
            _ => dialect.check(),
        },
    };
    match shell {
        Shell::Bash => vec![
            Placement {
                check: shell.dialect().check(),
                ..block(".bashrc", ENV, Position::Top, "env.sh", &Posix)
            },
            block(".bashrc", SHELL, Position::Bottom, "shell.bash", shell.dialect()),
            block(login_file(facts), SHELL, Position::Bottom, "login.sh", &Posix),
        ],
        Shell::Zsh => {
            let mut found = Vec::new();
            if let Some(dir) = zshenv_dir(facts) {
                found.push(block(&join(&dir, ".zshenv"), ENV, Position::Top, "env.sh", &Posix));
            }
            if let Some(dir) = zshrc_dir(facts) {
                found.push(block(
                    &join(&dir, ".zshrc"),
                    SHELL,
                    Position::Bottom,
                    "shell.zsh",
                    shell.dialect(),
                ));
            }
            found
        }
        Shell::Fish => {
            let dir = match &facts.fish_dir {
                Some(dir) => below(&facts.home, dir.trim_end_matches('/')),
                None => Some(".config/fish"),
            };
            let file = dir.map(|dir| join(dir, "config.fish"));
            file.iter().map(|f| block(f, SHELL, Position::Bottom, "shell.fish", shell.dialect())).collect()
        }
    }
}

/// The three lines that source one generated file, for [`Placement::body`] and for people who place it by hand.
pub fn body(dialect: &dyn Dialect, home: &str, config_dir: &str, generated: &str) -> String {
    let word = dialect.path_word(home, &format!("{}/{generated}", config_dir.trim_end_matches('/')));
    let comment = "# Sources devboot's generated file; `devboot uninstall` removes these lines.";
    match dialect.name() {
        "fish" => format!(
            "{comment}\nif test \"$DEVBOOT_DISABLE\" != 1; and test -r {word}\n    source {word}; end\n"
        ),
        _ => format!(
            "{comment}\nif [ \"${{DEVBOOT_DISABLE-}}\" != 1 ] && [ -r {word} ]; then\n  . {word}; fi\n"
        ),
    }
}

fn login_file(facts: &RcFacts) -> &'static str {
    let files = [".bash_profile", ".bash_login", ".profile"];
    files.into_iter().find(|file| facts.existing.iter().any(|name| name == file)).unwrap_or(".profile")
}

fn join(dir: &str, file: &str) -> String {
    if dir.is_empty() { file.to_owned() } else { format!("{dir}/{file}") }
}

fn zshenv_dir(facts: &RcFacts) -> Option<String> {
    match (&facts.zshenv_zdotdir, &facts.zdotdir) {
        (None, Some(dir)) => in_home(facts, dir),
        _ => Some(String::new()),
    }
}

fn zshrc_dir(facts: &RcFacts) -> Option<String> {
    match facts.zshenv_zdotdir.as_ref().or(facts.zdotdir.as_ref()) {
        Some(dir) => in_home(facts, dir),
        None => Some(String::new()),
    }
}

/// The directory relative to home, empty for home itself; `None` outside home.
fn in_home(facts: &RcFacts, dir: &str) -> Option<String> {
    let dir = dir.trim_end_matches('/');
    match dir == facts.home.trim_end_matches('/') {
        true => Some(String::new()),
        false => below(&facts.home, dir).map(str::to_owned),
    }
}

/// The last ZDOTDIR that the text of a `.zshenv` sets in one of the usual plain forms: an optional `export`, then a
/// path with `~`, `$HOME` or `$XDG_CONFIG_HOME` at its front. `None` when it sets none or in another way.
pub fn zdotdir_in(zshenv: &str, home: &str) -> Option<String> {
    let home = home.trim_end_matches('/');
    zshenv.lines().rev().find_map(|line| {
        let line = line.trim();
        let line =
            line.strip_prefix("export ").or(line.strip_prefix("typeset -gx ")).unwrap_or(line).trim_start();
        let value = line.strip_prefix("ZDOTDIR=")?;
        let value = value.split([';', '#']).next()?.trim().replace(['"', '\''], "");
        let fronts = [
            ("${XDG_CONFIG_HOME:-$HOME/.config}", "/.config"),
            ("${XDG_CONFIG_HOME:-${HOME}/.config}", "/.config"),
            ("${XDG_CONFIG_HOME:-~/.config}", "/.config"),
            ("${XDG_CONFIG_HOME}", "/.config"),
            ("$XDG_CONFIG_HOME", "/.config"),
            ("${HOME}", ""),
            ("$HOME", ""),
            ("~", ""),
        ];
        let path = match fronts.iter().find_map(|(front, below)| Some((value.strip_prefix(front)?, below))) {
            Some((rest, below)) => format!("{home}{below}{rest}"),
            None => value,
        };
        (path.starts_with('/') && !path.contains(['$', '`', ' '])).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> RcFacts {
        RcFacts { home: "/h".into(), config_dir: "/h/.config/devboot".into(), ..Default::default() }
    }

    fn files(shell: Shell, facts: &RcFacts) -> Vec<String> {
        placements(shell, facts).into_iter().map(|placement| placement.file).collect()
    }

    #[test]
    fn bash_login_uses_the_file_that_bash_reads() {
        assert_eq!(files(Shell::Bash, &facts()), [".bashrc", ".bashrc", ".profile"]);
        let both = RcFacts { existing: vec![".profile".into(), ".bash_login".into()], ..facts() };
        assert_eq!(files(Shell::Bash, &both)[2], ".bash_login");
        assert_eq!(placements(Shell::Bash, &facts())[2].check, ["sh", "-n"]);
        assert_eq!(placements(Shell::Bash, &both)[2].check, ["bash", "-n"]);
        assert_eq!(placements(Shell::Bash, &facts())[0].check, ["bash", "-n"]);
    }

    #[test]
    fn zdotdir_is_honoured() {
        let inherited = RcFacts { zdotdir: Some("/h/z/".into()), ..facts() };
        assert_eq!(files(Shell::Zsh, &inherited), ["z/.zshenv", "z/.zshrc"]);
        let own = RcFacts { zshenv_zdotdir: Some("/h/z".into()), ..inherited };
        assert_eq!(files(Shell::Zsh, &own), [".zshenv", "z/.zshrc"]);
        let outside = RcFacts { zdotdir: Some("/etc/z".into()), ..facts() };
        assert!(files(Shell::Zsh, &outside).is_empty());
        assert_eq!(files(Shell::Zsh, &facts()), [".zshenv", ".zshrc"]);
    }

    #[test]
    fn zdotdir_is_read_from_the_usual_lines() {
        let read = |text: &str| zdotdir_in(text, "/h");
        assert_eq!(read("# ZDOTDIR=/no\nexport ZDOTDIR=\"$HOME/.zsh\"\n").as_deref(), Some("/h/.zsh"));
        assert_eq!(read("ZDOTDIR=${XDG_CONFIG_HOME:-$HOME/.config}/zsh").as_deref(), Some("/h/.config/zsh"));
        assert_eq!(read("ZDOTDIR=~/z # mine").as_deref(), Some("/h/z"));
        assert_eq!(read("ZDOTDIR=$(somewhere)"), None);
        assert_eq!(read("echo hi"), None);
    }

    #[test]
    fn blocks_are_three_lines_and_survive_a_moved_home() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            for placement in placements(shell, &facts()) {
                assert_eq!(placement.body.lines().count(), 3, "{}", placement.body);
                assert!(
                    placement.body.ends_with('\n') && !placement.body.contains("/h/"),
                    "{}",
                    placement.body
                );
            }
        }
    }

    #[test]
    fn fish_honours_its_config_directory() {
        assert_eq!(files(Shell::Fish, &facts()), [".config/fish/config.fish"]);
        let other = RcFacts { fish_dir: Some("/h/cfg/fish".into()), ..facts() };
        assert_eq!(files(Shell::Fish, &other), ["cfg/fish/config.fish"]);
    }
}
