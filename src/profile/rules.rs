//! What a name or value must look like beyond its type: one table of rules, used on each file as it is written
//! and on what its texts expand to.

use crate::base::path::HomePath;
use crate::base::redact;

use super::address::git_address;
use super::layers::{DIR, VENV};
use super::variables::{has_names, is_name};
use crate::document::problem::Problem;
use crate::document::tree::{Node, matches};

type Test = fn(&str) -> Result<(), Problem>;

/// Rules for keys: the path that ends in the key.
const KEYS: &[(&str, Test)] = &[
    ("variables.*", variable_name),
    ("environment.*", environment_name),
    ("shell.*.environment.*", environment_name),
    ("aliases.*", alias_name),
    ("shell.*.aliases.*", alias_name),
    ("functions.*", function_name),
    ("shell.*.functions.*", function_name),
    ("kit.*", entry_name),
    ("repo.*", repo_name),
    ("tool.*", entry_name),
];

/// Rules for texts.
const TEXTS: &[(&str, Test)] = &[
    ("description", one_line),
    ("variables.*", one_line_without_secret),
    ("environment.*", one_line_without_secret),
    ("shell.*.environment.*", one_line_without_secret),
    ("aliases.*", one_line),
    ("shell.*.aliases.*", one_line),
    ("functions.*", code),
    ("shell.*.functions.*", code),
    ("shell.*.early", code),
    ("shell.*.late", code),
    ("path.*.*", search_directory),
    ("dotfile.*.target", home_path),
    ("dotfile.*.link", home_path),
    ("dotfile.*.source", relative_path),
    ("dotfile.*.comment", comment),
    ("dotfile.*.mode", mode),
    ("kit.*.url", git_address),
    ("kit.*.ref", reference),
    ("kit.*.dir", clone_directory),
    ("kit.*.source.*", code),
    ("kit.*.needs.*", entry_name),
    ("repo.*.url", git_address),
    ("repo.*.ref", reference),
    ("repo.*.dir", clone_directory),
    ("repo.*.alias", one_line),
    ("repo.*.test", one_line),
    ("tool.*.*", package_name),
    ("credential_profiles.*", credential_profile_name),
    ("starters.*", entry_name),
];

/// Which texts are there to be tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// As written: a text with a `{name}` in it waits.
    Written,
    /// Expanded: what stands there now is what will be used.
    Expanded,
}

/// Tests every key and text of a layer, or of a whole file with its overlays.
pub(super) fn check(tree: &Node, stage: Stage, problems: &mut Vec<Problem>) {
    tree.each(&mut Vec::new(), &mut |path, node| {
        let path = match path {
            [host, _, rest @ ..] if host == "host" => rest,
            path => path,
        };
        let Some(last) = path.last() else { return };
        for (_, test) in KEYS.iter().filter(|(pattern, _)| matches(pattern, path)) {
            if let Err(problem) = test(last) {
                problems.push(problem.at(node.key_at.place()));
            }
        }
        let tested = |text: &&str| stage == Stage::Expanded || !has_names(text);
        let Some(text) = node.text().filter(tested) else { return };
        let text = &text.replace(DIR, "~/dir").replace(VENV, "~/venv");
        for (_, test) in TEXTS.iter().filter(|(pattern, _)| matches(pattern, path)) {
            if let Err(problem) = test(text) {
                problems.push(problem.at(node.at.place()));
            }
        }
        let parent = path.len().checked_sub(2).map(|i| path[i].as_str());
        if parent == Some("environment")
            && let Some(problem) = environment_value(last, text)
        {
            problems.push(problem.at(node.at.place()));
        }
    });
}

