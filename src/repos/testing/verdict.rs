//! What a run of tests means: from exit code, report and output to a verdict. Pure. Green means that tests ran.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::failure::{self, NEEDS_NETWORK};
use super::smoke::Smoke;

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
    /// There is nothing to run, and nothing to try instead.
    NoTestTarget,
    /// There are no tests: its modules were imported and its app was asked instead. Never green.
    Smoke(Smoke),
    /// What failed did so because the network is not there.
    NeedsNetwork {
        /// How many failed.
        failed: u64,
        /// How many passed.
        passed: u64,
    },
    /// It needs a Docker engine.
    NeedsDocker {
        /// What says so.
        why: String,
    },
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

/// What a JUnit report says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tests that were collected.
    pub tests: u64,
    /// Tests that failed, or could not be set up or imported.
    pub failed: u64,
    /// Tests that were skipped.
    pub skipped: u64,
    /// The failing ones, the first [`FAILING`] of them.
    pub failing: Vec<Failing>,
}

/// A test that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failing {
    /// Its name.
    pub name: String,
    /// What it said, cut to [`SAID`] bytes.
    pub text: String,
}

/// How many failing tests are kept.
pub const FAILING: usize = 20;
/// How many bytes of each.
pub const SAID: usize = 8 << 10;

impl Report {
    fn passed(&self) -> u64 {
        self.tests.saturating_sub(self.failed).saturating_sub(self.skipped)
    }

    /// Everything that the failing tests said.
    pub fn text(&self) -> String {
        self.failing.iter().map(|test| format!("{}\n", test.text)).collect()
    }

    /// Whether each failing test failed for want of the network.
    fn needs_network(&self) -> bool {
        let texts: Vec<&str> = self.failing.iter().map(|test| test.text.as_str()).collect();
        self.failed == self.failing.len() as u64 && failure::all_are(&NEEDS_NETWORK, &texts)
    }
}

/// Reads a JUnit report; `None` when it is none.
pub fn read_junit(xml: &[u8]) -> Option<Report> {
    let mut reader = Reader::from_reader(xml);
    let mut report: Option<Report> = None;
    let mut buffer = Vec::new();
    let (mut test, mut inside) = (String::new(), false);
    loop {
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(element) | Event::Empty(element)) if element.name().as_ref() == "testsuite" => {
                let all = report.get_or_insert_with(Report::default);
                all.tests = all.tests.saturating_add(number(&element, "tests")?);
                let failed = number(&element, "failures")?.saturating_add(number(&element, "errors")?);
                all.failed = all.failed.saturating_add(failed);
                all.skipped = all.skipped.saturating_add(number(&element, "skipped")?);
            }
            Ok(Event::Start(element)) if element.name().as_ref() == "testcase" => {
                test = text_of(&element, "name");
            }
            Ok(Event::Start(element) | Event::Empty(element)) if is_failure(&element) => {
                inside = true;
                let failing = Failing { name: test.clone(), text: text_of(&element, "message") + "\n" };
                report.get_or_insert_with(Report::default).failing.push(failing);
            }
            Ok(Event::Text(text)) if inside => {
                if let Some(last) = report.as_mut().and_then(|report| report.failing.last_mut()) {
                    last.text.push_str(text.as_ref());
                }
            }
            Ok(Event::GeneralRef(reference)) if inside => {
                if let Some(last) = report.as_mut().and_then(|report| report.failing.last_mut()) {
                    last.text.push_str(meant(reference.as_ref()));
                }
            }
            Ok(Event::End(element)) if matches!(element.name().as_ref(), "failure" | "error") => {
                inside = false
            }
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(_) => return None,
        }
        buffer.clear();
        if let Some(report) = report.as_mut() {
            bound(report);
        }
    }
    report
}

fn is_failure(element: &BytesStart<'_>) -> bool {
    matches!(element.name().as_ref(), "failure" | "error")
}

/// The character that a reference stands for; others are of no use in a message.
fn meant(reference: &str) -> &'static str {
    match reference {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        "#10" => "\n",
        _ => " ",
    }
}

/// A report comes from the project: it may not fill the memory.
fn bound(report: &mut Report) {
    report.failing.truncate(FAILING);
    if let Some(last) = report.failing.last_mut().filter(|last| last.text.len() > SAID) {
        let end = (0..=SAID).rev().find(|at| last.text.is_char_boundary(*at)).unwrap_or(0);
        last.text.truncate(end);
    }
}

