//! The live view of a watched project: what is shown, what stands at the bottom, what a key means. Pure: what comes in
//! is a value, and so is what goes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::run_view::{Options, RunView};
use crate::base::text::printable;
use crate::base::time::span;
use crate::project::model::StageId;
use crate::run::event::{RunEvent, Verdict};
use crate::run::standing::Standing;
use crate::ui::Style;

/// What comes in.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// Something happened in a run.
    Event(RunEvent),
    /// A line about the project: how it is watched, what is wrong with its file.
    Said(String),
    /// What it does while nothing runs, in a few words.
    Idle(String),
    /// A key.
    Key(char),
    /// Time has passed.
    Tick,
}

/// What goes out besides lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Run these stages (all, when there are none), even if nothing has changed.
    Run(BTreeSet<StageId>),
    /// Show the whole log of a stage of the last run.
    Log(StageId),
    /// Tell the person who looks elsewhere: a line, and whether it is good news.
    Notify(String, bool),
    /// End.
    Quit,
}

/// What an input leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Lines that scroll past.
    pub lines: Vec<String>,
    /// What is to be done.
    pub wishes: Vec<Wish>,
}

/// The view.
#[derive(Debug)]
pub struct Live {
    run: RunView,
    colours: bool,
    running: BTreeMap<StageId, (Instant, String)>,
    is_running: bool,
    standing: Standing,
    /// Whether the last run that came to an end left it green.
    is_green: Option<bool>,
    /// What stands at the bottom while nothing runs.
    idle: String,
    ran: BTreeSet<StageId>,
}

const KEYS: &str = "r run again · a all · f failed · l log · q quit · ? help";
const HELP: [&str; 6] = [
    "  r  run again what ran last, even if nothing has changed",
    "  a  run all stages, even if nothing has changed",
    "  f  run the stages that failed",
    "  l  show the whole log of the stage that failed",
    "  q  quit",
    "  ?  this help",
];

impl Live {
    /// A view that shows what `options` say; `idle` stands at the bottom while nothing runs.
    pub fn new(options: Options, idle: String) -> Self {
        Self {
            run: RunView::new(options),
            colours: options.colours,
            running: BTreeMap::new(),
            is_running: false,
            standing: Standing::default(),
            is_green: None,
            idle,
            ran: BTreeSet::new(),
        }
    }

    /// What an input leads to.
    pub fn on(&mut self, incoming: Incoming, now: Instant) -> Shown {
        match incoming {
            Incoming::Event(event) => self.event(&event, now),
            Incoming::Said(line) => Shown { lines: vec![printable(&line)], wishes: Vec::new() },
            Incoming::Idle(words) => {
                self.idle = printable(&words);
                Shown::default()
            }
            Incoming::Key(key) => self.key(key),
            Incoming::Tick => Shown::default(),
        }
    }

    /// Whether time that passes is seen.
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// Whether the project is red, as far as runs came to an end.
    pub fn is_red(&self) -> bool {
        self.is_green == Some(false)
    }

    /// The lines at the bottom.
    pub fn footer(&self, now: Instant) -> Vec<String> {
        let faint = |text: &str| Style::Faint.paint(text, self.colours);
        if self.running.is_empty() {
            let words = if self.is_running { "running" } else { &self.idle };
            return vec![faint(&format!("{words} · {KEYS}"))];
        }
        let rows = self.running.iter().map(|(stage, (since, last))| {
            let time = now.saturating_duration_since(*since);
            // Tenths that run would only flicker.
            let time = if time < Duration::from_secs(1) {
                String::new()
            } else {
                span(Duration::from_secs(time.as_secs()))
            };
            format!("  {}  {}  {}", printable(&stage.0), time, faint(last)).trim_end().to_owned()
        });
        rows.chain([faint(KEYS)]).collect()
    }

