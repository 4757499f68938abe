//! Where the output of one stage goes: its log, its kept ends, its readers, and those who follow live.

use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::capture::Capture;
use super::event::{Failure, Portion, RunEvent, RunId, Spent, Stream, TestResult, Tests, Verdict};
use super::feed::Feed;
use super::logs::Logs;
use super::outcome::{Found, Readers};
use super::speech::{Piece, Speech};
use crate::project::model::StageId;
use crate::sys::content::{Look, look};
use crate::sys::log::Log;

/// So many bytes of results are told at once: a frame of the service's holds several times as much.
const TOGETHER: usize = 64 << 10;

/// The output of one attempt.
pub struct Recorder {
    run: RunId,
    stage: StageId,
    feed: Feed,
    log: Option<Log>,
    /// What went wrong with the log.
    trouble: Option<String>,
    capture: Capture,
    readers: Readers,
    speech: Speech,
    /// The project's root, and where the stage runs.
    places: (PathBuf, PathBuf),
}

/// What is left of an output.
pub struct Record {
    /// Its beginning and its end.
    pub text: String,
    /// What its runners said.
    pub found: Found,
    /// Why its log is not whole, as a sentence.
    pub trouble: Option<String>,
}

impl Recorder {
    /// Begins; a log that cannot be opened is no reason not to run.
    pub fn begin(run: RunId, stage: &StageId, feed: &Feed, logs: &Logs) -> Self {
        let (log, trouble) = match logs.open(run, stage) {
            Ok(log) => (Some(log), None),
            Err(error) => (None, Some(format!("its output is not logged: {error}"))),
        };
        Self {
            run,
            stage: stage.clone(),
            feed: feed.clone(),
            log,
            trouble,
            capture: Capture::default(),
            readers: Readers::default(),
            speech: Speech::default(),
            places: (PathBuf::new(), PathBuf::new()),
        }
    }

    /// The same, for a stage of this project's that runs there.
    pub fn at(self, root: &Path, cwd: &Path) -> Self {
        Self { places: (root.to_owned(), cwd.to_owned()), ..self }
    }

    /// Takes what was written.
    pub fn wrote(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(log) = &mut self.log {
            log.write(bytes);
        }
        self.capture.push(bytes);
        self.readers.push(stream, bytes);
        let pieces = self.speech.push(stream, bytes, Instant::now(), self.feed.has_room());
        self.tell(pieces);
    }

    /// When [`Recorder::tick`] is wanted.
    pub fn due(&self) -> Option<Instant> {
        self.speech.due()
    }

    /// Tells what has waited long enough for more.
    pub fn tick(&mut self) {
        let pieces = self.speech.tick(Instant::now(), self.feed.has_room());
        self.tell(pieces);
    }

    /// A test has failed; whoever follows need not wait for the end.
    pub fn failed(&mut self, failure: &Failure) {
        let (run, stage) = (self.run, self.stage.clone());
        let mut told = [failure.clone()];
        locate(&mut told, &self.places.0, &self.places.1);
        let [failure] = told;
        self.feed.send(RunEvent::TestFailed { run, stage, failure });
    }

    /// The tests that a change affects have run, in so many files; those of the rest follow.
    pub fn affected(&mut self, verdict: Verdict, tests: Tests, counts: (usize, usize), because: Vec<String>) {
        self.affected_of(Portion::File, verdict, tests, counts, because);
    }

    /// The same for tests that are chosen by more than their files.
    pub fn affected_of(
        &mut self,
        of: Portion,
        verdict: Verdict,
        tests: Tests,
        (files, rest): (usize, usize),
        because: Vec<String>,
    ) {
        self.tick();
        let (run, stage) = (self.run, self.stage.clone());
        self.feed.send(RunEvent::Affected { run, stage, verdict, tests, files, rest, of, because });
    }

    /// Tests have ended; what is told at once is bounded.
    pub fn tests(&mut self, tests: Vec<TestResult>) {
        let mut rest = tests.into_iter().peekable();
        while rest.peek().is_some() {
            let mut bytes = 0;
            let mut part = Vec::new();
            while let Some(test) = rest.next_if(|_| bytes < TOGETHER) {
                bytes += test.name.len() + test.file.len() + test.text.len() + 64;
                part.push(test);
            }
            let (run, stage) = (self.run, self.stage.clone());
            self.feed.send(RunEvent::TestsFinished { run, stage, tests: part });
        }
    }

    /// Tests in so many files have run, and this is where the time went.
    pub fn spent(&mut self, files: usize, spent: Spent) {
        let (run, stage) = (self.run, self.stage.clone());
        self.feed.send(RunEvent::Spent { run, stage, files, spent });
    }

    /// What was written so far is of a run that does not count; it is made again.
    pub fn again(&mut self, why: &str) {
        self.readers = Readers::default();
        self.wrote(Stream::Err, format!("devboot: {why}\n").as_bytes());
    }

    /// Ends.
    pub fn finish(mut self) -> Record {
        let pieces = self.speech.finish(Instant::now(), self.feed.has_room());
        self.tell(pieces);
        self.log.as_mut().into_iter().for_each(Log::close);
        let broken = self.log.as_ref().and_then(Log::trouble);
        let trouble = broken.map(|error| format!("its log ends early: {error}")).or(self.trouble);
        let found = self.readers.finish(|unread| self.capture.last(unread));
        Record { text: self.capture.text(), found, trouble }
    }

    fn tell(&self, pieces: Vec<Piece>) {
        for (stream, text) in pieces {
            self.feed.send(RunEvent::Output { run: self.run, stage: self.stage.clone(), stream, text });
        }
    }
}

/// Names the files of failures as they are called from the root: runners name them from where they run, by their whole
/// path, or (go) by the package. What is not found keeps its name.
pub fn locate(failures: &mut [Failure], root: &Path, cwd: &Path) {
    for failure in failures {
        let Some(file) = &failure.file else { continue };
        let file = file.strip_prefix("file://").unwrap_or(file);
        let mut rest = Path::new(file);
        loop {
            let full = cwd.join(rest);
            if let Ok(inside) = full.strip_prefix(root)
                && matches!(look(&full), Ok(Look::File(_)))
            {
                failure.file = Some(inside.to_string_lossy().into_owned());
                break;
            }
            // The first part of a package's name is not its directory.
            let mut parts = rest.components();
            parts.next();
            if rest.is_absolute() || parts.as_path().as_os_str().is_empty() {
                break;
            }
            rest = parts.as_path();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use super::*;

    #[test]
    fn files_are_named_from_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("api/pan")).unwrap();
        std::fs::write(root.join("api/pan/p_test.go"), "").unwrap();
        let whole = root.join("api/pan/p_test.go").to_string_lossy().into_owned();
        let cases = [
            ("pan/p_test.go", "api/pan/p_test.go"),
            ("example.com/m/pan/p_test.go", "api/pan/p_test.go"),
            (whole.as_str(), "api/pan/p_test.go"),
            (&format!("file://{whole}"), "api/pan/p_test.go"),
            ("gone.go", "gone.go"),
            ("/etc/passwd", "/etc/passwd"),
        ];
        for (named, expected) in cases {
            let failure =
                Failure { name: "x".into(), file: Some(named.into()), line: Some(3), message: String::new() };
            let mut failures = [failure];
            locate(&mut failures, root, &root.join("api"));
            assert_eq!(failures[0].file.as_deref(), Some(expected));
        }
    }
}
