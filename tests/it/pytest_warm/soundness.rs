//! No test that a change breaks is left out, and nothing counts as good that did not run.

use super::*;

/// The test files of the first verdict, when it had one of its own; else of the whole run.
fn first(came: &Came) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for event in &came.events {
        match event {
            RunEvent::TestsFinished { tests, .. } => files.extend(tests.iter().map(|test| test.file.clone())),
            RunEvent::Spent { .. } if !files.is_empty() => break,
            _ => {}
        }
    }
    files.sort();
    files.dedup();
    files
}

const OTHER: (&str, &str) = ("test_other.py", "def test_other():\n    pass\n");

#[test]
fn a_module_beside_the_project_counts_though_its_byte_code_is_written() {
    let mut project =
        Project::new(&[("test_a.py", "import side\n\ndef test_a():\n    assert side.V == 1\n")]);
    let lib = project.dir.path().join("lib");
    fs::create_dir(&lib).unwrap();
    fs::write(lib.join("side.py"), "V = 1\n").unwrap();
    project.env.push(("PYTHONPATH", lib.display().to_string()));
    project.env.push(("PYTHONDONTWRITEBYTECODE", String::new()));
    project.run();
    assert!(lib.join("__pycache__").exists(), "this is about what is written there");
    let stage = devboot::project::model::StageId("test".into());
    let elsewhere = devboot::pytest::elsewhere::of(&project.dir.path().join("state"), &stage);
    assert!(elsewhere.iter().any(|path| path.ends_with("lib/side.py")), "{elsewhere:?}");
}

#[test]
fn a_file_whose_tests_had_no_turn_is_not_good() {
    let project = Project::new(&[
        ("app.py", "def one():\n    return 1\n"),
        ("test_a.py", "import app\ndef test_a():\n    assert app.one() == 1\n"),
        ("test_b.py", "import app\ndef test_b():\n    pass\n"),
        OTHER,
    ]);
    project.warm();
    // One file cannot be collected, so pytest runs none; the other one is broken, too.
    project.write("app.py", "def one():\n    return 2\n");
    project.write("test_b.py", "import app\ndef test_b(:\n    pass\n");
    assert_eq!(project.run().attempt.tests.unwrap().failed, 1);
    project.write("test_b.py", "import app\ndef test_b():\n    pass\n");
    let came = project.run();
    assert_eq!(came.attempt.failures[0].name, "test_a.py::test_a");
    assert_eq!(first(&came), ["test_a.py", "test_b.py"]);
}

#[test]
fn settings_decide_which_tests_there_are() {
    let project = Project::new(&[
        ("pyproject.toml", "[tool.pytest.ini_options]\npython_files = ['test_*.py']\n"),
        ("conftest.py", "collect_ignore = ['test_hidden.py']\n"),
        ("test_a.py", "def test_a():\n    pass\n"),
        ("test_hidden.py", "def test_hidden():\n    assert 0\n"),
        ("check_b.py", "def test_b():\n    assert 0\n"),
    ]);
    project.warm();
    project
        .write("pyproject.toml", "[tool.pytest.ini_options]\npython_files = ['test_*.py', 'check_*.py']\n");
    assert_eq!(project.run().attempt.failures[0].name, "check_b.py::test_b");
    project.write("conftest.py", "");
    assert_eq!(project.run().attempt.tests.unwrap().failed, 2);
    // Another file with settings goes before the one that was read so far.
    project.write("pytest.ini", "[pytest]\npython_files = test_a.py\n");
    assert_eq!(project.run().attempt.tests.unwrap(), Tests { passed: 1, ..Tests::default() });
}

#[test]
fn a_file_without_examples_counts_once_it_has_one() {
    let project = Project::new(&[
        ("pytest.ini", "[pytest]\naddopts = --doctest-glob=*.md\n"),
        ("README.md", "no example\n"),
        ("app.py", "N = 1\n"),
        ("test_a.py", "import app\ndef test_a():\n    pass\n"),
    ]);
    project.warm();
    project.write("app.py", "N = 2\n");
    assert_eq!(project.run().tests().passed, 1);
    project.write("README.md", ">>> 1 + 1\n3\n");
    assert_eq!(project.run().attempt.tests.unwrap().failed, 1);
}

