//! Runs for people: what changed, why a stage runs or need not, how it ended, and one clear line at the end. Pure: an
//! event goes in, lines come out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::text::{counted, printable};
use crate::base::time::span;
use crate::project::model::StageId;
use crate::run::event::{
    Failure, Outcome, Part, Partly, Portion, RunEvent, Spent, StageEnd, Stream, TestResult, Tests, Verdict,
    only_lists,
};
use crate::ui::Style;

/// What is shown besides the verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether styles are wanted.
    pub colours: bool,
    /// Whether all output is shown as it comes, and not only that of stages that fail.
    pub output: bool,
    /// Whether stages that need not run are named, too.
    pub unchanged: bool,
    /// Whether it is said where the time of tests went.
    pub timings: bool,
    /// Whether it is said why each stage runs, or need not, where its output does not say it.
    pub reasons: bool,
}

/// How many failures, and how many lines of output, are shown of one stage; `devboot logs` has the rest.
const FAILURES: usize = 10;
const TAIL_LINES: usize = 30;
/// How much output of each stage is kept until it is known whether it fails, in bytes.
const TAIL: usize = 32 * 1024;

/// The view of one run after the other.
#[derive(Debug)]
pub struct RunView {
    options: Options,
    width: usize,
    many: bool,
    tails: BTreeMap<StageId, String>,
    /// The end of a line that has not come yet, by stage.
    partial: BTreeMap<StageId, String>,
    /// How long the run waited for its files, until that is told.
    settle: u64,
    /// The paths that the run is about.
    changed: Vec<String>,
    /// The stages of the run, in the pipeline's order.
    order: Vec<StageId>,
    ends: Vec<(StageId, StageEnd)>,
    /// The services that have said that they are ready: their stages end with that.
    ready: BTreeSet<StageId>,
    /// How many failures were told while their stage ran.
    told: BTreeMap<StageId, usize>,
    /// What was asked for, when that was not all of the project.
    part: Option<Part>,
    /// The tests that failed in the run.
    failed: BTreeSet<(StageId, String)>,
    /// Those that are flaky, with what came of them last.
    flaky: BTreeMap<(StageId, String), Outcome>,
}

/// The word for a verdict, and what it means to the reader.
pub fn word(verdict: Verdict) -> (Style, &'static str) {
    match verdict {
        Verdict::Passed => (Style::Good, "passed"),
        Verdict::Flaky => (Style::Warn, "flaky"),
        Verdict::NoTestRan => (Style::Warn, "no test ran"),
        Verdict::Failed => (Style::Bad, "failed"),
        Verdict::TimedOut => (Style::Bad, "timed out"),
        Verdict::NotStarted => (Style::Bad, "not started"),
        Verdict::Skipped => (Style::Faint, "skipped"),
        Verdict::Cancelled => (Style::Faint, "cancelled"),
        Verdict::Interrupted => (Style::Warn, "interrupted"),
    }
}

/// The tests in words: `12 passed, 1 failed`; empty when there were none.
pub fn tests(tests: Option<Tests>) -> String {
    let Some(Tests { passed, failed, skipped }) = tests else { return String::new() };
    let parts = [(failed, "failed"), (passed, "passed"), (skipped, "skipped")];
    let words: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    words.join(", ")
}

/// Where a failure is and what it says: `test_app.py:7 test_hello: assert 404 == 200`.
pub fn failure(failure: &Failure) -> String {
    let place = match (&failure.file, failure.line) {
        (Some(file), Some(line)) => format!("{file}:{line} "),
        (Some(file), None) => format!("{file} "),
        _ => String::new(),
    };
    let first = failure.message.lines().next().unwrap_or_default();
    printable(&format!("{place}{}: {first}", failure.name))
}

/// The paths of a change set in a line: the first few and how many more.
pub fn changed(paths: &[String], count: u64) -> String {
    const SHOWN: usize = 3;
    let names: Vec<String> = paths.iter().take(SHOWN).map(|path| printable(path)).collect();
    let more = usize::try_from(count).unwrap_or(usize::MAX).saturating_sub(names.len());
    if more == 0 { names.join(", ") } else { format!("{} and {}", names.join(", "), counted(more, "other")) }
}

/// So many failures are told while their stage still runs.
const AT_ONCE: usize = 5;