fn text_of(element: &BytesStart<'_>, name: &str) -> String {
    let attribute = element.try_get_attribute(name).ok().flatten();
    let text = attribute.map(|attribute| attribute.value.to_string()).unwrap_or_default();
    let known =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#10;", "\n"), ("&amp;", "&")];
    known.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// A missing count is nought, a broken one makes the report worthless.
fn number(element: &BytesStart<'_>, name: &str) -> Option<u64> {
    match element.try_get_attribute(name).ok()? {
        None => Some(0),
        Some(attribute) => attribute.value.parse().ok(),
    }
}

/// Reads what Python's own unittest says at its end: `Ran 3 tests in`, `FAILED (failures=1, errors=1)`.
pub fn read_unittest(output: &str) -> Option<Report> {
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
    Some(Report {
        tests,
        failed: count("failures=") + count("errors="),
        skipped: count("skipped="),
        ..Report::default()
    })
}

/// Judges a finished run. `code` is `None` when a signal ended it; `why` are its last words.
pub fn judge(code: Option<i32>, report: Option<&Report>, why: &str) -> Verdict {
    let why = why.to_owned();
    match report {
        Some(report) if report.failed > 0 && report.needs_network() => {
            Verdict::NeedsNetwork { failed: report.failed, passed: report.passed() }
        }
        Some(report) if report.failed > 0 => {
            Verdict::Failed { failed: report.failed, passed: report.passed(), why }
        }
        Some(report) if report.passed() > 0 => match code {
            Some(0) => Verdict::Passed { tests: report.passed() },
            _ => Verdict::Failed { failed: 0, passed: report.passed(), why },
        },
        Some(report) if report.skipped > 0 && code == Some(0) => {
            Verdict::NoTestRan { why: format!("all {} tests were skipped", report.skipped) }
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
        assert_eq!(read_junit(xml), Some(Report { tests: 10, failed: 3, skipped: 3, failing: vec![] }));
        assert_eq!(read_junit(b"<html></html>"), None);
        assert_eq!(read_junit(b"<testsuite tests='x'/>"), None);
        assert_eq!(read_junit(b"<testsuite tests='1'"), None);
    }

    #[test]
    fn unittest_is_understood() {
        let output = "...\nRan 5 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=1)\n";
        assert_eq!(read_unittest(output), Some(Report { tests: 5, failed: 2, skipped: 1, failing: vec![] }));
        assert_eq!(read_unittest("Ran 1 test in 0s\n\nOK"), Some(Report { tests: 1, ..Report::default() }));
        assert_eq!(read_unittest("Ran away\n"), None);
    }

    #[test]
    fn green_needs_a_test_that_ran() {
        let report = |tests, failed, skipped| Report { tests, failed, skipped, failing: vec![] };
        assert_eq!(judge(Some(0), Some(&report(3, 0, 1)), ""), Verdict::Passed { tests: 2 });
        assert!(matches!(judge(Some(0), Some(&report(2, 0, 2)), ""), Verdict::NoTestRan { .. }));
        assert!(matches!(judge(Some(0), None, ""), Verdict::NoTestRan { .. }));
        assert!(matches!(judge(Some(5), Some(&report(0, 0, 0)), ""), Verdict::NoTestRan { .. }));
        assert!(matches!(
            judge(Some(0), Some(&report(3, 1, 0)), ""),
            Verdict::Failed { failed: 1, passed: 2, .. }
        ));
        assert!(matches!(
            judge(Some(1), Some(&report(3, 0, 0)), ""),
            Verdict::Failed { failed: 0, passed: 3, .. }
        ));
        assert!(matches!(judge(Some(2), None, "x"), Verdict::CouldNotStart { .. }));
        assert!(matches!(judge(None, None, "x"), Verdict::CouldNotStart { .. }));
    }

    #[test]
    fn failing_tests_are_kept_with_what_they_said() {
        let xml = br#"<testsuite tests="2" failures="1" errors="0"><testcase name="test_a"/>
            <testcase name="test_b"><failure message="E: &quot;x&quot;&#10;second">def test_b():
            a &lt; b</failure></testcase></testsuite>"#;
        let report = read_junit(xml).unwrap();
        assert_eq!(report.failing.len(), 1);
        assert_eq!(report.failing[0].name, "test_b");
        assert!(report.failing[0].text.starts_with("E: \"x\"\nsecond\ndef test_b():"));
        assert!(report.failing[0].text.contains("a < b"));
        let many: String = (0..50).map(|_| "<testcase><error message='x'/></testcase>").collect();
        let long = "y".repeat(3 * SAID);
        let xml = format!(
            "<testsuite tests='50' errors='50'><testcase><error>{long}</error></testcase>{many}</testsuite>"
        );
        let report = read_junit(xml.as_bytes()).unwrap();
        assert_eq!((report.failing.len(), report.failed), (FAILING, 50));
        assert!(report.failing[0].text.len() <= SAID);
    }

    #[test]
    fn want_of_the_network_is_a_state_of_its_own_only_when_it_explains_all() {
        let failing = |text: &str| Failing { name: "t".into(), text: text.into() };
        let network = "E: Max retries exceeded with url: /w";
        let report =
            |failing: Vec<Failing>| Report { tests: 3, failed: failing.len() as u64, skipped: 0, failing };
        let all = report(vec![failing(network), failing(network)]);
        assert_eq!(judge(Some(1), Some(&all), ""), Verdict::NeedsNetwork { failed: 2, passed: 1 });
        let some = report(vec![failing(network), failing("assert 1 == 2")]);
        assert!(matches!(judge(Some(1), Some(&some), ""), Verdict::Failed { failed: 2, .. }));
    }
}
