//! What a change affects: nothing that fails is left out.

use std::collections::BTreeSet;

use super::*;

/// A project in which imports are written in every way, with data files and directories.
fn various() -> Project {
    let files = [
        ("pyproject.toml", "[tool.pytest.ini_options]\npythonpath = ['src']\n"),
        (
            "conftest.py",
            "import pytest\nfrom support.things import THING\n\n@pytest.fixture\ndef thing():\n    return THING\n",
        ),
        ("support/__init__.py", ""),
        ("support/things.py", "THING = 'thing'\n"),
        ("src/pkg/__init__.py", "from .base import BASE\n"),
        ("src/pkg/base.py", "BASE = 10\n"),
        ("src/pkg/rel.py", "from . import base\nfrom .sub import deep\nVALUE = base.BASE + deep.DEEP\n"),
        ("src/pkg/sub/__init__.py", ""),
        ("src/pkg/sub/deep.py", "DEEP = 5\n"),
        ("src/pkg/star.py", "from .names import *\n"),
        ("src/pkg/names.py", "__all__ = ['ALPHA']\nALPHA = 'a'\n"),
        ("src/pkg/lazy.py", "def get():\n    from pkg.late import LATE\n    return LATE\n"),
        ("src/pkg/late.py", "LATE = 'late'\n"),
        (
            "src/pkg/maybe.py",
            "try:\n    from pkg.fast import SPEED\nexcept ImportError:\n    SPEED = 'slow'\n",
        ),
        (
            "src/pkg/plugin.py",
            "import importlib\ndef load():\n    return importlib.import_module('pkg.chosen').CHOSEN\n",
        ),
        ("src/pkg/chosen.py", "CHOSEN = 1\n"),
        (
            "src/pkg/any.py",
            "import importlib\ndef load(name):\n    return importlib.import_module('pkg.' + name)\n",
        ),
        ("src/pkg/hidden.py", "HIDDEN = 1\n"),
        (
            "src/pkg/config.py",
            "import pathlib\nTEXT = (pathlib.Path(__file__).parent / 'settings.ini').read_text()\n",
        ),
        ("src/pkg/settings.ini", "one\n"),
        ("src/ns/part/mod.py", "PART = 'part'\n"),
        ("data/rows.csv", "1\n2\n"),
        ("tests/helper.py", "def check(x):\n    return x\n"),
        ("tests/test_rel.py", "from pkg.rel import VALUE\ndef test_v():\n    assert VALUE == 15\n"),
        ("tests/test_star.py", "from pkg.star import ALPHA\ndef test_a():\n    assert ALPHA == 'a'\n"),
        ("tests/test_lazy.py", "import pkg.lazy\ndef test_l():\n    assert pkg.lazy.get() == 'late'\n"),
        ("tests/test_maybe.py", "from pkg import maybe\ndef test_m():\n    assert maybe.SPEED == 'slow'\n"),
        ("tests/test_plugin.py", "from pkg.plugin import load\ndef test_p():\n    assert load() == 1\n"),
        (
            "tests/test_any.py",
            "from pkg.any import load\ndef test_any():\n    assert load('hidden').HIDDEN == 1\n",
        ),
        ("tests/test_config.py", "from pkg.config import TEXT\ndef test_c():\n    assert TEXT == 'one\\n'\n"),
        ("tests/test_ns.py", "from ns.part.mod import PART\ndef test_n():\n    assert PART == 'part'\n"),
        ("tests/test_data.py", "def test_rows():\n    assert open('data/rows.csv').read() == '1\\n2\\n'\n"),
        (
            "tests/test_helper.py",
            "from helper import check\ndef test_h(thing):\n    assert check(thing) == 'thing'\n",
        ),
        (
            "tests/test_patch.py",
            "from unittest import mock\ndef test_m():\n    with mock.patch('pkg.late.LATE', 'x'):\n        pass\n",
        ),
        (
            "tests/test_child.py",
            "import subprocess, sys\ndef test_c():\n    code = \"import sys; sys.path.insert(0, 'src'); import pkg.chosen; print(pkg.chosen.CHOSEN)\"\n    assert subprocess.check_output([sys.executable, '-c', code]) == b'1\\n'\n",
        ),
        ("tests/test_alone.py", "def test_alone():\n    pass\n"),
    ];
    Project::new(&files)
}

