//! What every shell language can say, and the table of the shells devboot speaks.
//!
//! Names given to a dialect have passed [`super::names`]; values may be any text without NUL. A *word* is
//! text in the shell's own syntax that stands for exactly one argument, as [`Dialect::quote`] returns it.

use super::{bash::Bash, fish::Fish, zsh::Zsh};

/// The language of one shell: statements as text, each without a final newline.
pub trait Dialect: Sync {
    /// The name of the program.
    fn name(&self) -> &'static str;
    /// One word that the shell reads back as exactly `text`.
    fn quote(&self, text: &str) -> String;
    /// Sets and exports a variable.
    fn set_env(&self, name: &str, value: &str) -> String;
    /// Removes a variable; one that is not set is no error.
    fn unset_env(&self, name: &str) -> String;
    /// Puts a word in front of PATH unless it is already somewhere on it.
    fn prepend_path(&self, word: &str) -> String;
    /// Puts a word at the end of PATH unless it is already somewhere on it.
    fn append_path(&self, word: &str) -> String;
    /// Defines an alias whose body is code of this shell.
    fn alias(&self, name: &str, body: &str) -> String;
    /// Removes an alias; one that is not there is no error.
    fn unalias(&self, name: &str) -> String;
    /// Defines a function whose body is code of this shell.
    fn function(&self, name: &str, body: &str) -> String;
    /// Reads the file that a word names, in this shell.
    fn source(&self, word: &str) -> String;
    /// The word for an absolute path; below `home` it is relative to `$HOME`, so that it survives a moved home.
    fn path_word(&self, home: &str, path: &str) -> String;
    /// The command that checks the syntax of a whole file on its standard input.
    fn check(&self) -> &'static [&'static str];

    /// A comment, one `#` line for each line of `text`.
    fn comment(&self, text: &str) -> String {
        let lines: Vec<String> = text
            .split(['\n', '\r'])
            .map(|line| format!("# {}", line.replace(char::is_control, " ")).trim_end().to_owned())
            .collect();
        lines.join("\n")
    }
}

/// A shell that people work in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shell {
    /// bash 4.2 or newer; older ones get the environment, aliases and functions without live reload.
    Bash,
    /// zsh 5.0 or newer.
    Zsh,
    /// fish 3.0 or newer.
    Fish,
}

/// One row a shell: a new one is a file beside this, a row here and its hook in `dotfiles/shell/`.
pub const SHELLS: [(Shell, &dyn Dialect); 3] =
    [(Shell::Bash, &Bash), (Shell::Zsh, &Zsh), (Shell::Fish, &Fish)];

impl Shell {
    /// The language of this shell.
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            Shell::Bash => &Bash,
            Shell::Zsh => &Zsh,
            Shell::Fish => &Fish,
        }
    }

    /// The name of the program: `bash`, `zsh`, `fish`.
    pub fn name(self) -> &'static str {
        self.dialect().name()
    }

    /// The shell that a program name or path such as `-bash` or `/usr/bin/zsh` means.
    pub fn from_program(program: &str) -> Option<Self> {
        let name = program.rsplit('/').next()?.trim_start_matches('-');
        SHELLS.iter().find(|(_, dialect)| dialect.name() == name).map(|(shell, _)| *shell)
    }
}

/// A value for each shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerShell<T> {
    /// For bash.
    pub bash: T,
    /// For zsh.
    pub zsh: T,
    /// For fish.
    pub fish: T,
}

impl<T> PerShell<T> {
    /// The value for one shell.
    pub fn get(&self, shell: Shell) -> &T {
        match shell {
            Shell::Bash => &self.bash,
            Shell::Zsh => &self.zsh,
            Shell::Fish => &self.fish,
        }
    }

    /// The values of all shells.
    pub fn iter(&self) -> impl Iterator<Item = (Shell, &T)> {
        SHELLS.iter().map(|(shell, _)| (*shell, self.get(*shell)))
    }
}

/// What follows `home/` in `path`, when `path` is below `home`.
pub(super) fn below<'a>(home: &str, path: &'a str) -> Option<&'a str> {
    let home = home.trim_end_matches('/');
    let rest = path.strip_prefix(home)?.strip_prefix('/')?;
    (!home.is_empty() && !rest.is_empty()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_names_its_shell() {
        assert_eq!(Shell::from_program("/usr/bin/zsh"), Some(Shell::Zsh));
        assert_eq!(Shell::from_program("-bash"), Some(Shell::Bash));
        assert_eq!(Shell::from_program("dash"), None);
        for (shell, dialect) in SHELLS {
            assert_eq!(shell.name(), dialect.name());
        }
    }

    #[test]
    fn a_comment_cannot_be_left() {
        assert_eq!(Bash.comment("one\nrm -rf /\r\u{7}x"), "# one\n# rm -rf /\n#  x");
    }

    #[test]
    fn below_needs_a_whole_component() {
        assert_eq!(below("/home/a/", "/home/a/x y"), Some("x y"));
        assert_eq!(below("/home/a", "/home/ab"), None);
        assert_eq!(below("/home/a", "/home/a"), None);
        assert_eq!(below("/", "/etc"), None);
    }
}