impl RunView {
    /// A view that shows what `options` say.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            width: 0,
            many: false,
            tails: BTreeMap::new(),
            partial: BTreeMap::new(),
            settle: 0,
            changed: Vec::new(),
            order: Vec::new(),
            ends: Vec::new(),
            ready: BTreeSet::new(),
            told: BTreeMap::new(),
            part: None,
            failed: BTreeSet::new(),
            flaky: BTreeMap::new(),
        }
    }

    /// How the stages of the run that was shown last ended.
    pub fn ends(&self) -> &[(StageId, StageEnd)] {
        &self.ends
    }

    /// The lines for what happened.
    pub fn on(&mut self, event: &RunEvent) -> Vec<String> {
        match event {
            RunEvent::RunStarted { changed: paths, changes, stages, settle, part, .. } => {
                *self = Self {
                    width: stages.iter().map(|id| id.0.len()).max().unwrap_or(0),
                    ..Self::new(self.options)
                };
                self.many = stages.len() > 1;
                self.order.clone_from(stages);
                self.settle = *settle;
                self.part.clone_from(part);
                self.changed.clone_from(paths);
                if paths.is_empty() {
                    return Vec::new();
                }
                vec![format!("{} {}", self.paint(Style::Heading, "changed:"), changed(paths, *changes))]
            }
            RunEvent::StageStarted { stage, attempt, why, .. } if *attempt > 1 => {
                vec![self.row(stage, Style::Warn, "again", &format!("attempt {attempt}: {}", printable(why)))]
            }
            RunEvent::StageStarted { stage, why, .. } => {
                self.tails.remove(stage);
                let is_held = why.starts_with("nothing ");
                // The line of what changed says it where there is one stage.
                let is_said =
                    !self.many && self.changed.iter().any(|path| why.starts_with(&format!("{path} ")));
                match self.options.output {
                    true => vec![self.row(stage, Style::Heading, "because", &printable(why))],
                    false if is_said || !self.options.reasons => Vec::new(),
                    false if is_held => vec![self.row(stage, Style::Faint, "unchanged", &printable(why))],
                    false => vec![self.row(stage, Style::Faint, "because", &printable(why))],
                }
            }
            RunEvent::Output { stage, stream, text, .. } => self.output(stage, *stream, text),
            RunEvent::TestFailed { stage, failure: failed, .. } => {
                let told = self.told.entry(stage.clone()).or_default();
                *told += 1;
                match *told {
                    ..=AT_ONCE => vec![self.row(stage, Style::Bad, "fails", &failure(failed))],
                    _ => Vec::new(),
                }
            }
            RunEvent::Affected { stage, verdict, tests: count, files, rest, of, because, .. } => {
                self.affected(stage, (*verdict, *count), (*files, *rest, *of), because)
            }
            RunEvent::TestsFinished { stage, tests, .. } => {
                self.ended(stage, tests);
                Vec::new()
            }
            RunEvent::Spent { .. } if !self.options.timings => Vec::new(),
            RunEvent::Spent { stage, files, spent, .. } => {
                let settle = std::mem::take(&mut self.settle);
                vec![self.row(stage, Style::Faint, "time", &parts(*files, settle, *spent))]
            }
            RunEvent::ServiceReady { stage, milliseconds, .. } => {
                self.ready.insert(stage.clone());
                vec![self.row(stage, Style::Good, "ready", &format!("after {}", time(*milliseconds)))]
            }
            RunEvent::ServiceEnded { stage, note, .. } => {
                vec![self.row(stage, Style::Bad, "ended", &printable(note))]
            }
            RunEvent::StageFinished { stage, end, .. } => self.finished(stage, end),
            RunEvent::RunFinished { verdict, milliseconds, note, .. } => {
                let note = note.iter().map(|note| self.paint(Style::Warn, &format!("  {}", printable(note))));
                let note: Vec<String> = note.collect();
                let verdict = self.verdict(*verdict, *milliseconds);
                self.flaky_lines().into_iter().chain(note).chain([verdict]).collect()
            }
        }
    }

    /// Takes down what is flaky among tests that have ended.
    fn ended(&mut self, stage: &StageId, tests: &[TestResult]) {
        for test in tests {
            let key = (stage.clone(), test.name.clone());
            if test.outcome.is_failure() {
                self.failed.insert(key.clone());
            }
            if test.flaky {
                self.flaky.insert(key, test.outcome);
            }
        }
    }

    /// A line for each of the first flaky tests: what it did, now and before.
    fn flaky_lines(&self) -> Vec<String> {
        let line = |((stage, name), now): (&(StageId, String), &Outcome)| {
            let did = match now.is_failure() {
                true => "failed now, and has passed at the same bytes".to_owned(),
                false if self.failed.contains(&(stage.clone(), name.clone())) => {
                    format!("failed, and then {} at the same bytes", outcome(*now))
                }
                false => format!("{} now, and has failed at the same bytes", outcome(*now)),
            };
            self.row(stage, Style::Warn, "flaky", &format!("{}: {did}", printable(name)))
        };
        let more = self.flaky.len().saturating_sub(FAILURES);
        let more = (more > 0).then(|| format!("    and {}", counted(more, "other flaky test")));
        self.flaky.iter().take(FAILURES).map(line).chain(more).collect()
    }

    fn affected(
        &self,
        stage: &StageId,
        (verdict, count): (Verdict, Tests),
        (files, rest, of): (usize, usize, Portion),
        because: &[String],
    ) -> Vec<String> {
        let (style, _) = word(verdict);
        let (place, follow) = (counted(files, of.noun()), counted(rest, of.noun()));
        let of = match tests(Some(count)) {
            none if none.is_empty() => place,
            tests => format!("{tests} in {place}"),
        };
        let mut lines = vec![self.row(stage, style, "affected", &format!("{of}; {follow} to follow"))];
        lines.extend(because.iter().map(|why| self.paint(Style::Faint, &format!("    {}", printable(why)))));
        lines
    }

    fn paint(&self, style: Style, text: &str) -> String {
        style.paint(text, self.options.colours)
    }

    fn row(&self, stage: &StageId, style: Style, word: &str, rest: &str) -> String {
        let name = printable(&stage.0);
        let gap = " ".repeat(self.width.saturating_sub(name.chars().count()));
        let pad = " ".repeat(11_usize.saturating_sub(word.len()));
        format!("  {name}{gap}  {}{pad}  {rest}", self.paint(style, word)).trim_end().to_owned()
    }

    fn output(&mut self, stage: &StageId, _: Stream, text: &str) -> Vec<String> {
        let partial = self.partial.entry(stage.clone()).or_default();
        partial.push_str(text);
        let Some(end) = partial.rfind('\n') else { return Vec::new() };
        let whole: String = partial.drain(..=end).collect();
        let tail = self.tails.entry(stage.clone()).or_default();
        tail.push_str(&whole);
        if tail.len() > TAIL {
            let mut cut = tail.len() - TAIL;
            while !tail.is_char_boundary(cut) {
                cut += 1;
            }
            tail.drain(..cut);
        }
        if !self.options.output {
            return Vec::new();
        }
        whole.lines().map(|line| self.output_line(stage, line)).collect()
    }

    fn output_line(&self, stage: &StageId, line: &str) -> String {
        // Several stages may write at once: then every line says whose it is.
        let whose = if self.many {
            format!("{} {} ", printable(&stage.0), self.paint(Style::Faint, "|"))
        } else {
            String::new()
        };
        format!("{whose}{}", shown(line, self.options.colours))
    }

    /// The line of its output that a stage has begun and will not end.
    pub fn rest(&mut self, stage: &StageId) -> Vec<String> {
        match self.partial.remove(stage) {
            Some(rest) if !rest.is_empty() => self.output(stage, Stream::Out, &format!("{rest}\n")),
            _ => Vec::new(),
        }
    }

    fn finished(&mut self, stage: &StageId, end: &StageEnd) -> Vec<String> {
        let mut lines = self.rest(stage);
        self.ends.push((stage.clone(), end.clone()));
        let is_news = !(end.replayed && !self.options.unchanged || self.ready.contains(stage));
        if end.verdict.is_success() && !is_news {
            return lines;
        }
        let (style, word) = word(end.verdict);
        let mut facts = Vec::new();
        if end.replayed {
            facts.push("unchanged".to_owned());
        }
        facts.push(tests(end.tests));
        let said = end.note.as_deref().is_some_and(|note| note.starts_with("exit code"));
        if let (Verdict::Failed, Some(code), None, false) = (end.verdict, end.exit, end.tests, said) {
            facts.push(format!("exit {code}"));
        }
        if !end.replayed && !matches!(end.verdict, Verdict::Skipped | Verdict::NotStarted) {
            facts.push(time(end.milliseconds));
        }
        if let Some(note) = &end.note {
            facts.push(printable(note));
        }
        facts.retain(|fact| !fact.is_empty());
        lines.push(self.row(stage, style, word, &facts.join(", ")));
        if matches!(
            end.verdict,
            Verdict::Failed | Verdict::TimedOut | Verdict::NotStarted | Verdict::NoTestRan
        ) {
            lines.extend(self.details(stage, end));
        }
        lines
    }

    /// What a reader needs to mend it: the failures, or else the end of the output.
    fn details(&self, stage: &StageId, end: &StageEnd) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for found in end.failures.iter().take(FAILURES) {
            lines.push(format!("    {}", self.paint(Style::Bad, &failure(found))));
            lines.extend(
                found.message.lines().skip(1).take(8).map(|line| format!("      {}", printable(line))),
            );
        }
        let more = end.failures.len().saturating_sub(FAILURES);
        if more > 0 {
            lines.push(format!("    and {}", counted(more, "other failure")));
        }
        if end.failures.is_empty() && !self.options.output {
            let said = |line: &&str| end.note.as_deref() != Some(*line);
            let tail = self.tails.get(stage).map_or("", String::as_str);
            let tail: Vec<&str> = tail.lines().filter(said).collect();
            let from = tail.len().saturating_sub(TAIL_LINES);
            lines
                .extend(tail[from..].iter().map(|line| format!("    {}", shown(line, self.options.colours))));
        }
        lines
    }

    /// The option that kept tests from running.
    fn only_lists(&self) -> Option<&str> {
        only_lists(&self.part.as_ref()?.tests)
    }

    /// What the run is a part of: `only tests/test_app.py (2 of 9 tests)`.
    fn of_all(&self, part: &Part, total: Tests) -> String {
        let of = || self.ends.iter().map(|(_, end)| end.partly.filter(|partly| partly.asked)?.of);
        let known: u32 = of().flatten().sum();
        let of = match part.tests.is_empty() {
            true => format!(" ({} of {})", self.order.len(), counted(part.of, "stage")),
            // Where one stage is unknown, or has run as a whole, the sum would say nothing.
            false if of().all(|of| of.is_some()) && known > 0 => {
                format!(" ({} of {})", all_of(total), counted(known as usize, "test"))
            }
            false => String::new(),
        };
        format!("{}{of}", only(part))
    }

    /// The one line that says it all. Stages are named in the pipeline's order, however they ended.
    fn verdict(&self, verdict: Verdict, milliseconds: u64) -> String {
        let with = |wanted: fn(Verdict) -> bool| -> Vec<&str> {
            let place = |id: &StageId| self.order.iter().position(|stage| stage == id);
            let mut found: Vec<&StageId> =
                self.ends.iter().filter(|(_, end)| wanted(end.verdict)).map(|(id, _)| id).collect();
            found.sort_by_key(|id| place(id));
            found.into_iter().map(|id| id.0.as_str()).collect()
        };
        let total =
            self.ends.iter().filter_map(|(_, end)| end.tests).fold(Tests::default(), |sum, tests| Tests {
                passed: sum.passed + tests.passed,
                failed: sum.failed + tests.failed,
                skipped: sum.skipped + tests.skipped,
            });
        let ran =
            self.ends.iter().filter(|(_, end)| !end.replayed && end.verdict != Verdict::Skipped).count();
        let mut facts = Vec::new();
        let bad = with(|verdict| {
            matches!(
                verdict,
                Verdict::Failed | Verdict::TimedOut | Verdict::NotStarted | Verdict::Interrupted
            )
        });
        if !bad.is_empty() {
            facts.push(format!("in {}", printable(&bad.join(", "))));
        }
        facts.push(tests(Some(total)));
        facts.extend(self.part.as_ref().map(|part| self.of_all(part, total)));
        let before: u32 = self.ends.iter().map(|(_, end)| passed_before(end)).sum();
        if before > 0 {
            facts.push(format!("{before} more had passed at the same bytes"));
        }
        let skipped = with(|verdict| verdict == Verdict::Skipped).len();
        if skipped > 0 {
            facts.push(format!("{} skipped", counted(skipped, "stage")));
        }
        match (ran, self.ends.len()) {
            (_, 0) => {}
            (0, _) => facts.push("nothing had to run".into()),
            (ran, all) if ran == all => facts.push(counted(all, "stage")),
            (ran, all) => facts.push(format!("{ran} of {} ran", counted(all, "stage"))),
        }
        facts.push(time(milliseconds));
        facts.retain(|fact| !fact.is_empty());
        let (style, word) = match verdict {
            Verdict::Passed if self.part.is_some() => (Style::Good, "GREEN IN PART"),
            Verdict::Passed => (Style::Good, "GREEN"),
            Verdict::Flaky if self.part.is_some() => (Style::Warn, "GREEN IN PART, BUT FLAKY"),
            Verdict::Flaky => (Style::Warn, "GREEN, BUT FLAKY"),
            Verdict::NoTestRan if self.only_lists().is_some() => (Style::Warn, "LISTED, NO TEST RAN"),
            Verdict::NoTestRan => (Style::Warn, "NO TEST RAN"),
            Verdict::Cancelled => (Style::Faint, "CANCELLED by a newer change"),
            Verdict::Interrupted => (Style::Warn, "INTERRUPTED"),
            _ => (Style::Bad, "RED"),
        };
        format!("{} {}", self.paint(style, word), facts.join(", "))
    }
}

