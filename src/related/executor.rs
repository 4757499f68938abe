//! Attempts of stages whose command runs all tests of a tool: those that a change affects first, then the others. What is no
//! such command runs as it is written.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::ask::{Mute, ask};
use super::memory::Memory;
use super::plan::{Plain, Plan, changes, is_doubtful, plan, refs};
use super::{Asked, Build, Changed, Parts};
use crate::base::digest::Digest;
use crate::project::fingerprint::Fingerprint;
use crate::project::model::{Action, Command};
use crate::run::event::{ALL_RAN, REST, Verdict};
use crate::run::feed::be_heard;
use crate::run::local::{self, Deadline, Local, follow};
use crate::run::outcome::{Found, Readers, judge};
use crate::run::recorder::Recorder;
use crate::run::unit::{Attempt, Executor, Stop, Unit};
use crate::sys::process::{CommandSpec, Ending};
use crate::sys::real::{RealSystem, real_path};
use crate::sys::system::ReadSystem;

/// The rest of the tests steps back behind everything that a person waits for, as nice(1) has it.
const BEHIND: [&str; 3] = ["nice", "-n", "10"];

/// The largest settings that are read, in bytes.
const SETTINGS: u64 = 1 << 20;

/// The project as it is asked when tests run. Called where it may block.
pub trait Ground: Send + Sync {
    /// All that the stage depended on when it was prepared, item by item; `None` when that is not known.
    fn fingerprint(&self, unit: &Unit) -> Option<Arc<Fingerprint>>;

    /// Whether all of that is still so.
    fn holds(&self, unit: &Unit) -> bool;
}

/// Runs the commands of one project here.
pub struct RelatedExecutor {
    ground: Arc<dyn Ground>,
    /// Where what is remembered is kept.
    dir: PathBuf,
}

/// What is known when an attempt begins.
struct Known {
    now: Arc<Fingerprint>,
    memory: Memory,
    /// What changed; the error is a plan that needs no question.
    changed: Result<Vec<Changed>, Plan>,
    /// The root and the directory of the stage without symbolic links.
    root: PathBuf,
    cwd: PathBuf,
}

/// What came of one command.
struct Ran {
    attempt: Attempt,
    found: Found,
    /// By what it said, when it ended by itself.
    verdict: Verdict,
}

impl Executor for RelatedExecutor {
    fn attempt<'a>(
        &'a self,
        unit: &'a Unit,
        recorder: &'a mut Recorder,
        stop: Stop,
    ) -> Pin<Box<dyn Future<Output = Attempt> + Send + 'a>> {
        Box::pin(async move {
            let until = (stop.clone(), Deadline::of(unit));
            let Some(plain) = Plain::of(&unit.stage.action) else {
                return Local.attempt(unit, recorder, stop).await;
            };
            let Some(known) = self.look(unit, &plain).await else {
                return Local.attempt(unit, recorder, stop).await;
            };
            Tests { unit, plain: &plain, recorder, until }.carry_out(self, known).await
        })
    }
}

impl RelatedExecutor {
    /// For a project; `dir` is where what is remembered of it is kept.
    pub fn new(ground: Arc<dyn Ground>, dir: &Path) -> Self {
        Self { ground, dir: dir.to_owned() }
    }

    fn file(&self, unit: &Unit) -> PathBuf {
        self.dir.join(format!("related-{}.json", Digest::of(unit.stage.id.0.as_bytes()).short()))
    }

    /// What is known; `None` when there is nothing to choose from.
    async fn look(&self, unit: &Unit, plain: &Plain) -> Option<Known> {
        let (ground, unit, file, tool) =
            (Arc::clone(&self.ground), unit.clone(), self.file(unit), plain.tool);
        let look = move || {
            let now = ground.fingerprint(&unit)?;
            let mut files = now.inputs().filter(|(_, is_there)| *is_there).map(|(path, _)| path);
            if !tool.has_choice(&mut files) {
                return None;
            }
            drop(files);
            let memory = Memory::load(&RealSystem, &file);
            let changed = changes(&memory, &now);
            let (root, cwd) = (real_path(&unit.root).ok()?, real_path(&unit.prepared.cwd).ok()?);
            Some(Known { now, memory, changed, root, cwd })
        };
        spawn_blocking(look).await.ok().flatten()
    }

