//! What a run of tests means: from exit code, report and output to a verdict. Pure. Green means that tests ran.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// What is known of a repository's tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All tests that ran passed, and some ran.
    Passed {
        /// How many.
        tests: u64,
    },
    /// Tests failed, or the command did although they passed.
    Failed {
        /// How many failed.
        failed: u64,
        /// How many passed.
        passed: u64,
        /// The last words of the run.
        why: String,
    },
    /// The command succeeded, and nothing shows that a test ran.
    NoTestRan {
        /// What it did instead.
        why: String,
    },
    /// There is nothing to run.
    NoTestTarget,
    /// The time was up.
    TimedOut,
    /// The run broke off before a test ran.
    CouldNotStart {
        /// Its last words.
        why: String,
    },
    /// The environment is not there yet.
    Postponed {
        /// What is missing.
        why: String,
    },
}

/// The counts of a JUnit report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that were collected.
    pub tests: u64,
    /// Tests that failed, or could not be set up or imported.
    pub failed: u64,
    /// Tests that were skipped.
    pub skipped: u64,
}

impl Counts {
    fn passed(self) -> u64 {
        self.tests.saturating_sub(self.failed).saturating_sub(self.skipped)
    }
}

/// Reads a JUnit report; `None` when it is none.
pub fn read_junit(xml: &[u8]) -> Option<Counts> {
    let mut reader = Reader::from_reader(xml);
    let mut counts = None;
    let mut buffer = Vec::new();
    loop {
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(element) | Event::Empty(element)) if element.name().as_ref() == "testsuite" => {
                let all = counts.get_or_insert_with(Counts::default);
                all.tests = all.tests.saturating_add(number(&element, "tests")?);
                let failed = number(&element, "failures")?.saturating_add(number(&element, "errors")?);
                all.failed = all.failed.saturating_add(failed);
                all.skipped = all.skipped.saturating_add(number(&element, "skipped")?);
            }
            Ok(Event::Eof) => return counts,
            Ok(_) => {}
            Err(_) => return None,
        }
        buffer.clear();
    }
}

/// A missing count is nought, a broken one makes the report worthless.
fn number(element: &BytesStart<'_>, name: &str) -> Option<u64> {
    match element.try_get_attribute(name).ok()? {
        None => Some(0),
        Some(attribute) => attribute.value.parse().ok(),
    }
}

/// Reads what Python's own unittest says at its end: `Ran 3 tests in`, `FAILED (failures=1, errors=1)`.
pub fn read_unittest(output: &str) -> Option<Counts> {
    let after = |text: &str, mark: &str| -> Option<u64> {
        let rest = &text[text.rfind(mark)? + mark.len()..];
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    let at = output.rfind("Ran ")?;
    let end = &output[at..];
    let line = end.lines().next()?;
    if !line.contains(" test") || !line.contains(" in ") {
        return None;
    }
    let tests = after(line, "Ran ")?;
    let count = |mark| after(end, mark).unwrap_or(0);
    Some(Counts { tests, failed: count("failures=") + count("errors="), skipped: count("skipped=") })
}

/// Judges a finished run. `code` is `None` when a signal ended it; `why` are its last words.
pub fn judge(code: Option<i32>, counts: Option<Counts>, why: &str) -> Verdict {
    let why = why.to_owned();
    match counts {
        Some(counts) if counts.failed > 0 => {
            Verdict::Failed { failed: counts.failed, passed: counts.passed(), why }
        }
        Some(counts) if counts.passed() > 0 => match code {
            Some(0) => Verdict::Passed { tests: counts.passed() },
            _ => Verdict::Failed { failed: 0, passed: counts.passed(), why },
        },
        Some(counts) if counts.skipped > 0 && code == Some(0) => {
            Verdict::NoTestRan { why: format!("all {} tests were skipped", counts.skipped) }
        }
        // 5 is pytest's "no tests collected"; make turns it into 2, and then the empty report says it.
        Some(_) if why.contains("no tests ran") || matches!(code, Some(0 | 5)) => {
            Verdict::NoTestRan { why: "no tests were found".into() }
        }
        None if code == Some(0) => {
            Verdict::NoTestRan { why: "the command succeeded and nothing shows that a test ran".into() }
        }
        _ => Verdict::CouldNotStart { why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_added_up() {
        let xml = br#"<?xml version="1.0"?><testsuites name="p"><testsuite name="pytest" errors="1"
            failures="2" skipped="3" tests="10"><testcase name="a &lt;b&gt;"/></testsuite></testsuites>"#;
        assert_eq!(read_junit(xml), Some(Counts { tests: 10, failed: 3, skipped: 3 }));
        assert_eq!(read_junit(b"<html></html>"), None);
        assert_eq!(read_junit(b"<testsuite tests='x'/>"), None);
        assert_eq!(read_junit(b"<testsuite tests='1'"), None);
    }

    #[test]
    fn unittest_is_understood() {
        let output = "...\nRan 5 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=1)\n";
        assert_eq!(read_unittest(output), Some(Counts { tests: 5, failed: 2, skipped: 1 }));
        assert_eq!(read_unittest("Ran 1 test in 0s\n\nOK"), Some(Counts { tests: 1, failed: 0, skipped: 0 }));
        assert_eq!(read_unittest("Ran away\n"), None);
    }

    #[test]
    fn green_needs_a_test_that_ran() {
        let counts = |tests, failed, skipped| Some(Counts { tests, failed, skipped });
        assert_eq!(judge(Some(0), counts(3, 0, 1), ""), Verdict::Passed { tests: 2 });
        assert!(matches!(judge(Some(0), counts(2, 0, 2), ""), Verdict::NoTestRan { .. }));
        assert!(matches!(judge(Some(0), None, ""), Verdict::NoTestRan { .. }));
        assert!(matches!(judge(Some(5), counts(0, 0, 0), ""), Verdict::NoTestRan { .. }));
        assert!(matches!(judge(Some(0), counts(3, 1, 0), ""), Verdict::Failed { failed: 1, passed: 2, .. }));
        assert!(matches!(judge(Some(1), counts(3, 0, 0), ""), Verdict::Failed { failed: 0, passed: 3, .. }));
        assert!(matches!(judge(Some(2), None, "x"), Verdict::CouldNotStart { .. }));
        assert!(matches!(judge(None, None, "x"), Verdict::CouldNotStart { .. }));
    }
}
