//! What is imported ahead is never another answer than that of a process of its own.

use super::*;

/// A project beside which modules are installed by hand.
fn beside(modules: &[(&str, &str)], files: &[(&str, &str)]) -> Project {
    let mut project = Project::new(files);
    let lib = project.dir.path().join("site-packages");
    fs::create_dir(&lib).unwrap();
    modules.iter().for_each(|(name, text)| fs::write(lib.join(name), text).unwrap());
    project.env.push(("PYTHONPATH", lib.display().to_string()));
    project
}

fn is_green(came: &Came) -> bool {
    came.attempt.verdict == Some(Verdict::Passed)
}

#[test]
fn a_module_that_is_used_and_no_longer_imported_is_missing() {
    let good = "import urllib.request\ndef host():\n    return urllib.request.Request('http://x/').host\n";
    let project = Project::new(&[
        ("net.py", good),
        ("test_net.py", "import net\ndef test_host():\n    assert net.host() == 'x'\n"),
        (
            "test_far.py",
            "import urllib.request, logging.handlers, email.mime.text\ndef test_far():\n    pass\n",
        ),
    ]);
    project.warm();
    project.write("net.py", good.replace("import urllib.request", "import urllib"));
    let plain = project.plain();
    // Another test file imports it first or not: pytest decides, and this is what it says.
    let red = project.run();
    assert_eq!(is_green(&red), plain.status.success(), "{}", red.note());
    assert!(
        red.note().starts_with("cold: net.py uses urllib.request and does not import it"),
        "{}",
        red.note()
    );
    project.write("net.py", good);
    assert!(is_green(&project.run()));
    project.write("net.py", "from email import mime\ndef host():\n    return mime.text and 'x'\n");
    let first = project.run();
    assert!(first.note().starts_with("cold: net.py uses email.mime.text and does not"), "{}", first.note());
    assert_eq!(is_green(&first), project.plain().status.success());
    // What is only used, and there in a process of its own, is no reason for long.
    project.write("net.py", "import logging\ndef host():\n    return logging.handlers and 'x'\n");
    project.write(
        "test_net.py",
        "import logging.handlers, net\ndef test_host():\n    assert net.host() == 'x'\n",
    );
    let first = project.run();
    assert!(first.note().contains("net.py uses logging.handlers") && is_green(&first), "{}", first.note());
    project.write("net.py", "import logging\ndef host():\n    return logging.handlers and  'x'\n");
    let second = project.run();
    assert!(second.note().starts_with("warm") && is_green(&second), "{}", second.note());
}

#[test]
fn what_is_red_only_because_of_what_is_imported_ahead_is_green_and_runs_cold_from_then_on() {
    for (module, test) in [
        (
            "import warnings\nwarnings.warn('old', DeprecationWarning)\n",
            "import pytest\ndef test_it():\n    with pytest.warns(DeprecationWarning):\n        import oldlib\n",
        ),
        (
            "import os\nWHERE = os.environ.get('MODE_OF_IT')\n",
            "import os\nos.environ['MODE_OF_IT'] = 'x'\ndef test_it():\n    import oldlib\n    assert oldlib.WHERE == 'x'\n",
        ),
        (
            "X = 1\n",
            "import sys\ndef test_it():\n    assert 'oldlib' not in sys.modules\n    import oldlib\n",
        ),
    ] {
        let mut project = beside(
            &[("oldlib.py", module)],
            &[("test_a.py", test), ("test_b.py", "def test_b():\n    pass\n")],
        );
        project.force = true;
        for turn in 0..4 {
            let came = project.run();
            assert!(is_green(&came), "{turn}: {} {}\n{}", came.note(), test, came.record.text);
            assert!(came.results().iter().all(|result| !result.flaky), "{turn}: {test}");
        }
        // A test that is red by itself is red.
        project.write("test_b.py", "def test_b():\n    assert 0\n");
        let red = project.run();
        assert_eq!(
            (red.attempt.verdict, red.attempt.tests.unwrap().failed),
            (Some(Verdict::Failed), 1),
            "{}",
            red.note()
        );
    }
}

#[test]
fn red_on_which_a_save_has_cut_off_the_last_word_is_judged_in_the_next_run() {
    let fine = "import oldlib\ndef test_it():\n    pass\n";
    let project = beside(
        &[("oldlib.py", "X = 1\n")],
        &[("test_a.py", fine), ("test_b.py", "import time\ndef test_b():\n    time.sleep(2)\n")],
    );
    assert_eq!(project.warm().tests().passed, 2);
    // It fails where oldlib is imported ahead.
    project.write("test_a.py", "import sys\ndef test_it():\n    assert 'oldlib' not in sys.modules\n");
    let came = project.run_until(|event| matches!(event, RunEvent::Affected { .. }));
    assert_eq!(came.attempt.verdict, Some(Verdict::Cancelled), "{}", came.note());
    assert!(
        came.note().contains("what failed was not looked at again; 0 passed and 1 failed"),
        "{}",
        came.note()
    );
    let came = project.run();
    assert!(is_green(&came), "{}", came.note());
    assert!(came.note().starts_with("cold: what is imported ahead changes"), "{}", came.note());
}

