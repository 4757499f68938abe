//! pytest: `2 failed, 3 passed in 0.12s`, the short summary, and the sections of the failures for their places.

use super::{Found, Reader, counts, failure, place, sum};
use crate::run::event::{Failure, Tests};

/// What a run of pytest has said so far.
#[derive(Default)]
pub struct Pytest {
    tests: Option<Tests>,
    red: bool,
    empty: bool,
    sections: Vec<Section>,
    summary: Vec<(String, String)>,
    in_summary: bool,
    complaint: Option<String>,
}

/// One failure as the long part has it: its title, the innermost place in the project, the first line of its error.
#[derive(Default)]
struct Section {
    title: String,
    place: Option<(String, u32)>,
    error: String,
}

const KEPT: usize = 200;

impl Reader for Pytest {
    fn line(&mut self, line: &str) {
        if let Some(title) = ruled(line, '_') {
            self.in_summary = false;
            let title = ["ERROR at setup of ", "ERROR at teardown of ", "ERROR collecting "]
                .iter()
                .find_map(|start| title.strip_prefix(start))
                .unwrap_or(title);
            // A title of one `_` stands between the frames of a traceback.
            if title != "_" && self.sections.len() < KEPT {
                self.sections.push(Section { title: title.to_owned(), ..Section::default() });
            }
        } else if line.contains(" in ") && self.counted(line) {
            self.in_summary = false;
        } else if let Some(title) = ruled(line, '=') {
            self.in_summary = title == "short test summary info";
        } else if self.in_summary {
            self.summarised(line);
        } else if let Some(complaint) = line.strip_prefix("ERROR: ") {
            self.complaint = Some(complaint.to_owned());
        } else if let Some(section) = self.sections.last_mut() {
            section.line(line);
        }
    }

    fn finish(self: Box<Self>) -> Option<Found> {
        let tests = self.tests?;
        let mut failures: Vec<Failure> = match self.summary.is_empty() {
            // `--no-summary`: the sections have to do.
            true => self
                .sections
                .iter()
                .filter(|section| section.is_failure())
                .map(|s| s.failure(&s.title, ""))
                .collect(),
            false => self.summary.iter().map(|(id, message)| self.named(id, message)).collect(),
        };
        if let Some(complaint) = &self.complaint
            && failures.is_empty()
        {
            failures.push(failure("pytest", None, complaint));
        }
        Some(Found { red: self.red, fails_when_empty: self.empty, ..Found::counted(tests, failures) })
    }
}

impl Pytest {
    /// The last line: `=== 1 failed, 2 passed in 0.12s ===`, or the same without its rule.
    fn counted(&mut self, line: &str) -> bool {
        let words = line.trim_matches(['=', ' ']);
        let Some((words, time)) = words.rsplit_once(" in ") else { return false };
        let seconds = time.split(' ').next().and_then(|time| time.strip_suffix('s'));
        if seconds.is_none_or(|seconds| seconds.parse::<f64>().is_err()) {
            return false;
        }
        let mut tests = Tests::default();
        // `--collect-only` finds tests and runs none.
        let is_collected =
            words.ends_with(" collected") || words.contains(" collected, ") || words.contains(" collected (");
        if words != "no tests ran" && !is_collected {
            let Some(parts) = counts(words, ", ") else { return false };
            for (count, word) in parts {
                match word {
                    "passed" | "xfailed" | "xpassed" => tests.passed += count,
                    "failed" | "error" | "errors" => tests.failed += count,
                    "skipped" => tests.skipped += count,
                    "deselected" | "warning" | "warnings" | "rerun" | "subtests passed" => {}
                    _ => return false,
                }
            }
        }
        self.red = tests.failed > 0;
        self.empty = tests == Tests::default();
        self.tests = Some(self.tests.map_or(tests, |before| sum(before, tests)));
        true
    }

    fn summarised(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR ")) else { return };
        let (id, message) = rest.split_once(" - ").unwrap_or((rest, ""));
        if self.summary.len() < KEPT {
            self.summary.push((id.to_owned(), message.to_owned()));
        }
    }

    /// A failure of the summary, with what its section knows: `a.py::T::test_x` is titled `T.test_x`.
    fn named(&self, id: &str, message: &str) -> Failure {
        let (file, test) = id.split_once("::").unwrap_or((id, id));
        let title = test.replace("::", ".");
        let of_file = |section: &&Section| section.place.as_ref().is_some_and(|(path, _)| path == file);
        let mut same = self.sections.iter().filter(|section| section.title == title);
        let section = same.clone().find(of_file).or_else(|| same.next());
        match section {
            Some(section) if section.place.is_some() => section.failure(id, message),
            Some(section) => Failure { file: Some(file.to_owned()), ..section.failure(id, message) },
            None => Failure { file: Some(file.to_owned()), ..failure(id, None, message) },
        }
    }
}

impl Section {
    fn line(&mut self, line: &str) {
        if let Some(error) = line.strip_prefix("E  ") {
            if self.error.is_empty() {
                self.error = error.trim().to_owned();
            }
        } else if let Some((path, rest)) = line.split_once(':')
            && let Some((number, _)) = rest.split_once(':')
            && let Some(place) = place(&line[..path.len() + 1 + number.len()])
            // What is installed or part of Python is no place of the project's.
            && !path.starts_with('/')
            && !path.starts_with("..")
            && !path.contains("site-packages/")
        {
            self.place = Some((place.0.to_owned(), place.1));
        }
    }

    fn is_failure(&self) -> bool {
        !self.error.is_empty()
    }

    fn failure(&self, name: &str, message: &str) -> Failure {
        let message = if self.error.is_empty() { message } else { &self.error };
        failure(name, self.place.as_ref().map(|(file, line)| (file.as_str(), *line)), message)
    }
}

/// The words in the middle of a line that is filled with a sign: `==== words ====`.
fn ruled(line: &str, sign: char) -> Option<&str> {
    let rest = line.strip_prefix(sign)?;
    let words = rest.trim_start_matches(sign).strip_prefix(' ')?;
    words.trim_end_matches(sign).strip_suffix(' ')
}