    /// Keeps what is to be remembered. `passed` is what all tests have passed at, if that still is what is there.
    async fn keep(
        &self,
        unit: &Unit,
        mut memory: Memory,
        passed: Option<Arc<Fingerprint>>,
    ) -> Option<String> {
        let (ground, unit, file) = (Arc::clone(&self.ground), unit.clone(), self.file(unit));
        let keep = move || {
            if let Some(now) = passed.filter(|_| ground.holds(&unit)) {
                memory.passed(&now);
            }
            memory.save(&RealSystem, &file)
        };
        let kept = spawn_blocking(keep).await.unwrap_or(Ok(()));
        kept.err().map(|error| format!("what its tests did is not remembered: {error}"))
    }
}

/// One attempt.
struct Tests<'a> {
    unit: &'a Unit,
    plain: &'a Plain,
    recorder: &'a mut Recorder,
    until: (Stop, Deadline),
}

impl Tests<'_> {
    async fn carry_out(self, kept: &RelatedExecutor, mut known: Known) -> Attempt {
        let plan = match std::mem::replace(&mut known.changed, Ok(Vec::new())) {
            Err(plan) => plan,
            Ok(changed) => match asked(self.unit, self.plain, (&known, &changed), self.until.0.clone()).await
            {
                Ok(plan) => plan,
                Err(verdict) => return Attempt { verdict: Some(verdict), ..Attempt::default() },
            },
        };
        match plan {
            Plan::All(why) => self.all(kept, known, why).await,
            Plan::Parts(parts) => self.parts(kept, known, &parts).await,
        }
    }

    /// Everything in one run, as it is written.
    async fn all(mut self, kept: &RelatedExecutor, mut known: Known, why: Option<String>) -> Attempt {
        let Action::Run(command) = &self.unit.stage.action else {
            return Attempt::not_started("it runs no command");
        };
        let ran = self.run(local::spec(command, &self.unit.prepared)).await;
        known.memory.forget_alone();
        let passed = (ran.verdict == Verdict::Passed && ran.attempt.verdict.is_none()).then_some(known.now);
        let trouble = kept.keep(self.unit, known.memory, passed).await;
        let why = why.map(|why| format!("{ALL_RAN}{why}"));
        Attempt { note: joined([ran.attempt.note, why, trouble]), ..ran.attempt }
    }

    async fn parts(mut self, kept: &RelatedExecutor, mut known: Known, parts: &Parts) -> Attempt {
        let tool = self.plain.tool;
        let first = self.part(&parts.affected, false).await;
        if first.attempt.verdict.is_some() {
            return first.attempt;
        }
        if self.doubts(&mut known.memory, &parts.affected, &first) {
            return self.all_again(kept, known).await;
        }
        first.found.failures.iter().for_each(|failure| self.recorder.failed(failure));
        let is_built = first.verdict != Verdict::Failed || first.found.tests.is_some();
        if !is_built && tool.build() == Build::Together {
            return first.attempt;
        }
        let counts = (parts.affected.len(), parts.rest.len());
        let tests = first.found.tests.unwrap_or_default();
        self.recorder.affected_of(tool.portion(), first.verdict, tests, counts, parts.because.clone());
        be_heard().await;
        let then = self.part(&parts.rest, true).await;
        if let Some(verdict) = then.attempt.verdict {
            let _ = kept.keep(self.unit, known.memory, None).await;
            let left = match first.found.tests {
                Some(tests) => format!("{REST}; {} passed and {} failed", tests.passed, tests.failed),
                None => REST.to_owned(),
            };
            let note = if verdict == Verdict::Cancelled { Some(left) } else { then.attempt.note };
            return Attempt { verdict: Some(verdict), note, ..Attempt::default() };
        }
        if self.doubts(&mut known.memory, &parts.rest, &then) {
            return self.all_again(kept, known).await;
        }
        known.memory.stray = then.verdict == Verdict::Failed;
        let is_green =
            [&first, &then].iter().all(|ran| matches!(ran.verdict, Verdict::Passed | Verdict::NoTestRan))
                && (first.found.ran || then.found.ran);
        let passed = is_green.then(|| Arc::clone(&known.now));
        let note = kept.keep(self.unit, known.memory, passed).await;
        let ending = match first.attempt.ending {
            Some(Ending::Exited(0)) => then.attempt.ending,
            worse => worse,
        };
        Attempt { ending, note, ..Attempt::default() }
    }

    /// Whether a part has to be run again with the others; takes down that it was built without them.
    fn doubts(&self, memory: &mut Memory, part: &[String], ran: &Ran) -> bool {
        let is_doubtful = is_doubtful(self.plain.tool, &ran.found, ran.verdict, memory.was_built_alone(part));
        if !is_doubtful && ran.found.tests.is_some() {
            memory.built_alone(part);
        }
        is_doubtful
    }

    async fn all_again(self, kept: &RelatedExecutor, known: Known) -> Attempt {
        let why =
            format!("{} alone did not do, which need not be the change's fault", self.plain.tool.name());
        self.recorder.again(&format!("everything runs: {why}"));
        self.all(kept, known, Some(why)).await
    }

    async fn part(&mut self, part: &[String], is_rest: bool) -> Ran {
        let command = self.plain.tool.command(&refs(&self.plain.words), part);
        let before = BEHIND.iter().filter(|_| is_rest).map(|word| (*word).to_owned());
        let command = Command::Words(before.chain(command).collect());
        self.run(local::spec(&command, &self.unit.prepared)).await
    }

    async fn run(&mut self, spec: CommandSpec) -> Ran {
        let mut readers = Readers::default();
        let mut heard = |stream, bytes: &[u8]| readers.push(stream, bytes);
        let attempt = follow(&spec, self.recorder, self.until.clone(), &mut heard).await;
        let found = readers.finish(|_| Vec::new());
        let judged = attempt.ending.map(|ending| judge(ending, &found).0);
        let verdict = attempt.verdict.or(judged).unwrap_or(Verdict::NotStarted);
        Ran { attempt, found, verdict }
    }
}

