//! As many tests as pytest counts, and what came of them as pytest's own report has it, however warm the run.

use super::*;
use devboot::run::event::{Outcome, StageEnd};
use devboot::run::junit::Junit;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

const ODD: &str = r#"import pytest

@pytest.mark.parametrize("x", ["a/b::c", "[z]", "\x1b[31mred", "\x00nul", "é\u2028", "a&<b>\"'", "file.py::x", "-", "new\nline"])
def test_odd(x):
    assert len(x) == 99

@pytest.mark.xfail(strict=True)
def test_strict():
    pass

@pytest.mark.xfail(reason="known bug")
def test_known():
    assert 0

@pytest.mark.xfail
def test_better():
    pass

@pytest.fixture
def down():
    yield
    raise ValueError("down")

@pytest.fixture
def up(down):
    raise RuntimeError("up\x1b[0m bad\x07")

def test_fails_twice(down):
    assert 1 == 2

def test_passes_and_fails(down):
    pass

def test_leaves_and_fails(down):
    pytest.skip("now")

def test_never_begins(up):
    pass

@pytest.mark.skip(reason="why <not>")
def test_left():
    pass

class TestA:
    class TestB:
        def test_in(self):
            raise ValueError("first\nsecond")
"#;

const UNIT: &str = r#"import unittest

class T(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise unittest.SkipTest("no class")

    def test_a(self):
        pass

    def test_b(self):
        pass

class U(unittest.TestCase):
    def test_parts(self):
        for i in range(4):
            with self.subTest(i=i):
                self.assertEqual(i % 2, 0)

    def test_left_in_part(self):
        with self.subTest(i=0):
            self.skipTest("part")
        with self.subTest(i=1):
            self.assertEqual(1, 2)
"#;

const PARTS: &str = r#"def test_sub(subtests):
    for i in range(3):
        with subtests.test("m", i=i):
            assert i != 1

def test_good(subtests):
    with subtests.test("m"):
        pass

def test_own(subtests):
    with subtests.test("m"):
        assert 0
    assert 1 == 3
"#;

const CASES: &[(&str, &str)] = &[
    ("t/test_left.py", "import pytest\npytest.skip('all of it', allow_module_level=True)\n"),
    ("t/test_import.py", "import pytest\npytest.importorskip('nope_not_there')\n\ndef test_x():\n    pass\n"),
    ("t/test_raise.py", "import unittest\nraise unittest.SkipTest('old')\n"),
    ("t/test_broken.py", "import not_there_at_all\n"),
    ("t/test_syntax.py", "def test_x(:\n"),
    ("test_odd.py", ODD),
    ("test_unit.py", UNIT),
];

/// What pytest's last line counts: passed, failed, skipped, in a verdict's three words.
fn counted(text: &str) -> Tests {
    let words = steady(text);
    let mut tests = Tests::default();
    for part in words.lines().last().unwrap().split(", ") {
        let (count, word) = part.split_once(' ').unwrap();
        match word {
            "passed" | "xfailed" | "xpassed" => tests.passed += count.parse::<u32>().unwrap(),
            "failed" | "error" | "errors" => tests.failed += count.parse::<u32>().unwrap(),
            "skipped" => tests.skipped += count.parse::<u32>().unwrap(),
            "warning" | "warnings" | "subtests passed" => {}
            other => panic!("{other} in {words}"),
        }
    }
    tests
}

/// Runs the stage cold, then warm; then in processes that may not be forked, because that is known before or seen when all is imported.
fn each_tier(mut project: Project, check: impl Fn(&Project, &Came)) {
    let cold = project.run();
    assert!(cold.note().starts_with("cold"), "{}", cold.note());
    check(&project, &cold);
    check(&project, &project.warm());
    project.write("conftest.py", "import threaded\n");
    let lib = project.dir.path().join("site-packages");
    fs::create_dir(&lib).unwrap();
    let text = "import threading, time\nTHREAD = threading.Thread(target=time.sleep, args=(600,), daemon=True)\nTHREAD.start()\n";
    fs::write(lib.join("threaded.py"), text).unwrap();
    project.env.push(("PYTHONPATH", lib.display().to_string()));
    project.run();
    let standby = project.run();
    assert!(standby.note().starts_with("standby"), "{}", standby.note());
    check(&project, &standby);
    project.tests.apart = true;
    project.run();
    let apart = project.run();
    assert_eq!(apart.note(), "standby: fork = false");
    check(&project, &apart);
}

/// A case of a report: classname and name, and each element in it with its message.
type Case = (String, Vec<(String, String)>);

/// The cases of a report, sorted.
fn cases(xml: &str) -> Vec<Case> {
    let mut reader = Reader::from_str(xml);
    let mut found: Vec<Case> = Vec::new();
    let value = |start: &BytesStart<'_>, name: &str| {
        let value = start.try_get_attribute(name).unwrap();
        value.map_or_else(String::new, |value| {
            value.normalized_value(Default::default()).unwrap().into_owned()
        })
    };
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => break,
            Event::Start(start) | Event::Empty(start) => match start.name().0 {
                "testcase" => {
                    let name = format!("{} {}", value(&start, "classname"), value(&start, "name"));
                    found.push((name, Vec::new()));
                }
                tag @ ("failure" | "error" | "skipped") => {
                    found
                        .last_mut()
                        .unwrap()
                        .1
                        .push((tag.to_owned(), value(&start, "message").trim().to_owned()));
                }
                _ => {}
            },
            _ => {}
        }
    }
    // A test with parts has a failure for each of them there.
    found.retain(|(name, _)| !name.ends_with("_parts") && !name.ends_with("_in_part"));
    found.sort();
    found
}

