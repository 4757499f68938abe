//! What is tried where there are no tests: importing the repository's modules, and asking its web application for
//! its first page. Never a pass, always a state of its own.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::failure::{Facts, Failure, Stage, classify, known};
use super::report::shown;
use super::run;
use super::verdict::Verdict;
use crate::repos::python::plan;
use crate::sys::process::{self, CommandSpec, Ending};

/// The program that imports one module.
const SMOKE: &str = include_str!("smoke.py");

/// How many modules are imported.
const MODULES: usize = 20;

/// The longest time for one module.
const EACH: Duration = Duration::from_secs(60);

/// Files that do something when they are imported, by their nature.
const NOT_IMPORTED: [&str; 9] =
    ["setup", "conftest", "manage", "noxfile", "fabfile", "tasks", "__init__", "__main__", "gunicorn_conf"];

/// Folders whose packages are no part of the program.
const NOT_PACKAGES: [&str; 6] = ["tests", "test", "docs", "doc", "examples", "scripts"];

/// The top-level modules of a repository that can be imported, those that hold web applications as a rule first. A
/// file whose name is no identifier is a script, and nobody imports it. Pure.
pub fn modules(names: &[String]) -> Vec<String> {
    let mut found: Vec<String> = names.iter().filter_map(|name| module(name)).map(str::to_owned).collect();
    found.sort_by_key(|name| (!matches!(name.as_str(), "main" | "app" | "application"), name.clone()));
    found.dedup();
    found.truncate(MODULES);
    found
}

fn module(path: &str) -> Option<&str> {
    let name = match path.split_once('/') {
        None if plan::has_tests(&[path.to_owned()]) => return None,
        None => path
            .strip_suffix(".py")
            .filter(|name| !NOT_IMPORTED.contains(name) && !name.starts_with("test"))?,
        Some((folder, "__init__.py")) if !NOT_PACKAGES.contains(&folder) => folder,
        Some(_) => return None,
    };
    let identifier = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (identifier && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty()).then_some(name)
}

/// What `smoke.py` writes.
#[derive(Debug, Default, Deserialize)]
struct Said {
    ok: bool,
    error: String,
    trace: String,
    printed: String,
    status: Option<u16>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smoked {
    /// [`Verdict::Smoke`], or what ended it.
    pub verdict: Verdict,
    /// The first thing that is wrong.
    pub failure: Option<Failure>,
    /// What is worth saying besides.
    pub notes: Vec<String>,
}

/// Imports modules, each in a process of its own. `prepare` gives a command the repository's folder, environment
/// and log; `scratch` is a folder that goes away; `time` is for all of them.
pub fn smoke(
    modules: &[String],
    python: &Path,
    prepare: &dyn Fn(CommandSpec) -> CommandSpec,
    scratch: &Path,
    time: Duration,
    facts: &Facts,
) -> Smoked {
    let started = Instant::now();
    let (mut imported, mut failed, mut answered) = (0, 0, None);
    let mut failures: Vec<Failure> = Vec::new();
    let mut loud = None;
    let mut notes = Vec::new();
    for (number, name) in modules.iter().enumerate() {
        let left = time.saturating_sub(started.elapsed());
        if left.is_zero() {
            notes.push(format!("the time was up before {name} was imported"));
            break;
        }
        let result = scratch.join(format!("smoke-{number}.json"));
        let command = CommandSpec::new(python).args(["-c", SMOKE]).arg(&result).arg(name);
        let done = match process::run(&prepare(command).timeout(left.min(EACH))) {
            Ok(done) => done,
            Err(error) => {
                return Smoked {
                    verdict: Verdict::CouldNotStart { why: error.to_string() },
                    failure: None,
                    notes,
                };
            }
        };
        if done.ending == Ending::Interrupted {
            return Smoked { verdict: Verdict::Interrupted, failure: None, notes };
        }
        let said: Option<Said> =
            run::left(&result, 1 << 20).and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let ended = said.is_some();
        let said = said.unwrap_or_default();
        if said.ok {
            imported += 1;
        } else {
            failed += 1;
        }
        if !said.printed.is_empty() {
            let first = shown(said.printed.lines().next().unwrap_or_default());
            let words = format!("importing {name} prints: {first}");
            loud = loud.or_else(|| known("import-side-effects", &words, facts));
            notes.push(words);
        }
        failures.extend(wrong(name, &said, ended, done.ending, facts));
        if let Some(status) = said.status {
            // An error stays in sight, whatever another application answers.
            answered = answered.filter(|known| *known >= 500).or(Some(status));
        }
    }
    let verdict = Verdict::Smoke { imported, failed, answered };
    Smoked { verdict, failure: failures.into_iter().next().or(loud), notes }
}

/// What is wrong with one module.
fn wrong(name: &str, said: &Said, ended: bool, ending: Ending, facts: &Facts) -> Option<Failure> {
    if !ended {
        let how = match ending {
            Ending::TimedOut => format!("importing {name} does not end"),
            Ending::Signalled(_) => return classify(Stage::Import, Some(ending), "", None, facts),
            _ => format!("importing {name} ends the program"),
        };
        return known("import-side-effects", &how, facts);
    }
    if !said.error.is_empty() {
        let found = classify(Stage::Import, Some(ending), &said.trace, None, facts);
        let words = format!("{name}: {}", said.error.lines().last().unwrap_or_default());
        return found.or_else(|| known("import-error", &words, facts));
    }
    let status = said.status.filter(|status| *status >= 500)?;
    known("app-answers-error", &format!("GET / of {name} answers {status}"), facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_what_can_be_imported() {
        let names = [
            "zeta.py",
            "app.py",
            "setup.py",
            "conftest.py",
            "manage.py",
            "test_x.py",
            "x_test.py",
            "tests.py",
            "greedy-tsp.py",
            "lib/__init__.py",
            "lib/a.py",
            "tests/__init__.py",
            "sub/deep/__init__.py",
            "9x.py",
            "__init__.py",
            ".py",
        ]
        .map(str::to_owned);
        assert_eq!(modules(&names), ["app", "lib", "zeta"]);
    }

    #[test]
    fn what_goes_wrong_has_a_name() {
        let facts = Facts::default();
        let class =
            |said: Said, ended, ending| wrong("m", &said, ended, ending, &facts).map(|found| found.class);
        let fine = Ending::Exited(0);
        assert_eq!(class(Said { ok: true, status: Some(404), ..Said::default() }, true, fine), None);
        let broken = Said { ok: true, status: Some(500), ..Said::default() };
        assert_eq!(class(broken, true, fine), Some("app-answers-error"));
        assert_eq!(class(Said::default(), false, Ending::TimedOut), Some("import-side-effects"));
        assert_eq!(class(Said::default(), false, Ending::Signalled(11)), Some("crashed"));
        let error = |text: &str| Said { error: text.into(), trace: text.into(), ..Said::default() };
        assert_eq!(class(error("SystemExit: 2"), true, fine), Some("import-side-effects"));
        assert_eq!(class(error("ValueError: x"), true, fine), Some("import-error"));
    }
}
