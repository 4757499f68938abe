//! Building an environment: venv or uv, the installation, the marker that makes it whole.

use std::io;
use std::path::{Path, PathBuf};

use super::environment::{EnvError, EnvRecord, EnvSpec, MARKER, PythonEnv, last_lines};
use super::plan::{Install, LINES};
use super::turn::Turn;
use super::uv;
use crate::base::digest::Digest;
use crate::base::time::Timestamp;
use crate::sys::env;
use crate::sys::process::{self, CommandSpec, Finished};
use crate::sys::real::RealSystem;
use crate::sys::system::{Attributes, ReadSystem, WriteSystem, replace};
use crate::sys::tree;

/// One environment being built.
pub(super) struct Build<'a> {
    /// What is wanted.
    pub(super) spec: &'a EnvSpec,
    /// Its folder.
    pub(super) dir: &'a Path,
    /// What it will be known by.
    pub(super) digest: Digest,
    /// Nothing that was uploaded later is used.
    pub(super) as_of: Option<Timestamp>,
    /// The lock file whose versions are taken.
    pub(super) lock: Option<PathBuf>,
}

impl Build<'_> {
    /// Builds it; what is left of it after a failure is the caller's to remove.
    pub(super) fn run(&self) -> Result<PythonEnv, EnvError> {
        let (spec, dir) = (self.spec, self.dir);
        tree::create(&spec.envs).map_err(|error| EnvError::Io("make the folder", error))?;
        // A virtual environment cannot be moved, so it is built in place; without its marker it is no one's.
        tree::remove(dir).map_err(|error| EnvError::Io("remove the rest", error))?;
        let uv = self.tool()?;
        self.create(uv.as_deref())?;
        let installer = || self.installer(uv.as_deref());
        if let Some(lock) = &self.lock {
            step(spec, "installing the locked versions", installer().args(["--no-deps", "-r"]).arg(lock))?;
        }
        let wanted: Vec<String> = match (spec.plan.install, &self.lock) {
            (_, None) => self.arguments()?,
            (Install::Project, Some(_)) => ["--no-deps", "-e", "."].map(str::to_owned).to_vec(),
            (_, Some(_)) => Vec::new(),
        };
        if !wanted.is_empty() {
            step(spec, "installing the requirements", installer().args(wanted))?;
        }
        if spec.plan.adds_pytest && self.lock.is_none() {
            step(spec, "installing pytest", installer().arg("pytest"))?;
        }
        self.mark(if uv.is_some() { "uv" } else { "pip" })
    }

    fn create(&self, uv: Option<&Path>) -> Result<(), EnvError> {
        let (spec, dir, name) = (self.spec, self.dir, "creating the Python environment");
        let Some(uv) = uv else {
            let make = CommandSpec::new(&spec.python.program).args(["-I", "-m", "venv"]).arg(dir);
            return step(spec, name, make).map(drop);
        };
        let make = |options: &[&str]| {
            let make = CommandSpec::new(uv).args(["venv", "--quiet"]).args(options);
            make.arg("--python").arg(&spec.python.program).arg(dir)
        };
        // pip and, for old Pythons, setuptools belong to what `python -m venv` gives, and projects count on them. uv
        // takes them from the index, and an index of one's own may not have them.
        let online = spec.plan.install != Install::Nothing || spec.plan.adds_pytest;
        if online && !spec.offline {
            match step(spec, name, make(&["--seed"])) {
                // Without room nothing else will do either.
                Err(error) if !error.said().1.contains("No space left on device") => {}
                done => return done.map(drop),
            }
        }
        tree::remove(dir).map_err(|error| EnvError::Io("remove the rest", error))?;
        step(spec, name, make(&[])).map(drop)
    }

    /// The plan's arguments, its own lines written to a file beside the environment.
    fn arguments(&self) -> Result<Vec<String>, EnvError> {
        let mut arguments = self.spec.plan.arguments.clone();
        let Some(lines) = &self.spec.plan.lines else { return Ok(arguments) };
        let file = self.dir.with_extension("requirements.txt");
        replace(&RealSystem, &file, lines.as_bytes(), 0o644)
            .map_err(|error| EnvError::Io("write the requirements", error))?;
        for argument in arguments.iter_mut().filter(|argument| *argument == LINES) {
            *argument = file.to_string_lossy().into_owned();
        }
        Ok(arguments)
    }

    /// uv when it is there; pip otherwise. As of a date only uv can install for every Python, so it is fetched.
    fn tool(&self) -> Result<Option<PathBuf>, EnvError> {
        let cache = &self.spec.cache;
        if self.as_of.is_none() {
            return Ok(process::find("uv"));
        }
        let _turn = Turn::take(&uv::folder(cache));
        if uv::find(cache).is_none() {
            for command in uv::fetching(cache, &self.spec.python) {
                step(self.spec, "getting uv, which can install as of a date", command)?;
            }
        }
        Ok(uv::find(cache))
    }

    fn installer(&self, uv: Option<&Path>) -> CommandSpec {
        let python = self.dir.join("bin/python");
        match (uv, self.as_of) {
            (Some(uv), None) => CommandSpec::new(uv).args(["pip", "install", "--python"]).arg(python),
            (Some(uv), Some(date)) => CommandSpec::new(uv)
                .args(["pip", "install", "--exclude-newer", &date.to_string(), "--python"])
                .arg(python),
            (None, _) => CommandSpec::new(python).args(["-m", "pip", "install", "--no-input"]),
        }
    }

    fn mark(&self, tool: &str) -> Result<PythonEnv, EnvError> {
        let record = EnvRecord {
            schema: 1,
            digest: self.digest,
            inputs: self.spec.plan.inputs.clone(),
            python: self.spec.python.version.clone(),
            tool: tool.into(),
            added_pytest: self.spec.plan.adds_pytest,
            as_of: self.as_of,
        };
        let marker = |error| EnvError::Io("write the marker", error);
        let bytes = serde_json::to_vec_pretty(&record).map_err(|error| marker(io::Error::other(error)))?;
        // Renamed into place, so that half a marker is none.
        let fresh = self.dir.join(".devboot-env.new");
        RealSystem
            .write_new(&fresh, &bytes, &Attributes { mode: 0o644, ..Attributes::default() })
            .and_then(|()| RealSystem.sync(&fresh))
            .and_then(|()| RealSystem.rename(&fresh, &self.dir.join(MARKER)))
            .map_err(marker)?;
        Ok(PythonEnv { dir: self.dir.to_path_buf(), record })
    }
}

