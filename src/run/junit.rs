//! What came of tests as a JUnit report: the XML that CI systems show. Pure. A stage is a suite; a stage that is no runner of
//! tests, or whose result was replayed, is a suite with one case of its own name.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::event::{Outcome, RunEvent, StageEnd, TestResult};
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
            let own = || vec![of_stage(stage, end)];
            let tests = self.tests.get(stage).cloned().unwrap_or_else(own);
            suite(writer, stage, end, &tests)?;
        }
        writer.write_event(Event::End(BytesEnd::new("testsuites")))
    }
}

/// A stage as a case of its own.
fn of_stage(stage: &StageId, end: &StageEnd) -> TestResult {
    let outcome = match end.verdict {
        verdict if verdict.is_success() => Outcome::Passed,
        super::event::Verdict::Skipped | super::event::Verdict::NoTestRan => Outcome::Skipped,
        super::event::Verdict::Failed => Outcome::Failed,
        _ => Outcome::Error,
    };
    let failures = end.failures.iter().map(|failure| format!("{}: {}", failure.name, failure.message));
    let text = end.note.iter().cloned().chain(failures).collect::<Vec<_>>().join("\n");
    TestResult {
        name: stage.0.clone(),
        file: String::new(),
        outcome,
        microseconds: end.milliseconds * 1000,
        flaky: false,
        text,
    }
}

fn suite(
    writer: &mut Writer<Vec<u8>>,
    stage: &StageId,
    end: &StageEnd,
    tests: &[TestResult],
) -> std::io::Result<()> {
    let count = |wanted: Outcome| tests.iter().filter(|test| test.outcome == wanted).count().to_string();
    let skipped = tests.iter().filter(|test| is_skipped(test.outcome)).count();
    let mut start = BytesStart::new("testsuite");
    start.push_attribute(("name", clean(&stage.0).as_str()));
    start.push_attribute(("tests", tests.len().to_string().as_str()));
    start.push_attribute(("failures", count(Outcome::Failed).as_str()));
    start.push_attribute(("errors", count(Outcome::Error).as_str()));
    start.push_attribute(("skipped", skipped.to_string().as_str()));
    start.push_attribute(("time", seconds(end.milliseconds * 1000).as_str()));
    writer.write_event(Event::Start(start))?;
    for test in tests {
        case(writer, test)?;
    }
    writer.write_event(Event::End(BytesEnd::new("testsuite")))
}

fn case(writer: &mut Writer<Vec<u8>>, test: &TestResult) -> std::io::Result<()> {
    // As pytest's own report has it: `tests/test_a.py::TestX::test_y[1]` is test_y[1] of tests.test_a.TestX.
    let (path, parameters) = test
        .name
        .split_once('[')
        .map_or((test.name.as_str(), ""), |(path, _)| (path, &test.name[path.len()..]));
    let (class, name) = path.rsplit_once("::").unwrap_or(("", path));
    let class = class.replace(".py", "").replace(['/', '\\'], ".").replace("::", ".");
    let mut start = BytesStart::new("testcase");
    start.push_attribute(("classname", clean(&class).as_str()));
    start.push_attribute(("name", clean(&format!("{name}{parameters}")).as_str()));
    if !test.file.is_empty() {
        start.push_attribute(("file", clean(&test.file).as_str()));
    }
    start.push_attribute(("time", seconds(test.microseconds).as_str()));
    let inner = match test.outcome {
        Outcome::Failed => "failure",
        Outcome::Error => "error",
        outcome if is_skipped(outcome) => "skipped",
        _ => return writer.write_event(Event::Empty(start)),
    };
    writer.write_event(Event::Start(start))?;
    let text = clean(&test.text);
    let mut element = BytesStart::new(inner);
    element.push_attribute(("message", text.trim().lines().last().unwrap_or_default()));
    if text.is_empty() {
        writer.write_event(Event::Empty(element))?;
    } else {
        writer.write_event(Event::Start(element))?;
        writer.write_event(Event::Text(BytesText::new(&text)))?;
        writer.write_event(Event::End(BytesEnd::new(inner)))?;
    }
    writer.write_event(Event::End(BytesEnd::new("testcase")))
}

fn is_skipped(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Skipped | Outcome::Xfailed)
}

fn seconds(microseconds: u64) -> String {
    format!("{:.6}", microseconds as f64 / 1e6)
}

/// What XML 1.0 allows (section 2.2, Char); the rest is written as its code.
fn clean(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().fold(String::new(), |mut out, c| {
        if is_allowed(c) {
            out.push(c)
        } else {
            out.push_str(&format!("#x{:02X}", u32::from(c)))
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::{RunId, Verdict};

    fn test(name: &str, outcome: Outcome, text: &str) -> TestResult {
        let (name, file, text) = (name.to_owned(), "t/test_a.py".to_owned(), text.to_owned());
        TestResult { name, file, outcome, microseconds: 1500, flaky: false, text }
    }

    fn finished(stage: &str, verdict: Verdict) -> RunEvent {
        let end = StageEnd {
            verdict,
            replayed: false,
            exit: None,
            milliseconds: 12,
            attempts: 1,
            tests: None,
            failures: Vec::new(),
            note: (verdict == Verdict::Failed).then(|| "exit code 3".to_owned()),
            partly: None,
        };
        RunEvent::StageFinished { run: RunId(1), stage: StageId(stage.into()), end }
    }

    #[test]
    fn tests_are_cases_and_other_stages_are_one_case_each() {
        let mut junit = Junit::default();
        let tests = vec![
            test("t/test_a.py::TestX::test_y[a::b.py]", Outcome::Passed, ""),
            test(
                "t/test_a.py::test_z",
                Outcome::Failed,
                "def test_z():\n>   assert \"<&\u{1b}[0m\"\nE   boom",
            ),
            test("t/test_a.py::test_s", Outcome::Skipped, ""),
        ];
        let again = vec![TestResult { outcome: Outcome::Failed, ..tests[2].clone() }];
        junit.on(&RunEvent::TestsFinished { run: RunId(1), stage: StageId("test".into()), tests: again });
        junit.on(&RunEvent::TestsFinished { run: RunId(1), stage: StageId("test".into()), tests });
        junit.on(&finished("test", Verdict::Failed));
        junit.on(&finished("lint", Verdict::Failed));
        let text = junit.text();
        let expected = [
            r#"<testsuite name="test" tests="3" failures="1" errors="0" skipped="1" time="0.012000">"#,
            r#"<testcase classname="t.test_a.TestX" name="test_y[a::b.py]" file="t/test_a.py" time="0.001500"/>"#,
            r#"<failure message="E   boom">def test_z():"#,
            "assert &quot;&lt;&amp;#x1B[0m&quot;",
            "<skipped message=\"\"/>",
            r#"<testcase classname="" name="lint" time="0.012000">"#,
            r#"<failure message="exit code 3">exit code 3</failure>"#,
        ];
        for part in expected {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let mut reader = quick_xml::Reader::from_str(&text);
        while !matches!(reader.read_event().expect("it is XML"), Event::Eof) {}
    }
}