pub(super) fn refuse(message: impl Into<String>) -> Result<(), Problem> {
    Err(Problem::new(message))
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn variable_name(text: &str) -> Result<(), Problem> {
    if is_name(text) && text != "dir" && text != "venv" {
        return Ok(());
    }
    refuse(format!(
        "'{text}' cannot be a variable's name: lower-case letters, digits and '_', and not dir or venv"
    ))
}

fn environment_name(text: &str) -> Result<(), Problem> {
    // Setting these breaks the shell, or runs code in every script.
    const TAKEN: [&str; 12] = [
        "HOME",
        "PWD",
        "IFS",
        "UID",
        "EUID",
        "PPID",
        "SHELLOPTS",
        "BASHOPTS",
        "BASH_ENV",
        "ENV",
        "LD_PRELOAD",
        "DEVBOOT_DISABLE",
    ];
    match text {
        "PATH" => Err(Problem::new("PATH is not set whole").hint("use [path] prepend and append")),
        _ if TAKEN.contains(&text) => refuse(format!("a profile may not set {text}")),
        _ if is_identifier(text) => Ok(()),
        _ => refuse(format!("'{text}' cannot be the name of an environment variable")),
    }
}

/// Words that a shell needs as they are.
const SHELL_WORDS: [&str; 40] = [
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "function",
    "select", "in", "time", "begin", "end", "switch", "and", "or", "not", "builtin", "command", "eval",
    "exec", "source", "export", "unset", "alias", "unalias", "trap", "return", "exit", "set", "local",
    "test", "typeset", ".", "devboot",
];

fn alias_name(text: &str) -> Result<(), Problem> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+'));
    match fits && text.len() <= 64 && !SHELL_WORDS.contains(&text) {
        true => Ok(()),
        false => refuse(format!("'{text}' cannot be an alias in every shell")),
    }
}

fn function_name(text: &str) -> Result<(), Problem> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match fits && text.len() <= 64 && !SHELL_WORDS.contains(&text) {
        true => Ok(()),
        false => refuse(format!("'{text}' cannot be a function in every shell")),
    }
}

/// A name that may become part of a path, a command line or a message.
pub(super) fn entry_name(text: &str) -> Result<(), Problem> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '+'));
    match fits && text.len() <= 64 {
        true => Ok(()),
        false => {
            refuse(format!("'{text}' cannot be a name: letters, digits, '_', '.', '-' and '+', at most 64"))
        }
    }
}

fn repo_name(text: &str) -> Result<(), Problem> {
    entry_name(text).and_then(|()| alias_name(text))
}

fn credential_profile_name(text: &str) -> Result<(), Problem> {
    if has_secret_shape(text) {
        return Err(secret("a credential profile is given by its name, and this looks like a secret"));
    }
    entry_name(text)
}

fn package_name(text: &str) -> Result<(), Problem> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-+@/:[]=<>~,".contains(c));
    if fits { Ok(()) } else { refuse(format!("'{text}' cannot be the name of a program or package")) }
}

fn one_line(text: &str) -> Result<(), Problem> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return refuse("the text has a line break or another control character");
    }
    Ok(())
}

fn code(text: &str) -> Result<(), Problem> {
    if text.chars().any(|c| c.is_control() && c != '\t' && c != '\n') {
        return refuse("the text has a control character");
    }
    Ok(())
}

fn one_line_without_secret(text: &str) -> Result<(), Problem> {
    one_line(text)?;
    if has_secret_shape(text) || redact::url(text) != text {
        return Err(secret("the value looks like a secret"));
    }
    Ok(())
}

pub(super) fn secret(message: &str) -> Problem {
    Problem::new(message).hint("keep secrets out of profiles: `devboot cloud` holds them sealed")
}

/// Whether a word in the text has the shape of a known kind of token, whatever its name is.
fn has_secret_shape(text: &str) -> bool {
    text.split(['=', ':']).any(|part| redact::line(part) != part)
}

fn environment_value(name: &str, text: &str) -> Option<Problem> {
    // Such names point to a secret or describe one; the value is not the secret.
    const POINTERS: [&str; 12] = [
        "_FILE",
        "_PATH",
        "_DIR",
        "_HELPER",
        "_URL",
        "_URI",
        "_COMMAND",
        "_CMD",
        "_NAME",
        "_PROFILE",
        "_TTL",
        "APPLICATION_CREDENTIALS",
    ];
    if !text.is_empty() && redact::is_secret_name(name) && !POINTERS.iter().any(|end| name.ends_with(end)) {
        return Some(secret(&format!("the variable {name} looks like a secret")));
    }
    let dollar = text.find('$').map(|i| &text[i + 1..])?;
    dollar.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '(')).then(|| {
        Problem::new(format!("the value of {name} is quoted: its '$' stays as it is"))
            .hint("write {home} for the home directory, or set the variable in [shell.*] late")
            .warning()
    })
}

