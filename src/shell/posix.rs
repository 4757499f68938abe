//! The POSIX shell language: what dash, bash and zsh all read alike. `env.sh` and `login.sh` are written in it.

use super::dialect::{Dialect, below};

/// The language of `sh`. A builtin is written `\export` where an alias of that name could change it.
pub struct Posix;

/// Between apostrophes, where only the apostrophe itself is special.
pub(super) fn apostrophes(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Dialect for Posix {
    fn name(&self) -> &'static str {
        "sh"
    }

    fn quote(&self, text: &str) -> String {
        apostrophes(text)
    }

    fn set_env(&self, name: &str, value: &str) -> String {
        format!("\\export {name}={}", self.quote(value))
    }

    fn unset_env(&self, name: &str) -> String {
        format!("\\unset {name}")
    }

    fn prepend_path(&self, word: &str) -> String {
        format!("case \":${{PATH-}}:\" in *:{word}:*) ;; *) PATH={word}\"${{PATH:+:$PATH}}\" ;; esac")
    }

    fn append_path(&self, word: &str) -> String {
        format!("case \":${{PATH-}}:\" in *:{word}:*) ;; *) PATH=\"${{PATH:+$PATH:}}\"{word} ;; esac")
    }

    fn alias(&self, name: &str, body: &str) -> String {
        format!("\\alias {}", self.quote(&format!("{name}={body}")))
    }

    fn unalias(&self, name: &str) -> String {
        format!("\\unalias {} 2>/dev/null || :", self.quote(name))
    }

    fn function(&self, name: &str, body: &str) -> String {
        format!("{name}() {{\n{}\n}}", statements(body))
    }

    fn source(&self, word: &str) -> String {
        format!("\\. {word}")
    }

    fn path_word(&self, home: &str, path: &str) -> String {
        home_word(self, home, path)
    }

    fn check(&self) -> &'static [&'static str] {
        &["sh", "-n"]
    }
}

/// `"${HOME-}"/'rest'` below home, the quoted path elsewhere. An unset HOME is no error under `set -u`.
pub(super) fn home_word(dialect: &dyn Dialect, home: &str, path: &str) -> String {
    match below(home, path) {
        Some(rest) => format!("\"${{HOME-}}\"/{}", dialect.quote(rest)),
        None => dialect.quote(path),
    }
}

/// A function body that is never empty, which `sh` refuses.
pub(super) fn statements(body: &str) -> &str {
    if body.trim().is_empty() { ":" } else { body.trim_end_matches('\n') }
}

/// `$'…'` when there are control characters, else apostrophes: one line each, readable in any terminal, and
/// the same under zsh's `csh_junkie_quotes`.
pub(super) fn dollar_quote(text: &str) -> String {
    if !text.contains(|c: char| c.is_ascii_control()) {
        return apostrophes(text);
    }
    let mut out = String::from("$'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => out.push_str(&format!("\\{:03o}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}
