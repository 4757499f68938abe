//! Where nothing may be forked a process stands by that has imported what is needed, for one run.

use std::fs;
use std::process::Command;

use devboot::run::event::Verdict;

use super::{Project, steady};

/// A project whose runs are never forked; `test_b.py` depends on nothing of it.
fn apart() -> Project {
    let mut project = Project::new(&[
        ("lib.py", "import decimal\ndef f():\n    return decimal.Decimal(1)\n"),
        ("test_a.py", "import lib\ndef test_a():\n    assert lib.f() == 1\n"),
        ("test_b.py", "def test_b():\n    assert True\n"),
    ]);
    project.tests.apart = true;
    let cold = project.run();
    assert_eq!(cold.note(), "cold: the first run shows what it imports");
    project
}

fn edit(project: &Project, number: usize) {
    let text = format!("import decimal\n# {number}\ndef f():\n    return decimal.Decimal(1)\n");
    project.write("lib.py", text);
}

#[test]
fn the_affected_run_in_what_stands_by_and_the_rest_in_a_new_process_every_time() {
    let project = apart();
    for number in 0..3 {
        edit(&project, number);
        let came = project.run();
        assert_eq!(came.note(), "standby: fork = false; the rest in a new process");
        assert_eq!((came.affected(), came.tests().passed), (Some((Verdict::Passed, 1, 1)), 2));
    }
    // All at once needs one process alone.
    assert_eq!(project.run().note(), "standby: fork = false");
}

#[test]
fn it_is_red_and_green_as_in_a_new_process() {
    let project = apart();
    assert!(project.run().note().starts_with("standby"));
    project.write("lib.py", "def f():\n    return 2\n");
    let red = project.run();
    // Its verdict is there at once; as it is new, all run together before the whole is called red.
    assert_eq!(red.affected(), Some((Verdict::Failed, 1, 1)), "{}", red.note());
    assert_eq!(red.note(), "cold: what stands by is good for one run");
    assert_eq!(red.attempt.tests.map(|tests| (tests.passed, tests.failed)), Some((1, 1)));
    let plain = project.plain();
    let plain = steady(&String::from_utf8_lossy(&plain.stdout));
    let told = |line: &str| line.starts_with("E  ") && !line.contains(" at 0x");
    let words: Vec<&str> = plain.lines().filter(|line| told(line)).collect();
    assert_eq!(words, ["E       assert 2 == 1"], "{plain}");
    let said = steady(&red.record.text);
    assert!(!said.contains("configfile"), "it has none: {said}");
    assert!(words.iter().all(|line| said.contains(line)), "{said}");
    // A failure that is known has nothing to be sure of.
    project.write("lib.py", "def f():\n    return 3\n");
    let known = project.run();
    assert!(known.note().starts_with("standby"), "{}", known.note());
    assert_eq!((known.tests().failed, known.tests().passed), (1, 1));
    edit(&project, 1);
    let green = project.run();
    assert!(green.note().starts_with("standby"), "{}", green.note());
    assert_eq!((green.tests().passed, green.tests().failed), (2, 0));
}

#[test]
fn where_all_is_affected_it_is_used_once_as_well() {
    let mut project = Project::new(&[("test_a.py", "def test_a():\n    assert 1\n")]);
    project.tests.apart = true;
    project.run();
    assert_eq!(project.run().note(), "standby: fork = false");
    project.write("test_a.py", "def test_a():\n    assert 0\n");
    let red = project.run();
    assert_eq!(red.note(), "cold: what stands by is good for one run");
    assert_eq!(red.attempt.tests.map(|tests| tests.failed), Some(1));
    project.write("test_a.py", "def test_a():\n    assert 2\n");
    assert_eq!(project.run().note(), "standby: fork = false");
}

#[test]
fn what_breaks_off_or_hangs_there_runs_again_in_a_new_process() {
    // One that stands by leads a session; one in a process of its own has a guard that does.
    for (does, why) in [("os._exit(0)", "the warm run broke off"), ("time.sleep(3000)", "the warm run hung")]
    {
        let project = apart();
        let text =
            format!("import os, time\ndef test_a():\n    if os.getsid(0) == os.getpid():\n        {does}\n");
        project.write("test_a.py", text);
        let came = project.run();
        assert!(came.note().starts_with(&format!("cold: {why}")), "{}", came.note());
        assert_eq!((came.tests().passed, came.tests().failed), (2, 0));
    }
}

#[test]
fn one_that_was_killed_is_missed_by_nobody() {
    let mut project = apart();
    let mark = format!("of {}", project.root().display());
    project.env.push(("MARK", mark.clone()));
    project.run();
    assert!(project.run().note().starts_with("standby"));
    let wanted = format!("MARK={mark}");
    let mut killed = 0;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
        let has = |bytes: Vec<u8>, word: &[u8]| bytes.split(|byte| *byte == 0).any(|each| each == word);
        if has(read("environ"), wanted.as_bytes()) && has(read("cmdline"), b"serve") {
            let pid = entry.file_name().into_string().unwrap();
            killed += usize::from(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        }
    }
    assert!(killed > 0, "it stands by");
    edit(&project, 7);
    let came = project.run();
    assert!(came.note().starts_with("cold: the warm process is"), "{}", came.note());
    assert_eq!(came.tests().passed, 2);
    edit(&project, 8);
    assert!(project.run().note().starts_with("standby"), "another one takes its place");
}