fn search_directory(text: &str) -> Result<(), Problem> {
    one_line(text)?;
    if !(text.starts_with('/') || text.starts_with("~/")) {
        return refuse(format!("'{text}' is not a directory for PATH: begin with '/' or '~/'"));
    }
    if text.contains(':') { refuse("a directory for PATH cannot hold a ':'") } else { Ok(()) }
}

fn home_path(text: &str) -> Result<(), Problem> {
    HomePath::parse(text)
        .map(drop)
        .map_err(|bad| Problem::new(format!("'{text}' is not inside the home directory: {bad}")))
}

fn clone_directory(text: &str) -> Result<(), Problem> {
    home_path(text)?;
    let fits =
        text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+' | '~'));
    match fits && !text[1..].contains('~') && !text.starts_with('-') {
        true => Ok(()),
        false => refuse(format!(
            "'{text}' has a character that is not safe in code; use letters, digits and '_-.+/'"
        )),
    }
}

/// A path below the profile's own directory.
pub(super) fn relative_path(text: &str) -> Result<(), Problem> {
    match HomePath::parse(text) {
        Ok(_) if !text.starts_with('~') && !text.starts_with('-') => Ok(()),
        _ => refuse(format!("'{text}' is not a file beside the profile")),
    }
}

fn comment(text: &str) -> Result<(), Problem> {
    const KNOWN: [&str; 8] = ["#", "\"", ";", "//", "--", "!", "%", "'"];
    if KNOWN.contains(&text) {
        Ok(())
    } else {
        refuse(format!("'{text}' is none of the known comment starts: {}", KNOWN.join(" ")))
    }
}

fn mode(text: &str) -> Result<(), Problem> {
    match parse_mode(text) {
        Some(bits) if bits & 0o002 == 0 => Ok(()),
        Some(_) => refuse(format!("the mode {text} lets everyone write the file")),
        None => refuse(format!("'{text}' is not a file mode such as \"0644\"")),
    }
}

/// The permission bits of a text such as `0644`; no set-user-id and the like.
pub(super) fn parse_mode(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    u32::from_str_radix(digits, 8).ok().filter(|bits| octal && *bits <= 0o777)
}

fn reference(text: &str) -> Result<(), Problem> {
    let fits = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-+".contains(c))
        && !text.contains("..");
    if !fits {
        return refuse(format!("'{text}' cannot be a commit, branch or tag"));
    }
    if matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err(Problem::new(format!("'{text}' is not a full commit hash, so what it means can change"))
        .hint("pin it: git ls-remote prints the full hash")
        .warning())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tree::parse;

    #[test]
    fn each_rule_names_its_line() {
        let text = r#"[environment]
PATH = "/bin"
GITHUB_TOKEN = "abc"
KEY = "AKIAIOSFODNN7EXAMPLE"
A-B = "x"
EDITOR = "$HOME/x"
GOOGLE_APPLICATION_CREDENTIALS = "/x.json"
[aliases]
"a b" = "x"
if = "x"
two = "a\nb"
[host.vm.path]
prepend = ["bin", "~/ok"]
[kit.x]
ref = "main"
dir = "~/a b"
[[dotfile]]
target = "/etc/passwd"
mode = "0666"
"#;
        let mut problems = Vec::new();
        let tree = parse(text, "x.toml", 0, &mut problems);
        check(&tree, Stage::Written, &mut problems);
        let mut lines: Vec<usize> =
            problems.iter().map(|problem| problem.place.as_ref().unwrap().line).collect();
        lines.sort_unstable();
        assert_eq!(lines, [2, 3, 4, 5, 6, 9, 10, 11, 13, 15, 16, 18, 19], "{problems:#?}");
        assert!(
            problems.iter().any(|p| p.hint.as_deref().is_some_and(|hint| hint.contains("devboot cloud")))
        );
    }

    #[test]
    fn modes() {
        assert_eq!(parse_mode("0600"), Some(0o600));
        assert_eq!(parse_mode("4755"), None);
        assert_eq!(parse_mode("+77"), None);
    }
}
