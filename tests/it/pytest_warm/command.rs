//! `devboot test` and what is told of tests afterwards, as a person meets them.

use crate::commands::{Demo, json};
use crate::world::Ran;

fn demo() -> Demo {
    Demo::inferred(&[
        ("app.py", "def one():\n    return 1\n"),
        (
            "tests/test_app.py",
            "from app import one\n\ndef test_one():\n    assert one() == 1\n\ndef test_two():\n    assert one() == 2\n",
        ),
        ("tests/test_more.py", "def test_more():\n    pass\n"),
        ("conftest.py", ""),
    ])
}

fn test(demo: &Demo, args: &[&str]) -> Ran {
    Ran::of(demo.command("test", [&["--no-service"], args].concat()).output().unwrap())
}

#[test]
fn all_tests_or_some_of_them_and_what_came_of_each() {
    let demo = demo();
    let all = test(&demo, &["--timings"]).exits(2);
    assert!(all.stderr.contains("RED in test, 1 failed, 2 passed"), "{}", all.stderr);
    // As it happens, and at the end: the file is named from the project's root.
    assert_eq!(
        all.stderr.matches(" tests/test_app.py:7 tests/test_app.py::test_two: assert 1 == 2").count(),
        2
    );
    assert!(all.stderr.contains("time         2 files: settle 0.0 ms, select"), "{}", all.stderr);
    let some = test(&demo, &["tests/test_more.py"]).exits(0);
    let said = "GREEN IN PART 1 passed, only tests/test_more.py (1 of 3 tests), 1 stage";
    assert!(some.stderr.contains(said), "{}", some.stderr);
    let some = test(&demo, &["tests/test_app.py::test_one", "--", "-v"]).exits(0);
    assert!(some.stdout.contains("tests/test_app.py::test_one PASSED"), "{}", some.stdout);
    let none = test(&demo, &["--", "-k", "nothing_is_called_so"]).exits(2);
    assert!(none.stderr.contains("NO TEST RAN"), "{}", none.stderr);
    // From a directory below, a path is one from there.
    let mut below = demo.command("test", ["--no-service", "test_more.py"]);
    below.current_dir(demo.path("tests"));
    assert!(Ran::of(below.output().unwrap()).exits(0).stderr.contains("GREEN IN PART 1 passed"));
    // A choice says nothing of the stage.
    let why = demo.why(&["--json", "test"]).exits(0);
    let why = json(&why.stdout)["stages"][0].clone();
    assert_eq!(why["now"]["verdict"], "failed");
    assert_eq!(
        (why["last"]["run"].as_u64(), why["last"]["end"]["verdict"].as_str()),
        (Some(1), Some("failed"))
    );
    assert_eq!(
        (why["some"]["run"].as_u64(), why["some"]["end"]["verdict"].as_str()),
        (Some(4), Some("no-test-ran"))
    );
    let why = demo.why(&["test"]).exits(0).stdout;
    assert!(why.contains("last  failed in run 1") && why.contains("only -k nothing_is_called_so"), "{why}");
    let listed = demo.history(&[]).exits(0).stdout;
    assert!(listed.contains("asked for, only -k nothing_is_called_so"), "{listed}");
    let known = json(&demo.history(&["--tests", "--json"]).exits(0).stdout);
    let known = known["tests"].as_array().unwrap();
    let of = |name: &str| known.iter().find(|test| test["name"] == name).unwrap();
    assert_eq!((of("tests/test_app.py::test_two")["failures"].as_u64(), known.len()), (Some(1), 3));
    assert_eq!(of("tests/test_app.py::test_one")["runs"], 2);
    let failed = demo.history(&["--tests", "--failed"]).exits(0).stdout;
    assert!(failed.contains("test_two") && !failed.contains("test_more"), "{failed}");
}

