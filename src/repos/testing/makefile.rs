//! What `make test` would do, read before it is run: a recipe of comments passes and tests nothing.

/// What a Makefile says about a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// It is not there.
    Missing,
    /// It is there and does nothing: no command, or only comments and commands that cannot fail.
    Empty,
    /// It runs something, or needs targets that may.
    Real,
}

/// Reads what a Makefile says about `name`.
pub fn target(makefile: &str, name: &str) -> Target {
    let joined = makefile.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut found = Target::Missing;
    let mut inside = false;
    for line in joined.lines() {
        if let Some(recipe) = line.strip_prefix('\t') {
            if inside && does_something(recipe) {
                return Target::Real;
            }
            continue;
        }
        let line = line.split('#').next().unwrap_or_default().trim_end();
        if line.is_empty() {
            continue;
        }
        inside = false;
        let Some((names, rest)) = line.split_once(':') else { continue };
        // An assignment such as `A := b` or `A ::= b`.
        if rest.trim_start_matches(':').starts_with('=') || names.contains('=') {
            continue;
        }
        if !names.split_whitespace().any(|word| word == name) {
            continue;
        }
        inside = true;
        found = Target::Empty;
        let rest = rest.trim_start_matches(':');
        let (needs, recipe) = rest.split_once(';').unwrap_or((rest, ""));
        if !needs.trim().is_empty() && !needs.contains('=') || does_something(recipe) {
            return Target::Real;
        }
    }
    found
}

/// The Python files that the recipe of `name` gives to a test runner as they are. A recipe that changes the
/// directory names files of another one, so it tells nothing.
pub fn test_files(makefile: &str, name: &str) -> Vec<String> {
    let joined = makefile.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut inside = false;
    let mut found = Vec::new();
    for line in joined.lines() {
        if let Some(recipe) = line.strip_prefix('\t') {
            let words: Vec<&str> =
                recipe.trim_start_matches(['@', '-', '+', ' ']).split_whitespace().collect();
            let runs = words.iter().take_while(|word| !word.starts_with('#'));
            let runs: Vec<&str> = runs.copied().collect();
            if inside && runs.contains(&"cd") {
                return Vec::new();
            }
            if inside && runs.iter().any(|word| matches!(*word, "pytest" | "py.test" | "unittest")) {
                let files = runs.iter().filter(|word| word.ends_with(".py") && !word.starts_with('-'));
                found.extend(files.map(|word| (*word).to_owned()));
            }
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            let names = line.split_once(':').map_or("", |(names, _)| names);
            inside = names.split_whitespace().any(|word| word == name);
        }
    }
    found
}

fn does_something(recipe: &str) -> bool {
    let command = recipe.trim_start_matches([' ', '\t', '@', '-', '+']).trim_end();
    let first = command.split_whitespace().next().unwrap_or_default();
    let alone = !command.contains([';', '&', '|', '`']) && !command.contains("$(");
    !(first.is_empty() || first.starts_with('#') || alone && matches!(first, ":" | "true" | "echo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_test() {
        assert_eq!(target("test:\n\t#python -m pytest -vv\n\t  # more\n", "test"), Target::Empty);
        assert_eq!(target("test:\n\t@echo no tests yet\n\t@true\n", "test"), Target::Empty);
        assert_eq!(target(".PHONY: test\ntest:\n", "test"), Target::Empty);
    }

    #[test]
    fn commands_and_needs_are() {
        assert_eq!(target("test:\n\t# first\n\t@python -m pytest\n", "test"), Target::Real);
        assert_eq!(target("lint test: ; pytest", "test"), Target::Real);
        assert_eq!(target("test: unit\nunit:\n\tpytest\n", "test"), Target::Real);
        assert_eq!(target("test::\n\techo a; pytest\n", "test"), Target::Real);
        assert_eq!(target("test:\n\n\tpytest\n", "test"), Target::Real);
    }

    #[test]
    fn what_only_looks_like_the_target_is_not() {
        assert_eq!(target("test := x\ntests:\n\tpytest\n.PHONY: test\n", "test"), Target::Missing);
        assert_eq!(target("install:\n\tpip install x\n# test:\n", "test"), Target::Missing);
    }
}
