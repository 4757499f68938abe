//! Running a repository's tests in its environment, without leaving traces in its folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::makefile::{self, Target};
use super::verdict::{self, Verdict};
use crate::repos::files::{file_names, read_text};
use crate::repos::python::environment::{self, PythonEnv};
use crate::repos::python::plan;
use crate::sys::env;
use crate::sys::process::{self, CommandSpec, Ending};
use crate::sys::real::RealSystem;
use crate::sys::system::{ReadSystem, WriteSystem};

/// How the tests are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// `make test`.
    Make,
    /// `python -m pytest`.
    Pytest,
    /// The command that the profile gives.
    Given,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct TestSpec {
    /// The repository.
    pub repo: PathBuf,
    /// Its environment; without one, the machine's `python3` is used.
    pub env: Option<PythonEnv>,
    /// The command that the profile gives, run by `sh`; `None` is what the repository itself declares.
    pub command: Option<String>,
    /// Where the output goes; the report lies beside it while the tests run.
    pub log: PathBuf,
    /// The longest time.
    pub time: Duration,
}

/// Decides how a repository is tested, or says why nothing is run. Pure. `makefile` is its text, `names` are
/// the paths of its files, and `has_make` whether the program is there.
pub fn runner(makefile: Option<&str>, names: &[String], has_make: bool) -> Result<Runner, Verdict> {
    let target = makefile.map_or(Target::Missing, |text| makefile::target(text, "test"));
    match target {
        Target::Real if has_make => Ok(Runner::Make),
        Target::Empty => Err(Verdict::NoTestRan { why: "the recipe of 'make test' runs nothing".into() }),
        _ if plan::has_tests(names) => Ok(Runner::Pytest),
        Target::Real => Err(Verdict::CouldNotStart { why: "make is not installed".into() }),
        Target::Missing => Err(Verdict::NoTestTarget),
    }
}

/// Runs the tests and judges them.
pub fn test(spec: &TestSpec) -> Verdict {
    let makefile = ["GNUmakefile", "makefile", "Makefile"]
        .iter()
        .find_map(|name| read_text(&RealSystem, &spec.repo.join(name)));
    let names = file_names(&RealSystem, &spec.repo);
    let runner = match &spec.command {
        Some(_) => Ok(Runner::Given),
        None => runner(makefile.as_deref(), &names, process::find("make").is_some()),
    };
    let runner = match runner {
        Ok(runner) => runner,
        Err(verdict) => return verdict,
    };
    let report = spec.log.with_extension("junit.xml");
    if let Err(error) = RealSystem.remove_file(&report) {
        return Verdict::CouldNotStart { why: format!("an old report is in the way: {error}") };
    }
    let done = match process::run(&command(spec, runner, &report)) {
        Ok(done) => done,
        Err(error) => return Verdict::CouldNotStart { why: error.to_string() },
    };
    let counts = RealSystem.read(&report, 64 << 20).ok().and_then(|xml| verdict::read_junit(&xml));
    let _ = RealSystem.remove_file(&report);
    let counts =
        counts.or_else(|| verdict::read_unittest(&format!("{}\n{}", done.text(), done.error_text())));
    let code = match done.ending {
        Ending::TimedOut => return Verdict::TimedOut,
        Ending::Interrupted => return Verdict::CouldNotStart { why: "interrupted".into() },
        Ending::Exited(code) => Some(code),
        Ending::Signalled(_) => None,
    };
    verdict::judge(code, counts, &environment::last_lines(&done, 5))
}

fn command(spec: &TestSpec, runner: Runner, report: &Path) -> CommandSpec {
    let bin = spec.env.as_ref().map(PythonEnv::bin);
    let given = spec.command.as_deref().unwrap_or(":");
    let command = match (runner, &bin) {
        (Runner::Given, _) => CommandSpec::new("sh").args(["-c", given]),
        (Runner::Make, _) => CommandSpec::new("make").arg("test"),
        (Runner::Pytest, Some(bin)) => CommandSpec::new(bin.join("python")).args(["-m", "pytest"]),
        (Runner::Pytest, None) => CommandSpec::new("python3").args(["-m", "pytest"]),
    };
    let report = report.to_string_lossy().replace('\'', "'\"'\"'");
    let mut command = command
        .cwd(&spec.repo)
        .timeout(spec.time)
        .log(&spec.log)
        .env("PYTEST_ADDOPTS", format!("-p no:cacheprovider '--junitxml={report}'"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .without("PYTHONHOME")
        .without("MAKEFLAGS")
        .without("VIRTUAL_ENV");
    if let (Some(env), Some(bin)) = (&spec.env, bin) {
        let mut path = bin.into_os_string();
        if let Some(rest) = env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command = command.env("PATH", path).env("VIRTUAL_ENV", &env.dir);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_recipe_is_known_before_it_runs() {
        let tests = ["test_x.py".to_owned()];
        assert!(matches!(runner(Some("test:\n\t#pytest\n"), &tests, true), Err(Verdict::NoTestRan { .. })));
        assert_eq!(runner(Some("test:\n\tpytest\n"), &tests, true), Ok(Runner::Make));
        assert_eq!(runner(Some("test:\n\tpytest\n"), &tests, false), Ok(Runner::Pytest));
        assert_eq!(runner(None, &tests, true), Ok(Runner::Pytest));
        assert_eq!(runner(Some("all:\n\tx\n"), &[], true), Err(Verdict::NoTestTarget));
    }
}
