//! Running a repository's tests in its environment, without leaving traces in its folder.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::failure::{self, Facts, Failure, NEEDS_DOCKER, Stage};
use super::makefile::{self, Target};
use super::notices::{self, Notice, notices};
use super::runner::{self, Runner, Seen, Way};
use super::smoke::{self, Smoke};
use super::verdict::{self, Report, Verdict};
use crate::repos::files::{file_names, read_text};
use crate::repos::python::environment::{self, PythonEnv};
use crate::sys::env;
use crate::sys::process::{self, CommandSpec, Ending, Finished};
use crate::sys::real::RealSystem;
use crate::sys::system::{ReadSystem, WriteSystem};

/// What to run.
#[derive(Clone, Debug)]
pub struct TestSpec {
    /// The repository's name, for advice.
    pub name: String,
    /// The repository.
    pub repo: PathBuf,
    /// Its environment; without one, the machine's `python3` is used.
    pub env: Option<PythonEnv>,
    /// The command that the profile gives, run by `sh`; `None` is what the repository itself declares.
    pub command: Option<String>,
    /// Run `make lint` too.
    pub lint: bool,
    /// Where the output goes; reports and what tools drop lie beside it while the tests run.
    pub log: PathBuf,
    /// The longest time.
    pub time: Duration,
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Tested {
    /// What was run.
    pub runner: Runner,
    /// What it means.
    pub verdict: Verdict,
    /// Why it is not green, when that is known.
    pub failure: Option<Failure>,
    /// What there would be to test where the repository's own target is worth nothing.
    pub besides: Option<Verdict>,
    /// `make lint`: whether it is content, and why not.
    pub lint: Option<Result<(), Option<Failure>>>,
    /// What is worth knowing of its CI files.
    pub notices: Vec<Notice>,
    /// How long it took.
    pub elapsed: Duration,
}

/// Runs the tests and judges them.
pub fn test(spec: &TestSpec) -> Tested {
    let started = Instant::now();
    let names = file_names(&RealSystem, &spec.repo);
    let makefile = ["GNUmakefile", "makefile", "Makefile"]
        .iter()
        .find_map(|name| read_text(&RealSystem, &spec.repo.join(name)));
    let way = way(spec, makefile.as_deref(), &names);
    let (ran, reason) = match way.runner {
        Runner::Smoke => smoke(spec, &names),
        runner => run(spec, runner),
    };
    let (verdict, failure, besides) = match way.known {
        Some((verdict, failure)) => {
            // A failed import still calls for a repair, whatever the target is worth.
            let failure = reason.filter(|reason| reason.class.repair).unwrap_or(failure);
            (verdict, Some(failure), Some(ran))
        }
        None => (ran, reason, None),
    };
    let lint = (spec.lint && makefile.is_some_and(|text| makefile::target(&text, "lint") == Target::Real))
        .then(|| lint(spec));
    let notices = notices(&ci_files(&spec.repo), &all_names(spec, names));
    Tested { runner: way.runner, verdict, failure, besides, lint, notices, elapsed: started.elapsed() }
}

fn way(spec: &TestSpec, makefile: Option<&str>, names: &[String]) -> Way {
    if spec.command.is_some() {
        return Way { runner: Runner::Given, known: None };
    }
    let has = |program: &str| {
        let own = spec.env.as_ref().map(|env| env.bin().join(program));
        own.is_some_and(|path| matches!(RealSystem.meta(&path), Ok(Some(_))))
            || process::find(program).is_some()
    };
    runner::choose(&Seen { name: &spec.name, makefile, names, has: &has })
}

fn run(spec: &TestSpec, runner: Runner) -> (Verdict, Option<Failure>) {
    let report = spec.log.with_extension("junit.xml");
    if let Err(error) = RealSystem.remove_file(&report) {
        return (Verdict::CouldNotStart { why: format!("an old report is in the way: {error}") }, None);
    }
    let done = match process::run(&command(spec, runner, &report)) {
        Ok(done) => done,
        Err(error) => return (Verdict::CouldNotStart { why: error.to_string() }, None),
    };
    let junit = RealSystem.read(&report, 64 << 20).ok().and_then(|xml| verdict::read_junit(&xml));
    let _ = RealSystem.remove_file(&report);
    let said = output(&done);
    let report = junit.or_else(|| verdict::read_unittest(&said));
    let failure = classified(spec, &done, report.as_ref());
    (judged(&done, report.as_ref(), failure.as_ref()), failure)
}

fn judged(done: &Finished, report: Option<&Report>, failure: Option<&Failure>) -> Verdict {
    let code = match done.ending {
        Ending::TimedOut => return Verdict::TimedOut,
        Ending::Interrupted => return Verdict::CouldNotStart { why: "interrupted".into() },
        Ending::Exited(code) => Some(code),
        Ending::Signalled(_) => None,
    };
    match verdict::judge(code, report, &environment::last_lines(done, 5)) {
        Verdict::CouldNotStart { why } if failure.is_some_and(|failure| *failure.class == NEEDS_DOCKER) => {
            Verdict::NeedsDocker { why }
        }
        verdict => verdict,
    }
}

fn output(done: &Finished) -> String {
    format!("{}\n{}", done.text(), done.error_text())
}

/// What failing tests said counts before what was printed around them.
fn classified(spec: &TestSpec, done: &Finished, report: Option<&Report>) -> Option<Failure> {
    let is_green = done.ok() && report.is_none_or(|report| report.failed == 0);
    if is_green {
        return None;
    }
    let text = format!("{}{}", report.map(Report::text).unwrap_or_default(), output(done));
    failure::classify(&Facts { name: &spec.name, stage: Stage::Run, ending: done.ending, text: &text })
}

/// No tests: the modules are imported, and the app is asked.
fn smoke(spec: &TestSpec, names: &[String]) -> (Verdict, Option<Failure>) {
    let modules = smoke::modules(names);
    if modules.is_empty() {
        return (Verdict::NoTestTarget, None);
    }
    let report = spec.log.with_extension("smoke.json");
    let _ = RealSystem.remove_file(&report);
    let args =
        ["-c", smoke::PROGRAM, &report.to_string_lossy(), &modules.join(","), smoke::APPS].map(str::to_owned);
    let command = surroundings(spec, CommandSpec::new(python(spec)).args(args));
    let done = match process::run(&command) {
        Ok(done) => done,
        Err(error) => return (Verdict::CouldNotStart { why: error.to_string() }, None),
    };
    let found = RealSystem.read(&report, 1 << 20).ok().and_then(|bytes| Smoke::read(&bytes));
    let _ = RealSystem.remove_file(&report);
    let said = |found: &Smoke| found.failed.iter().map(|(_, why)| format!("{why}\n")).collect::<String>();
    let text = format!("{}{}", found.as_ref().map(said).unwrap_or_default(), done.error_text());
    let well = done.ok() && found.as_ref().is_some_and(|found| found.failed.is_empty());
    let facts = Facts { name: &spec.name, stage: Stage::Run, ending: done.ending, text: &text };
    let failure = if well { None } else { failure::classify(&facts) };
    let verdict = match (done.ending, found) {
        (Ending::TimedOut, _) => Verdict::TimedOut,
        (_, Some(found)) => Verdict::Smoke(found),
        (_, None) => Verdict::CouldNotStart { why: environment::last_lines(&done, 5) },
    };
    (verdict, failure)
}

fn lint(spec: &TestSpec) -> Result<(), Option<Failure>> {
    let done = process::run(&surroundings(spec, CommandSpec::new("make").arg("lint"))).map_err(|_| None)?;
    if done.ok() {
        return Ok(());
    }
    let said = output(&done);
    Err(failure::classify(&Facts { name: &spec.name, stage: Stage::Run, ending: done.ending, text: &said })
        .filter(|failure| failure.class.id != "test-failed"))
}

fn python(spec: &TestSpec) -> PathBuf {
    spec.env.as_ref().map_or_else(|| "python3".into(), |env| env.bin().join("python"))
}

fn command(spec: &TestSpec, runner: Runner, report: &Path) -> CommandSpec {
    let given = spec.command.as_deref().unwrap_or(":");
    let command = match runner {
        Runner::Given => CommandSpec::new("sh").args(["-c", given]),
        Runner::Make => CommandSpec::new("make").arg("test"),
        Runner::Tox => CommandSpec::new("tox").arg("--workdir").arg(spec.log.with_extension("tox")),
        Runner::Nox => CommandSpec::new("nox").arg("--envdir").arg(spec.log.with_extension("nox")),
        Runner::Unittest => CommandSpec::new(python(spec)).args(["-m", "unittest", "discover"]),
        Runner::Pytest | Runner::Smoke => CommandSpec::new(python(spec)).args(["-m", "pytest"]),
    };
    let report = report.to_string_lossy().replace('\'', "'\"'\"'");
    surroundings(spec, command).env("PYTEST_ADDOPTS", format!("-p no:cacheprovider '--junitxml={report}'"))
}

/// The environment first on `PATH`, and everything that tools drop kept out of the repository.
fn surroundings(spec: &TestSpec, command: CommandSpec) -> CommandSpec {
    let beside = |extension: &str| spec.log.with_extension(extension);
    let mut command = command
        .cwd(&spec.repo)
        .timeout(spec.time)
        .log(&spec.log)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("COVERAGE_FILE", beside("coverage"))
        .env("HYPOTHESIS_STORAGE_DIRECTORY", beside("hypothesis"))
        .env("MYPY_CACHE_DIR", beside("mypy"))
        .env("RUFF_CACHE_DIR", beside("ruff"))
        .env("PYLINTHOME", beside("pylint"))
        .without("PYTHONHOME")
        .without("PYTHONPATH")
        .without("MAKEFLAGS")
        .without("VIRTUAL_ENV");
    if let Some(env) = &spec.env {
        let mut path = env.bin().into_os_string();
        if let Some(rest) = env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command = command.env("PATH", path).env("VIRTUAL_ENV", &env.dir);
    }
    command
}

/// The CI files of a repository: path and text.
fn ci_files(repo: &Path) -> Vec<(String, String)> {
    let workflows = RealSystem.list(&repo.join(".github/workflows")).unwrap_or_default();
    let workflows =
        workflows.iter().filter_map(|name| name.to_str()).map(|name| format!(".github/workflows/{name}"));
    let files = notices::FILES.into_iter().map(str::to_owned).chain(workflows.take(50));
    files.filter_map(|file| read_text(&RealSystem, &repo.join(&file)).map(|text| (file, text))).collect()
}

/// The names at the top with the hidden ones, which scripts may be among.
fn all_names(spec: &TestSpec, mut names: Vec<String>) -> Vec<String> {
    let top = RealSystem.list(&spec.repo).unwrap_or_default();
    names.extend(
        top.iter().filter_map(|name| name.to_str()).filter(|name| name.starts_with('.')).map(str::to_owned),
    );
    names
}
