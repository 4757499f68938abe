//! Which way a repository's tests are run: its own target if that is real, else the runner that its files name.
//! Pure.

use serde::Serialize;

use super::failure::{Failure, MISSING_FILE, NO_OP};
use super::makefile::{self, Target};
use super::verdict::Verdict;
use crate::repos::python::plan::has_tests;

/// How tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runner {
    /// The command that the profile gives.
    Given,
    /// `make test`.
    Make,
    /// `tox`.
    Tox,
    /// `nox`.
    Nox,
    /// `python -m pytest`.
    Pytest,
    /// `python -m unittest discover`.
    Unittest,
    /// There are no tests: modules are imported, and the app is asked.
    Smoke,
}

impl Runner {
    /// What a person would type.
    pub fn command(self) -> &'static str {
        match self {
            Self::Given => "the profile's command",
            Self::Make => "make test",
            Self::Tox => "tox",
            Self::Nox => "nox",
            Self::Pytest => "pytest",
            Self::Unittest => "unittest",
            Self::Smoke => "imports",
        }
    }
}

/// What is known of a repository before anything of it runs.
pub struct Seen<'a> {
    /// Its name.
    pub name: &'a str,
    /// The text of its Makefile.
    pub makefile: Option<&'a str>,
    /// The paths of its files.
    pub names: &'a [String],
    /// Whether a program is there, in the environment or on the machine.
    pub has: &'a dyn Fn(&str) -> bool,
}

/// A decision: what is run, and what is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What to run.
    pub runner: Runner,
    /// What the repository's own target is worth, when that is known without running it. Then the runner only says
    /// what there would be to test.
    pub known: Option<(Verdict, Failure)>,
}

/// Decides.
pub fn choose(seen: &Seen<'_>) -> Way {
    let known = seen.makefile.and_then(|text| known(seen, text));
    let target = seen.makefile.map_or(Target::Missing, |text| makefile::target(text, "test"));
    let has_file = |name: &str| seen.names.iter().any(|file| file == name);
    let tests = has_tests(seen.names);
    let runner = if known.is_none() && target == Target::Real && (seen.has)("make") {
        Runner::Make
    } else if known.is_none() && has_file("tox.ini") && (seen.has)("tox") {
        Runner::Tox
    } else if known.is_none() && has_file("noxfile.py") && (seen.has)("nox") {
        Runner::Nox
    } else if tests && ((seen.has)("pytest") || target == Target::Real) {
        Runner::Pytest
    } else if tests {
        Runner::Unittest
    } else {
        Runner::Smoke
    };
    Way { runner, known }
}

/// What a recipe is worth when it runs nothing, or names a file that is not there.
fn known(seen: &Seen<'_>, text: &str) -> Option<(Verdict, Failure)> {
    match makefile::target(text, "test") {
        Target::Missing => None,
        Target::Empty => {
            let why = "the recipe of 'make test' runs nothing";
            Some((Verdict::NoTestRan { why: why.into() }, NO_OP.because(seen.name, why)))
        }
        Target::Real => {
            let missing =
                makefile::test_files(text, "test").into_iter().find(|file| !is_there(seen.names, file))?;
            let why = format!("'make test' names {missing}, which is not there");
            let failure = MISSING_FILE.because(seen.name, &why);
            let advice = failure.advice.replacen("it", &missing, 1);
            Some((Verdict::CouldNotStart { why }, Failure { advice, ..failure }))
        }
    }
}

/// Whether a file that a recipe names is there; what a shell would still expand counts as there.
fn is_there(names: &[String], file: &str) -> bool {
    let plain = file.trim_start_matches("./");
    file.contains(['*', '$', '?', '[', '{', '~']) || names.iter().any(|name| name == plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(makefile: Option<&str>, names: &[&str], programs: &[&str]) -> Way {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        choose(&Seen { name: "x", makefile, names: &names, has: &|program| programs.contains(&program) })
    }

    #[test]
    fn the_repositorys_own_target_comes_first() {
        assert_eq!(
            way(Some("test:\n\tpytest\n"), &["test_x.py", "tox.ini"], &["make", "tox", "pytest"]).runner,
            Runner::Make
        );
        assert_eq!(way(Some("test:\n\tpytest\n"), &["test_x.py"], &[]).runner, Runner::Pytest);
        assert_eq!(way(None, &["test_x.py", "tox.ini"], &["tox", "pytest"]).runner, Runner::Tox);
        assert_eq!(way(None, &["test_x.py", "noxfile.py"], &["pytest"]).runner, Runner::Pytest);
        assert_eq!(way(None, &["test_x.py"], &[]).runner, Runner::Unittest);
        assert_eq!(way(None, &["app.py"], &["pytest"]).runner, Runner::Smoke);
    }

    #[test]
    fn an_empty_recipe_is_known_before_it_runs() {
        let found = way(Some("test:\n\t#pytest\n"), &["test_x.py"], &["make", "pytest"]);
        assert_eq!(found.runner, Runner::Pytest);
        let (verdict, failure) = found.known.unwrap();
        assert!(matches!(verdict, Verdict::NoTestRan { .. }));
        assert_eq!(failure.class.id, "no-op-target");
    }

    #[test]
    fn a_recipe_that_names_a_file_that_is_not_there_is_known_too() {
        let found = way(Some("test:\n\tpython -m pytest -vv test_hello.py\n"), &["app.py"], &["make"]);
        let (verdict, failure) = found.known.unwrap();
        assert_eq!(
            verdict,
            Verdict::CouldNotStart { why: "'make test' names test_hello.py, which is not there".into() }
        );
        assert_eq!(failure.class.id, "target-names-missing-file");
        assert!(failure.advice.starts_with("test_hello.py is not in the repository"), "{}", failure.advice);
        assert_eq!(way(Some("test:\n\tpytest test_*.py a/$(X).py\n"), &["test_x.py"], &["make"]).known, None);
        assert_eq!(way(Some("test:\n\tcd sub && pytest test_y.py\n"), &["test_x.py"], &["make"]).known, None);
    }
}
