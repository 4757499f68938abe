//! Warm as cold: the same tests, outcomes and words.

use super::*;

const TESTS: &str = r#"import os, sys, warnings, unittest
import pytest
from app import double

def test_double(numbers):
    assert [double(n) for n in numbers] == [2, 4, 6]

@pytest.mark.parametrize('n, want', [(1, 2), (2, 5), ('a', 'aa')])
def test_each(n, want):
    assert double(n) == want

@pytest.mark.xfail
def test_known():
    assert double(1) == 3

@pytest.mark.xfail
def test_better():
    assert double(1) == 2

@pytest.mark.xfail(strict=True)
def test_strict():
    assert double(1) == 2

@pytest.mark.slow
@pytest.mark.skip(reason='long')
def test_skipped():
    pass

def test_prints(capsys):
    print('out'); print('err', file=sys.stderr)
    assert capsys.readouterr() == ('out\n', 'err\n')

def test_says_before_it_fails():
    print('said')
    assert {'a': 1, 'b': [1, 2]} == {'a': 1, 'b': [1, 3]}

def test_warns():
    warnings.warn('old', DeprecationWarning)

def test_environment(monkeypatch, tmp_path):
    assert os.environ['OF_CONFTEST'] == 'set'
    assert 'OMP_NUM_THREADS' not in os.environ
    monkeypatch.chdir(tmp_path)

def test_names():
    assert sys.path[0] in (os.getcwd(), os.path.join(os.getcwd(), 'tests'))
    assert sys.argv[0].endswith('__main__.py')

@pytest.fixture
def broken():
    raise RuntimeError('no fixture')

def test_error(broken):
    pass

class TestOld(unittest.TestCase):
    def setUp(self):
        self.x = 1

    def test_ok(self):
        self.assertEqual(self.x, 1)

    def test_bad(self):
        self.assertEqual(self.x, 2)

    @unittest.skip('no')
    def test_no(self):
        pass

    def test_sub(self):
        for i in range(2):
            with self.subTest(i=i):
                self.assertEqual(i, 0)
"#;

const RICH: &[(&str, &str)] = &[
    (
        "pyproject.toml",
        "[tool.pytest.ini_options]\naddopts = '-ra --doctest-modules'\nmarkers = ['slow: takes long']\n",
    ),
    (
        "conftest.py",
        "import os, pytest\nos.environ['OF_CONFTEST'] = 'set'\n\n@pytest.fixture(scope='session')\ndef numbers():\n    return [1, 2, 3]\n\n\
         @pytest.fixture(autouse=True)\ndef around():\n    yield\n",
    ),
    (
        "app.py",
        "import json, decimal\n\n\ndef double(x):\n    \"\"\"Twice.\n\n    >>> double(2)\n    4\n    >>> double(3)\n    7\n    \"\"\"\n    return 2 * x\n",
    ),
    ("tests/test_app.py", TESTS),
];

#[test]
fn a_test_of_which_a_part_fails_has_failed_once_and_in_the_project() {
    let project = Project::new(&[(
        "test_parts.py",
        "import unittest\n\nclass T(unittest.TestCase):\n    def test_parts(self):\n        for i in range(4):\n            with self.subTest(i=i):\n                \
         self.assertEqual(i % 2, 0)\n\n    def test_place(self):\n        self.assertEqual(1, 2)\n\n    def test_good(self):\n        with self.subTest(i=0):\n            pass\n",
    )]);
    project.warm();
    for came in [project.run(), project.run()] {
        // pytest's last line counts each part that fails besides its test.
        assert_eq!(came.attempt.tests.unwrap(), came.tests(), "{}", came.record.text);
        let results = came.results();
        let mut names: Vec<&str> = results.iter().map(|result| result.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), results.len(), "each once: {names:?}");
        let lines: Vec<_> =
            came.attempt.failures.iter().map(|failure| (failure.line, failure.file.as_deref())).collect();
        assert!(lines.iter().all(|(_, file)| file.unwrap().ends_with("test_parts.py")), "{lines:?}");
        assert!(lines.iter().any(|(line, _)| *line == Some(10)), "{lines:?}");
    }
}

