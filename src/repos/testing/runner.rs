//! Which way a repository's tests are run, by a table. Pure.

use crate::document::makefile::{self, Target};
use crate::document::recipe::{self, Look, Obstacle};
use crate::repos::python::plan;

/// A way to run tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// The command that the profile gives.
    Given,
    /// `make test`.
    Make,
    /// tox.
    Tox,
    /// nox.
    Nox,
    /// `manage.py test`.
    Django,
    /// `python -m unittest`.
    Unittest,
    /// `python -m pytest`.
    Pytest,
}

/// What is known of a repository.
pub struct Repo<'a> {
    /// The command that the profile gives.
    pub given: Option<&'a str>,
    /// The text of its Makefile.
    pub makefile: Option<&'a str>,
    /// The paths of its files.
    pub names: &'a [String],
    /// The text of a file, by its path.
    pub read: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a program is in the environment or on `PATH`.
    pub has: &'a dyn Fn(&str) -> bool,
    /// Whether a tool is installed for the Python that is used; true where that cannot be told.
    pub installed: &'a dyn Fn(&str) -> bool,
}

/// One way to run tests.
pub struct Way {
    /// Which one.
    pub runner: Runner,
    /// What people call it.
    pub name: &'static str,
    /// How it is recognised.
    pub declared: fn(&Repo<'_>) -> bool,
    /// The program that must be there.
    pub program: Option<&'static str>,
    /// The command. `{python}` is the environment's Python, `{scratch}` a folder of its own, `{tests}` the folder of
    /// the tests, `{given}` the profile's command.
    pub command: &'static [&'static str],
}

/// The ways, the first that is declared and can run is taken. The JUnit report that pytest leaves is read for all of
/// them, and what unittest says at its end where there is none.
pub const TABLE: [Way; 7] = [
    Way {
        runner: Runner::Given,
        name: "the given command",
        declared: |repo| repo.given.is_some(),
        program: None,
        command: &["sh", "-c", "{given}"],
    },
    Way {
        runner: Runner::Make,
        name: "make test",
        declared: |repo| target(repo) != Target::Missing,
        program: Some("make"),
        command: &["make", "test"],
    },
    Way {
        runner: Runner::Tox,
        name: "tox",
        declared: |repo| {
            holds(repo, "tox.ini", &["[tox]", "[testenv"])
                || holds(repo, "tox.toml", &["env_list", "[env"])
                || holds(repo, "pyproject.toml", &["[tool.tox"])
        },
        program: Some("tox"),
        command: &["tox", "-e", "py", "--workdir", "{scratch}/tox"],
    },
    Way {
        runner: Runner::Nox,
        name: "nox",
        declared: |repo| holds(repo, "noxfile.py", &["nox"]),
        program: Some("nox"),
        command: &["nox", "--non-interactive", "--envdir", "{scratch}/nox"],
    },
    Way {
        runner: Runner::Django,
        name: "manage.py test",
        declared: |repo| {
            holds(repo, "manage.py", &["django"])
                && test_files(repo.names).next().is_some()
                && !any_holds(repo, &["pytest"])
        },
        program: None,
        command: &["{python}", "manage.py", "test", "--noinput"],
    },
    Way {
        runner: Runner::Unittest,
        name: "unittest",
        declared: |repo| {
            let mut files = test_files(repo.names).peekable();
            let only = files.peek().is_some() && files.all(|name| holds(repo, name, &["unittest"]));
            let without = !any_holds(repo, &["pytest", "\ndef test_"]);
            only && without && (!plan::has_tests(repo.names) || !(repo.installed)("pytest"))
        },
        program: None,
        command: &["{python}", "-m", "unittest", "discover", "-s", "{tests}"],
    },
    Way {
        runner: Runner::Pytest,
        name: "pytest",
        declared: |repo| plan::has_tests(repo.names),
        program: None,
        command: &["{python}", "-m", "pytest"],
    },
];

impl Runner {
    /// Its row.
    pub fn way(self) -> &'static Way {
        // Every runner has a row: a test proves it.
        TABLE.iter().find(|way| way.runner == self).unwrap_or(&TABLE[0])
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        self.way().name
    }
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// How the tests are run; `None` when nothing runs tests here.
    pub runner: Option<Runner>,
    /// Why that cannot work.
    pub obstacle: Option<Obstacle>,
    /// What was passed over, and why.
    pub notes: Vec<String>,
}

/// Decides how a repository is tested.
pub fn choose(repo: &Repo<'_>) -> Chosen {
    let mut chosen = first(repo, &TABLE);
    if chosen.runner == Some(Runner::Make) {
        chosen.obstacle = make_obstacle(repo);
    }
    if chosen.runner.is_none() && target(repo) == Target::Real && !(repo.has)("make") {
        let evidence = "make is not installed".into();
        chosen.runner = Some(Runner::Make);
        chosen.obstacle = Some(Obstacle { class: "runner-not-installed", evidence });
    }
    chosen
}

/// How the tests would be found if nothing were declared by command or Makefile.
pub fn discover(repo: &Repo<'_>) -> Option<Runner> {
    first(repo, &TABLE[2..]).runner
}

fn first(repo: &Repo<'_>, ways: &[Way]) -> Chosen {
    let mut chosen = Chosen::default();
    for way in ways.iter().filter(|way| (way.declared)(repo)) {
        match way.program {
            Some(program) if !(repo.has)(program) => {
                chosen.notes.push(format!("{} is declared, and {program} is not installed", way.name));
            }
            _ => {
                chosen.runner = Some(way.runner);
                break;
            }
        }
    }
    chosen
}

fn target(repo: &Repo<'_>) -> Target {
    repo.makefile.map_or(Target::Missing, |text| makefile::target(text, "test"))
}

