//! An older pytest, and plugins that change how tests run: asyncio, coverage, worker processes.

use super::*;

fn project(files: &[(&str, &str)]) -> Project {
    let mut project = Project::new(files);
    project.python = python_with_plugins();
    project
}

#[test]
fn an_older_pytest_with_asyncio_says_what_a_plain_one_says() {
    let mut project = project(&[
        ("pytest.ini", "[pytest]\nasyncio_mode = auto\n"),
        (
            "test_async.py",
            "import asyncio, pytest\n\n@pytest.fixture\nasync def number():\n    await asyncio.sleep(0)\n    return 2\n\n\
             async def test_ok(number):\n    assert number == 2\n\nasync def test_bad(number):\n    assert number == 3\n",
        ),
        ("test_other.py", "def test_other():\n    pass\n"),
        (
            "test_old.py",
            "import unittest\n\nclass T(unittest.TestCase):\n    def test_it(self):\n        self.assertTrue(True)\n",
        ),
    ]);
    project.tests.args = vec!["--maxfail=9".into()];
    let warm = project.warm();
    assert_eq!(steady(&warm.record.text), steady(&String::from_utf8_lossy(&project.plain().stdout)));
    assert_eq!((warm.tests().passed, warm.tests().failed), (3, 1));
    // With its files named, as a choice of tests names them, it finds the same settings.
    project.tests.args.clear();
    project.warm();
    project.write("test_old.py", "def test_it():\n    pass\n");
    let came = project.run();
    assert_eq!(came.affected().map(|(_, files, rest)| (files, rest)), Some((2, 1)), "{}", came.record.text);
    assert_eq!((came.tests().passed, came.tests().failed), (3, 1), "{}", came.record.text);
}

#[test]
fn coverage_that_the_settings_ask_for_is_measured_in_whole_and_cold_runs() {
    let project = project(&[
        ("pytest.ini", "[pytest]\naddopts = --cov=app --cov-report=term-missing\n"),
        ("app.py", "def used():\n    return 1\n\ndef unused():\n    return 2\n"),
        ("test_a.py", "import app\ndef test_a():\n    assert app.used() == 1\n"),
        ("test_b.py", "def test_b():\n    pass\n"),
    ]);
    project.run();
    for text in ["def test_b():\n    assert 1\n", "def test_b():\n    assert 2\n"] {
        project.write("test_b.py", text);
        let came = project.run();
        assert_eq!(came.note(), "cold: --cov measures from the first import on");
        assert_eq!((came.affected(), came.tests().passed), (None, 2));
        assert!(came.record.text.contains("75%"), "{}", came.record.text);
    }
}

#[test]
fn worker_processes_of_the_settings_are_not_wanted_where_runs_are_forked() {
    let project = project(&[
        ("pytest.ini", "[pytest]\naddopts = -n 2\n"),
        ("data.txt", "1\n"),
        (
            "test_a.py",
            "import os\ndef test_a():\n    assert open('data.txt').read() == '1\\n'\n    print('worker', os.environ.get('PYTEST_XDIST_WORKER'))\n    assert 0\n",
        ),
        ("test_b.py", "def test_b():\n    pass\n"),
    ]);
    let cold = project.run();
    assert!(cold.record.text.contains("worker gw"), "{}", cold.record.text);
    let warm = project.warm();
    assert!(warm.record.text.contains("worker None"), "{}", warm.record.text);
    // Now it was seen what is read.
    project.write("data.txt", "2\n");
    let came = project.run();
    assert_eq!(came.affected().map(|(_, files, rest)| (files, rest)), Some((1, 1)), "{}", came.record.text);
}