    fn event(&mut self, event: &RunEvent, now: Instant) -> Shown {
        let mut wishes = Vec::new();
        self.standing.on(event);
        match event {
            RunEvent::RunStarted { .. } => {
                self.is_running = true;
                self.ran.clear();
            }
            RunEvent::StageStarted { stage, .. } => {
                self.running.insert(stage.clone(), (now, String::new()));
                self.ran.insert(stage.clone());
            }
            RunEvent::Output { stage, text, .. } => {
                if let Some((_, last)) = self.running.get_mut(stage)
                    && let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty())
                {
                    *last = printable(line);
                }
            }
            RunEvent::TestFailed { .. }
            | RunEvent::Affected { .. }
            | RunEvent::TestsFinished { .. }
            | RunEvent::Spent { .. } => {}
            RunEvent::ServiceReady { stage, .. } | RunEvent::ServiceEnded { stage, .. } => {
                self.running.remove(stage);
            }
            RunEvent::StageFinished { stage, end, .. } => {
                self.running.remove(stage);
                if end.replayed {
                    self.ran.remove(stage);
                }
            }
            RunEvent::RunFinished { verdict, .. } => {
                self.is_running = false;
                self.running.clear();
                wishes.extend(self.turned(*verdict));
            }
        }
        Shown { lines: self.run.on(event), wishes }
    }

    /// Red that became green, or green that became red, is news.
    fn turned(&mut self, verdict: Verdict) -> Option<Wish> {
        if matches!(verdict, Verdict::Cancelled | Verdict::Interrupted) {
            return None;
        }
        let (_, good) = self.standing.since()?;
        let before = self.is_green.replace(good);
        (before.is_some_and(|before| before != good))
            .then(|| Wish::Notify(if good { "green again".into() } else { "red".into() }, good))
    }

    fn failed(&self) -> BTreeSet<StageId> {
        let ends = self.run.ends().iter();
        ends.filter(|(_, end)| !end.verdict.is_success() && end.verdict != Verdict::Skipped)
            .map(|(stage, _)| stage.clone())
            .collect()
    }

    fn key(&mut self, key: char) -> Shown {
        let say = |line: &str| Shown { lines: vec![line.to_owned()], wishes: Vec::new() };
        let wish = |wish| Shown { lines: Vec::new(), wishes: vec![wish] };
        match key.to_ascii_lowercase() {
            'r' => wish(Wish::Run(self.ran.clone())),
            'a' => wish(Wish::Run(BTreeSet::new())),
            'f' if self.failed().is_empty() => say("nothing has failed"),
            'f' => wish(Wish::Run(self.failed())),
            'l' => match self
                .failed()
                .pop_first()
                .or_else(|| self.run.ends().last().map(|(stage, _)| stage.clone()))
            {
                Some(stage) => wish(Wish::Log(stage)),
                None => say("nothing has run yet"),
            },
            // Ctrl-D, as from any prompt.
            'q' | '\u{4}' => wish(Wish::Quit),
            '?' | 'h' => Shown { lines: HELP.map(str::to_owned).into(), wishes: Vec::new() },
            _ => Shown::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::{RunId, StageEnd, Stream, Trigger};

    const RUN: RunId = RunId(1);

    fn id(name: &str) -> StageId {
        StageId(name.into())
    }

    struct Desk {
        live: Live,
        now: Instant,
    }

    impl Desk {
        fn new() -> Self {
            Self { live: Live::new(Options::default(), "watching 12 files".into()), now: Instant::now() }
        }

        fn event(&mut self, event: RunEvent) -> Shown {
            self.live.on(Incoming::Event(event), self.now)
        }

        fn key(&mut self, key: char) -> Shown {
            self.live.on(Incoming::Key(key), self.now)
        }

        fn started(&mut self, stage: &str) {
            self.event(RunEvent::StageStarted { run: RUN, stage: id(stage), attempt: 1, why: String::new() });
        }

        /// A run in which `test` ends like this and `lint` need not run.
        fn run(&mut self, verdict: Verdict) -> Vec<Wish> {
            let end = |verdict, replayed| StageEnd {
                verdict,
                replayed,
                exit: None,
                milliseconds: 1,
                attempts: 1,
                tests: None,
                failures: Vec::new(),
                note: None,
                partly: None,
            };
            self.event(RunEvent::RunStarted {
                run: RUN,
                trigger: Trigger::Change,
                generation: 1,
                settle: 0,
                changed: Vec::new(),
                changes: 0,
                stages: vec![id("lint"), id("test")],
                part: None,
            });
            for (stage, end) in [("lint", end(Verdict::Passed, true)), ("test", end(verdict, false))] {
                self.started(stage);
                self.event(RunEvent::StageFinished { run: RUN, stage: id(stage), end });
            }
            self.event(RunEvent::RunFinished { run: RUN, verdict, milliseconds: 2, note: None }).wishes
        }
    }

    #[test]
    fn the_footer_shows_what_runs_for_how_long_and_its_last_line() {
        let mut desk = Desk::new();
        assert_eq!(desk.live.footer(desk.now), [format!("watching 12 files · {KEYS}")]);
        desk.started("test");
        let text = "one\ntwo \u{1b}[2J\n\n".to_owned();
        desk.event(RunEvent::Output { run: RUN, stage: id("test"), stream: Stream::Out, text });
        desk.now += Duration::from_millis(3_400);
        assert_eq!(desk.live.footer(desk.now)[0], "  test  3.0 s  two \\u{1b}[2J");
    }

    #[test]
    fn keys_run_what_ran_what_failed_or_all() {
        let mut desk = Desk::new();
        assert_eq!(desk.key('f').lines, ["nothing has failed"]);
        desk.run(Verdict::Failed);
        assert_eq!(desk.key('r').wishes, [Wish::Run([id("test")].into())]);
        assert_eq!(desk.key('f').wishes, [Wish::Run([id("test")].into())]);
        assert_eq!(desk.key('a').wishes, [Wish::Run(BTreeSet::new())]);
        assert_eq!(desk.key('l').wishes, [Wish::Log(id("test"))]);
        assert_eq!(desk.key('q').wishes, [Wish::Quit]);
        assert_eq!(desk.key('x'), Shown::default());
        assert_eq!(desk.key('?').lines.len(), HELP.len());
    }

    #[test]
    fn only_a_turn_of_the_colour_is_news() {
        let mut desk = Desk::new();
        assert_eq!(desk.run(Verdict::Passed), []);
        assert_eq!(desk.run(Verdict::Failed), [Wish::Notify("red".into(), false)]);
        assert_eq!(desk.run(Verdict::TimedOut), []);
        assert_eq!(desk.run(Verdict::Cancelled), []);
        assert_eq!(desk.run(Verdict::Flaky), [Wish::Notify("green again".into(), true)]);
    }
}