#[test]
fn what_tests_read_of_ignored_files_and_beside_the_project_counts() {
    let demo = Demo::inferred(&[
        (".gitignore", "local.py\ndata/\nout.log\n"),
        ("local.py", "V = 1\n"),
        ("data/a.txt", "1"),
        (
            "test_a.py",
            "import sys\nsys.path.insert(0, '../beside')\nimport local, pack.mod\n\ndef test_a():\n    open('out.log', 'a').write('x')\n    \
             open('out.log').read()\n    assert local.V == 1 and open('data/a.txt').read() == '1'\n    assert pack.mod.V == 1 and \
             open('../beside/side.txt').read() == '1'\n",
        ),
        ("test_b.py", "def test_b():\n    pass\n"),
    ]);
    demo.write("../beside/pack/mod.py", "V = 1\n");
    demo.write("../beside/side.txt", "1");
    let _ = test(&demo, &[]).exits(0);
    let _ = test(&demo, &[]).exits(0);
    // What a test writes itself asks for no run.
    let _ = test(&demo, &[]).exits(0).says("nothing had to run");
    for (file, bad, good) in [
        ("local.py", "V = 2\n", "V = 1\n"),
        ("data/a.txt", "2", "1"),
        ("../beside/pack/mod.py", "V = 2\n", "V = 1\n"),
        ("../beside/side.txt", "2", "1"),
    ] {
        demo.write(file, bad);
        let _ = test(&demo, &[]).exits(2).says("RED");
        demo.write(file, good);
        let _ = test(&demo, &[]).exits(0).says("GREEN");
    }
}

#[test]
fn what_tests_write_as_it_was_counts_and_what_they_change_for_themselves_does_not() {
    let demo = Demo::inferred(&[
        (
            "test_a.py",
            "def test_a():\n    assert open('../beside/fixture.txt').read() == 'one'\n\ndef test_log():\n    \
             open('../beside/log.txt').read()\n    open('../beside/log.txt', 'a').write('x')\n\n\
             def test_own():\n    open('../beside/own.txt', 'a').write('x')\n    open('../beside/own.txt').read()\n",
        ),
        (
            "test_b.py",
            "import os\n\ndef test_b():\n    if os.path.exists('../beside/again'):\n        open('../beside/fixture.txt', 'w').write('one')\n",
        ),
    ]);
    for (file, text) in [("fixture.txt", "one"), ("log.txt", ""), ("own.txt", ""), ("again", "")] {
        demo.write(&format!("../beside/{file}"), text);
    }
    settles(&demo);
    for _ in 0..2 {
        demo.write("../beside/fixture.txt", "two");
        // Whether it is red depends on which of the two files runs first; afterwards it is as it was.
        let ran = test(&demo, &[]);
        assert!(ran.stderr.contains("fixture.txt changed"), "{}", ran.stderr);
        settles(&demo);
    }
    std::fs::remove_file(demo.path("../beside/again")).unwrap();
    for _ in 0..2 {
        demo.write("../beside/fixture.txt", "two");
        let _ = test(&demo, &[]).exits(2).says("RED");
        let _ = test(&demo, &[]).exits(2).says("RED");
        demo.write("../beside/fixture.txt", "one");
        settles(&demo);
    }
    demo.write("../beside/log.txt", "of another");
    demo.write("../beside/own.txt", "of another");
    let _ = test(&demo, &[]).exits(0).says("nothing had to run");
}

#[test]
fn what_tests_change_without_making_it_longer_is_soon_known_for_their_own() {
    let demo = Demo::inferred(&[(
        "test_a.py",
        "def test_a():\n    held = open('../beside/turn.txt').read()\n    open('../beside/turn.txt', 'w').write({'0': '1', '1': '0'}[held])\n",
    )]);
    demo.write("../beside/turn.txt", "0");
    let path = demo.path("../beside/turn.txt").canonicalize().unwrap();
    let said = format!("its inputs changed while it ran: what runs changes {} itself", path.display());
    let mut runs = (0..5).map(|_| test(&demo, &[]).exits(0).stderr);
    assert!(runs.any(|stderr| stderr.contains(&said)), "nobody says so");
    settles(&demo);
}

