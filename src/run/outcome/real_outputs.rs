//! What the real tools print, and what is read from it. The files in `fixtures/` were written by pytest 9.2, Python
//! 3.11's unittest, cargo 1.95, nextest 0.9.143, go 1.19, jest 30, vitest 4.1 and node 20; only paths were changed.

use super::*;
use crate::run::event::Verdict;
use crate::sys::process::Ending;

/// Reads a fixture in small pieces, as a pipe may give it.
fn read(text: &str) -> Found {
    let mut readers = Readers::default();
    for piece in text.as_bytes().chunks(7) {
        readers.push(Stream::Out, piece);
    }
    readers.finish(|_| Vec::new())
}

macro_rules! fixture {
    ($name:literal) => {
        read(include_str!(concat!("fixtures/", $name, ".txt")))
    };
}

fn tests(passed: u32, failed: u32, skipped: u32) -> Option<Tests> {
    Some(Tests { passed, failed, skipped })
}

/// Name, place and first line of the message of every failure.
fn failures(found: &Found) -> Vec<String> {
    let place = |failure: &Failure| match (&failure.file, failure.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.clone(),
        _ => "-".into(),
    };
    let first = |failure: &Failure| failure.message.lines().next().unwrap_or_default().to_owned();
    found.failures.iter().map(|one| format!("{} | {} | {}", one.name, place(one), first(one))).collect()
}

fn verdict(code: i32, found: &Found) -> Verdict {
    judge(Ending::Exited(code), found).0
}

#[test]
fn pytest() {
    let found = fixture!("pytest-colour");
    assert_eq!((found.tests, &found.tools[..]), (tests(3, 4, 1), &["pytest"][..]));
    assert_eq!(
        failures(&found),
        [
            "test_a.py::test_bad | test_a.py:5 | AssertionError: one is not two",
            "test_a.py::test_param[a b] | test_a.py:7 | AssertionError: assert 'a b' == 1",
            "test_a.py::TestK::test_m | test_a.py:19 | ValueError: deep",
            "test_a.py::test_err | test_a.py:13 | RuntimeError: no fixture",
        ]
    );
    for found in [fixture!("pytest-failed"), fixture!("pytest-quiet")] {
        assert_eq!(found.tests, tests(0, 1, 0));
        assert_eq!(
            failures(&found),
            ["test_syntax.py | test_syntax.py:1 | ModuleNotFoundError: No module named 'nosuchmodule_x'"]
        );
        assert_eq!(verdict(2, &found), Verdict::Failed);
    }
    for found in [fixture!("pytest-passed"), fixture!("pytest-passed-quiet")] {
        assert_eq!((found.tests, verdict(0, &found)), (tests(1, 0, 0), Verdict::Passed));
    }
    for found in [fixture!("pytest-none"), fixture!("pytest-empty-quiet")] {
        // 5 is pytest's own, 2 what make makes of it.
        assert_eq!((verdict(5, &found), verdict(2, &found)), (Verdict::NoTestRan, Verdict::NoTestRan));
    }
    assert_eq!(verdict(0, &fixture!("pytest-skipped")), Verdict::NoTestRan);
    let found = fixture!("pytest-missing");
    assert_eq!(failures(&found), ["pytest | - | file or directory not found: missing.py"]);
    assert_eq!(verdict(4, &found), Verdict::Failed);
}

#[test]
fn unittest() {
    let found = fixture!("unittest-failed");
    assert_eq!(found.tests, tests(1, 3, 1));
    assert_eq!(
        failures(&found),
        [
            "test_err (test_u.T.test_err) | /home/me/ut/test_u.py:5 | ValueError: boom",
            "test_bad (test_u.T.test_bad) | /home/me/ut/test_u.py:4 | AssertionError: 1 != 2",
            "test_sub (test_u.T.test_sub) (i=1) | /home/me/ut/test_u.py:10 | AssertionError: 1 != 0",
        ]
    );
    let found = fixture!("unittest-passed");
    assert_eq!((found.tests, verdict(0, &found)), (tests(1, 0, 0), Verdict::Passed));
    assert_eq!(verdict(0, &fixture!("unittest-none")), Verdict::NoTestRan);
    assert_eq!(verdict(0, &fixture!("unittest-skipped")), Verdict::NoTestRan);
    // Python 3.12 and later, by its documentation.
    let found = read("\n-----\nRan 0 tests in 0.000s\n\nNO TESTS RAN\n");
    assert_eq!(verdict(5, &found), Verdict::NoTestRan);
}

