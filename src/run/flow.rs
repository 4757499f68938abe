//! One attempt from its beginning to its end: state what it depends on, ask the store, run, judge, keep.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::cache::{Answer, Cache, Replay};
use super::event::{MEDDLED, Partly, RunEvent, RunId, StageEnd, Stream, Verdict};
use super::feed::Feed;
use super::http;
use super::logs::Logs;
use super::outcome::judge;
use super::outputs;
use super::recorder::{Record, Recorder, locate};
use super::service::Services;
use super::unit::{Attempt, Executor, Prepared, Site, Stop, Unit};
use crate::project::contents::Contents;
use crate::project::hollow::hollow;
use crate::project::model::{Action, PLACES, Stage};
use crate::sys::process::Ending;
use crate::sys::real::RealSystem;

/// What runs of a project work with; it outlives them.
pub struct Tools {
    /// The project's root.
    pub root: PathBuf,
    /// The project, as runs ask it.
    pub site: Arc<dyn Site>,
    /// Where stages run, by name; `local` first. A stage that names none of them does not start.
    pub executors: Vec<(&'static str, Arc<dyn Executor>)>,
    /// What runs the tests of pytest stages here, when it is not the executor itself.
    pub pytest: Option<Arc<dyn Executor>>,
    /// The store of results; `None` keeps none.
    pub cache: Option<Cache>,
    /// What the project's files hold.
    pub contents: Arc<Mutex<Contents>>,
    /// The logs.
    pub logs: Logs,
    /// The services that run.
    pub services: Services,
}

/// One attempt that is to be made.
pub(super) struct Task {
    pub(super) tools: Arc<Tools>,
    pub(super) feed: Feed,
    pub(super) run: RunId,
    pub(super) stage: Stage,
    pub(super) attempt: u32,
    pub(super) force: bool,
    pub(super) stop: Stop,
}

impl Task {
    /// Makes it.
    pub(super) async fn carry_out(self) -> StageEnd {
        let started = Instant::now();
        let mut end = self.attempted().await;
        if !end.replayed {
            end.milliseconds = millis(started.elapsed());
        }
        end.attempts = self.attempt;
        end
    }

    async fn attempted(&self) -> StageEnd {
        let (site, stage) = (Arc::clone(&self.tools.site), self.stage.clone());
        let mut stop = self.stop.clone();
        let prepared = tokio::select! {
            prepared = spawn_blocking(move || site.prepare(&stage)) => prepared,
            verdict = stop.asked() => return ended(verdict, None),
        };
        let prepared = match prepared {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(why)) => {
                self.started(why.clone());
                return ended(Verdict::NotStarted, Some(why));
            }
            Err(error) => return ended(Verdict::NotStarted, Some(error.to_string())),
        };
        if let Some(known) = prepared.known.clone() {
            self.started(prepared.why);
            return known.replay();
        }
        let is_service = matches!(self.stage.action, Action::Service(_));
        if is_service && self.tools.services.stands(&self.stage.id, prepared.fingerprint) {
            self.started("it runs already, as it is now".into());
            return StageEnd { replayed: true, ..ended(Verdict::Passed, None) };
        }
        let mut why = prepared.why.clone();
        match self.kept(&prepared).await {
            Some(Answer::Hit(replay)) => return self.replayed(replay),
            Some(Answer::Miss(Some(reason))) => why = format!("{why}; {reason}"),
            Some(Answer::Miss(None)) | None => {}
        }
        self.started(why);
        let recorder = Recorder::begin(self.run, &self.stage.id, &self.feed, &self.tools.logs);
        let recorder = recorder.at(&self.tools.root, &prepared.cwd);
        match self.stage.action {
            Action::Service(_) => self.service(prepared).await,
            _ => self.run(prepared, recorder).await,
        }
    }

    fn started(&self, why: String) {
        let (run, stage, attempt) = (self.run, self.stage.id.clone(), self.attempt);
        self.feed.send(RunEvent::StageStarted { run, stage, attempt, why });
    }

    /// What the store says; `None` when it is not asked.
    async fn kept(&self, prepared: &Prepared) -> Option<Answer> {
        let key = prepared.fingerprint.filter(|_| !self.force && self.attempt == 1 && self.stage.cache)?;
        self.tools.cache.as_ref()?;
        let (tools, stage) = (Arc::clone(&self.tools), self.stage.clone());
        let asked = spawn_blocking(move || {
            let cache = tools.cache.as_ref()?;
            let answer = cache.replay(&key, &stage, &tools.root, &tools.contents);
            if let Answer::Hit(replay) = &answer {
                tools.site.wrote(&stage.id, &replay.restored);
            }
            Some(answer)
        });
        asked.await.ok().flatten()
    }

    fn replayed(&self, replay: Replay) -> StageEnd {
        let restored = match replay.restored.as_slice() {
            [] => String::new(),
            [one] => format!(", {one} is put back"),
            more => format!(", {} outputs are put back", more.len()),
        };
        let run = replay.from.map_or_else(String::new, |run| format!(" in run {}", run.0));
        self.started(format!("nothing to do: it ran at the same bytes{run}{restored}"));
        let mut recorder = Recorder::begin(self.run, &self.stage.id, &self.feed, &self.tools.logs);
        recorder.wrote(Stream::Out, replay.text.as_bytes());
        recorder.finish();
        replay.end.replay()
    }

    async fn service(&self, prepared: Prepared) -> StageEnd {
        let unit = self.unit(prepared);
        let started = Instant::now();
        let attempt = self.tools.services.ensure(&unit, self.run, &self.feed, self.stop.clone()).await;
        let verdict = attempt.verdict.unwrap_or(Verdict::Passed);
        if verdict.is_success() {
            let (run, stage) = (self.run, self.stage.id.clone());
            let milliseconds = millis(started.elapsed());
            // Before anything that needs it is prepared.
            self.tools.site.started(&stage);
            self.feed.send(RunEvent::ServiceReady { run, stage, milliseconds });
        }
        ended(verdict, attempt.note)
    }

