//! A pipeline as it is meant: stages with every name checked, every matrix written out and every default filled in.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where a stage can run; the first when it does not say.
pub const PLACES: [&str; 1] = ["local"];

/// The name of one stage, unique in its pipeline: `train`, or `train@0.01-adam` for one cell of a matrix.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageId(pub String);

impl fmt::Display for StageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StageId {
    /// The name as it is written in the file: what stands before the `@` of a cell.
    pub fn group(&self) -> &str {
        self.0.split('@').next().unwrap_or(&self.0)
    }
}

/// A project's stages, in an order in which each comes after those it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// What the project is called.
    pub name: String,
    /// Patterns of paths that are neither watched nor ever an input, as in a `.gitignore` at the root.
    pub ignore: Vec<String>,
    /// How many stages may run at once; `None` leaves it to the machine's cores.
    pub slots: Option<usize>,
    /// The credential profile whose lease stages may ask for.
    pub cloud: Option<String>,
    /// The stages.
    pub stages: Vec<Stage>,
    /// Where the pipeline comes from.
    pub origin: Origin,
}

/// Where a pipeline comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `devboot.toml`.
    File,
    /// The project's other files; what each stage was inferred from, as sentences.
    Inferred(Vec<String>),
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name.
    pub id: StageId,
    /// What it does.
    pub action: Action,
    /// The stages that must have succeeded (for a service: be ready) before it begins.
    pub needs: Vec<StageId>,
    /// The files it depends on, as [`super::patterns`] from the project's root; none means every file that is not
    /// ignored and that no stage makes.
    pub inputs: Vec<String>,
    /// The files and directories that it makes, relative to the root; names, not patterns.
    pub outputs: Vec<String>,
    /// Outputs that hold numbers to compare between runs: JSON files, relative to the root.
    pub metrics: Vec<String>,
    /// Keys of parameter files that it depends on: file → dotted keys; none means the whole file.
    pub params: BTreeMap<String, Vec<String>>,
    /// Variables it is given.
    pub env: BTreeMap<String, String>,
    /// Names of variables of the caller's environment that it is given, and depends on.
    pub pass_env: Vec<String>,
    /// Where it runs, relative to the root; empty for the root.
    pub cwd: String,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How often a failed attempt is repeated; success after a repeat is *flaky*.
    pub retries: u32,
    /// Whether an unchanged stage is answered from the cache.
    pub cache: bool,
    /// Whether it is given a lease of the project's credential profile.
    pub wants_cloud: bool,
    /// Where it runs: one of [`PLACES`].
    pub on: String,
    /// Which cell of its matrix it is: axis → value as written; empty without a matrix.
    pub cell: BTreeMap<String, String>,
}

/// What a stage does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A command that ends.
    Run(Command),
    /// pytest on the project's tests.
    Pytest(Pytest),
    /// A web request and what is expected of the answer.
    Http(HttpCheck),
    /// A command that goes on until it is stopped.
    Service(Service),
}

/// How pytest runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pytest {
    /// More arguments.
    pub args: Vec<String>,
    /// Whether no two test files may run at the same time.
    pub serial: bool,
    /// Whether no run may be forked from another process.
    pub apart: bool,
    /// The most address space that a process of its may have, in MiB, as `RLIMIT_AS` of setrlimit(2) bounds it.
    pub memory_mb: Option<u32>,
}

/// A command as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A text for `sh -c`.
    Shell(String),
    /// A program with its arguments; no shell reads it.
    Words(Vec<String>),
}

/// A long-running command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What is started.
    pub command: Command,
    /// When those who need it may begin; `None`: as soon as it has been started.
    pub ready: Option<Ready>,
    /// How long it may take to be ready.
    pub ready_timeout: Duration,
    /// The time between the polite signal and the final one.
    pub stop_grace: Duration,
}

/// What shows that a service is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// This request is answered as expected.
    Http(HttpCheck),
    /// Something listens on this port of the loopback interface.
    Port(u16),
    /// This text stands in a line of its output.
    Log(String),
}

/// A web request and what is expected of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// The address: `http` or `https`.
    pub url: String,
    /// `GET`, `POST`, …
    pub method: String,
    /// Header fields.
    pub headers: BTreeMap<String, String>,
    /// What is sent; empty for nothing.
    pub body: String,
    /// The status code.
    pub status: u16,
    /// A text that must be in the body.
    pub contains: Option<String>,
    /// Dotted paths in a JSON body (`a.0.b`) and the value that must stand there.
    pub json: BTreeMap<String, serde_json::Value>,
    /// For how long an answer that is not as expected is asked for again; zero: it is asked for once.
    pub retry_for: Duration,
    /// How long one request may take.
    pub timeout: Duration,
}

impl Pipeline {
    /// The stage of a name.
    pub fn stage(&self, id: &StageId) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == *id)
    }
    /// Whether it was inferred from the project's files.
    pub fn is_inferred(&self) -> bool {
        matches!(self.origin, Origin::Inferred(_))
    }
}

impl Stage {
    /// Everything that it makes, metrics included.
    pub fn makes(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().chain(&self.metrics).map(String::as_str)
    }
}

/// Stages for tests, of which only what a test is about is written out.
#[cfg(test)]
pub(crate) mod fixture {
    use super::*;

    pub fn stage(name: &str) -> Stage {
        Stage {
            id: StageId(name.into()),
            action: Action::Run(Command::Shell("true".into())),
            needs: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            metrics: Vec::new(),
            params: BTreeMap::new(),
            env: BTreeMap::new(),
            pass_env: Vec::new(),
            cwd: String::new(),
            timeout: None,
            retries: 0,
            cache: true,
            wants_cloud: false,
            on: PLACES[0].into(),
            cell: BTreeMap::new(),
        }
    }
}