/// uv makes a folder for credentials in the home even when it has none to keep; where there is none yet, it goes into
/// the cache.
fn uv_credentials(spec: &EnvSpec, command: CommandSpec) -> CommandSpec {
    const NAME: &str = "UV_CREDENTIALS_DIR";
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let data = data.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    let own = data.map(|data| data.join("uv/credentials"));
    let is_used = own.is_some_and(|own| !matches!(RealSystem.meta(&own), Ok(None)));
    if is_used || env::var_os(NAME).is_some() {
        return command;
    }
    command.env(NAME, spec.cache.join("uv-credentials"))
}

/// Runs one step with everything that pip and uv write kept out of the home.
pub(super) fn step(spec: &EnvSpec, step: &'static str, command: CommandSpec) -> Result<Finished, EnvError> {
    // A silent index is given up after half a minute, not after minutes.
    let patience = [
        ("PIP_RETRIES", "1"),
        ("PIP_DEFAULT_TIMEOUT", "15"),
        ("UV_HTTP_RETRIES", "1"),
        ("UV_HTTP_TIMEOUT", "15"),
    ];
    let command = patience
        .into_iter()
        .filter(|(name, _)| env::var_os(name).is_none())
        .fold(command, |command, (name, value)| command.env(name, value));
    let caches = [("PIP_CACHE_DIR", "pip"), ("UV_CACHE_DIR", "uv")];
    let unset = caches.into_iter().filter(|(name, _)| env::var_os(name).is_none());
    let command = uv_credentials(spec, command);
    let command = unset
        .fold(command, |command, (name, folder)| command.env(name, spec.cache.join(folder)))
        .cwd(&spec.repo)
        .timeout(spec.time)
        .contained()
        .log(&spec.log)
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .env("PIP_NO_INPUT", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("PYTHONUNBUFFERED", "1")
        .without("PIP_USER")
        .without("PIP_TARGET")
        .without("PIP_PREFIX")
        .without("PYTHONHOME")
        .without("PYTHONPATH")
        .without("VIRTUAL_ENV");
    let done = process::run(&command).map_err(|error| EnvError::Start(step, error))?;
    if done.ok() {
        return Ok(done);
    }
    // pip says it in the middle, and ends with "no matching distribution".
    let (last, network) = (last_lines(&done, 5), is_network(&done.error_text()));
    let said = format!("{}\n{}", done.text(), done.error_text());
    Err(EnvError::Step { step, ending: done.ending, last, said, network, log: spec.log.clone() })
}

/// Whether the words of pip or uv are about a network that is not there.
fn is_network(text: &str) -> bool {
    const SIGNS: [&str; 10] = [
        "Failed to establish a new connection",
        "Temporary failure in name resolution",
        "Name or service not known",
        "Network is unreachable",
        "Max retries exceeded",
        "dns error",
        "error sending request",
        "ReadTimeoutError",
        "ConnectTimeoutError",
        "operation timed out",
    ];
    // Waiting does not help against a certificate that nobody vouches for.
    const CERTIFICATE: [&str; 2] = ["CERTIFICATE_VERIFY_FAILED", "invalid peer certificate"];
    let any = |signs: &[&str]| signs.iter().any(|sign| text.contains(sign));
    any(&SIGNS) && !any(&CERTIFICATE)
}