/// How many tests did not run since they had passed before.
fn passed_before(end: &StageEnd) -> u32 {
    let Some(Partly { asked: false, of: Some(of) }) = end.partly else { return 0 };
    of.saturating_sub(end.tests.map_or(0, all_of))
}

fn all_of(tests: Tests) -> u32 {
    tests.passed + tests.failed + tests.skipped
}

/// What was asked for, in a few words: `only tests/test_app.py`.
pub fn only(part: &Part) -> String {
    let stages: Vec<String> = part.stages.iter().map(|stage| stage.0.clone()).collect();
    let (names, count) = match part.tests.is_empty() {
        true => (stages.as_slice(), stages.len()),
        false => (part.tests.as_slice(), part.tests.len()),
    };
    match part.tests.iter().any(|test| test.starts_with('-')) {
        // Options and what belongs to them are one thing.
        true => format!("only {}", printable(&names.join(" "))),
        false => format!("only {}", changed(names, count as u64)),
    }
}

/// What came of a test, in a word.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Error => "error",
        Outcome::Skipped => "skipped",
        Outcome::Xfailed => "xfailed",
        Outcome::Xpassed => "xpassed",
    }
}

/// Where the time of so many files of tests went.
fn parts(files: usize, settle: u64, spent: Spent) -> String {
    let Spent { select, start, collect, tests, end } = spent;
    let part = |(name, microseconds): (&str, u64)| format!("{name} {:.1} ms", microseconds as f64 / 1000.0);
    let all = [
        ("settle", settle),
        ("select", select),
        ("start", start),
        ("collect", collect),
        ("tests", tests),
        ("end", end),
    ];
    format!("{}: {}", counted(files, "file"), all.map(part).join(", "))
}