/// Runs until nothing has to run, which takes no more than one run for each thing that may be learnt in one.
fn settles(demo: &Demo) {
    for _ in 0..4 {
        if test(demo, &[]).stderr.contains("nothing had to run") {
            return;
        }
    }
    let _ = test(demo, &[]).exits(0).says("nothing had to run");
}

#[test]
fn what_is_red_runs_again_alone_and_by_force_with_all_others() {
    let demo = Demo::inferred(&[
        ("test_a.py", "import os\n\ndef test_a():\n    assert os.path.exists('../mended')\n"),
        ("test_b.py", "def test_b():\n    pass\n\ndef test_c():\n    pass\n"),
    ]);
    test(&demo, &[]).exits(2);
    let forced = test(&demo, &["-f"]).exits(2);
    assert!(forced.stderr.contains("RED in test, 1 failed, 2 passed, 1 stage"), "{}", forced.stderr);
    std::fs::write(demo.path("../mended"), "").unwrap();
    let again = test(&demo, &[]).exits(0);
    // It was red with all the others at these bytes, so that they have the last word.
    assert!(again.stderr.contains("GREEN 3 passed, 1 stage"), "{}", again.stderr);
    assert!(again.stderr.contains("cold: without the service"), "{}", again.stderr);
    // Nothing runs now, so nothing is said of how it ran.
    let held = test(&demo, &[]).exits(0).stderr;
    assert!(held.contains("unchanged, 3 passed\n") && !held.contains("cold"), "{held}");
}

#[test]
fn a_flaky_test_is_named_and_stays_so_while_its_bytes_are_the_same() {
    let flaky = "import os\n\ndef test_a():\n    assert os.path.exists('../mended')\n";
    let demo = Demo::inferred(&[("test_a.py", flaky), ("test_b.py", "def test_b():\n    pass\n")]);
    let mended = demo.path("../mended");
    let first = test(&demo, &[]).exits(2);
    assert!(!first.stderr.contains("flaky"), "{}", first.stderr);
    std::fs::write(&mended, "").unwrap();
    let passed = "test  flaky        test_a.py::test_a: passed now, and has failed at the same bytes";
    // Also where only a directory is named, and where the outcome is the one of the run before.
    for args in [&["-f", "."][..], &["-f", "."], &["-f"], &["-f"], &["test_a.py"]] {
        let ran = test(&demo, args).exits(0);
        assert!(ran.stderr.contains(passed), "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("test_b:"), "{args:?}: {}", ran.stderr);
    }
    let known = demo.history(&["--tests", "--json"]).exits(0);
    let known = json(&known.stdout)["tests"].as_array().unwrap().clone();
    let of = |name: &str| known.iter().find(|test| test["name"] == name).unwrap()["flips"].clone();
    assert_eq!((of("test_a.py::test_a"), of("test_b.py::test_b")), (1.into(), 0.into()));
    std::fs::remove_file(&mended).unwrap();
    let failed = test(&demo, &["-f"]).exits(2).stderr;
    assert!(failed.contains("test_a.py::test_a: failed now, and has passed at the same bytes"), "{failed}");
    demo.write("test_a.py", &format!("{flaky}# other bytes\n"));
    let other = test(&demo, &[]).exits(2);
    assert!(!other.stderr.contains("flaky"), "{}", other.stderr);
}

#[test]
fn tests_that_were_asked_for_and_are_skipped_are_not_green_because_others_passed() {
    let demo = Demo::inferred(&[
        ("test_a.py", "def test_a():\n    pass\n"),
        ("test_b.py", "import pytest\n@pytest.mark.skip\ndef test_b():\n    pass\n"),
    ]);
    test(&demo, &[]).exits(0);
    test(&demo, &["test_a.py"]).exits(0);
    let ran = test(&demo, &["test_b.py"]).exits(2);
    assert!(ran.stderr.contains("NO TEST RAN"), "{}", ran.stderr);
}

#[test]
fn tests_that_are_skipped_or_only_found_have_not_run() {
    let demo =
        Demo::inferred(&[("test_none.py", "import pytest\n@pytest.mark.skip\ndef test_a():\n    pass\n")]);
    for args in [&[][..], &[], &["--", "--collect-only", "-q"]] {
        let ran = test(&demo, args).exits(2);
        assert!(ran.stderr.contains("NO TEST RAN"), "{}", ran.stderr);
    }
    for (option, shown) in [("--collect-only", "<Function test_a>"), ("--markers", "@pytest.mark.skip")] {
        let ran = test(&demo, &["--", option]).exits(2);
        assert!(ran.stdout.contains(shown), "{}", ran.stdout);
        let said = format!("{option} only lists; nothing was tested");
        assert!(ran.stderr.contains(&said), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("LISTED, NO TEST RAN only {option}")), "{}", ran.stderr);
    }
}

