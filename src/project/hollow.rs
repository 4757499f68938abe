//! Commands that succeed and test nothing, whatever they are called.

use std::path::Path;

use super::infer::MAKEFILES;
use super::model::{Action, Command};
use crate::document::makefile::{Target, target};
use crate::sys::system::ReadSystem;

/// The largest Makefile that is read, in bytes.
const LIMIT: u64 = 1 << 20;

/// Why the success of a stage says nothing, as a sentence: it is `make test`, and the recipe is one of comments.
pub fn hollow(system: &dyn ReadSystem, cwd: &Path, action: &Action) -> Option<String> {
    let Action::Run(command) = action else { return None };
    let words: Vec<&str> = match command {
        Command::Shell(line) => line.split_whitespace().collect(),
        Command::Words(words) => words.iter().map(String::as_str).collect(),
    };
    let ["make", name @ ("test" | "tests" | "check")] = words[..] else { return None };
    // make reads the first that is there; where that cannot be read, nothing is known.
    let there = |file: &&&str| matches!(system.meta(&cwd.join(file)), Ok(Some(_)));
    let text = system.read(&cwd.join(MAKEFILES.iter().find(there)?), LIMIT).ok()?;
    let text = String::from_utf8_lossy(&text);
    // What these bring is not read here.
    let is_plain = !["include", "define", ".RECIPEPREFIX", "$(eval"].iter().any(|word| text.contains(word));
    (is_plain && target(&text, name) == Target::Empty)
        .then(|| format!("`make {name}` does nothing: its recipe has no command that can fail"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use super::*;
    use crate::sys::real::RealSystem;

    #[test]
    fn only_a_target_of_comments_is_hollow() {
        let dir = tempfile::tempdir().unwrap();
        let text = "test:\n\t#pytest\n\t@echo none\ncheck:\n\tpytest\nbuild:\n\t#later\n";
        std::fs::write(dir.path().join("Makefile"), text).unwrap();
        let of = |line: &str| hollow(&RealSystem, dir.path(), &Action::Run(Command::Shell(line.into())));
        assert!(of("make test").unwrap().starts_with("`make test` does nothing"));
        for line in ["make check", "make build", "make -C sub test", "make", "pytest", "make test && x"] {
            assert_eq!(of(line), None, "{line}");
        }
        let words = Command::Words(vec!["make".into(), "test".into()]);
        assert!(hollow(&RealSystem, dir.path(), &Action::Run(words)).is_some());
    }
}
