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

/// One rule: `names: needs`, and its commands.
#[derive(Default)]
struct Rule<'a> {
    names: Vec<&'a str>,
    needs: Vec<&'a str>,
    commands: Vec<&'a str>,
}

/// How deep needs are followed.
const DEPTH: usize = 8;

/// Reads what a Makefile says about `name`.
pub fn target(makefile: &str, name: &str) -> Target {
    let joined = joined(makefile);
    let mut found = Target::Missing;
    for rule in rules(&joined).iter().filter(|rule| rule.names.contains(&name)) {
        if !rule.needs.is_empty() || rule.commands.iter().any(|command| does_something(command)) {
            return Target::Real;
        }
        found = Target::Empty;
    }
    found
}

/// The commands that `make NAME` runs, in order, those of its needs first; comments and commands that cannot fail
/// are left out.
pub fn recipe(makefile: &str, name: &str) -> Vec<String> {
    let joined = joined(makefile);
    let rules = rules(&joined);
    let mut commands = Vec::new();
    collect(&rules, name, DEPTH, &mut commands);
    commands
}

fn collect(rules: &[Rule<'_>], name: &str, depth: usize, commands: &mut Vec<String>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for rule in rules.iter().filter(|rule| rule.names.contains(&name)) {
        rule.needs.iter().for_each(|need| collect(rules, need, depth, commands));
        let real = rule.commands.iter().filter(|command| does_something(command));
        commands.extend(real.map(|command| bare(command).to_owned()));
        commands.truncate(1000);
    }
}

fn joined(makefile: &str) -> String {
    makefile.replace("\\\r\n", " ").replace("\\\n", " ")
}

fn rules(makefile: &str) -> Vec<Rule<'_>> {
    let mut rules: Vec<Rule<'_>> = Vec::new();
    let mut inside = false;
    for line in makefile.lines() {
        if let Some(recipe) = line.strip_prefix('\t') {
            if let (true, Some(rule)) = (inside, rules.last_mut()) {
                rule.commands.push(recipe);
            }
            continue;
        }
        let line = line.split('#').next().unwrap_or_default().trim_end();
        // A condition may stand in the middle of a recipe.
        let first = line.split_whitespace().next().unwrap_or_default();
        let is_condition = matches!(first, "ifdef" | "ifndef" | "ifeq" | "ifneq" | "else" | "endif");
        if line.is_empty() || is_condition || first.starts_with("ifeq(") || first.starts_with("ifneq(") {
            continue;
        }
        inside = false;
        let Some((names, rest)) = line.split_once(':') else { continue };
        // An assignment such as `A := b` or `A ::= b`.
        if rest.trim_start_matches(':').starts_with('=') || names.contains('=') {
            continue;
        }
        inside = true;
        let rest = rest.trim_start_matches(':');
        let (needs, recipe) = rest.split_once(';').unwrap_or((rest, ""));
        // A variable for one target: `test: A = b`.
        let needs = if needs.contains('=') { "" } else { needs };
        rules.push(Rule {
            names: names.split_whitespace().collect(),
            needs: needs.split_whitespace().collect(),
            commands: vec![recipe],
        });
    }
    rules
}

/// A command without the marks that make reads.
fn bare(recipe: &str) -> &str {
    recipe.trim_start_matches([' ', '\t', '@', '-', '+']).trim_end()
}

fn does_something(recipe: &str) -> bool {
    let command = bare(recipe);
    let first = command.split_whitespace().next().unwrap_or_default();
    let alone = !command.contains([';', '&', '|', '`']) && !command.contains("$(");
    !(first.is_empty() || first.starts_with('#') || alone && matches!(first, ":" | "true" | "echo"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_ends_no_recipe() {
        let text = "test:\nifdef CI\n\t./run.sh --ci\nelse\n\t./run.sh\nendif\n";
        assert_eq!(target(text, "test"), Target::Real);
        assert_eq!(recipe(text, "test").len(), 2);
    }

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
    fn a_recipe_is_read_with_its_needs() {
        let makefile = ".PHONY: test\ntest: unit lint\n\t@echo done\nunit:\n\t-@pytest \\\n\t  -v\nlint: test\n\tpylint a\n";
        let commands = recipe(makefile, "unit");
        assert_eq!(commands.len(), 1);
        assert_eq!(commands[0].split_whitespace().collect::<Vec<_>>(), ["pytest", "-v"]);
        assert!(recipe(makefile, "test").contains(&"pylint a".to_owned()), "a circle ends");
        assert!(recipe(makefile, "none").is_empty());
    }

    #[test]
    fn what_only_looks_like_the_target_is_not() {
        assert_eq!(target("test := x\ntests:\n\tpytest\n.PHONY: test\n", "test"), Target::Missing);
        assert_eq!(target("install:\n\tpip install x\n# test:\n", "test"), Target::Missing);
    }
}
