//! What is said on the socket: types of their own, in JSON. Fields are only added; unknown ones are ignored. Every
//! message is in `golden/`, and a test holds them to it.
//!
//! [`PROTOCOL`] changes when a message changes its meaning. The hello and the request to stop keep their form for ever:
//! with them a service of any version can be replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::error::{ErrorKind, Fault};
use crate::base::time::Timestamp;
use crate::ipc::cloud::{CloudRequest, CloudResponse};

/// The version of the messages.
pub const PROTOCOL: u32 = 1;

/// What each end says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the messages it speaks.
    pub protocol: u32,
    /// The version of its program.
    pub version: String,
    /// When its program was built or installed, in nanoseconds since 1970.
    pub build: i64,
    /// Its process id.
    pub pid: u32,
}

impl Hello {
    /// Whether this program is newer than another: by version, then by build. No two are each newer than the other.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        (numbers(&self.version), self.build) > (numbers(&other.version), other.build)
    }
}

/// `1.20.3-rc1` as numbers; what is no number counts as 0.
fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).take(3).map(|part| part.parse().unwrap_or(0)).collect()
}

/// Everything that a client sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromClient {
    /// First.
    Hello(Hello),
    /// Then, each after the response to the one before.
    Request(Request),
}

/// Everything that the service sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromService {
    /// First.
    Hello(Hello),
    /// One for each request.
    Response(Response),
    /// What a subscriber is told.
    Event(Event),
}

/// What can be asked of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How it is. → [`Response::Status`]
    Status,
    /// End. The connection is closed when it has. → [`Response::Done`]
    Stop(Stop),
    /// Keep a project from now on. → [`Response::Done`]
    AddProject(AddProject),
    /// Keep it no longer. → [`Response::Done`]
    RemoveProject(OfProject),
    /// Which projects it keeps. → [`Response::Projects`]
    ListProjects,
    /// Run stages of a project; the next run that begins is the one. → [`Response::Done`]
    Run(Run),
    /// End the run of a project that is under way. → [`Response::Done`]
    Cancel(OfProject),
    /// Look at the home again: a command has changed what is to be kept of it. → [`Response::Done`]
    LookAtHome,
    /// Read a project's pipeline again. → [`Response::Done`]
    Reload(OfProject),
    /// Which services of a project run, and what they are. → [`Response::Services`]
    Services(OfProject),
    /// Tell this connection what happens, from now on. → [`Response::Done`], then [`FromService::Event`]s
    Subscribe(Subscribe),
    /// Keep a project at least as long as this connection lasts, and tell it what happens there. → [`Response::Done`],
    /// then [`FromService::Event`]s
    Attach(Attach),
    /// Something about credentials. → [`Response::Cloud`]
    Cloud(CloudRequest),
}

/// End.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// To make place for the asking program, which must be newer.
    #[serde(default)]
    pub replace: bool,
    /// Another one is started at once.
    #[serde(default)]
    pub again: bool,
}

/// Keep a project.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddProject {
    /// Its directory: absolute, links followed.
    pub root: String,
    /// The environment that its stages begin with.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl fmt::Debug for AddProject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        write!(f, "AddProject({:?}, {} variables)", self.root, self.env.len())
    }
}

/// Which project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfProject {
    /// Its directory: absolute, links followed.
    pub root: String,
}

/// Keep a project as long as somebody looks at it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// Its directory: absolute, links followed.
    pub root: String,
    /// The environment of whoever looks. It is held in memory, and given to stages as far as they declare it.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl fmt::Debug for Attach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attach({:?}, {} variables)", self.root, self.env.len())
    }
}

/// Run stages of a project.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The project's directory.
    pub root: String,
    /// The stages; none means all.
    #[serde(default)]
    pub stages: Vec<String>,
    /// Only these of the tests, as pytest's arguments name them; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// Run them though nothing has changed.
    #[serde(default)]
    pub force: bool,
    /// Only what has changed since it ran last, as when the service begins.
    #[serde(default)]
    pub catch_up: bool,
    /// The environment of whoever asks, as for [`Attach`]; `None`: the one that is known.
    #[serde(default)]
    pub env: Option<BTreeMap<String, String>>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { root, stages, tests, force, catch_up, env } = self;
        let env = env.as_ref().map(BTreeMap::len);
        write!(
            f,
            "Run({root:?}, {stages:?}, {tests:?}, force {force}, catch up {catch_up}, variables {env:?})"
        )
    }
}

/// Tell what happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Only of this project.
    #[serde(default)]
    pub root: Option<String>,
}

