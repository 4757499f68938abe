//! One attempt of one stage, from what it needs to what came of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use tokio::sync::watch;

use super::event::{Failure, Partly, StageEnd, Tests, Verdict};
use super::recorder::Recorder;
use crate::base::digest::Digest;
use crate::project::model::{Stage, StageId};

/// What a stage begins with, stated when everything that it needs is done.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The digest of all that it depends on; `None` for a stage that is never answered from the cache.
    pub fingerprint: Option<Digest>,
    /// What came of it at the very same state, when that still holds and nothing is to be run.
    pub known: Option<StageEnd>,
    /// Why it runs: one sentence with the first thing that differs.
    pub why: String,
    /// Its whole environment; nothing of ours is added.
    pub env: BTreeMap<String, String>,
    /// Where it runs; absolute.
    pub cwd: PathBuf,
    /// The interpreter of a pytest stage; `None`: `python3` on its `PATH`.
    pub python: Option<PathBuf>,
    /// Only these tests were asked for, as pytest's arguments name them; empty for all.
    pub tests: Vec<String>,
    /// Whether all tests are to run, those included of which it is known that they pass.
    pub force: bool,
    /// The command, with its arguments, that gives the stage cloud credentials and then becomes it; empty for none.
    pub through: Vec<OsString>,
}

/// The project as a run asks it. Called on threads where it may block.
pub trait Site: Send + Sync {
    /// States what a stage depends on, now.
    ///
    /// # Errors
    /// An input cannot be read; the sentence says which and why.
    fn prepare(&self, stage: &Stage) -> Result<Prepared, String>;

    /// What a stage depends on that is not as it was when it had this fingerprint, as a sentence; `None` when all is.
    fn changed_since(&self, stage: &Stage, fingerprint: &Digest) -> Option<String>;

    /// A stage wrote these files (relative to the root), or a replay did; whoever watches them need not wonder.
    fn wrote(&self, stage: &StageId, files: &[String]);

    /// A service was started, and is ready.
    fn started(&self, service: &StageId);
}

/// What an executor is given.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The stage.
    pub stage: Stage,
    /// What it begins with.
    pub prepared: Prepared,
    /// The project's root.
    pub root: PathBuf,
}

/// What came of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempt {
    /// The verdict; `None` leaves it to what its output says.
    pub verdict: Option<Verdict>,
    /// How its command ended; `None` when it did not end by itself.
    pub ending: Option<crate::sys::process::Ending>,
    /// The tests, when the executor knows them better than the output does.
    pub tests: Option<Tests>,
    /// The failures, likewise.
    pub failures: Vec<Failure>,
    /// One sentence where the verdict alone does not say it.
    pub note: Option<String>,
    /// Set where not all of its tests ran, and the executor knows more of that than who asked.
    pub partly: Option<Partly>,
}

impl Attempt {
    /// An attempt that could not be made.
    pub fn not_started(note: impl Into<String>) -> Self {
        Self { verdict: Some(Verdict::NotStarted), note: Some(note.into()), ..Self::default() }
    }
}

/// Where attempts are made: here, in a warm worker, on another machine.
pub trait Executor: Send + Sync {
    /// Makes one attempt. Its output goes to the recorder as it comes; when `stop` asks, it ends soon, with the verdict
    /// that `stop` gives.
    fn attempt<'a>(
        &'a self,
        unit: &'a Unit,
        recorder: &'a mut Recorder,
        stop: Stop,
    ) -> Pin<Box<dyn Future<Output = Attempt> + Send + 'a>>;
}

/// Whether an attempt is to be given up, and with which verdict.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Option<Verdict>>);

/// The other end of a [`Stop`].
#[derive(Debug)]
pub struct Brake(watch::Sender<Option<Verdict>>);

/// A new pair.
pub fn brake() -> (Brake, Stop) {
    let (sender, receiver) = watch::channel(None);
    (Brake(sender), Stop(receiver))
}

impl Brake {
    /// Asks for the end; the first verdict stays.
    pub fn pull(&self, verdict: Verdict) {
        self.0.send_if_modified(|asked| {
            let first = asked.is_none();
            *asked = asked.or(Some(verdict));
            first
        });
    }
}

impl Stop {
    /// Waits until the end is asked for.
    pub async fn asked(&mut self) -> Verdict {
        let asked = self.0.wait_for(Option::is_some).await.map(|asked| *asked);
        match asked {
            Ok(asked) => asked.unwrap_or(Verdict::Cancelled),
            // Nobody can ask any more.
            Err(_) => std::future::pending().await,
        }
    }
}
