//! Test files that run at the same time, in processes of their own.

use super::*;

/// Four files that take long enough to be worth it.
fn slow(files: &mut Vec<(String, String)>) {
    for name in ["a", "b", "c", "d"] {
        let text = format!(
            "import time, shared\ndef test_{name}():\n    print('said by {name}')\n    time.sleep(0.1)\n"
        );
        files.push((format!("test_{name}.py"), text));
    }
}

fn project(more: &[(&str, &str)]) -> Project {
    let mut files: Vec<(String, String)> = vec![("shared.py".into(), "N = 0\n".into())];
    slow(&mut files);
    files.extend(more.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    Project::new(&files)
}

/// A change that concerns every test.
fn touch(project: &Project, number: u32) {
    project.write("shared.py", format!("N = {number}\n"));
}

/// How many sessions of pytest an output has.
fn sessions(came: &Came) -> usize {
    came.record.text.matches("test session starts").count()
}

#[test]
fn long_tests_run_in_several_processes_and_are_one_result() {
    let project = project(&[(
        "test_red.py",
        "import time\ndef test_red():\n    time.sleep(0.1)\n    assert 0, 'why'\n",
    )]);
    let cold = project.run();
    assert_eq!((sessions(&cold), cold.attempt.tests.unwrap().failed), (1, 1));
    project.warm();
    touch(&project, 1);
    let came = project.run();
    assert_eq!(came.note(), "warm");
    assert_eq!(sessions(&came), std::thread::available_parallelism().unwrap().get().min(5));
    let tests = came.attempt.tests.unwrap();
    assert_eq!((tests.passed, tests.failed), (4, 1), "{}", came.record.text);
    assert_eq!(
        came.attempt.failures.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
        ["test_red.py::test_red"]
    );
    let told: Vec<_> = came.results().into_iter().map(|test| test.name).collect();
    assert_eq!(told.len(), 5, "{told:?}");
}

/// Two files that may not be at the same place at the same time.
const CLASH: &str = "import os, time, shared\nPLACE = '/proc/self/cwd/held'\ndef test_alone():\n    held = os.open(PLACE, os.O_CREAT | os.O_EXCL)\n    time.sleep(0.3)\n    os.remove(PLACE)\n    os.close(held)\n";

#[test]
fn what_fails_only_beside_others_passes_alone_and_is_not_put_beside_them_again() {
    let project = Project::new(&[
        ("shared.py", "N = 0\n"),
        ("test_one.py", CLASH),
        ("test_two.py", CLASH),
        ("test_more.py", CLASH),
    ]);
    project.warm();
    let cores = std::thread::available_parallelism().unwrap().get();
    touch(&project, 1);
    let came = project.run();
    let tests = came.attempt.tests.unwrap();
    assert_eq!((tests.passed, tests.failed), (3, 0), "{}\n{}", came.note(), came.record.text);
    assert_eq!(came.attempt.verdict, Some(Verdict::Passed));
    assert!(cores == 1 || sessions(&came) > 1);
    touch(&project, 2);
    let came = project.run();
    assert_eq!((sessions(&came), came.tests().passed), (1, 3), "{}", came.record.text);
}

#[test]
fn side_by_side_can_be_turned_off() {
    let mut project = project(&[]);
    project.tests.serial = true;
    project.warm();
    touch(&project, 1);
    assert_eq!(sessions(&project.run()), 1);
}

#[test]
fn one_that_ends_its_process_beside_others_makes_all_run_again_cold() {
    let project = project(&[(
        "test_gone.py",
        "import os\ndef test_gone():\n    if os.getsid(0) == os.getpid():\n        os._exit(0)\n",
    )]);
    // Cold it leads no session, so it passes there and breaks off where it is forked.
    assert_eq!(project.run().tests().passed, 5);
    touch(&project, 1);
    let came = project.run();
    assert!(came.note().starts_with("cold: the warm run broke off"), "{}", came.note());
    assert_eq!((came.attempt.tests.unwrap().passed, came.attempt.tests.unwrap().failed), (5, 0));
}

#[test]
fn a_module_that_starts_a_thread_is_not_forked() {
    let mut project = Project::whole(&[(
        "test_a.py",
        "import threaded\ndef test_a():\n    assert threaded.THREAD.is_alive()\n",
    )]);
    let lib = project.dir.path().join("site-packages");
    fs::create_dir(&lib).unwrap();
    let text = "import threading, time\nTHREAD = threading.Thread(target=time.sleep, args=(600,), daemon=True)\nTHREAD.start()\n";
    fs::write(lib.join("threaded.py"), text).unwrap();
    project.env.push(("PYTHONPATH", lib.display().to_string()));
    project.run();
    for _ in 0..2 {
        let came = project.run();
        assert!(came.note().starts_with("standby: a thread"), "{}", came.note());
        assert_eq!(came.tests().passed, 1);
    }
}

#[test]
fn memory_is_bounded_where_that_is_asked_for() {
    let mut project = Project::whole(&[("test_m.py", "def test_m():\n    bytearray(1 << 30)\n")]);
    project.tests.memory_mb = Some(768);
    for _ in 0..2 {
        let came = project.run();
        assert_eq!(came.tests().failed, 1, "{}", came.note());
        assert!(came.record.text.contains("MemoryError"), "{}", came.record.text);
    }
    project.tests.memory_mb = None;
    assert_eq!(project.run().tests().passed, 1);
}

#[test]
fn only_what_was_asked_for_runs_and_says_nothing_of_the_others() {
    let mut project =
        project(&[("tests/test_e.py", "def test_e():\n    pass\ndef test_f():\n    assert 0\n")]);
    project.warm();
    for (asked, passed, failed) in [
        (vec!["test_a.py"], 1, 0),
        (vec!["./tests/"], 1, 1),
        (vec!["tests/test_e.py::test_e"], 1, 0),
        (vec!["-k", "test_f or test_b"], 1, 1),
    ] {
        project.asked = asked.iter().map(|one| (*one).to_owned()).collect();
        let came = project.run();
        assert_eq!(
            (came.tests().passed, came.tests().failed),
            (passed, failed),
            "{asked:?}\n{}",
            came.record.text
        );
        assert_eq!(came.note(), "warm");
    }
    // What is known of all others is as before: nothing but the red file is left to run.
    project.asked = Vec::new();
    project.write("tests/test_e.py", "def test_e():\n    pass\n");
    let came = project.run();
    assert_eq!(came.affected().map(|(_, files, rest)| (files, rest)), Some((1, 4)), "{}", came.record.text);
}
