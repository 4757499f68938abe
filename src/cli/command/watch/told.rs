//! What is told of a command's runs: lines for people, or the events of runs with one stage.

use std::time::Duration;

use serde_json::json;

use crate::base::text::plain_json;
use crate::base::time::span;
use crate::cli::command::run::json_line;
use crate::cli::context::Context;
use crate::cli::{run_view, view};
use crate::project::model::StageId;
use crate::run::event::{RunEvent, RunId, StageEnd, Stream, Trigger, Verdict};
use crate::sys::process::Ending;
use crate::ui::Style;

/// What the one stage is called.
const STAGE: &str = "command";
/// How many paths an event names.
const PATHS: usize = 100;

/// What a run is about.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// The paths that changed; none at the start.
    pub changed: Vec<String>,
    /// The generation of the last change.
    pub generation: u64,
    /// How long the first change was waited for.
    pub waited: Duration,
}

/// Who tells.
pub(super) struct Told<'a> {
    context: &'a Context,
    run: RunId,
}

impl<'a> Told<'a> {
    /// Nothing has run yet.
    pub fn new(context: &'a Context) -> Self {
        Self { context, run: RunId(0) }
    }

    /// Whether events are wanted, and lines are none.
    pub fn is_json(&self) -> bool {
        self.context.global.json
    }

    /// A line about the watch.
    pub fn say(&self, text: &str) {
        match self.is_json() {
            true => self.line(&json!({ "schema": view::SCHEMA, "event": "said", "text": text }).to_string()),
            false => self.context.printer.say(text),
        }
    }

    /// These paths have changed.
    pub fn changed(&self, paths: &[String]) {
        if !self.is_json() {
            let line = format!("changed: {}", run_view::changed(paths, paths.len() as u64));
            self.context.printer.say(&self.context.printer.paint(Style::Faint, &line));
        }
    }

    /// A run begins.
    pub fn began(&mut self, about: About) {
        let is_first = self.run.0 == 0;
        self.run.0 += 1;
        let (run, stage) = (self.run, StageId(STAGE.into()));
        let changes = about.changed.len() as u64;
        let (trigger, why) = match changes {
            0 if is_first => (Trigger::Start, "the watch began".to_owned()),
            0 => (Trigger::Request, "it was asked for".to_owned()),
            _ => (Trigger::Change, format!("changed: {}", run_view::changed(&about.changed, changes))),
        };
        self.event(&RunEvent::RunStarted {
            run,
            trigger,
            generation: about.generation,
            settle: u64::try_from(about.waited.as_micros()).unwrap_or(u64::MAX),
            changed: about.changed.into_iter().take(PATHS).collect(),
            changes,
            stages: vec![stage.clone()],
            part: None,
        });
        self.event(&RunEvent::StageStarted { run, stage, attempt: 1, why });
    }

    /// The command wrote this.
    pub fn wrote(&self, is_error: bool, bytes: &[u8]) {
        let stream = if is_error { Stream::Err } else { Stream::Out };
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.event(&RunEvent::Output { run: self.run, stage: StageId(STAGE.into()), stream, text });
    }

    /// The run ended, by itself or, when a newer change made it stale, not.
    pub fn ended(&self, ending: Ending, took: Duration, is_stale: bool) {
        let (style, word, verdict, note) = match ending {
            _ if is_stale => (Style::Warn, "stopped".to_owned(), Verdict::Cancelled, None),
            Ending::Exited(0) => (Style::Good, "done".to_owned(), Verdict::Passed, None),
            Ending::Exited(code) => (Style::Bad, format!("exit {code}"), Verdict::Failed, None),
            Ending::Signalled(number) => {
                let word = format!("ended by signal {number}");
                (Style::Bad, word.clone(), Verdict::Failed, Some(word))
            }
            Ending::TimedOut | Ending::Interrupted => {
                (Style::Warn, "interrupted".to_owned(), Verdict::Interrupted, None)
            }
        };
        if !self.is_json() {
            let printer = &self.context.printer;
            return printer.say(&format!("{}, {}", printer.paint(style, &word), span(took)));
        }
        let (run, stage) = (self.run, StageId(STAGE.into()));
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let exit = if let Ending::Exited(code) = ending { Some(code) } else { None };
        let end = StageEnd {
            verdict,
            replayed: false,
            exit,
            milliseconds,
            attempts: 1,
            tests: None,
            failures: Vec::new(),
            note,
            partly: None,
        };
        self.event(&RunEvent::StageFinished { run, stage, end });
        self.event(&RunEvent::RunFinished { run, verdict, milliseconds, note: None });
    }

    fn event(&self, event: &RunEvent) {
        if self.is_json() {
            self.line(&json_line(event));
        }
    }

    fn line(&self, json: &str) {
        // A reader that has gone has seen enough.
        let _ = self.context.printer.data(&format!("{}\n", plain_json(json)));
    }
}