/// What the service answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    /// It is done, or begun.
    Done,
    /// It could not be done.
    Failed(Failure),
    /// How the service is.
    Status(Box<Status>),
    /// The projects.
    Projects(Vec<ProjectStatus>),
    /// The services of a project that run and are ready.
    Services(Vec<ServiceStatus>),
    /// Something about credentials.
    Cloud(CloudResponse),
}

/// How the service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its process id.
    pub pid: u32,
    /// The version of its program.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// For how long it has run, in seconds; the clock being set does not matter.
    pub uptime: u64,
    /// Where its socket is.
    pub socket: String,
    /// Where its log is.
    pub log: String,
    /// The memory that it takes, in bytes, where the system tells.
    pub memory: Option<u64>,
    /// Its projects.
    pub projects: Vec<ProjectStatus>,
    /// The home, where it is kept.
    #[serde(default)]
    pub home: Option<Home>,
    /// How many connections it has, the asking one among them.
    pub clients: usize,
    /// How many of them are told what happens.
    pub subscribers: usize,
}

/// What is known of the home.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Changes to the user's own files that wait for `devboot apply`, by path.
    pub waiting: BTreeSet<String>,
    /// Files that the user has changed since devboot wrote them.
    pub drifted: BTreeSet<String>,
    /// What is postponed, and why.
    pub postponed: BTreeMap<String, String>,
    /// What failed when it was tried last, and why.
    #[serde(default)]
    pub failed: BTreeMap<String, String>,
    /// Why the profile cannot be used now; the last good one stays.
    #[serde(default)]
    pub problem: Option<String>,
}

/// How a project is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectStatus {
    /// Its directory.
    pub root: String,
    /// When it was added.
    pub added: Timestamp,
    /// What it does now.
    pub phase: ProjectPhase,
    /// A sentence where that does not say it.
    #[serde(default)]
    pub note: Option<String>,
    /// Whether it is kept only as long as somebody looks at it.
    #[serde(default)]
    pub guest: bool,
}

/// A service stage that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// The stage.
    pub stage: String,
    /// The fingerprint of what it was started as, in hexadecimal digits.
    pub fingerprint: String,
    /// Which start of it this is, in hexadecimal digits; what asks it depends on that.
    #[serde(default)]
    pub start: Option<String>,
}

/// What a project does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectPhase {
    /// Its pipeline is being read, its files are being looked at.
    Starting,
    /// It waits for a change.
    Idle,
    /// A run is under way.
    Running,
    /// It waits for a person: its `devboot.toml` is wrong, or not trusted as it is, or its directory is gone.
    Blocked,
    /// It cannot go on by itself.
    Failed,
    /// It is being ended.
    Stopping,
    /// The service does not run.
    Unwatched,
}

impl ProjectPhase {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Unwatched => "unwatched",
        }
    }
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// `failed`, `needs-user`, `refused`, `usage` or `interrupted`.
    pub kind: String,
    /// What failed.
    pub message: String,
    /// Why, the nearest cause first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// What to do next.
    #[serde(default)]
    pub hints: Vec<String>,
}

const KINDS: [(ErrorKind, &str); 5] = [
    (ErrorKind::Failed, "failed"),
    (ErrorKind::NeedsUser, "needs-user"),
    (ErrorKind::Refused, "refused"),
    (ErrorKind::Usage, "usage"),
    (ErrorKind::Interrupted, "interrupted"),
];

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let word = KINDS.iter().find(|(kind, _)| *kind == fault.kind).map_or("failed", |(_, word)| word);
        Self { kind: word.into(), message: fault.message, causes: fault.causes, hints: fault.hints }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        let kind = KINDS.iter().find(|(_, word)| *word == failure.kind);
        Self {
            kind: kind.map_or(ErrorKind::Failed, |(kind, _)| *kind),
            message: failure.message,
            causes: failure.causes,
            hints: failure.hints,
        }
    }
}

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Something happened in a run.
    Run(RunNews),
    /// A project was added, or does something else now.
    Project(ProjectStatus),
    /// A line about a project: how it is watched, what is wrong with its file.
    Said(Said),
    /// A project is kept no longer.
    Removed(OfProject),
    /// The service ends.
    Stopping(Stop),
}

/// A line about a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The project's directory.
    pub root: String,
    /// The line.
    pub text: String,
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunNews {
    /// The project's directory.
    pub root: String,
    /// What happened, in the form that runs are told in everywhere.
    pub event: Value,
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