/// The test files that an output names.
fn files_in(text: &str) -> BTreeSet<String> {
    let words = text.split([' ', '\n', ':']).filter(|word| word.starts_with("tests/test_"));
    words.filter(|word| word.ends_with(".py")).map(str::to_owned).collect()
}

#[test]
fn a_save_runs_what_depends_on_it_first_and_then_the_rest() {
    let project = various();
    project.warm();
    project.write("src/pkg/sub/deep.py", "DEEP = 5  # still\n");
    let came = project.run();
    assert_eq!(came.note(), "warm");
    let (verdict, files, rest) = came.affected().expect("the affected ones have a verdict of their own");
    assert_eq!(verdict, Verdict::Passed);
    // test_rel by its imports; test_any and test_child because nobody can tell what they import.
    assert_eq!((files, rest), (3, 10));
    assert_eq!(came.tests().passed, 13, "the whole suite is known at the end");
    // At these bytes all is known: whoever asks again gets all.
    assert_eq!((project.run().affected(), project.run().tests().passed), (None, 13));
    // A failure is first, and is what is run until it passes.
    project.write("src/pkg/names.py", "__all__ = ['ALPHA']\nALPHA = 'b'\n");
    let red = project.run();
    assert_eq!(red.affected().unwrap().0, Verdict::Failed);
    assert_eq!(red.attempt.failures[0].name, "tests/test_star.py::test_a");
    project.write("src/pkg/names.py", "__all__ = ['ALPHA']\nALPHA = 'a'\n");
    assert_eq!(project.run().affected().unwrap().0, Verdict::Passed);
}

#[test]
fn new_files_count_at_once() {
    let project = various();
    project.warm();
    project.write("tests/test_new.py", "def test_new():\n    assert 0\n");
    let came = project.run();
    assert_eq!(
        came.affected().map(|(verdict, files, _)| (verdict, files)),
        Some((Verdict::Failed, 3)),
        "{}",
        came.record.text
    );
    fs::remove_file(project.root().join("tests/test_new.py")).unwrap();
    project.run();
    // A module that was missing and is there now.
    project.write("src/pkg/fast.py", "SPEED = 'fast'\n");
    let came = project.run();
    assert_eq!(came.attempt.failures[0].name, "tests/test_maybe.py::test_m");
    assert!(came.affected().is_some());
}

/// One breaking change in each file, one at a time: each test file that fails in a plain run is among the affected ones.
#[test]
fn no_test_that_a_broken_file_fails_is_left_for_the_rest() {
    let project = various();
    project.warm();
    let sources: Vec<String> = files(&project.root())
        .into_iter()
        .filter(|file| !file.contains("test_") && file != "pyproject.toml")
        .collect();
    let (mut mutants, mut chosen, mut possible) = (0, 0, 0);
    for source in &sources {
        let path = project.root().join(source);
        let whole = fs::read(&path).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let broken: Vec<String> = match source.ends_with(".py") {
            true => vec![
                "raise RuntimeError('mutant')\n".into(),
                text.replace("'", "'~").replace("10", "11").replace("5", "6").replace("= 1", "= 2"),
            ],
            false => vec!["other\n".into(), String::new()],
        };
        for broken in broken.into_iter().filter(|broken| *broken != text) {
            project.write(source, &broken);
            let plain = String::from_utf8(project.plain().stdout).unwrap();
            let failing: BTreeSet<String> = plain
                .lines()
                .filter_map(|line| line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR ")))
                .map(|rest| rest.split([' ', ':']).next().unwrap().to_owned())
                .filter(|file| file.contains("test_"))
                .collect();
            let came = project.run();
            let (first, rest) = came.affected().map_or((13, 0), |(_, files, rest)| (files, rest));
            let sessions: Vec<&str> = came.record.text.split("test session starts").collect();
            let first_files = files_in(sessions.get(1).unwrap_or(&sessions[0]));
            if !failing.is_empty() && rest > 0 {
                let missed: Vec<_> = failing.difference(&first_files).collect();
                assert!(missed.is_empty(), "{source}: {missed:?} not among {first_files:?}\n{plain}");
            }
            mutants += 1;
            chosen += first;
            possible += first + rest;
            fs::write(&path, &whole).unwrap();
            project.run();
        }
    }
    assert!(mutants >= 30, "{mutants}");
    assert!(chosen < possible, "something is skipped: {chosen} of {possible}");
}