#[test]
fn cargo() {
    let found = fixture!("cargo-failed-all");
    assert_eq!((found.tests, &found.tools[..]), (tests(3, 2, 1), &["cargo test"][..]));
    assert_eq!(
        failures(&found),
        [
            "tests::deep | src/lib.rs:9 | nothing there",
            "tests::bad | src/lib.rs:8 | assertion `left == right` failed: it is one",
        ]
    );
    let found = fixture!("cargo-passed");
    assert_eq!((found.tests, verdict(0, &found)), (tests(1, 0, 0), Verdict::Passed));
    assert_eq!(verdict(0, &fixture!("cargo-none")), Verdict::NoTestRan);
    let found = fixture!("cargo-build");
    assert_eq!(failures(&found), ["error[E0425] | src/lib.rs:12 | cannot find value `x` in this scope"]);
    assert_eq!(verdict(101, &found), Verdict::Failed);
}

#[test]
fn nextest() {
    let found = fixture!("nextest-failed");
    assert_eq!((found.tests, &found.tools[..]), (tests(0, 2, 1), &["cargo nextest"][..]));
    assert_eq!(
        failures(&found),
        [
            "cg tests::bad | src/lib.rs:8 | assertion `left == right` failed: it is one",
            "cg tests::deep | src/lib.rs:9 | nothing there",
        ]
    );
    let found = fixture!("nextest-passed");
    assert_eq!((found.tests, verdict(0, &found)), (tests(1, 0, 4), Verdict::Passed));
    assert_eq!(verdict(4, &fixture!("nextest-none")), Verdict::NoTestRan);
    assert_eq!(verdict(0, &fixture!("nextest-none-ok")), Verdict::NoTestRan);
}

#[test]
fn go() {
    let counted = tests(1, 3, 1);
    let all =
        [(fixture!("go-failed"), None), (fixture!("go-verbose"), counted), (fixture!("go-json"), counted)];
    for (found, tests) in all {
        assert_eq!((found.tests, &found.tools[..]), (tests, &["go test"][..]));
        assert_eq!(
            failures(&found),
            [
                "example.com/m.TestBad | example.com/m/a_test.go:4 | got 1, want 2",
                "example.com/m.TestSub/inner_one | example.com/m/a_test.go:5 | inner fails",
            ]
        );
        assert_eq!(verdict(1, &found), Verdict::Failed);
    }
    for found in [fixture!("go-lines-failed"), fixture!("go-lines-verbose")] {
        let messages: Vec<_> = found.failures.iter().map(|it| (&it.name[..], &it.message[..])).collect();
        assert_eq!(messages[0], ("example.com/m.TestEqual", "Not equal:\nexpected: 1\nactual  : 2"));
        let inner = messages.last().unwrap();
        assert_eq!(*inner, ("example.com/m.TestLines/inner", "deep:\n-1\n+2"));
    }
    assert_eq!(fixture!("go-lines-failed").failures[1].message, "got first\nsecond: x");
    assert_eq!(verdict(0, &fixture!("go-passed")), Verdict::Passed);
    assert_eq!(verdict(0, &fixture!("go-none")), Verdict::NoTestRan);
    let skipped = "=== RUN   TestA\n--- SKIP: TestA (0.00s)\nPASS\nok  \texample.com/m\t0.002s\n";
    assert_eq!(verdict(0, &read(skipped)), Verdict::NoTestRan);
    assert_eq!(verdict(0, &fixture!("go-no-files")), Verdict::NoTestRan);
    assert_eq!(
        failures(&fixture!("go-panic")),
        [
            "example.com/m/pan.TestPanic | /home/me/gop/pan/p_test.go:3 | panic: assignment to entry in nil map"
        ]
    );
    assert_eq!(failures(&fixture!("go-build")), ["build of example.com/m/bad | bad/b.go:2 | undefined: x"]);
}

#[test]
fn jest() {
    let found = fixture!("jest-failed");
    assert_eq!((found.tests, &found.tools[..]), (tests(1, 1, 2), &["jest"][..]));
    assert_eq!(
        failures(&found),
        [
            "group › fails badly | a.test.js:2 | expect(received).toBe(expected) // Object.is equality",
            "Test suite failed to run | b.test.js:1 | Cannot find module './nope' from 'b.test.js'",
        ]
    );
    let found = fixture!("jest-passed");
    assert_eq!((found.tests, verdict(0, &found)), (tests(1, 0, 3), Verdict::Passed));
    assert_eq!(verdict(1, &fixture!("jest-none")), Verdict::NoTestRan);
    assert_eq!(verdict(0, &fixture!("jest-none-ok")), Verdict::NoTestRan);
}

#[test]
fn vitest() {
    let found = fixture!("vitest-failed");
    assert_eq!((found.tests, &found.tools[..]), (tests(1, 1, 2), &["vitest"][..]));
    assert_eq!(
        failures(&found),
        [
            "b.test.js [ b.test.js ] | b.test.js:1 | Error: Cannot find module './nope' imported from /home/me/js/vit/b.test.js",
            "a.test.js > group > fails badly | a.test.js:3 | AssertionError: expected 2 to be 3 // Object.is equality",
        ]
    );
    let message =
        "AssertionError: expected 2 to be 3 // Object.is equality\n- Expected\n+ Received\n- 3\n+ 2";
    assert_eq!(found.failures[1].message, message);
    let found = fixture!("vitest-passed");
    assert_eq!((found.tests, verdict(0, &found)), (tests(1, 0, 3), Verdict::Passed));
    assert_eq!(verdict(1, &fixture!("vitest-none")), Verdict::NoTestRan);
    assert_eq!(verdict(0, &fixture!("vitest-none-ok")), Verdict::NoTestRan);
}