fn time(milliseconds: u64) -> String {
    span(Duration::from_millis(milliseconds))
}

/// A line of a program's output. Its colours stay where colours are wanted; nothing else of it reaches the terminal
/// as anything but text.
pub fn shown(line: &str, colours: bool) -> String {
    let line = line.strip_suffix('\r').unwrap_or(line);
    // A progress bar overwrites its line; what stood there last is what a reader would have seen.
    let line = line.rsplit('\r').next().unwrap_or(line);
    let mut out = String::new();
    let mut styled = false;
    let mut rest = line;
    while let Some(at) = rest.find("\u{1b}[") {
        let (before, sequence) = rest.split_at(at);
        let body = sequence[2..].find(|c: char| !c.is_ascii_digit() && c != ';').map(|end| end + 2);
        let Some(end) = body else { break };
        out.push_str(&printable(before));
        if sequence[end..].starts_with('m') {
            if colours {
                out.push_str(&sequence[..=end]);
                styled = true;
            }
            rest = &sequence[end + 1..];
        } else {
            // Another control sequence, such as one that clears the screen: its last byte goes with it.
            let next = sequence[end..].chars().next().map_or(0, char::len_utf8);
            rest = &sequence[end + next..];
        }
    }
    out.push_str(&printable(rest));
    if styled {
        out.push_str("\u{1b}[0m");
    }
    out
}

#[cfg(test)]
mod tests;