fn make_obstacle(repo: &Repo<'_>) -> Option<Obstacle> {
    if target(repo) == Target::Empty {
        let evidence = match test_files(repo.names).filter(|name| is_collected(name)).count() {
            0 => "the recipe of 'make test' runs nothing".into(),
            1 => "the recipe of 'make test' runs nothing; there is 1 test file".into(),
            found => format!("the recipe of 'make test' runs nothing; there are {found} test files"),
        };
        return Some(Obstacle { class: "no-op-target", evidence });
    }
    let folder = |path: &str| {
        repo.names.iter().any(|name| name.strip_prefix(path).is_some_and(|r| r.starts_with('/')))
    };
    let exists = |path: &str| {
        repo.names.iter().any(|name| name == path) || folder(path) || (repo.read)(path).is_some()
    };
    let look = Look { exists: &exists, has: repo.has, installed: repo.installed };
    recipe::obstacle(&makefile::recipe(repo.makefile?, "test"), &look)
}

/// The folder in which unittest looks: `.`, or the one that holds all tests and is no package.
pub fn tests_folder(names: &[String]) -> String {
    let mut folders = test_files(names).map(|name| name.rsplit_once('/').map_or("", |(folder, _)| folder));
    let first = folders.next().unwrap_or_default();
    let package = names.iter().any(|name| *name == format!("{first}/__init__.py"));
    let one = !first.is_empty() && !package && folders.all(|folder| folder == first);
    if one { first.to_owned() } else { ".".into() }
}

/// Files that hold tests by their names.
fn test_files(names: &[String]) -> impl Iterator<Item = &str> {
    names.iter().map(String::as_str).filter(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        is_collected(path) || name.starts_with("test") && name.ends_with(".py")
    })
}

fn is_collected(path: &str) -> bool {
    plan::has_tests(&[path.to_owned()])
}

fn holds(repo: &Repo<'_>, name: &str, words: &[&str]) -> bool {
    (repo.read)(name).is_some_and(|text| words.iter().any(|word| text.contains(word)))
}

fn any_holds(repo: &Repo<'_>, words: &[&str]) -> bool {
    test_files(repo.names).any(|name| holds(repo, name, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(files: &[(&str, &str)], programs: &[&str]) -> Chosen {
        let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        let read =
            |name: &str| files.iter().find(|(path, _)| *path == name).map(|(_, text)| (*text).to_owned());
        let makefile = read("Makefile");
        let repo = Repo {
            given: None,
            makefile: makefile.as_deref(),
            names: &names,
            read: &read,
            has: &|program| programs.contains(&program),
            installed: &|program| programs.contains(&program),
        };
        choose(&repo)
    }

    fn runner(files: &[(&str, &str)], programs: &[&str]) -> Option<Runner> {
        let chosen = decide(files, programs);
        assert_eq!(chosen.obstacle, None);
        chosen.runner
    }

    const ALL: [&str; 4] = ["make", "pytest", "tox", "nox"];

    #[test]
    fn every_runner_has_its_row() {
        for way in &TABLE {
            assert_eq!(way.runner.name(), way.name);
        }
    }

    #[test]
    fn an_empty_recipe_is_known_before_it_runs() {
        let test = ("test_x.py", "");
        let chosen = decide(&[("Makefile", "test:\n\t#pytest\n"), test], &ALL);
        let obstacle = chosen.obstacle.unwrap();
        assert_eq!((chosen.runner, obstacle.class), (Some(Runner::Make), "no-op-target"));
        assert!(obstacle.evidence.ends_with("there is 1 test file"), "{obstacle:?}");
        let chosen = decide(&[("Makefile", "test:\n\tpython -m pytest test_y.py\n"), test], &ALL);
        assert_eq!(chosen.obstacle.unwrap().class, "target-names-missing-file");
        assert_eq!(runner(&[("Makefile", "test:\n\tpytest\n"), test], &ALL), Some(Runner::Make));
    }

    #[test]
    fn what_is_not_installed_is_passed_over_and_said() {
        let test = ("test_x.py", "");
        let chosen = decide(&[("Makefile", "test:\n\tpytest\n"), ("tox.ini", "[tox]\n"), test], &["pytest"]);
        assert_eq!(chosen.runner, Some(Runner::Pytest));
        assert_eq!(chosen.notes.len(), 2, "{:?}", chosen.notes);
        let chosen = decide(&[("Makefile", "test:\n\tx\n")], &[]);
        assert_eq!(chosen.obstacle.unwrap().class, "runner-not-installed");
        assert_eq!(decide(&[("Makefile", "all:\n\tx\n")], &ALL), Chosen::default());
    }

    #[test]
    fn what_is_declared_is_used() {
        let test = ("tests/test_x.py", "import unittest\n");
        assert_eq!(runner(&[("tox.ini", "[tox]\n"), test], &ALL), Some(Runner::Tox));
        assert_eq!(runner(&[("tox.ini", "[flake8]\n"), test], &ALL), Some(Runner::Pytest));
        assert_eq!(runner(&[("noxfile.py", "import nox\n"), test], &ALL), Some(Runner::Nox));
        assert_eq!(runner(&[("manage.py", "import django"), test], &ALL), Some(Runner::Django));
        assert_eq!(runner(&[test], &["make"]), Some(Runner::Unittest));
        assert_eq!(runner(&[("tests.py", "import unittest")], &ALL), Some(Runner::Unittest));
        assert_eq!(runner(&[("test_x.py", "import pytest, unittest")], &[]), Some(Runner::Pytest));
        assert_eq!(tests_folder(&["tests/test_x.py".into(), "a.py".into()]), "tests");
        assert_eq!(tests_folder(&["tests/test_x.py".into(), "tests/__init__.py".into()]), ".");
    }
}