#[test]
fn modules_with_doctests_are_not_taken_for_modules_of_tests() {
    let project = Project::new(&[
        ("pytest.ini", "[pytest]\naddopts = --doctest-modules\n"),
        ("app.py", "def test_connection(host):\n    \"\"\"Asks.\n\n    >>> 1\n    1\n    \"\"\"\n"),
        ("test_a.py", "import app\ndef test_a():\n    pass\n"),
    ]);
    project.warm();
    project.write("test_a.py", "import app\ndef test_a():\n    assert 1\n");
    let came = project.run();
    assert_eq!(came.attempt.tests.unwrap(), Tests { passed: 2, ..Tests::default() }, "{}", came.record.text);
}

#[test]
fn what_is_red_by_itself_and_green_with_the_others_is_green() {
    let project = Project::new(&[
        ("app.py", "N = 1\n"),
        ("a/conftest.py", "import os\ndef pytest_configure():\n    os.environ['NEEDED'] = 'yes'\n"),
        ("a/test_a.py", "import os\ndef test_a():\n    os.environ['BY_A'] = 'yes'\n"),
        ("b/test_b.py", "import app, os\ndef test_b():\n    assert os.environ['BY_A'] == 'yes'\n"),
    ]);
    project.warm();
    for number in 2..4 {
        project.write("app.py", format!("N = {number}\n"));
        let came = project.run();
        assert_eq!(
            came.attempt.tests.unwrap(),
            Tests { passed: 2, ..Tests::default() },
            "{}",
            came.record.text
        );
        assert_eq!(came.attempt.verdict, Some(Verdict::Passed));
    }
    // A test that is really broken stays red.
    project.write("b/test_b.py", "def test_b():\n    assert 0\n");
    assert_eq!(project.run().attempt.verdict, Some(Verdict::Failed));
}

#[test]
fn a_failure_beside_one_that_passes_alone_stays_a_failure() {
    let clash = "import os, time, shared\ndef test_alone():\n    held = os.open('/proc/self/cwd/held', os.O_CREAT | os.O_EXCL)\n    time.sleep(0.3)\n    os.remove('/proc/self/cwd/held')\n";
    let project = Project::new(&[
        ("shared.py", "N = 0\n"),
        ("test_one.py", clash),
        ("test_two.py", clash),
        ("test_known.py", "import shared\ndef test_known():\n    assert 0\n"),
    ]);
    project.warm();
    for number in 1..3 {
        project.write("shared.py", format!("N = {number}\n"));
        let came = project.run();
        assert_eq!(came.attempt.verdict, Some(Verdict::Failed), "{}", came.note());
        let tests = came.attempt.tests.unwrap();
        assert_eq!((tests.passed, tests.failed), (2, 1), "{}", came.record.text);
    }
}

#[test]
fn what_other_processes_plugins_and_caches_read_counts() {
    let project = Project::new(&[
        ("pytest.ini", "[pytest]\naddopts = -p extra.plug\npythonpath = .\n"),
        ("extra/__init__.py", ""),
        ("extra/plug.py", "def pytest_report_header():\n    return 'one'\n"),
        ("rows.csv", "1\n"),
        (
            "once.py",
            "import functools\n@functools.lru_cache\ndef rows():\n    return open('rows.csv').read()\n",
        ),
        ("child.py", "def work(queue):\n    queue.put(open('rows.csv').read())\n"),
        ("test_a.py", "import once\ndef test_a():\n    assert once.rows()\n"),
        ("test_b.py", "import once\ndef test_b():\n    assert once.rows() == '1\\n'\n"),
        (
            "test_c.py",
            "import multiprocessing, child\ndef test_c():\n    context = multiprocessing.get_context('spawn')\n    queue = context.Queue()\n    one = context.Process(target=child.work, args=(queue,))\n    one.start()\n    assert queue.get(timeout=60) == '1\\n'\n    one.join()\n",
        ),
        ("test_d.py", "import glob\ndef test_d():\n    assert len(glob.glob('*.csv')) == 1\n"),
        OTHER,
    ]);
    project.warm();
    project.write("rows.csv", "2\n");
    assert_eq!(first(&project.run()), ["test_a.py", "test_b.py", "test_c.py"]);
    project.write("rows.csv", "1\n");
    project.run();
    project.write("more.csv", "1\n");
    assert!(first(&project.run()).contains(&"test_d.py".to_owned()));
    fs::remove_file(project.root().join("more.csv")).unwrap();
    project.run();
    project.write("extra/plug.py", "def pytest_report_header():\n    return 'two'\n");
    assert_eq!(first(&project.run()).len(), 5);
}