#[test]
fn who_ends_the_process_before_there_is_a_result_has_tested_nothing() {
    for text in ["import sys\nsys.exit(0)\n", "import os\nos._exit(0)\n"] {
        let project = Project::new(&[("conftest.py", text), ("test_a.py", "def test_a():\n    pass\n")]);
        let came = project.run();
        assert_eq!(came.attempt.verdict, Some(Verdict::NoTestRan), "{text}: {}", came.note());
    }
    let project = Project::new(&[
        ("test_a.py", "def test_a():\n    pass\n"),
        ("test_b.py", "def test_b():\n    pass\n"),
    ]);
    project.warm();
    project.write("test_b.py", "import os\nos._exit(0)\n");
    let came = project.run();
    assert_eq!(came.attempt.verdict, Some(Verdict::NoTestRan), "{}", came.note());
}

#[test]
fn the_main_module_is_pytests() {
    let project = Project::whole(&[(
        "test_a.py",
        "import __main__, os\ndef test_a():\n    found = os.path.basename(__main__.__file__), __main__.__spec__.name, __main__.__package__\n    assert found == ('__main__.py', 'pytest.__main__', 'pytest'), found\n",
    )]);
    assert!(project.plain().status.success());
    assert!(is_green(&project.run()) && is_green(&project.warm()));
}

#[test]
fn coverage_that_was_asked_for_once_is_over_with_that() {
    let mut project = Project::new(&[("test_a.py", "def test_a():\n    pass\n")]);
    project.python = python_with_plugins();
    project.force = true;
    project.warm();
    project.asked = vec!["--cov=.".into()];
    assert!(project.run().note().starts_with("cold: --cov"));
    project.asked.clear();
    assert!(project.warm().note().starts_with("warm"));
}

#[test]
fn what_a_program_is_told_to_read_counts_and_so_does_what_is_looked_for_in_vain() {
    // Only what git ignores is not listed here; the names begin with a dot for that.
    let project = Project::new(&[
        (".data/s.txt", "1\n"),
        (".data/q.db", ""),
        (
            "test_a.py",
            "import sqlite3, subprocess\ndef test_a():\n    assert subprocess.run(['cat', '.data/s.txt'], stdout=-1).stdout == b'1\\n'\n    \
             sqlite3.connect('file:.data/q.db?mode=ro', uri=True).close()\n    try:\n        assert open('.data/opt').read() == ''\n    \
             except FileNotFoundError:\n        pass\n",
        ),
    ]);
    project.run();
    let elsewhere =
        devboot::pytest::elsewhere::of(&project.dir.path().join("state"), &StageId("test".into()));
    for name in [".data/s.txt", ".data/opt", ".data/q.db"] {
        assert!(elsewhere.iter().any(|path| path == name), "{name} in {elsewhere:?}");
    }
}

#[test]
fn asserts_of_plugins_are_rewritten_as_pytest_does_it_and_those_that_are_to_be_run_cold() {
    let modules = [
        (
            "plugged.py",
            "import pytest\n\ndef same(a, b):\n    assert a == b\n\n@pytest.fixture\ndef equal():\n    return same\n",
        ),
        ("helped.py", "def same(a, b):\n    assert a == b\n"),
    ];
    let test = "import helped\ndef test_a(equal):\n    equal([1, 2], [1, 3])\ndef test_b():\n    helped.same([1, 2], [1, 3])\n";
    let project = beside(&modules, &[("test_a.py", test)]);
    let info = project.dir.path().join("site-packages/plugged-1.0.dist-info");
    fs::create_dir(&info).unwrap();
    fs::write(info.join("METADATA"), "Metadata-Version: 2.1\nName: plugged\nVersion: 1.0\n").unwrap();
    fs::write(info.join("RECORD"), "plugged.py,,\nplugged-1.0.dist-info/METADATA,,\n").unwrap();
    fs::write(info.join("entry_points.txt"), "[pytest11]\nplugged = plugged\n").unwrap();
    let words = steady(&String::from_utf8_lossy(&project.plain().stdout));
    assert!(words.contains("At index 1 diff"), "{words}");
    project.run();
    let warm = project.run();
    assert!(warm.note().starts_with("warm"), "{}", warm.note());
    assert!(warm.record.text.matches("At index 1 diff").count() >= 1, "{}", warm.record.text);
    let failed = |came: &Came| came.attempt.failures.iter().map(|it| it.message.clone()).collect::<Vec<_>>();
    assert_eq!(failed(&warm), ["assert [1, 2] == [1, 3]", "AssertionError"]);
    project.write("conftest.py", "import pytest\npytest.register_assert_rewrite('helped')\n");
    for _ in 0..2 {
        let came = project.run();
        assert_eq!(failed(&came), ["assert [1, 2] == [1, 3]", "assert [1, 2] == [1, 3]"], "{}", came.note());
    }
}
