//! What came of tests as a JUnit report: the XML that CI systems show. Pure. A stage is a suite. Where its tests are not known one by
//! one, its failures are its cases; a stage that is no runner of tests, or whose result was replayed, is one case of its own name.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Writer;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::name::QName;

use super::event::{Failure, Outcome, RunEvent, StageEnd, TestResult, Verdict};
use super::outcome::KEPT;
use crate::project::model::StageId;

/// Collects what a report needs from the events of a run.
#[derive(Debug, Default)]
pub struct Junit {
    tests: BTreeMap<StageId, Vec<TestResult>>,
    ends: Vec<(StageId, StageEnd)>,
}

impl Junit {
    /// Takes an event.
    pub fn on(&mut self, event: &RunEvent) {
        match event {
            RunEvent::TestsFinished { stage, tests, .. } => {
                // What ran once more counts as it ended then.
                let again: BTreeSet<&String> = tests.iter().map(|test| &test.name).collect();
                let known = self.tests.entry(stage.clone()).or_default();
                known.retain(|test| !again.contains(&test.name));
                known.extend(tests.iter().cloned());
            }
            RunEvent::StageFinished { stage, end, .. } => self.ends.push((stage.clone(), end.clone())),
            _ => {}
        }
    }

    /// The report.
    pub fn text(&self) -> String {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
        // Writing into memory does not fail.
        let _ = self.write(&mut writer);
        String::from_utf8(writer.into_inner()).unwrap_or_default() + "\n"
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        writer.write_event(Event::Start(BytesStart::new("testsuites")))?;
        for (stage, end) in &self.ends {
            suite(writer, stage, end, &self.cases(stage, end))?;
        }
        writer.write_event(Event::End(BytesEnd::new("testsuites")))
    }

    /// The cases of a stage: its tests; where they are not known one by one those that failed, or else the stage.
    fn cases(&self, stage: &StageId, end: &StageEnd) -> Vec<Case> {
        let Some(tests) = self.tests.get(stage) else { return of_stage(stage, end) };
        let mut cases = of_tests(tests);
        // What is red for another reason than its tests must not look green.
        let is_explained = end.verdict.is_success()
            || matches!(end.verdict, Verdict::Skipped | Verdict::NoTestRan)
            || tests.iter().any(|test| test.outcome.is_failure());
        if !is_explained {
            cases.push(itself(stage, end));
        }
        cases
    }
}

/// One `testcase`.
struct Case {
    class: String,
    name: String,
    file: String,
    line: Option<u32>,
    microseconds: u64,
    /// What is to be said of it; nothing of what passed.
    ends: Vec<End>,
}

/// What came of it, in a sentence and as a whole.
struct End {
    outcome: Outcome,
    message: String,
    text: String,
}

/// Tests as pytest's own report has them: what a fixture does after a test is said with it, but two failures are two cases.
fn of_tests(tests: &[TestResult]) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    for test in tests {
        let known = last.get(test.name.as_str()).copied();
        let known = known.filter(|at| cases[*at].ends.iter().all(|end| end.outcome != Outcome::Failed));
        let at = known.unwrap_or(cases.len());
        if known.is_none() {
            let (class, name) = address(&test.name);
            let file = test.file.clone();
            cases.push(Case { class, name, file, line: None, microseconds: 0, ends: Vec::new() });
            last.insert(&test.name, at);
        }
        let case = &mut cases[at];
        case.microseconds += test.microseconds;
        case.line = case.line.or(test.line);
        if element(test.outcome).is_some() {
            let (message, text) = (test.message.clone(), test.text.clone());
            case.ends.push(End { outcome: test.outcome, message, text });
        }
    }
    cases
}

/// As pytest's own report has it: `tests/test_a.py::TestX::test_y[1]` is test_y[1] of tests.test_a.TestX.
fn address(id: &str) -> (String, String) {
    let (path, parameters) = id.split_once('[').map_or((id, ""), |(path, _)| (path, &id[path.len()..]));
    let (file, names) = path.split_once("::").unwrap_or((path, ""));
    let file = file.strip_suffix(".py").unwrap_or(file).replace(['/', '\\'], ".");
    match names.rsplit_once("::") {
        Some((classes, name)) => {
            (format!("{file}.{}", classes.replace("::", ".")), format!("{name}{parameters}"))
        }
        None if names.is_empty() => (String::new(), format!("{file}{parameters}")),
        None => (file, format!("{names}{parameters}")),
    }
}

