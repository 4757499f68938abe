//! Python environments on disk: one folder per digest, outside every repository, whole or made again.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::interpreter::Interpreter;
use super::lock::{self, Lock};
use super::plan::{Install, LINES, PythonPlan};
use super::repair::Resolve;
use super::uv;
use crate::base::digest::Digest;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::time::Timestamp;
use crate::base::{redact, text};
use crate::repos::files::followed;
use crate::sys::env;
use crate::sys::process::{self, CommandSpec, Ending, Finished};
use crate::sys::real::RealSystem;
use crate::sys::system::{Attributes, FileKind, Meta, ReadSystem, WriteSystem, replace};
use crate::sys::tree;

/// Why there is no environment.
#[derive(Debug)]
pub enum EnvError {
    /// A step failed.
    Step {
        /// Which one.
        step: &'static str,
        /// How it ended.
        ending: Ending,
        /// Its last lines.
        last: String,
        /// The end of its output.
        said: String,
        /// What it said is about a network that is not there.
        network: bool,
        /// Where all of them are.
        log: PathBuf,
    },
    /// A program could not be started.
    Start(&'static str, io::Error),
    /// The disk.
    Io(&'static str, io::Error),
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { step, ending: Ending::TimedOut, .. } => write!(f, "{step} took too long"),
            Self::Step { step, ending: Ending::Interrupted, .. } => write!(f, "{step} was interrupted"),
            Self::Step { step, last, .. } => write!(f, "{step} failed: {last}"),
            Self::Start(step, _) => write!(f, "{step} could not be started"),
            Self::Io(act, _) => write!(f, "cannot {act} of the Python environment"),
        }
    }
}

impl std::error::Error for EnvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Step { .. } => None,
            Self::Start(_, error) | Self::Io(_, error) => Some(error),
        }
    }
}

impl EnvError {
    /// How the step ended and what it said, for its class.
    pub fn said(&self) -> (Ending, &str) {
        match self {
            Self::Step { ending, said, .. } => (*ending, said),
            Self::Start(_, error) | Self::Io(_, error) if error.kind() == io::ErrorKind::StorageFull => {
                (Ending::Exited(1), "No space left on device")
            }
            Self::Start(..) | Self::Io(..) => (Ending::Exited(1), ""),
        }
    }
}

impl Diagnose for EnvError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Step { ending: Ending::Interrupted, .. } => ErrorKind::Interrupted,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Step { last, log, .. } => {
                let mut hints = vec![format!("the log is {}", text::printable(&log.to_string_lossy()))];
                if last.contains("ensurepip") || last.contains("python3-venv") {
                    hints.insert(0, "install the package python3-venv".into());
                }
                hints
            }
            _ => Vec::new(),
        }
    }
}

/// An environment to have.
#[derive(Clone, Debug)]
pub struct EnvSpec {
    /// The repository.
    pub repo: PathBuf,
    /// What it needs.
    pub plan: PythonPlan,
    /// With which Python.
    pub python: Interpreter,
    /// The folder of all environments, `<data>/envs`.
    pub envs: PathBuf,
    /// The folder below which pip and uv keep what they download, unless their own variables say where.
    pub cache: PathBuf,
    /// Where the output of the build goes.
    pub log: PathBuf,
    /// The longest time for one step.
    pub time: Duration,
    /// Do not touch the network.
    pub offline: bool,
    /// How versions are chosen where the repository leaves them open. A lock of an earlier repair wins over
    /// [`Resolve::Today`].
    pub resolve: Resolve,
}

/// What became of it.
#[derive(Debug)]
pub enum EnvOutcome {
    /// It was built.
    Built(PythonEnv),
    /// It was there.
    Present(PythonEnv),
    /// It waits for the network.
    Postponed {
        /// What is missing.
        why: String,
    },
    /// It failed; nothing is left of it.
    Failed(EnvError),
}

/// A whole environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonEnv {
    /// Its folder.
    pub dir: PathBuf,
    /// How it was made.
    pub record: EnvRecord,
}

/// What the marker file of an environment says; it is written last, so its presence means "whole".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvRecord {
    /// The version of this form.
    pub schema: u32,
    /// What the environment was made from.
    pub digest: Digest,
    /// The files of the repository that decided it.
    pub inputs: Vec<String>,
    /// The Python's version.
    pub python: String,
    /// `uv` or `pip`.
    pub tool: String,
    /// pytest was installed although the repository does not ask for it.
    pub added_pytest: bool,
    /// Nothing that was uploaded later was used; `None` when everything was allowed.
    #[serde(default)]
    pub as_of: Option<Timestamp>,
}

/// The marker's name.
pub const MARKER: &str = "devboot-env.json";

impl PythonEnv {
    /// The folder of its programs.
    pub fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }
}

/// Where the environment of a plan lies.
pub fn dir(envs: &Path, digest: &Digest) -> PathBuf {
    envs.join(digest.short())
}

/// What tells environments apart: what they are made from, and the day they are resolved as of.
fn identity(base: &Digest, as_of: Option<Timestamp>) -> Digest {
    match as_of {
        None => *base,
        Some(date) => Digest::of_parts([base.to_string().as_bytes(), b"as of", &date.0.to_le_bytes()]),
    }
}

