//! `make lint`, on request: its own verdict, which the tests' verdict does not depend on.

use super::failure::{Facts, Failure, Stage, classify, known};
use super::surroundings::Surroundings;
use crate::document::makefile::{self, Target};
use crate::sys::process::{self, CommandSpec};

/// What lint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linted {
    /// It ran and has nothing to say.
    pub clean: bool,
    /// Why not.
    pub failure: Option<Failure>,
}

/// Runs the target; `None` when there is none. `green` says whether the tests are.
pub fn lint(makefile: Option<&str>, around: &Surroundings, facts: &Facts, green: bool) -> Option<Linted> {
    match makefile::target(makefile?, "lint") {
        Target::Missing => return None,
        Target::Empty => {
            let failure = known("no-op-target", "the recipe of 'make lint' runs nothing", facts);
            return Some(Linted { clean: false, failure });
        }
        Target::Real => {}
    }
    let done = match process::run(&around.prepare(CommandSpec::new("make").arg("lint"))) {
        Ok(done) if done.ok() => return Some(Linted { clean: true, failure: None }),
        Ok(done) => done,
        Err(error) => {
            let failure = known("runner-not-installed", &format!("make: {error}"), facts);
            return Some(Linted { clean: false, failure });
        }
    };
    // What lint has to say stands on its standard output, what make and the shell say after it.
    let text = format!("{}\n{}", done.error_text(), done.text());
    let mut failure = classify(Stage::Lint, Some(done.ending), &text, None, facts);
    if let (false, Some(red)) = (green, &failure)
        && red.class == "lint-red-tests-green"
    {
        failure = known("lint-red", &red.evidence, facts);
    }
    Some(Linted { clean: false, failure })
}
