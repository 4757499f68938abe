//! What a run of tests says of itself: JUnit files, and the end of Python's own unittest. Pure.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::network;
use crate::base::{redact, text};

/// How many failing tests are kept by name.
pub const KEPT: usize = 20;

/// How much of one failure's text is kept, in bytes, from its end: the exception stands there.
const TEXT: usize = 8 << 10;

/// The counts of a report.
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
    /// Tests that passed.
    pub fn passed(self) -> u64 {
        self.tests.saturating_sub(self.failed).saturating_sub(self.skipped)
    }
}

/// A test that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedTest {
    /// Its name, with its class or file.
    pub name: String,
    /// The first line of what it says, fit to be shown.
    pub message: String,
    /// The end of its full text, as it is.
    pub text: String,
    /// It could not be collected: its file does not load.
    pub collection: bool,
    /// It failed because no network answered.
    pub network: bool,
}

/// A whole report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The counts.
    pub counts: Counts,
    /// The first failing tests, at most [`KEPT`].
    pub failures: Vec<FailedTest>,
    /// How many of all failing tests failed for want of a network.
    pub network: u64,
    /// How long the tests took by their own account, in seconds.
    pub seconds: f64,
}

impl Report {
    fn failure(&mut self, mut failed: FailedTest) {
        failed.network = network::is_missing(&failed.message, &failed.text);
        failed.collection |= failed.message.starts_with("collection failure");
        self.network += u64::from(failed.network);
        if self.failures.len() < KEPT {
            let said = said(&failed);
            failed.name = shown(&failed.name);
            failed.message = said;
            self.failures.push(failed);
        }
    }

    /// Adds the report of another run of the same tests' repository.
    pub fn add(&mut self, other: Report) {
        self.counts.tests = self.counts.tests.saturating_add(other.counts.tests);
        self.counts.failed = self.counts.failed.saturating_add(other.counts.failed);
        self.counts.skipped = self.counts.skipped.saturating_add(other.counts.skipped);
        self.network += other.network;
        self.seconds += other.seconds;
        let room = KEPT.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(room));
    }
}

/// The line that says most: the message, or for "collection failure" and "failed on setup" the exception itself.
fn said(failed: &FailedTest) -> String {
    let first = failed.message.lines().next().unwrap_or_default();
    let exception = failed.text.lines().rev().find_map(|line| line.strip_prefix("E   "));
    shown(if failed.collection || first.trim().is_empty() { exception.unwrap_or(first) } else { first })
}

/// A line of foreign text, fit to be shown: secrets hidden, control characters escaped, bounded.
pub fn shown(line: &str) -> String {
    let line: String = line.trim().chars().take(300).collect();
    text::printable(&redact::line(&line))
}

/// Reads a JUnit report; `None` when it is none.
pub fn read_junit(xml: &[u8]) -> Option<Report> {
    let mut reader = Reader::from_reader(xml);
    let mut report: Option<Report> = None;
    let mut name = String::new();
    let mut open: Option<FailedTest> = None;
    let mut buffer = Vec::new();
    loop {
        let event = reader.read_event_into(&mut buffer).ok()?;
        let empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(element) | Event::Empty(element) => match element.name().as_ref() {
                "testsuite" => suite(report.get_or_insert_default(), &element)?,
                "testcase" => name = case_name(&element),
                "failure" | "error" => {
                    let message = attribute(&element, "message").unwrap_or_default();
                    let failed = FailedTest { name: name.clone(), message, ..FailedTest::default() };
                    if empty {
                        report.get_or_insert_default().failure(failed);
                    } else {
                        open = Some(failed);
                    }
                }
                _ => {}
            },
            Event::End(element) if matches!(element.name().as_ref(), "failure" | "error") => {
                if let Some(failed) = open.take() {
                    report.get_or_insert_default().failure(failed);
                }
            }
            Event::Text(part) => append(open.as_mut(), &part.xml10_content()),
            Event::CData(part) => append(open.as_mut(), &part.xml10_content()),
            Event::GeneralRef(part) => append(open.as_mut(), entity(&part.xml10_content())),
            Event::Eof => return report,
            _ => {}
        }
        buffer.clear();
    }
}

fn entity(name: &str) -> &str {
    match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "?",
    }
}

fn append(open: Option<&mut FailedTest>, part: &str) {
    let Some(failed) = open else { return };
    failed.text.push_str(part);
    if failed.text.len() > 2 * TEXT {
        let at = (failed.text.len() - TEXT..).find(|at| failed.text.is_char_boundary(*at));
        failed.text.drain(..at.unwrap_or_default());
    }
}

fn suite(report: &mut Report, element: &BytesStart<'_>) -> Option<()> {
    let counts = &mut report.counts;
    counts.tests = counts.tests.saturating_add(number(element, "tests")?);
    let failed = number(element, "failures")?.saturating_add(number(element, "errors")?);
    counts.failed = counts.failed.saturating_add(failed);
    counts.skipped = counts.skipped.saturating_add(number(element, "skipped")?);
    let seconds = attribute(element, "time").and_then(|time| time.parse::<f64>().ok());
    report.seconds += seconds.filter(|seconds| seconds.is_finite() && *seconds >= 0.0).unwrap_or(0.0);
    Some(())
}