#[test]
fn a_failure_whose_words_are_no_text_is_a_failure() {
    let project = Project::new(&[
        ("test_a.py", "def test_a():\n    assert 'caf\\udce9' == 'x'\n"),
        (
            "test_b.py",
            "import pytest\n@pytest.mark.parametrize('x', ['\\udce9'])\ndef test_b(x):\n    assert x\n",
        ),
    ]);
    // What has passed at these bytes need not run again.
    for passed in [1, 0] {
        let came = project.run();
        let tests = came.attempt.tests.unwrap();
        assert_eq!((tests.passed, tests.failed), (passed, 1), "{}", came.record.text);
    }
}

#[test]
fn what_a_run_leaves_behind_ends_with_it() {
    let project = Project::whole(&[("test_good.py", "def test_good():\n    pass\n")]);
    project.warm();
    let marker = project.dir.path().join("pid").display().to_string();
    project.write(
        "test_daemon.py",
        format!("import subprocess\ndef test_daemon():\n    one = subprocess.Popen(['sleep', '4712'], start_new_session=True)\n    open({marker:?}, 'w').write(str(one.pid))\n"),
    );
    let came = project.run();
    assert_eq!((came.note(), came.tests().passed), ("warm", 2));
    let pid: u32 = fs::read_to_string(marker).unwrap().parse().unwrap();
    crate::world::until("the daemon is gone", || !crate::world::lives(pid));
}

#[test]
fn a_test_that_failed_and_then_passed_in_the_same_run_had_two_outcomes() {
    let text = "import os\ndef test_z():\n    assert os.environ.get('SEEN')\n";
    let project = Project::new(&[
        ("test_a.py", "import os\ndef test_a():\n    os.environ['SEEN'] = '1'\n"),
        ("test_z.py", text),
    ]);
    project.warm();
    project.write("test_z.py", format!("{text}# changed\n"));
    let came = project.run();
    assert_eq!(came.attempt.verdict, Some(Verdict::Passed), "{}", came.note());
    assert!(came.note().contains("some tests fail without the others"), "{}", came.note());
    let is_of = |test: &&devboot::run::event::TestResult| test.name == "test_z.py::test_z";
    let flaky: Vec<bool> = came.results().iter().filter(is_of).map(|test| test.flaky).collect();
    assert_eq!(flaky, [false, true]);
}

#[test]
fn settings_in_a_directory_of_tests_are_not_found_by_naming_its_files() {
    let project = Project::new(&[
        ("lib.py", "X = 1\n"),
        ("tests/pytest.ini", "[pytest]\npython_functions = check_*\n"),
        ("tests/test_a.py", "import lib\ndef test_a():\n    assert lib.X\n"),
        ("tests/test_b.py", "def test_b():\n    pass\n"),
    ]);
    assert_eq!(project.warm().tests().passed, 2, "pytest looks for them from where it is started");
    project.write("lib.py", "X = 2\n");
    let came = project.run();
    assert_eq!((came.affected(), came.tests().passed), (Some((Verdict::Passed, 1, 1)), 2), "{}", came.note());
}

#[test]
fn a_conftest_of_a_directory_that_cannot_be_imported_is_red_in_every_run() {
    let project = Project::new(&[
        ("a/test_a.py", "def test_a():\n    pass\n"),
        ("b/test_b.py", "def test_b():\n    pass\n"),
    ]);
    assert_eq!(project.warm().tests().passed, 2);
    project.write("a/conftest.py", "import nothere\n");
    assert_eq!(project.plain().status.code(), Some(2));
    let is_red = |came: &Came| {
        assert_eq!(came.attempt.verdict, Some(Verdict::Failed), "{} {}", came.note(), came.record.text);
    };
    (0..3).for_each(|_| is_red(&project.run()));
    project.write("b/test_b.py", "def test_b():\n    assert 1\n");
    is_red(&project.run());
    // The same by way of a module that a good one imports.
    project.write("a/conftest.py", "import lib\n");
    project.write("lib.py", "");
    assert_eq!((project.run().attempt.verdict, project.run().tests().passed), (Some(Verdict::Passed), 2));
    project.write("lib.py", "import nothere\n");
    (0..3).for_each(|_| is_red(&project.run()));
    project.write("lib.py", "");
    let came = project.run();
    assert_eq!((came.attempt.verdict, came.tests().passed), (Some(Verdict::Passed), 2), "{}", came.note());
}

