//! Whose command it is, what changed since all tests passed, and in which runs that ends. Pure.

use super::memory::Memory;
use super::{Build, Changed, Parts, TABLE, Tool};
use crate::project::fingerprint::Fingerprint;
use crate::project::model::{Action, Command};
use crate::run::event::Verdict;
use crate::run::outcome::Found;

/// A command that is plainly one of a tool on all its tests.
pub(super) struct Plain {
    pub(super) tool: &'static dyn Tool,
    pub(super) words: Vec<String>,
}

impl Plain {
    /// What a stage runs; `None` when it does more, or something else.
    pub(super) fn of(action: &Action) -> Option<Self> {
        let words: Vec<String> = match action {
            Action::Run(Command::Words(words)) => words.clone(),
            // What a shell would only split.
            Action::Run(Command::Shell(text)) => {
                let is_plain =
                    |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/' | '=');
                text.trim()
                    .chars()
                    .all(is_plain)
                    .then(|| text.split_whitespace().map(str::to_owned).collect())?
            }
            _ => return None,
        };
        let tool = TABLE.iter().find(|tool| tool.is_plain(&refs(&words)))?;
        Some(Self { tool: *tool, words })
    }
}

pub(super) fn refs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// Which tests run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// All at once, because a part would not do: why, where that is worth saying.
    All(Option<String>),
    /// Some first.
    Parts(Parts),
}

/// What changed since all tests passed; the other plan is that all run.
pub(super) fn changes(memory: &Memory, now: &Fingerprint) -> Result<Vec<Changed>, Plan> {
    let Some(green) = &memory.green else { return Err(Plan::All(None)) };
    if memory.stray {
        return Err(Plan::All(Some("a test failed that nothing was known to affect".into())));
    }
    let changed = now.changed_inputs(green).map_err(|difference| Plan::All(Some(difference.to_string())))?;
    if changed.is_empty() {
        return Err(Plan::All(None));
    }
    Ok(changed.into_iter().map(|(path, is_there)| Changed { path, is_there }).collect())
}

/// What a tool said as a plan.
pub(super) fn plan(tool: &dyn Tool, said: Result<Parts, String>) -> Plan {
    match said {
        Err(why) => Plan::All(Some(why)),
        Ok(parts) if parts.affected.is_empty() => {
            Plan::All(Some("no test is known to depend on what changed".into()))
        }
        Ok(parts) if parts.rest.is_empty() => Plan::All((parts.affected.len() > 1).then(|| {
            let noun = tool.portion().noun();
            format!("every {noun} depends on what changed")
        })),
        Ok(parts) => Plan::Parts(parts),
    }
}

/// Whether a part that is red proves nothing: it says no failure, or was built in another way than with the others.
pub(super) fn is_doubtful(tool: &dyn Tool, found: &Found, verdict: Verdict, was_built: bool) -> bool {
    let failed = found.tests.map_or(0, |tests| tests.failed);
    verdict == Verdict::Failed
        && (found.failures.is_empty() || tool.build() == Build::Apart && failed == 0 && !was_built)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::{Failure, Tests};

    fn of(text: &str) -> Option<&'static str> {
        Plain::of(&Action::Run(Command::Shell(text.into()))).map(|plain| plain.tool.name())
    }

    #[test]
    fn a_command_is_plain_when_it_leaves_the_choice_of_tests() {
        let plain = [
            ("cargo test", "cargo"),
            ("cargo test --workspace --locked", "cargo"),
            ("cargo nextest run", "cargo"),
            ("go test ./...", "go"),
            ("go test -race -v ./...", "go"),
            ("npx vitest run", "vitest"),
            ("pnpm exec vitest run", "vitest"),
            ("vitest --run", "vitest"),
            ("npx jest", "jest"),
            ("yarn run jest --ci", "jest"),
            ("node_modules/.bin/jest", "jest"),
        ];
        for (text, tool) in plain {
            assert_eq!(of(text), Some(tool), "{text}");
        }
        let others = [
            "cargo test && true",
            "cargo test -p a",
            "cargo test name",
            "cargo test -- --ignored",
            "cargo build",
            "cargo nextest list",
            "A=1 cargo test",
            "go test ./pkg",
            "go test -run X ./...",
            "go test ./... ./other",
            "npx vitest",
            "npx vitest run src",
            "npx jest src",
            "npx jest --coverage",
            "jest $X",
            "npx",
            "",
        ];
        for text in others {
            assert_eq!(of(text), None, "{text}");
        }
        let words = ["cargo", "test", "a b"].map(str::to_owned).to_vec();
        assert!(Plain::of(&Action::Run(Command::Words(words))).is_none());
    }

    #[test]
    fn what_cannot_be_divided_runs_at_once_and_says_why() {
        let tool = TABLE[0];
        let parts = |affected: &[&str], rest: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            plan(tool, Ok(Parts { affected: owned(affected), rest: owned(rest), because: Vec::new() }))
        };
        assert!(matches!(parts(&["a"], &["b"]), Plan::Parts(_)));
        assert_eq!(parts(&["a"], &[]), Plan::All(None), "there is nothing to choose from");
        assert_eq!(parts(&["a", "b"], &[]), Plan::All(Some("every package depends on what changed".into())));
        assert!(matches!(parts(&[], &["a"]), Plan::All(Some(_))));
        assert_eq!(plan(tool, Err("x".into())), Plan::All(Some("x".into())));
    }

    #[test]
    fn a_part_that_says_no_failure_or_was_never_built_alone_is_doubtful() {
        let [apart, together] = [TABLE[0], TABLE[1]];
        let failure = Failure { name: "x".into(), file: None, line: None, message: String::new() };
        let unbuilt = Found { ran: true, failures: vec![failure], ..Found::default() };
        let red = Found { tests: Some(Tests { failed: 1, ..Tests::default() }), ..unbuilt.clone() };
        let doubtful = |tool, found, was_built| is_doubtful(tool, found, Verdict::Failed, was_built);
        assert!(doubtful(apart, &unbuilt, false) && !doubtful(apart, &unbuilt, true));
        assert!(!doubtful(apart, &red, false) && !doubtful(together, &unbuilt, false));
        assert!(doubtful(together, &Found::default(), true), "a tool that could not be run says no failure");
        assert!(!is_doubtful(apart, &Found::default(), Verdict::Passed, false));
    }
}