#[test]
fn reports_and_events_name_every_test() {
    let demo = demo();
    let ran = test(&demo, &["--json", "--junit", "report.xml"]).exits(2);
    let events: Vec<_> = ran.stdout.lines().map(json).collect();
    let finished = events.iter().filter(|event| event["event"] == "tests-finished");
    let tests: Vec<_> = finished.flat_map(|event| event["tests"].as_array().unwrap().clone()).collect();
    let outcomes: Vec<_> = tests
        .iter()
        .map(|test| (test["name"].as_str().unwrap(), test["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("tests/test_app.py::test_one", "passed"),
            ("tests/test_app.py::test_two", "failed"),
            ("tests/test_more.py::test_more", "passed")
        ]
    );
    let report = demo.text("report.xml");
    assert!(report.contains(r#"<testcase classname="tests.test_app" name="test_two""#), "{report}");
    assert!(report.contains("assert 1 == 2"), "{report}");
}

#[test]
fn why_names_the_way_from_a_test_to_what_changed() {
    let demo = demo();
    let fresh = demo.why(&["tests/test_app.py"]).exits(0).stdout;
    assert!(fresh.contains("it has not run yet"), "{fresh}");
    test(&demo, &[]).exits(2);
    let held = demo.why(&["tests/test_more.py"]).exits(0).stdout;
    assert!(held.contains("last  1 test, 0 failed") || held.contains("last  passed"), "{held}");
    assert!(held.contains("holds: it passed, and nothing of the stage has changed since"), "{held}");
    demo.write("app.py", "def one():\n    return 3\n");
    let why = demo.why(&["tests/test_app.py::test_one", "tests/test_more.py"]).exits(0).stdout;
    assert!(why.contains("would run: tests/test_app.py -> app.py (changed)"), "{why}");
    assert!(why.contains("nothing that tests/test_more.py depends on changed"), "{why}");
    let missing = demo.why(&["tests/test_more.py", "tests/test_less.py::test_one"]).exits(64);
    assert!(missing.stdout.is_empty(), "{}", missing.stdout);
    missing.says("there is no tests/test_less.py among the files of test");
    let told = json(&demo.why(&["--json", "tests/test_app.py::test_two"]).exits(0).stdout);
    assert_eq!(told["tests"][0]["last"][0]["outcome"], "failed");
}

#[test]
fn what_cannot_be_meant_is_said_and_nothing_runs() {
    let demo = demo();
    for (args, said) in [
        (&["nowhere.py"][..], "there is no nowhere.py"),
        (&["/etc/passwd"][..], "/etc/passwd is not in the project"),
    ] {
        let ran = test(&demo, args).exits(64);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    let other = Demo::new("[stage.lint]\nrun = 'true'\n");
    assert!(test(&other, &["--trust"]).exits(64).stderr.contains("no stage of tests"));
    let other = Demo::new("[stage.test]\nrun = 'true'\n");
    other.write("x.py", "");
    assert!(
        test(&other, &["--trust", "x.py"]).exits(64).stderr.contains("only tests of pytest can be chosen")
    );
    assert!(demo.history(&["--json"]).exits(0).stdout.contains("\"runs\": []") || demo.runs().is_empty());
}
