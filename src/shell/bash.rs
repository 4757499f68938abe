//! bash.

use super::dialect::Dialect;
use super::posix::{Posix, dollar_quote, home_word, statements};

/// The language of bash.
pub struct Bash;

impl Dialect for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn quote(&self, text: &str) -> String {
        dollar_quote(text)
    }

    fn set_env(&self, name: &str, value: &str) -> String {
        format!("\\builtin export {name}={}", self.quote(value))
    }

    fn unset_env(&self, name: &str) -> String {
        format!("\\builtin unset -v {name}")
    }

    fn prepend_path(&self, word: &str) -> String {
        Posix.prepend_path(word)
    }

    fn append_path(&self, word: &str) -> String {
        Posix.append_path(word)
    }

    fn alias(&self, name: &str, body: &str) -> String {
        format!("\\builtin alias -- {}={}", self.quote(name), self.quote(body))
    }

    fn unalias(&self, name: &str) -> String {
        format!("\\builtin unalias -- {} 2>/dev/null || :", self.quote(name))
    }

    // `function name`, because in `name ()` an alias of that name is expanded and the file ends there.
    fn function(&self, name: &str, body: &str) -> String {
        format!("function {name} {{\n{}\n}}", statements(body))
    }

    fn source(&self, word: &str) -> String {
        // Not `builtin .`: that one forgets, under `set -e`, that its status is being tested.
        format!("\\. {word}")
    }

    fn path_word(&self, home: &str, path: &str) -> String {
        home_word(self, home, path)
    }

    fn check(&self) -> &'static [&'static str] {
        &["bash", "-n"]
    }
}
