//! One run of pytest as a value, and how it ended.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::event::Told;
use crate::run::event::{Stream, TIERS, Verdict};
use crate::sys::process::Ending;

/// The text of the other side, as one program.
pub const PROGRAM: &str = concat!(
    include_str!("python/reporter.py"),
    "\n",
    include_str!("python/imports.py"),
    "\n",
    include_str!("python/server.py"),
);

/// Variables that bound the threads of a numeric library. They are set for the server alone, where the environment does not set
/// them: pools that were made before a fork must not outnumber the cores after it.
pub const THREADS: [&str; 3] = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/// What is to be run, as it is sent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Job {
    /// The project's root.
    pub root: PathBuf,
    /// Where it runs.
    pub cwd: PathBuf,
    /// pytest's arguments.
    pub args: Vec<String>,
    /// Variables that the run must not have.
    pub unset: Vec<String>,
    /// Variables that it has besides.
    pub set: BTreeMap<String, String>,
    /// How much it steps back behind others, as nice(2) has it.
    pub nice: i32,
    /// The most address space that it may have, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Whether the arguments name the files to run.
    #[serde(rename = "named")]
    pub is_named: bool,
    /// How long it may neither say nor compute anything, when it is warm.
    #[serde(skip)]
    pub patience: Patience,
}

/// How long a warm run is waited for that says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// While it computes nothing.
    pub still: Duration,
    /// While it computes; none where it is not known how long that takes.
    pub busy: Option<Duration>,
}

/// What is heard of it.
#[derive(Debug)]
pub enum Heard<'a> {
    /// Its output.
    Wrote(Stream, &'a [u8]),
    /// An event.
    Told(Told),
}

/// Takes what is heard, and of which of the jobs.
pub type Ear<'a> = &'a mut (dyn FnMut(usize, Heard<'_>) + Send);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By itself.
    Itself(Ending),
    /// We ended it, with this verdict.
    Stopped(Verdict),
    /// It did nothing and computed nothing for so long that it hangs, which a forked process may where another would not.
    Hung,
    /// A module that was imported for it is another one now.
    Outdated,
    /// It computed, and said nothing, for many times longer than it ever took: it may wait for a lock that nobody holds.
    Spun,
}

/// How warm a run was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Forked from a process that has imported what is not the project's.
    Warm,
    /// In a process that has imported it, and that ends with the run.
    Standby,
    /// In a new process.
    Cold,
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warm => TIERS[0],
            Self::Standby => TIERS[1],
            Self::Cold => TIERS[2],
        })
    }
}