fn report(came: &Came) -> String {
    let mut junit = Junit::default();
    came.events.iter().for_each(|event| junit.on(event));
    let end = StageEnd {
        verdict: Verdict::Failed,
        replayed: false,
        exit: Some(1),
        milliseconds: 1,
        attempts: 1,
        tests: came.attempt.tests,
        failures: Vec::new(),
        note: None,
        partly: None,
    };
    junit.on(&RunEvent::StageFinished { run: RunId(1), stage: StageId("test".into()), end });
    junit.text()
}

/// Its report is pytest's own; what is said where there was no test yet is more than that.
fn reports_the_same(project: &Project, came: &Came, path: &str) {
    let plain = cases(&fs::read_to_string(path).unwrap());
    let (mut told, mut heard) = (plain.clone(), cases(&report(came)));
    for (_, ends) in told.iter_mut().chain(&mut heard) {
        ends.retain(|(_, message)| !message.starts_with("collection "));
    }
    let collected: Vec<Case> = plain
        .iter()
        .filter(|case| case.1.iter().any(|end| end.1.starts_with("collection ")))
        .cloned()
        .collect();
    assert!(plain.len() > 20 && collected.len() == 5, "{plain:?}");
    let said = |name: &str| heard.iter().find(|case| case.0 == name).unwrap().1.clone();
    let of = |tag: &str, message: &str| vec![(tag.to_owned(), message.to_owned())];
    assert_eq!(said(" t.test_left"), of("skipped", "all of it"));
    assert_eq!(
        said(" t.test_import"),
        of("skipped", "could not import 'nope_not_there': No module named 'nope_not_there'")
    );
    assert_eq!(
        said(" t.test_broken"),
        of("error", "ModuleNotFoundError: No module named 'not_there_at_all'")
    );
    let xml = report(came);
    for at in [r#"file="t/test_broken.py" line="1""#, r#"file="t/test_syntax.py" line="1""#] {
        assert!(xml.contains(at), "{at}: {xml}");
    }
    heard.retain(|case| !collected.iter().any(|other| other.0 == case.0));
    told.retain(|case| !collected.iter().any(|other| other.0 == case.0));
    assert_eq!(heard, told, "{}, {}", came.note(), project.root().display());
}

#[test]
fn a_report_is_as_pytests_own() {
    for python in [python(), python_with_plugins()] {
        let mut project = Project::whole(CASES);
        project.python = python;
        project.tests.args.push("--continue-on-collection-errors".into());
        let path = project.dir.path().join("report.xml").display().to_string();
        project.tests.args.push(format!("--junitxml={path}"));
        let cold = project.run();
        reports_the_same(&project, &cold, &path);
        reports_the_same(&project, &project.warm(), &path);
    }
}

fn agrees(project: &Project, came: &Came) {
    let plain = counted(&String::from_utf8_lossy(&project.plain().stdout));
    assert_eq!(came.attempt.tests, Some(plain), "{}: {}", came.note(), came.record.text);
    assert_eq!(came.tests(), plain, "{}", came.note());
}

#[test]
fn as_many_as_pytest_says_itself() {
    let mut files = CASES.to_vec();
    files.push(("test_parts.py", PARTS));
    let mut project = Project::whole(&files);
    project.tests.args.push("--continue-on-collection-errors".into());
    each_tier(project, |project, came| {
        agrees(project, came);
        let results = came.results();
        let of =
            |name: &str| results.iter().filter(|it| it.name == name).map(|it| it.outcome).collect::<Vec<_>>();
        for (name, expected) in [
            ("t/test_left.py", &[Outcome::Skipped][..]),
            ("t/test_import.py", &[Outcome::Skipped]),
            ("t/test_raise.py", &[Outcome::Skipped]),
            ("t/test_broken.py", &[Outcome::Error]),
            ("test_odd.py::test_fails_twice", &[Outcome::Failed, Outcome::Error]),
            ("test_odd.py::test_never_begins", &[Outcome::Error, Outcome::Error]),
            ("test_unit.py::U::test_parts", &[Outcome::Failed]),
        ] {
            assert_eq!(of(name), expected, "{name}, {}", came.note());
        }
    });
}

#[test]
fn as_many_as_pytest_says_where_it_ran_nothing() {
    let project = Project::whole(CASES);
    each_tier(project, agrees);
    let project = Project::whole(&CASES[..3]);
    each_tier(project, |project, came| {
        agrees(project, came);
        assert_eq!(came.attempt.verdict, None, "no test ran, as the exit code says");
        assert_eq!(came.tests().skipped, 3);
    });
}

#[test]
fn as_many_as_an_older_pytest_says() {
    let mut project = Project::whole(CASES);
    project.python = python_with_plugins();
    project.tests.args.push("--continue-on-collection-errors".into());
    agrees(&project, &project.run());
    agrees(&project, &project.warm());
    // Each worker process collects everything.
    project.tests.args.push("-n2".into());
    agrees(&project, &project.run());
}

#[test]
fn a_file_that_leaves_itself_out_holds_like_one_that_passed() {
    let project = Project::new(&[
        ("test_a.py", "def test_a():\n    pass\n"),
        ("test_left.py", "import pytest\npytest.skip('all of it', allow_module_level=True)\n"),
    ]);
    project.warm();
    project.write("test_a.py", "def test_a():\n    assert 1\n");
    let came = project.run();
    assert_eq!((came.affected(), came.tests().passed), (Some((Verdict::Passed, 1, 1)), 1), "{}", came.note());
    assert_eq!(came.attempt.tests, Some(Tests { passed: 1, failed: 0, skipped: 1 }), "{}", came.note());
    assert_eq!(came.attempt.verdict, Some(Verdict::Passed));
}
