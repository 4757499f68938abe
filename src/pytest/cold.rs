//! Runs in a process of their own: what is done when nothing warm may be used.

use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::event::{Lines, Told};
use super::job::{Ended, Job, PROGRAM};
use super::outcome::Outcome;
use crate::run::event::{Stream, Verdict};
use crate::run::local::{self, GRACE};
use crate::run::recorder::Recorder;
use crate::run::unit::{Stop, Unit};
use crate::sys::clock;
use crate::sys::offspring::{Happening, Offspring};
use crate::sys::process::{self, CommandSpec, Ending};
use crate::sys::real::RealSystem;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

/// The most that is read of a run's events, in bytes.
const EVENTS: u64 = 256 << 20;

/// The files through which a cold run is told its job and tells its events; they go with it.
struct Files {
    job: PathBuf,
    events: PathBuf,
}

impl Files {
    fn begin(dir: &Path, job: &Job) -> std::io::Result<Self> {
        let name = format!("pytest-{}-{}", process::id(), clock::now().0);
        let told = Self { job: dir.join(format!("{name}.job")), events: dir.join(format!("{name}.events")) };
        replace(&RealSystem, &told.job, &serde_json::to_vec(job).unwrap_or_default(), 0o600)?;
        replace(&RealSystem, &told.events, b"", 0o600)?;
        Ok(told)
    }

    fn read(&self) -> Vec<Told> {
        let bytes = RealSystem.read(&self.events, EVENTS).unwrap_or_default();
        Lines::default().push(&bytes)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = RealSystem.remove_file(&self.job);
        let _ = RealSystem.remove_file(&self.events);
    }
}

/// Who hears of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heed {
    /// Everybody: its output, and its failures as they come.
    All,
    /// Its output is written; its failures come with the others.
    Output,
    /// Nobody.
    Nothing,
}

/// Runs a job; `dir` is where it is told what to do.
pub(super) async fn run(
    (dir, heed): (&Path, Heed),
    unit: &Unit,
    job: &Job,
    recorder: &mut Recorder,
    (mut stop, deadline): (Stop, Option<Instant>),
) -> Outcome {
    let mut outcome = Outcome::new(heed != Heed::All);
    let told = match Files::begin(dir, job) {
        Ok(told) => told,
        Err(error) => {
            recorder.wrote(Stream::Err, format!("devboot: {}: {error}\n", dir.display()).as_bytes());
            outcome.ended = Some(Ended::Itself(Ending::Exited(1)));
            return outcome;
        }
    };
    let python = unit.prepared.python.as_deref().unwrap_or(Path::new("python3"));
    let spec = CommandSpec::new(python).args(["-c", PROGRAM, "cold"]).arg(&told.job).arg(&told.events);
    let mut offspring = match Offspring::start(&local::given(spec, &unit.prepared)) {
        Ok(offspring) => offspring,
        Err(error) => {
            let words = format!("cannot start {}: {error}\n", python.display());
            recorder.wrote(Stream::Err, words.as_bytes());
            outcome.ended = Some(Ended::Itself(Ending::Exited(127)));
            return outcome;
        }
    };
    let mut given = None;
    let ended = loop {
        tokio::select! {
            happening = offspring.next() => match happening {
                Happening::Wrote(..) if heed == Heed::Nothing => {}
                Happening::Wrote(written, bytes) => recorder.wrote(local::stream(written), bytes),
                Happening::Ended(ending) => break given.unwrap_or(Ended::Itself(ending)),
            },
            verdict = stop.asked(), if given.is_none() => {
                given = Some(Ended::Stopped(verdict));
                offspring.end(GRACE);
            }
            () = local::until(deadline), if given.is_none() => {
                given = Some(Ended::Stopped(Verdict::TimedOut));
                offspring.end(GRACE);
            }
            () = local::until(recorder.due()) => recorder.tick(),
        }
    };
    told.read().into_iter().for_each(|told| outcome.told(told, recorder));
    outcome.ended = Some(ended);
    outcome
}