#[test]
fn what_is_green_by_itself_and_red_after_others_is_red() {
    let project = Project::new(&[
        ("state.py", "SEEN = []\n"),
        ("test_a.py", "import state\ndef test_a():\n    state.SEEN.append(1)\n"),
        ("test_b.py", "import state\ndef test_b():\n    assert state.SEEN == []\n"),
    ]);
    assert_eq!(project.plain().status.code(), Some(1));
    let is_red = |came: &Came| {
        let tests = came.attempt.tests.unwrap();
        assert_eq!((tests.passed, tests.failed), (1, 1), "{} {}", came.note(), came.record.text);
        assert!(came.results().iter().all(|result| !result.flaky), "{:?}", came.results());
    };
    is_red(&project.run());
    let second = project.run();
    is_red(&second);
    assert!(second.note().contains("some tests pass without the others, and failed with them"));
    (0..2).for_each(|_| is_red(&project.run()));
    let forced = Project { force: true, ..project };
    (0..3).for_each(|_| is_red(&forced.run()));
    // Who mends it is believed.
    forced.write("test_a.py", "def test_a():\n    pass\n");
    assert_eq!(forced.run().attempt.tests.unwrap().failed, 0);
    let project = Project { force: false, ..forced };
    project.write("test_b.py", "def test_b():\n    assert 1\n");
    let came = project.run();
    assert_eq!(came.affected(), Some((Verdict::Passed, 1, 1)), "{} {}", came.note(), came.record.text);
}

/// Waits until a file is there.
fn wait_for(file: &std::path::Path) {
    while !file.exists() {
        std::thread::yield_now();
    }
}

#[test]
fn what_is_saved_and_put_back_while_tests_run_is_in_no_verdict() {
    for first in [1, 2] {
        let project = Project::whole(&[("lib.py", &format!("X = {first}\n"))]);
        let mark = |name: &str| project.dir.path().join(name);
        let (begun, go, done, back) = (mark("begun"), mark("go"), mark("done"), mark("back"));
        // The other one is there when the tests import it, and only then.
        let test = format!(
            "import os, time\nopen({begun:?}, 'w').close()\nwhile not os.path.exists({go:?}):\n    time.sleep(0.001)\n\
             import lib\nopen({done:?}, 'w').close()\n\
             def test_a():\n    while not os.path.exists({back:?}):\n        time.sleep(0.001)\n    assert lib.X == 1\n"
        );
        project.write("test_a.py", test);
        let (lib, good, other) =
            (project.root().join("lib.py"), format!("X = {first}\n"), format!("X = {}\n", 3 - first));
        let meddles = std::thread::spawn(move || {
            wait_for(&begun);
            fs::write(&lib, other).unwrap();
            fs::write(&go, "").unwrap();
            wait_for(&done);
            fs::write(&lib, good).unwrap();
            fs::write(&back, "").unwrap();
        });
        let came = project.run();
        meddles.join().unwrap();
        let failed = first - 1;
        assert_eq!(came.attempt.tests.unwrap().failed, failed, "{} {}", came.note(), came.record.text);
        assert!(came.record.text.contains("lib.py was saved while the tests ran, and they run again"));
        assert_eq!(project.run().attempt.tests.unwrap().failed, failed);
    }
}

#[test]
fn what_tests_have_written_by_others_makes_no_run_twice_for_long() {
    let project = Project::whole(&[
        ("data.txt", "x\n"),
        ("w.sh", "printf 'x\\n' > data.txt\n"),
        ("test_a.py", "import subprocess\ndef test_a():\n    subprocess.run(['sh', 'w.sh'], check=True)\n"),
    ]);
    let again = |came: &Came| came.record.text.matches("was saved while the tests ran").count();
    let first = project.run();
    assert_eq!((again(&first), first.attempt.verdict), (2, Some(Verdict::Passed)), "{}", first.record.text);
    for _ in 0..2 {
        let came = project.run();
        assert_eq!((again(&came), came.attempt.verdict), (0, Some(Verdict::Passed)), "{}", came.record.text);
        assert!(!came.note().contains("its inputs changed"), "{}", came.note());
    }
}
