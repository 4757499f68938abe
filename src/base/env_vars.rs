//! Every environment variable that devboot reads or sets, in one list. `tests/it/tidy.rs` refuses a name in
//! the code that is not here.

/// One variable: its name, whether devboot sets it, and what it means.
pub struct EnvVar {
    /// The name as the shell knows it.
    pub name: &'static str,
    /// True when devboot sets it for shells or child processes; false when it only reads it.
    pub set: bool,
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

const fn read(name: &'static str, meaning: &'static str) -> EnvVar {
    EnvVar { name, set: false, meaning }
}

const fn set(name: &'static str, meaning: &'static str) -> EnvVar {
    EnvVar { name, set: true, meaning }
}

/// The list, devboot's own first.
pub const ALL: &[EnvVar] = &[
    read("DEVBOOT_DISABLE", "1: the generated shell files do nothing (the kill switch)"),
    read("DEVBOOT_HOST", "the host kind, instead of detecting it"),
    read("DEVBOOT_INSTALL", "install.sh: the script (a file or an https address) that installs devboot"),
    read("DEVBOOT_INSTALL_LOG", "install.sh: where it logs, instead of ~/.devboot-install.log"),
    read("NO_COLOR", "set and not empty: no colours"),
    read("HOME", "the home directory"),
    read("PATH", "where programs are looked for"),
    read("SHELL", "the login shell"),
    read("ZDOTDIR", "where zsh looks for its rc files"),
    read("EDITOR", "the editor of `profile edit`"),
    read("VISUAL", "the editor of `profile edit`, before EDITOR"),
    set("GIT_TERMINAL_PROMPT", "0 for child processes: git never asks in an unattended run"),
];
