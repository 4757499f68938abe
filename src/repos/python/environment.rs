//! Python environments on disk: one folder per digest, outside every repository, whole or made again.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::build::{Build, step};
use super::interpreter::Interpreter;
use super::lock::{self, Lock};
use super::plan::{Install, PythonPlan};
use super::repair::Resolve;
use super::turn::Turn;
use super::uv;
use crate::base::digest::Digest;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::time::Timestamp;
use crate::base::{redact, text};
use crate::repos::files::followed;
use crate::sys::process::{CommandSpec, Ending, Finished};
use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, Meta, ReadSystem};
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