/// A stage whose tests are not known one by one.
fn of_stage(stage: &StageId, end: &StageEnd) -> Vec<Case> {
    if end.verdict.is_success() || end.failures.is_empty() {
        return vec![itself(stage, end)];
    }
    let failed = |failure: &Failure| {
        let file = failure.file.clone().unwrap_or_default();
        let place = failure.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}"));
        let text = if file.is_empty() { String::new() } else { format!("{}\n\n{place}", failure.message) };
        let message = failure.message.clone();
        let ends = vec![End { outcome: Outcome::Failed, message, text }];
        let (class, name) = (stage.0.clone(), failure.name.clone());
        Case { class, name, file, line: failure.line, microseconds: 0, ends }
    };
    let mut cases: Vec<Case> = end.failures.iter().map(failed).collect();
    if end.failures.len() >= KEPT {
        cases.push(itself(stage, end));
    }
    cases
}

/// A stage as a case of its own.
fn itself(stage: &StageId, end: &StageEnd) -> Case {
    let outcome = match end.verdict {
        verdict if verdict.is_success() => Outcome::Passed,
        Verdict::Skipped | Verdict::NoTestRan => Outcome::Skipped,
        Verdict::Failed => Outcome::Failed,
        _ => Outcome::Error,
    };
    let counts = end.tests.filter(|_| end.verdict == Verdict::Failed);
    let counts = counts.map(|tests| format!("{} failed, {} passed", tests.failed, tests.passed));
    let said: Vec<String> = end.note.iter().cloned().chain(counts).collect();
    let ends = match element(outcome) {
        Some(_) => vec![End { outcome, message: said.join("; "), text: String::new() }],
        None => Vec::new(),
    };
    Case {
        class: stage.0.clone(),
        name: stage.0.clone(),
        file: String::new(),
        line: None,
        microseconds: end.milliseconds * 1000,
        ends,
    }
}

fn suite(
    writer: &mut Writer<Vec<u8>>,
    stage: &StageId,
    end: &StageEnd,
    cases: &[Case],
) -> std::io::Result<()> {
    let count = |wanted: &str| {
        let ends = cases.iter().flat_map(|case| &case.ends);
        ends.filter(|end| element(end.outcome) == Some(wanted)).count().to_string()
    };
    let mut start = BytesStart::new("testsuite");
    attribute(&mut start, "name", &stage.0);
    attribute(&mut start, "tests", &cases.len().to_string());
    attribute(&mut start, "failures", &count("failure"));
    attribute(&mut start, "errors", &count("error"));
    attribute(&mut start, "skipped", &count("skipped"));
    attribute(&mut start, "time", &seconds(end.milliseconds * 1000));
    writer.write_event(Event::Start(start))?;
    for case in cases {
        write_case(writer, case)?;
    }
    writer.write_event(Event::End(BytesEnd::new("testsuite")))
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &Case) -> std::io::Result<()> {
    let mut start = BytesStart::new("testcase");
    attribute(&mut start, "classname", &case.class);
    attribute(&mut start, "name", &case.name);
    if !case.file.is_empty() {
        attribute(&mut start, "file", &case.file);
    }
    if let Some(line) = case.line {
        attribute(&mut start, "line", &line.to_string());
    }
    attribute(&mut start, "time", &seconds(case.microseconds));
    if case.ends.is_empty() {
        return writer.write_event(Event::Empty(start));
    }
    writer.write_event(Event::Start(start))?;
    for end in &case.ends {
        let name = element(end.outcome).unwrap_or("failure");
        let mut start = BytesStart::new(name);
        if end.outcome == Outcome::Xfailed {
            attribute(&mut start, "type", "pytest.xfail");
        }
        // A failure without a word of its own ends with what matters.
        let last = || end.text.trim().lines().last().unwrap_or_default();
        attribute(&mut start, "message", if end.message.is_empty() { last() } else { &end.message });
        // Some show only what stands inside.
        let is_said = end.text.is_empty() && name != "skipped";
        let text = if is_said { &end.message } else { &end.text };
        if text.is_empty() {
            writer.write_event(Event::Empty(start))?;
        } else {
            writer.write_event(Event::Start(start))?;
            writer.write_event(Event::Text(BytesText::from_escaped(escaped(text, false))))?;
            writer.write_event(Event::End(BytesEnd::new(name)))?;
        }
    }
    writer.write_event(Event::End(BytesEnd::new("testcase")))
}