/// What the tool says of a change; the error is the verdict with which the attempt is to end.
async fn asked(
    unit: &Unit,
    plain: &Plain,
    (known, changed): (&Known, &[Changed]),
    stop: Stop,
) -> Result<Plan, Verdict> {
    let (tool, words) = (plain.tool, refs(&plain.words));
    let files: Vec<&str> =
        known.now.inputs().filter(|(_, is_there)| *is_there).map(|(path, _)| path).collect();
    let read = |path: &str| {
        let bytes = RealSystem.read(&known.root.join(path), SETTINGS).ok()?;
        String::from_utf8(bytes).ok()
    };
    let facts =
        Asked { root: &known.root, cwd: &known.cwd, words: &words, changed, files: &files, read: &read };
    let questions = match tool.questions(&facts) {
        Ok(questions) => questions,
        Err(why) => return Ok(Plan::All(Some(why))),
    };
    match ask((tool.name(), unit), questions, stop).await {
        Ok(answers) => Ok(plan(tool, tool.answer(&facts, &answers))),
        Err(Mute::Cannot(why)) => Ok(Plan::All(Some(why))),
        Err(Mute::Stopped(verdict)) => Err(verdict),
    }
}

fn joined<const N: usize>(notes: [Option<String>; N]) -> Option<String> {
    let notes: Vec<String> = notes.into_iter().flatten().collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}