/// The environment that a plan stands for now, a repair included; `None` when it is not whole.
pub fn current(
    system: &dyn ReadSystem,
    envs: &Path,
    plan: &PythonPlan,
    python: &Interpreter,
) -> Option<PythonEnv> {
    let base = plan.digest(python);
    let lock = Lock::load(system, envs, &base);
    let digest = identity(&base, lock.map(|lock| lock.as_of));
    whole(system, &dir(envs, &digest), &digest)
}

/// The whole environment in a folder, if there is one and its Python still exists.
pub fn whole(system: &dyn ReadSystem, dir: &Path, digest: &Digest) -> Option<PythonEnv> {
    let record: EnvRecord = serde_json::from_slice(&system.read(&dir.join(MARKER), 1 << 16).ok()?).ok()?;
    let python = followed(system, &dir.join("bin/python")).ok().flatten();
    // A link to somewhere else is not what was made here, and may change behind our back.
    let own = matches!(system.meta(dir), Ok(Some(Meta { kind: FileKind::Dir, .. })));
    (own && record.schema == 1 && record.digest == *digest && python.is_some())
        .then(|| PythonEnv { dir: dir.to_path_buf(), record })
}

/// Has the environment: finds it, or builds it. Two that want the same one wait for each other; against other
/// processes the caller holds the home's lock.
pub fn ensure(spec: &EnvSpec) -> EnvOutcome {
    let base = spec.plan.digest(&spec.python);
    let lock = match spec.resolve {
        Resolve::Today => Lock::load(&RealSystem, &spec.envs, &base),
        Resolve::AsOf(_) => None,
    };
    let as_of = match (&spec.resolve, &lock) {
        (Resolve::AsOf(cutoff), _) => Some(cutoff.date),
        (Resolve::Today, lock) => lock.as_ref().map(|lock| lock.as_of),
    };
    let digest = identity(&base, as_of);
    let dir = dir(&spec.envs, &digest);
    let _turn = Turn::take(&dir);
    if let Some(found) = whole(&RealSystem, &dir, &digest) {
        return EnvOutcome::Present(found);
    }
    let needs_network = spec.plan.install != Install::Nothing || spec.plan.adds_pytest;
    if spec.offline && needs_network {
        return EnvOutcome::Postponed { why: "offline".into() };
    }
    let build = Build { spec, dir: &dir, digest, as_of, lock: lock.map(|_| lock::path(&spec.envs, &base)) };
    match build.run() {
        Ok(env) => EnvOutcome::Built(env),
        Err(error) => {
            let _ = tree::remove(&dir);
            match &error {
                EnvError::Step { network: true, .. } => {
                    EnvOutcome::Postponed { why: "the package index cannot be reached".into() }
                }
                _ => EnvOutcome::Failed(error),
            }
        }
    }
}

/// Keeps the versions of a repaired environment, so that it can be made again as it is.
///
/// # Errors
/// The versions cannot be listed, or the lock not be written.
pub fn keep(spec: &EnvSpec, env: &PythonEnv) -> Result<(), EnvError> {
    let Some(as_of) = env.record.as_of else { return Ok(()) };
    let python = env.bin().join("python");
    let list = match uv::find(&spec.cache) {
        Some(uv) => CommandSpec::new(uv).args(["pip", "freeze", "--python"]).arg(python),
        None => CommandSpec::new(python).args(["-m", "pip", "freeze"]),
    };
    let done = step(spec, "listing the packages", list.arg("--exclude-editable"))?;
    let of = spec.plan.digest(&spec.python);
    let lock = Lock { of, as_of, packages: done.text() };
    lock.save(&RealSystem, &spec.envs).map_err(|error| EnvError::Io("write the lock", error))
}

/// One builder per folder in this process.
struct Turn(PathBuf);

static BUSY: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
static FREED: Condvar = Condvar::new();

impl Turn {
    fn take(dir: &Path) -> Self {
        let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        while !busy.insert(dir.to_path_buf()) {
            busy = FREED.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        Self(dir.to_path_buf())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUSY.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
        FREED.notify_all();
    }
}

struct Build<'a> {
    spec: &'a EnvSpec,
    dir: &'a Path,
    digest: Digest,
    as_of: Option<Timestamp>,
    lock: Option<PathBuf>,
}

impl Build<'_> {
    fn run(&self) -> Result<PythonEnv, EnvError> {
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
        if online && !spec.offline && step(spec, name, make(&["--seed"])).is_ok() {
            return Ok(());
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

fn step(spec: &EnvSpec, step: &'static str, command: CommandSpec) -> Result<Finished, EnvError> {
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

/// The last lines of what a program wrote, fit for a message: secrets hidden, control characters escaped.
pub fn last_lines(done: &Finished, count: usize) -> String {
    let text = match done.error_text() {
        text if text.is_empty() => done.text(),
        text => text,
    };
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(count)..];
    let shown: Vec<String> = last.iter().map(|line| text::printable(&redact::line(line))).collect();
    shown.join("; ").chars().take(1000).collect()
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
    SIGNS.iter().any(|sign| text.contains(sign))
}