/// The element that says what came of a test; none for what passed.
fn element(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Passed | Outcome::Xpassed => None,
        Outcome::Failed => Some("failure"),
        Outcome::Error => Some("error"),
        Outcome::Skipped | Outcome::Xfailed => Some("skipped"),
    }
}

fn seconds(microseconds: u64) -> String {
    format!("{:.6}", microseconds as f64 / 1e6)
}

fn attribute(start: &mut BytesStart<'_>, name: &str, value: &str) {
    start.push_attribute(Attribute { key: QName(name), value: escaped(value, true).into() });
}

/// What XML 1.0 allows (section 2.2, Char); the rest is written as its code, as pytest does. The ends of lines are kept where a reader
/// would make others of them (sections 2.11 and 3.3.3).
fn escaped(text: &str, is_attribute: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if is_attribute => out.push_str("&quot;"),
            '\n' if is_attribute => out.push_str("&#10;"),
            '\t' if is_attribute => out.push_str("&#9;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' | '\u{20}'..='\u{fffd}' | '\u{10000}'.. => out.push(c),
            _ => out.push_str(&format!("#x{:02X}", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::{RunId, Tests};

    fn test(name: &str, outcome: Outcome, (message, text): (&str, &str)) -> TestResult {
        let (name, file) = (name.to_owned(), "t/test_a.py".to_owned());
        let (message, text) = (message.to_owned(), text.to_owned());
        let line = outcome.is_failure().then_some(7);
        TestResult { name, file, outcome, microseconds: 1500, flaky: false, line, message, text }
    }

    fn finished(stage: &str, verdict: Verdict, failures: Vec<Failure>) -> RunEvent {
        let end = StageEnd {
            verdict,
            replayed: false,
            exit: None,
            milliseconds: 12,
            attempts: 1,
            tests: Some(Tests { passed: 3, failed: failures.len() as u32, skipped: 0 }),
            failures,
            note: (verdict == Verdict::Failed).then(|| "exit code 3".to_owned()),
            partly: None,
        };
        RunEvent::StageFinished { run: RunId(1), stage: StageId(stage.into()), end }
    }

    fn tests(stage: &str, tests: Vec<TestResult>) -> RunEvent {
        RunEvent::TestsFinished { run: RunId(1), stage: StageId(stage.into()), tests }
    }

    fn report(events: &[RunEvent]) -> String {
        let mut junit = Junit::default();
        events.iter().for_each(|event| junit.on(event));
        let text = junit.text();
        let mut reader = quick_xml::Reader::from_str(&text);
        while !matches!(reader.read_event().expect("it is XML"), Event::Eof) {}
        text
    }

    fn has(text: &str, expected: &[&str]) {
        for part in expected {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }

    #[test]
    fn tests_are_cases_and_other_stages_are_one_case_each() {
        let boom =
            ("assert \"<&\u{1b}[0m\"\n\tboom\r", "def test_z():\n>   assert \"<&\u{1b}[0m\"\nE   boom\r");
        let all = vec![
            test("t/test_a.py::TestX::test_y[a::b.py]", Outcome::Passed, ("", "")),
            test("t/test_a.py::test_z", Outcome::Failed, boom),
            test("t/test_a.py::test_s", Outcome::Skipped, ("why <not>", "")),
            test("t/test_a.py::test_x", Outcome::Xfailed, ("known", "")),
            test("t/test_a.py", Outcome::Skipped, ("all of it", "")),
        ];
        let again = vec![TestResult { outcome: Outcome::Failed, ..all[2].clone() }];
        let text = report(&[
            tests("test", again),
            tests("test", all),
            finished("test", Verdict::Failed, Vec::new()),
            finished("lint", Verdict::Failed, Vec::new()),
        ]);
        let expected = [
            r#"<testsuite name="test" tests="5" failures="1" errors="0" skipped="3" time="0.012000">"#,
            r#"<testcase classname="t.test_a.TestX" name="test_y[a::b.py]" file="t/test_a.py" time="0.001500"/>"#,
            r#"<testcase classname="t.test_a" name="test_z" file="t/test_a.py" line="7" time="0.001500">"#,
            r#"<failure message="assert &quot;&lt;&amp;#x1B[0m&quot;&#10;&#9;boom&#13;">def test_z():"#,
            "assert \"&lt;&amp;#x1B[0m\"\nE   boom&#13;</failure>",
            r#"<skipped message="why &lt;not&gt;"/>"#,
            r#"<skipped type="pytest.xfail" message="known"/>"#,
            r#"<testcase classname="" name="t.test_a" file="t/test_a.py" time="0.001500">"#,
            r#"<testcase classname="lint" name="lint" time="0.012000">"#,
            r#"<failure message="exit code 3; 0 failed, 3 passed">exit code 3"#,
        ];
        has(&text, &expected);
    }

    #[test]
    fn what_a_fixture_does_is_told_with_its_test_and_two_failures_are_two_cases() {
        let (ok, down) = (("", ""), ("failed on teardown with \"x\"", "x"));
        let text = report(&[
            tests(
                "test",
                vec![
                    test("a.py::passes", Outcome::Passed, ok),
                    test("a.py::passes", Outcome::Error, down),
                    test("a.py::fails", Outcome::Failed, ("assert 0", "")),
                    test("a.py::fails", Outcome::Error, down),
                    test("a.py::left", Outcome::Skipped, ("s", "")),
                    test("a.py::left", Outcome::Error, down),
                ],
            ),
            finished("test", Verdict::Failed, Vec::new()),
        ]);
        has(&text, &[r#" tests="4" failures="1" errors="3" skipped="1" "#]);
        let cases = ["passes", "fails", "left"].map(|name| text.matches(&format!("name=\"{name}\"")).count());
        assert_eq!(cases, [1, 2, 1], "{text}");
    }

    #[test]
    fn a_stage_that_is_red_is_never_green_in_its_report() {
        let text = report(&[
            tests("test", vec![test("a.py::passes", Outcome::Passed, ("", ""))]),
            finished("test", Verdict::Failed, Vec::new()),
            finished("late", Verdict::TimedOut, Vec::new()),
        ]);
        has(&text, &[r#"<testcase classname="test" name="test" "#, r#"<error message="""#]);
        assert!(text.contains(r#"tests="2" failures="1""#), "{text}");
    }

    #[test]
    fn failures_of_other_runners_are_cases_with_their_place() {
        let failure = |at: usize| Failure {
            name: format!("outer > t{at}"),
            file: Some("src/a.test.js".into()),
            line: Some(4),
            message: "Expected values\n1 !== 2".into(),
        };
        let text = report(&[
            finished("js", Verdict::Failed, vec![failure(0)]),
            finished("many", Verdict::Failed, (0..KEPT).map(failure).collect()),
        ]);
        let expected = [
            r#"<testsuite name="js" tests="1" failures="1" errors="0" skipped="0""#,
            r#"<testcase classname="js" name="outer &gt; t0" file="src/a.test.js" line="4" time="0.000000">"#,
            "<failure message=\"Expected values&#10;1 !== 2\">Expected values\n1 !== 2\n\nsrc/a.test.js:4</failure>",
            r#"<testsuite name="many" tests="51" failures="51""#,
            r#"message="exit code 3; 50 failed, 3 passed""#,
        ];
        has(&text, &expected);
    }
}
