//! What a repository's programs find around them when its tests run: its environment first on `PATH`, and every
//! place that tools like to write to outside the repository.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::run::TestSpec;
use super::runner::{self, Runner};
use crate::sys::env;
use crate::sys::process::CommandSpec;
use crate::sys::tree;

/// What tox hands on to the tests although it does not know it, lest no report is written.
const HANDED_ON: [&str; 3] = ["PYTEST_ADDOPTS", "COVERAGE_FILE", "PYTHONDONTWRITEBYTECODE"];

/// The same in tox 4's words: in tox.ini, tox.toml and pyproject.toml, each for all environments and for the one that
/// is run.
fn handed_on() -> Vec<String> {
    let places =
        ["testenv", "testenv:py", "env_run_base", "env.py", "tool.tox.env_run_base", "tool.tox.env.py"];
    places.iter().map(|place| format!("{place}.pass_env+={}", HANDED_ON.join(","))).collect()
}

/// A folder of our own, gone when it is dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one below the machine's folder for temporary files.
    pub fn make() -> io::Result<Self> {
        tree::private(&env::temp_dir(), "devboot-test-").map(Self)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = tree::remove(&self.0);
    }
}

/// What commands are given.
pub struct Surroundings {
    repo: PathBuf,
    log: PathBuf,
    time: std::time::Duration,
    given: String,
    env: Option<PathBuf>,
    path: Option<OsString>,
    scratch: Scratch,
    runs: AtomicU32,
    /// The Python that runs tests and imports modules.
    pub python: PathBuf,
}

impl Surroundings {
    /// The surroundings of one test run; `bin` is the folder of the environment's programs.
    pub fn new(spec: &TestSpec, bin: Option<&Path>, scratch: Scratch) -> Self {
        let path = bin.map(|bin| {
            let mut path = bin.as_os_str().to_owned();
            if let Some(rest) = env::var_os("PATH") {
                path.push(":");
                path.push(rest);
            }
            path
        });
        Self {
            repo: spec.repo.clone(),
            log: spec.log.clone(),
            time: spec.time,
            given: spec.command.clone().unwrap_or_default(),
            env: spec.env.as_ref().map(|env| env.dir.clone()),
            path,
            scratch,
            runs: AtomicU32::new(0),
            python: bin.map_or_else(|| PathBuf::from("python3"), |bin| bin.join("python")),
        }
    }

    /// The folder that goes away.
    pub fn scratch(&self) -> &Path {
        &self.scratch.0
    }

    /// The command of a runner, and where pytest's report will be, should it run. Two runs never share a report.
    pub fn command(&self, runner: Runner, names: &[String]) -> (CommandSpec, PathBuf) {
        let scratch = self.scratch().to_string_lossy();
        let mut words = runner.way().command.iter().map(|word| match *word {
            "{python}" => self.python.as_os_str().to_owned(),
            "{given}" => OsString::from(&self.given),
            "{tests}" => OsString::from(runner::tests_folder(names)),
            word => OsString::from(word.replace("{scratch}", &scratch)),
        });
        let program = words.next().unwrap_or_default();
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let report = self.scratch().join(format!("junit-{number}.xml"));
        let quoted = report.to_string_lossy().replace('\'', "'\"'\"'");
        let options = format!("-p no:cacheprovider '--junitxml={quoted}'");
        let command = CommandSpec::new(program).args(words);
        (self.prepare(command).env("PYTEST_ADDOPTS", options), report)
    }

    /// Gives a command the repository's folder and environment, the log and the time.
    pub fn prepare(&self, command: CommandSpec) -> CommandSpec {
        let own = |name: &str| self.scratch().join(name);
        let mut command = command
            .cwd(&self.repo)
            .timeout(self.time)
            .contained()
            .log(&self.log)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TMPDIR", self.scratch())
            .env("COVERAGE_FILE", own("coverage"))
            .env("HYPOTHESIS_STORAGE_DIRECTORY", own("hypothesis"))
            .env("MYPY_CACHE_DIR", own("mypy"))
            .env("RUFF_CACHE_DIR", own("ruff"))
            .env("PYLINTHOME", own("pylint"))
            .env("TOX_OVERRIDE", handed_on().join(";"))
            .env("TOX_TESTENV_PASSENV", HANDED_ON.join(" "))
            .env("GIT_TERMINAL_PROMPT", "0")
            .without("PYTHONHOME")
            .without("PYTHONSTARTUP")
            .without("PYTEST_PLUGINS")
            .without("MAKEFLAGS")
            .without("VIRTUAL_ENV");
        if let (Some(env), Some(path)) = (&self.env, &self.path) {
            command = command.env("PATH", path).env("VIRTUAL_ENV", env);
        }
        command
    }
}
