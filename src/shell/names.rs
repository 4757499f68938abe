//! Which names devboot writes into shell code. Strict, and each refusal says why.

/// Words of bash, zsh or fish that an alias or a function of the same name would break.
pub(super) const RESERVED: [&str; 56] = [
    "if",
    "then",
    "else",
    "elif",
    "fi",
    "for",
    "foreach",
    "in",
    "while",
    "until",
    "do",
    "done",
    "case",
    "esac",
    "select",
    "function",
    "time",
    "coproc",
    "repeat",
    "nocorrect",
    "noglob",
    "begin",
    "end",
    "and",
    "or",
    "not",
    "switch",
    "break",
    "continue",
    "return",
    "builtin",
    "command",
    "exec",
    "eval",
    "source",
    "test",
    "read",
    "set",
    "status",
    "string",
    "argparse",
    "alias",
    "unalias",
    "declare",
    "typeset",
    "local",
    "export",
    "unset",
    "readonly",
    "float",
    "integer",
    "shift",
    "exit",
    "trap",
    "contains",
    "functions",
];

/// Variables that a shell owns or forbids, with the reason.
const OWNED: [(&[&str], &str); 4] = [
    (&["PATH"], "PATH has its own list of folders to put in front or at the end"),
    (
        &[
            "UID",
            "EUID",
            "GID",
            "EGID",
            "USERNAME",
            "PPID",
            "BASHOPTS",
            "SHELLOPTS",
            "BASH_VERSINFO",
            "BASHPID",
            "status",
            "pipestatus",
            "argv",
            "history",
            "version",
            "umask",
            "path",
            "cdpath",
            "fpath",
            "mailpath",
            "manpath",
            "module_path",
            "fignore",
            "prompt",
            "psvar",
            "watch",
            "aliases",
            "functions",
            "commands",
            "options",
            "parameters",
            "signals",
            "_",
            "FISH_VERSION",
            "ZSH_SUBSHELL",
            "ZSH_EVAL_CONTEXT",
            "HISTCMD",
            "FUNCNAME",
            "GROUPS",
            "LINENO",
            "TTYIDLE",
            "fish_pid",
            "fish_kill_signal",
            "fish_killring",
            "ARGC",
            "WATCH",
            "DIRSTACK",
            "BASH_ALIASES",
            "BASH_ARGC",
            "BASH_ARGV",
            "BASH_CMDS",
            "BASH_LINENO",
            "BASH_SOURCE",
            "builtins",
            "dirstack",
            "dis_aliases",
            "dis_builtins",
            "dis_functions",
            "dis_functions_source",
            "dis_galiases",
            "dis_patchars",
            "dis_reswords",
            "dis_saliases",
            "funcfiletrace",
            "funcsourcetrace",
            "funcstack",
            "functions_source",
            "functrace",
            "galiases",
            "historywords",
            "jobdirs",
            "jobstates",
            "jobtexts",
            "keymaps",
            "modules",
            "nameddirs",
            "patchars",
            "reswords",
            "saliases",
            "termcap",
            "terminfo",
            "userdirs",
            "usergroups",
            "widgets",
            "zsh_eval_context",
            "zsh_scheduled_events",
            "hostname",
            "status_generation",
        ],
        "a shell keeps this name for itself, and setting it is an error there",
    ),
    (&["IFS", "PWD", "OLDPWD", "SHLVL", "HOME"], "the shell sets it, and everything would read it wrongly"),
    (
        &["PROMPT_COMMAND", "PS1", "PS2", "PS3", "PS4", "precmd_functions"],
        "it belongs to one shell and must never be exported; use a snippet",
    ),
];

pub(super) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether an environment variable may have this name; the error says why not.
pub fn valid_env_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("a name cannot be empty");
    }
    if !is_identifier(name) || name.len() > 255 {
        return Err("use at most 255 letters, digits and _, not starting with a digit");
    }
    if name.to_ascii_uppercase().starts_with("_DEVBOOT") {
        return Err("names that start with _devboot are devboot's own");
    }
    match OWNED.iter().find(|(names, _)| names.contains(&name)) {
        Some((_, why)) => Err(why),
        None => Ok(()),
    }
}

/// Whether an alias may have this name in all shells; the error says why not.
pub fn valid_alias_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("a name cannot be empty");
    }
    if name.starts_with(['-', '+', '%']) {
        return Err("it cannot start with -, + or %, which some shells read as an option or a job");
    }
    if name.len() > 100 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.,:+%".contains(c)) {
        return Err("use at most 100 letters, digits and _ - . , : + %");
    }
    if [".", ":", "_"].contains(&name) || RESERVED.contains(&name) {
        return Err("it is a word of the shell itself");
    }
    own(name)
}

/// Whether a function may have this name in all shells; the error says why not.
pub fn valid_function_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("a name cannot be empty");
    }
    let start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !start || name.len() > 100 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
        return Err("use at most 100 letters, digits and _ - ., starting with a letter or _");
    }
    if name == "_" || RESERVED.contains(&name) {
        return Err("it is a word of the shell itself");
    }
    own(name)
}

fn own(name: &str) -> Result<(), &'static str> {
    match name == "devboot" || name.starts_with("_devboot") {
        true => Err("devboot and names that start with _devboot are devboot's own"),
        false => Ok(()),
    }
}

/// Whether a folder may be put on PATH; the error says why not.
pub fn valid_path_entry(entry: &str) -> Result<(), &'static str> {
    if !entry.starts_with('/') {
        return Err("it must be absolute: a relative folder on PATH means another one in every directory");
    }
    if entry.contains(':') {
        return Err("it cannot contain a colon, which separates the folders of PATH");
    }
    if entry.contains(char::is_control) {
        return Err("it cannot contain control characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass() {
        for name in ["EDITOR", "_x", "a1", "XDG_DATA_HOME"] {
            assert_eq!(valid_env_name(name), Ok(()), "{name}");
        }
        for name in ["gs", "..", "...", "k8s-ctx", "g++", ":q", "l.", ",", "42"] {
            assert_eq!(valid_alias_name(name), Ok(()), "{name}");
        }
        for name in ["mkcd", "_x", "git-root", "a.b"] {
            assert_eq!(valid_function_name(name), Ok(()), "{name}");
        }
        assert_eq!(valid_path_entry("/opt/it's [x] $y"), Ok(()));
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        for name in
            ["", "1a", "a-b", "a b", "é", "PATH", "status", "PROMPT_COMMAND", "_DEVBOOT_X", "A\n", "IFS"]
        {
            assert!(valid_env_name(name).is_err(), "{name:?}");
        }
        for name in
            ["", "-", "-a", "a b", "a=b", "a;b", "if", ".", "a/b", "a'b", "$x", "é", "test", "a\n", "devboot"]
        {
            assert!(valid_alias_name(name).is_err(), "{name:?}");
        }
        for name in ["", "1a", "a()", "-a", "end", "a:b", "_", "_devboot_hook", "a b"] {
            assert!(valid_function_name(name).is_err(), "{name:?}");
        }
        for entry in ["", "bin", "~/bin", "/a:/b", "/a\n"] {
            assert!(valid_path_entry(entry).is_err(), "{entry:?}");
        }
    }
}