#[test]
fn node() {
    for (found, dir, kind) in [
        (fixture!("node-failed-tap"), "/home/me/js/nod/", ""),
        (fixture!("node-failed-spec"), "/home/me/js/nod/", "Error: "),
    ] {
        assert_eq!((found.tests, &found.tools[..]), (tests(1, 3, 1), &["node --test"][..]));
        let expected = [
            format!(
                "fails badly | {dir}a.test.js:3 | AssertionError: Expected values to be strictly equal: 1 !== 2"
            ),
            format!("outer > inner | {dir}a.test.js:5 | {kind}deep"),
        ];
        assert_eq!(failures(&found), expected);
    }
    for (found, kind, stands) in
        [(fixture!("node-many-tap"), "", "/home/me/js/nod/"), (fixture!("node-many-spec"), "Error: ", "")]
    {
        let at = |file: &str, line: u32| format!("/home/me/js/nod/{file}:{line}");
        let expected = [
            format!(
                "fails badly | {} | AssertionError: Expected values to be strictly equal: 1 !== 2",
                at("a.test.js", 4)
            ),
            format!("outer > inner | {} | {kind}deep", at("a.test.js", 6)),
            format!("rejects | {} | TypeError: nope", at("a.test.js", 9)),
            format!("own message | {} | AssertionError: it should be so", at("a.test.js", 10)),
            format!("string | {stands}a.test.js:11 | just a string"),
            format!("slow | {stands}a.test.js:12 | test timed out after 20ms"),
            format!(
                "group > deep equal | {} | AssertionError: Expected values to be strictly deep-equal:",
                at("sub/b.test.mjs", 5)
            ),
            format!("group > in helper | {} | RangeError: out of it", at("sub/helper.mjs", 2)),
            format!("group > nested > x | {} | {kind}n", at("sub/b.test.mjs", 7)),
            format!(
                "hooked > y | {stands}sub/b.test.mjs:9 | test did not finish before its parent and was cancelled"
            ),
            format!("hooked | {} | {kind}no db", at("sub/b.test.mjs", 9)),
            format!(
                "/home/me/js/nod/sub/c.test.js | {} | Error: Cannot find module './nope'",
                at("sub/c.test.js", 1)
            ),
            format!(
                "/home/me/js/nod/sub/d.test.js | {} | SyntaxError: Unexpected token ';'",
                at("sub/d.test.js", 1)
            ),
            format!(
                "/home/me/js/nod/sub/e.test.js | {stands}sub/e.test.js:1 | {}",
                if kind.is_empty() { "it ended with exit code 3" } else { "test failed" }
            ),
        ];
        assert_eq!(failures(&found), expected);
        let difference = found.failures[6].message.lines().skip(2).collect::<Vec<_>>();
        assert_eq!(difference, ["+   b: 2", "-   b: 3"]);
    }
    let found = fixture!("node-passed-tap");
    assert_eq!(verdict(0, &found), Verdict::Passed);
    assert_eq!(verdict(0, &fixture!("node-none-tap")), Verdict::NoTestRan);
}

#[test]
fn several_in_one_add_up_and_others_are_not_recognised() {
    let all = concat!(include_str!("fixtures/pytest-passed.txt"), include_str!("fixtures/jest-passed.txt"));
    let found = read(all);
    assert_eq!((found.tests, found.tools.len()), (tests(2, 0, 3), 2));
    let again =
        concat!(include_str!("fixtures/pytest-colour.txt"), include_str!("fixtures/pytest-passed.txt"));
    assert_eq!(verdict(0, &read(again)), Verdict::Passed, "a second try was green");
    assert_eq!(read("all is well\nTests: none\nRan out\nFAIL\nin 3s\n# tests\n"), Found::default());
}

#[test]
fn hostile_output_stays_harmless() {
    let text = format!(
        "= short test summary info =\nFAILED a.py::x\u{1b}]0;t\u{7}\r\u{202e} - {}\n= 1 failed in 0.1s =\n",
        "m".repeat(3000)
    );
    let found = read(&text);
    assert_eq!(found.failures[0].name, "a.py::x\\u{d}\\u{202e}");
    assert!(found.failures[0].message.len() < 400);
    let many = "test x ... FAILED\n".repeat(10_000) + "test result: FAILED. 0 passed; 99999999999 failed;\n";
    let found = read(&many);
    assert_eq!((found.failures.len(), found.tests), (KEPT, tests(0, 0, 0)));
}