fn case_name(element: &BytesStart<'_>) -> String {
    let name = attribute(element, "name").unwrap_or_default();
    match attribute(element, "classname").filter(|class| !class.is_empty()) {
        Some(class) => format!("{class}::{name}"),
        None => name,
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    // Line ends stand as references, which normalizing keeps.
    attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}

/// A missing count is nought, a broken one makes the report worthless.
fn number(element: &BytesStart<'_>, name: &str) -> Option<u64> {
    match element.try_get_attribute(name).ok()? {
        None => Some(0),
        Some(attribute) => attribute.value.parse().ok(),
    }
}

/// Reads what Python's own unittest says: `FAIL: test_a (test_x.T)` with its text, and at the end
/// `Ran 3 tests in`, `FAILED (failures=1, errors=1)`.
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
    let failed = count("failures=").saturating_add(count("errors="));
    let counts = Counts { tests, failed, skipped: count("skipped=") };
    let seconds = line.rsplit(" in ").next().and_then(|time| time.trim_end_matches('s').parse().ok());
    let mut report = Report { counts, seconds: seconds.unwrap_or(0.0), ..Report::default() };
    for block in output[..at].split("\n======").skip(1) {
        let mut lines = block.lines().skip(1);
        let head = lines.next().unwrap_or_default();
        let Some(name) = head.strip_prefix("FAIL: ").or_else(|| head.strip_prefix("ERROR: ")) else {
            continue;
        };
        let text: String = lines.skip(1).flat_map(|line| [line, "\n"]).collect();
        let text = text.split("\n-----").next().unwrap_or_default().trim_end();
        let tail = text.len().saturating_sub(TEXT);
        let tail = (tail..).find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let said = |line: &&str| !line.starts_with([' ', '\t']) && !line.is_empty();
        let message = text.lines().filter(said).nth(1).unwrap_or_default().to_owned();
        let collection = name.contains("unittest.loader._FailedTest");
        report.failure(FailedTest {
            name: name.to_owned(),
            message,
            text: text[tail..].to_owned(),
            collection,
            network: false,
        });
    }
    Some(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_added_up() {
        let xml = br#"<?xml version="1.0"?><testsuites name="p"><testsuite name="pytest" errors="1"
            failures="2" skipped="3" tests="10" time="1.5"><testcase name="a &lt;b&gt;"/></testsuite></testsuites>"#;
        let report = read_junit(xml).unwrap();
        assert_eq!(report.counts, Counts { tests: 10, failed: 3, skipped: 3 });
        assert!((report.seconds - 1.5).abs() < 1e-9);
        assert_eq!(read_junit(b"<html></html>"), None);
        assert_eq!(read_junit(b"<testsuite tests='x'/>"), None);
        assert_eq!(read_junit(b"<testsuite tests='1'"), None);
    }

    #[test]
    fn failing_tests_have_name_and_first_line() {
        let xml = br#"<testsuites><testsuite errors="1" failures="1" tests="2"><testcase classname="test_n"
            name="test_red"><failure message="AssertionError: not so&#10;assert 1 == 2">&gt; x
E   AssertionError</failure></testcase><testcase classname="" name="test_m"><error message="collection failure"
            >Traceback:
E   ModuleNotFoundError: No module named 'x'</error></testcase></testsuite></testsuites>"#;
        let report = read_junit(xml).unwrap();
        let [red, broken] = &report.failures[..] else { panic!("{report:?}") };
        assert_eq!((red.name.as_str(), red.message.as_str()), ("test_n::test_red", "AssertionError: not so"));
        assert!(red.text.starts_with("> x\nE"), "{:?}", red.text);
        assert!(broken.collection && !red.collection);
        assert_eq!(broken.message, "ModuleNotFoundError: No module named 'x'");
    }

    #[test]
    fn a_report_of_any_size_is_bounded() {
        let case = format!(
            "<testcase name='\u{1b}x'><failure message='m'>{}end</failure></testcase>",
            "line\n".repeat(9000)
        );
        let xml = format!("<testsuite tests='40' failures='40'>{}</testsuite>", case.repeat(40));
        let report = read_junit(xml.as_bytes()).unwrap();
        assert_eq!((report.failures.len(), report.counts.failed), (KEPT, 40));
        assert!(report.failures[0].text.len() <= 2 * TEXT && report.failures[0].text.ends_with("end"));
        assert!(!report.failures[0].name.contains('\u{1b}'));
    }

    #[test]
    fn unittest_is_understood() {
        let output = "...\nRan 5 tests in 0.1s\n\nFAILED (failures=1, errors=1, skipped=1)\n";
        let counts = |output| read_unittest(output).map(|report| report.counts);
        assert_eq!(counts(output), Some(Counts { tests: 5, failed: 2, skipped: 1 }));
        let one = Counts { tests: 1, failed: 0, skipped: 0 };
        assert_eq!(counts("Ran 1 test in 0s\n\nOK"), Some(one));
        assert_eq!(counts("Ran away\n"), None);
        let rule = "=".repeat(70);
        let dash = "-".repeat(70);
        let output = format!(
            ".F\n{rule}\nFAIL: test_u (test_t.T.test_u)\n{dash}\nTraceback (most recent call last):\n  \
             File \"test_t.py\", line 3, in test_u\n    self.assertEqual(1, 2)\nAssertionError: 1 != 2\n\n\
             {dash}\nRan 2 tests in 0.001s\n\nFAILED (failures=1)\n"
        );
        let report = read_unittest(&output).unwrap();
        assert_eq!(report.failures[0].name, "test_u (test_t.T.test_u)");
        assert_eq!(report.failures[0].message, "AssertionError: 1 != 2");
    }
}
