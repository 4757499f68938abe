//! fish.

use super::dialect::{Dialect, below};

/// The language of fish.
pub struct Fish;

/// What a variable that nothing can take away is set to, where nothing would mean something: an empty name of a profile is one
/// that is not there, to Python's SDK.
fn hidden(name: &str) -> Option<&'static str> {
    ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].contains(&name).then_some("default")
}

impl Dialect for Fish {
    fn name(&self) -> &'static str {
        "fish"
    }

    fn quote(&self, text: &str) -> String {
        let mut out = String::from("'");
        for c in text.chars() {
            match c {
                '\'' | '\\' => out.extend(['\\', c]),
                // Escapes work outside quotes only.
                c if c.is_ascii_control() => out.push_str(&format!("'\\x{:02x}'", u32::from(c))),
                c => out.push(c),
            }
        }
        out.push('\'');
        out
    }

    fn set_env(&self, name: &str, value: &str) -> String {
        format!("set -gx {name} {}", self.quote(value))
    }

    // A universal variable is every shell's, and stays. What it exports only another exported one hides, so that is set to nothing.
    fn unset_env(&self, name: &str) -> String {
        let hidden = hidden(name).map(|value| format!(" {value}")).unwrap_or_default();
        format!("set -eg {name}; set -qUx {name}; and set -gx {name}{hidden}; true")
    }

    fn prepend_path(&self, word: &str) -> String {
        format!("contains -- {word} $PATH; or set -gx PATH {word} $PATH")
    }

    fn append_path(&self, word: &str) -> String {
        format!("contains -- {word} $PATH; or set -gx PATH $PATH {word}")
    }

    // A function: fish's own `alias` is a slow script that writes the same.
    fn alias(&self, name: &str, body: &str) -> String {
        let wraps = match super::alias::is_one_command(body) {
            true => format!(" --wraps {}", self.quote(body)),
            false => String::new(),
        };
        format!(
            "function {} --description {}{wraps}\n{}\nend",
            self.quote(name),
            self.quote(&format!("alias {name}={body}")),
            super::alias::with_arguments(body)
        )
    }

    fn unalias(&self, name: &str) -> String {
        format!("functions -e {}", self.quote(name))
    }

    fn function(&self, name: &str, body: &str) -> String {
        format!("function {}\n{}\nend", self.quote(name), body.trim_end_matches('\n'))
    }

    fn source(&self, word: &str) -> String {
        format!("source {word}")
    }

    fn path_word(&self, home: &str, path: &str) -> String {
        match below(home, path) {
            Some(rest) => format!("\"$HOME\"/{}", self.quote(rest)),
            None => self.quote(path),
        }
    }

    fn check(&self) -> &'static [&'static str] {
        &["fish", "--no-execute"]
    }
}