    async fn run(&self, prepared: Prepared, mut recorder: Recorder) -> StageEnd {
        let unit = self.unit(prepared);
        let attempt = match &self.stage.action {
            Action::Http(check) => {
                let attempt = http::check(check, self.stop.clone()).await;
                let said = format!("{}\n", attempt.note.as_deref().unwrap_or_default());
                recorder.wrote(Stream::Out, said.as_bytes());
                // That it answered is in the output; a note is for what is wrong.
                let fine = attempt.verdict == Some(Verdict::Passed);
                Attempt { note: attempt.note.filter(|_| !fine), ..attempt }
            }
            _ => match self.executor() {
                Some(executor) => executor.attempt(&unit, &mut recorder, self.stop.clone()).await,
                None => Attempt::not_started(format!("no place called '{}' to run it", self.stage.on)),
            },
        };
        let record = recorder.finish();
        let end = self.judged(attempt, &record, &unit);
        self.settled(end, record, unit).await
    }

    fn unit(&self, prepared: Prepared) -> Unit {
        Unit { stage: self.stage.clone(), prepared, root: self.tools.root.clone() }
    }

    fn executor(&self) -> Option<&Arc<dyn Executor>> {
        let is_pytest = matches!(self.stage.action, Action::Pytest(_)) && self.stage.on == PLACES[0];
        let named = || self.tools.executors.iter().find(|(name, _)| *name == self.stage.on);
        self.tools.pytest.as_ref().filter(|_| is_pytest).or_else(|| Some(&named()?.1))
    }

    fn judged(&self, attempt: Attempt, record: &Record, unit: &Unit) -> StageEnd {
        let read = attempt.ending.map(|ending| judge(ending, &record.found));
        let (verdict, said) = match (attempt.verdict, read) {
            (Some(verdict), _) => (verdict, None),
            (None, Some(read)) => read,
            (None, None) => (Verdict::NotStarted, None),
        };
        let (verdict, said) = match hollow(&RealSystem, &unit.prepared.cwd, &unit.stage.action) {
            Some(why) if verdict == Verdict::Passed && record.found.tools.is_empty() => {
                (Verdict::NoTestRan, Some(why))
            }
            _ => (verdict, said),
        };
        let mut failures = attempt.failures;
        if failures.is_empty() {
            failures.clone_from(&record.found.failures);
        }
        locate(&mut failures, &unit.root, &unit.prepared.cwd);
        let code = match attempt.ending {
            Some(Ending::Exited(code)) => Some(code),
            _ => None,
        };
        let notes = [attempt.note, said, record.trouble.clone()];
        let is_choice = !unit.prepared.tests.is_empty();
        let partly = attempt.partly.or(is_choice.then_some(Partly { asked: true, of: None }));
        StageEnd {
            exit: code,
            tests: attempt.tests.or(record.found.tests),
            failures,
            partly,
            ..ended(verdict, joined(notes))
        }
    }

    /// What follows from a success: outputs that must be there, inputs that must be the same, a result to keep.
    async fn settled(&self, mut end: StageEnd, record: Record, unit: Unit) -> StageEnd {
        if end.verdict == Verdict::Passed && self.attempt > 1 {
            end.verdict = Verdict::Flaky;
        }
        let (tools, force_end) = (Arc::clone(&self.tools), end.clone());
        let (run, attempt) = (self.run, self.attempt);
        let settled = spawn_blocking(move || {
            let stage = &unit.stage;
            tools.site.wrote(&stage.id, &outputs::present(stage, &tools.root));
            if end.verdict == Verdict::Failed
                && let Some(key) = unit.prepared.fingerprint
                && let Some(what) = tools.site.changed_since(stage, &key)
            {
                end.note = joined([end.note, Some(format!("{MEDDLED}: {what}"))]);
            }
            if !end.verdict.is_success() {
                return end;
            }
            let missing = outputs::missing(stage, &tools.root);
            if !missing.is_empty() {
                end.verdict = Verdict::Failed;
                end.note =
                    joined([end.note, Some(format!("it succeeded but did not make {}", missing.join(", ")))]);
                return end;
            }
            let Some(key) = unit.prepared.fingerprint.filter(|_| end.meddled().is_none()) else { return end };
            if let Some(what) = tools.site.changed_since(stage, &key) {
                end.note = joined([end.note, Some(format!("{MEDDLED}: {what}"))]);
                return end;
            }
            if let Some(cache) = tools.cache.as_ref().filter(|_| stage.cache) {
                let kept = StageEnd { attempts: attempt, ..end.clone() };
                let kept = cache.keep(&key, (run, &kept, &record.text), stage, &tools.root, &tools.contents);
                if let Err(why) = kept {
                    end.note = joined([end.note, Some(format!("its result is not kept: {why}"))]);
                }
            }
            end
        });
        settled.await.unwrap_or(force_end)
    }
}

/// A stage that ended without a command.
pub(super) fn ended(verdict: Verdict, note: Option<String>) -> StageEnd {
    StageEnd {
        verdict,
        replayed: false,
        exit: None,
        milliseconds: 0,
        attempts: 0,
        tests: None,
        failures: Vec::new(),
        note,
        partly: None,
    }
}

fn joined<const N: usize>(notes: [Option<String>; N]) -> Option<String> {
    let notes: Vec<String> = notes.into_iter().flatten().filter(|note| !note.is_empty()).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