#[test]
fn a_warm_run_says_what_a_plain_one_says_word_for_word() {
    let project = Project::whole(RICH);
    let cold = project.run();
    assert!(cold.note().starts_with("cold: the first run"), "{}", cold.note());
    let plain = project.plain();
    let words = steady(&String::from_utf8_lossy(&plain.stdout));
    assert_eq!(steady(&cold.record.text), words);
    let warm = project.warm();
    assert_eq!(warm.note(), "warm");
    assert_eq!(steady(&warm.record.text), words);
    assert_eq!(warm.attempt.ending, cold.attempt.ending);
    assert_eq!(warm.tests(), cold.tests());
    let names = |came: &Came| came.attempt.failures.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&warm), names(&cold));
    assert!(names(&warm).contains(&"tests/test_app.py::test_each[2-5]".to_owned()), "{:?}", names(&warm));
    let told = warm.events.iter().filter(|event| matches!(event, RunEvent::TestFailed { .. })).count();
    assert_eq!(told, names(&warm).len(), "each failure is told when it happens");
}

#[test]
fn the_project_is_imported_anew_and_packages_are_not() {
    let project = Project::whole(&[
        ("app.py", "VALUE = 1\n"),
        ("test_app.py", "import app, sqlite3\ndef test_it():\n    assert app.VALUE == 1\n"),
    ]);
    project.warm();
    project.write("app.py", "VALUE = 2\n");
    let red = project.run();
    assert_eq!((red.note(), red.tests().failed), ("warm", 1));
    project.write("app.py", "VALUE = 1\n");
    assert_eq!((project.run().note(), project.run().tests().passed), ("warm", 1));
    // Another package: nothing that was imported before counts.
    project.install("numpy", "2.0");
    let came = project.run();
    assert!(came.note().starts_with("cold: its imports, packages or environment changed"), "{}", came.note());
    assert_eq!(project.run().note(), "warm");
}

#[test]
fn a_variable_that_a_conftest_sets_is_there_before_what_reads_it_is_imported() {
    let project = Project::whole(&[
        ("conftest.py", "import os\nos.environ['TZ'] = 'Asia/Tokyo'\nimport http.server\n"),
        ("test_a.py", "import http.server, sys\ndef test_a():\n    assert 'http.server' in sys.modules\n"),
    ]);
    project.warm();
    let kept = fs::read_dir(project.dir.path().join("state")).unwrap().next().unwrap().unwrap().path();
    let kept: serde_json::Value = serde_json::from_str(&fs::read_to_string(kept).unwrap()).unwrap();
    let modules: Vec<&str> =
        kept["modules"].as_array().unwrap().iter().filter_map(|it| it.as_str()).collect();
    assert!(modules.contains(&"json") && !modules.contains(&"http.server"), "{modules:?}");
}

#[test]
fn a_variable_that_is_set_from_now_on_is_a_reason_to_begin_anew() {
    let project = Project::whole(&[("test_a.py", "import sqlite3\ndef test_a():\n    pass\n")]);
    project.warm();
    project.write("conftest.py", "import os\nos.environ['TZ'] = 'Asia/Tokyo'\n");
    let came = project.run();
    assert!(came.note().starts_with("cold: the project sets TZ now"), "{}", came.note());
    assert_eq!(came.tests().passed, 1);
    assert_eq!(project.warm().note(), "warm");
}

#[test]
fn random_numbers_differ_from_run_to_run_unless_they_are_seeded() {
    let project = Project::whole(&[(
        "test_r.py",
        "import random\ndef test_r():\n    print('free', random.random())\n    random.seed(7)\n    print('seeded', random.random())\n    assert 0\n",
    )]);
    project.warm();
    let drawn = |came: &Came, word: &str| {
        came.record.text.lines().find(|line| line.starts_with(word)).unwrap().to_owned()
    };
    let (one, other) = (project.run(), project.run());
    assert_eq!((one.note(), other.note()), ("warm", "warm"));
    assert_ne!(drawn(&one, "free"), drawn(&other, "free"));
    assert_eq!(drawn(&one, "seeded"), drawn(&other, "seeded"));
}

#[test]
fn warnings_that_are_errors_stay_errors() {
    let project = Project::whole(&[
        ("pytest.ini", "[pytest]\nfilterwarnings = error\n"),
        ("test_w.py", "import warnings\ndef test_w():\n    warnings.warn('x')\n"),
    ]);
    assert_eq!(project.run().tests().failed, 1);
    let warm = project.warm();
    assert_eq!(warm.tests().failed, 1);
    assert_eq!(steady(&warm.record.text), steady(&String::from_utf8_lossy(&project.plain().stdout)));
}

#[test]
fn a_file_of_the_project_that_takes_a_modules_name_is_the_one_that_is_imported() {
    let project =
        Project::whole(&[("test_a.py", "import colorsys\ndef test_a():\n    assert colorsys.__file__\n")]);
    project.warm();
    project.write("colorsys.py", "raise ImportError('mine')\n");
    let came = project.run();
    assert!(came.note().starts_with("cold: a file of the project hides a module"), "{}", came.note());
    assert_eq!(came.tests().failed, 1);
}
