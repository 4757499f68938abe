//! `cargo nextest`, the real one: it builds everything in any case, and is given a filter.

use super::*;
use devboot::run::event::RunId;
use devboot::run::junit::Junit;

/// `b` depends on `a`, `c` on nobody.
fn workspace() -> Project {
    let package = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{more}")
    };
    let files = [
        (".gitignore", "target\n"),
        ("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\", \"c\"]\n"),
        ("a/Cargo.toml", &package("a", "")),
        ("a/src/lib.rs", "pub fn one() -> u32 { 1 }\n#[test]\nfn one_is_one() { assert_eq!(one(), 1); }\n"),
        ("b/Cargo.toml", &package("b", "[dependencies]\na = { path = \"../a\" }\n")),
        ("b/src/lib.rs", LEAF),
        (
            "b/tests/whole.rs",
            "#[test]\nfn two() { assert_eq!(b::two(), 2); }\n#[test]\n#[ignore]\nfn left() {}\n",
        ),
        ("c/Cargo.toml", &package("c", "")),
        ("c/src/lib.rs", "#[test]\nfn alone() {}\n"),
    ];
    let project = Project::new(&files);
    for args in [&["generate-lockfile", "--offline", "--quiet"][..], &["nextest", "--version"]] {
        let mut cargo = std::process::Command::new("cargo");
        let ran = cargo.args(args).current_dir(project.root()).output().unwrap();
        assert!(ran.status.success(), "tests/run puts cargo-nextest on PATH: {ran:?}");
    }
    project.with("[stage.test]\nrun = \"cargo nextest run --no-fail-fast\"\n")
}

const LEAF: &str = "pub fn two() -> u32 { a::one() + 1 }\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn two_is_two() {\n        \
                    assert_eq!(super::two(), 2, \"of b\");\n    }\n}\n";

#[test]
fn nextest_runs_the_packages_that_a_change_affects_first_and_then_the_rest() {
    let project = workspace();
    let came = project.run();
    assert_eq!((came.end.verdict, came.passed(), came.note()), (Verdict::Passed, 4, ""), "{came:?}");
    project.write("b/src/lib.rs", &format!("{LEAF}// another\n"));
    let came = project.run();
    let expected = Affected {
        verdict: Verdict::Passed,
        passed: 2,
        chosen: 1,
        rest: 2,
        of: Portion::Package,
        because: vec!["b (b/src/lib.rs changed)".into()],
    };
    assert_eq!(came.affected, Some(expected), "{came:?}");
    assert_eq!((came.end.verdict, came.passed(), came.note()), (Verdict::Passed, 4, ""), "the rest ran, too");
    let text = fs::read_to_string(project.root().join("a/src/lib.rs")).unwrap();
    project.write("a/src/lib.rs", &format!("{text}// another\n"));
    assert_eq!(project.run().first(), Some((Verdict::Passed, 2, 1)));
}

#[test]
fn what_fails_in_nextest_has_its_place_in_the_verdict_and_in_a_report() {
    let project = workspace();
    project.run();
    project.write("b/src/lib.rs", &LEAF.replace("+ 1", "+ 2"));
    let came = project.run();
    assert_eq!(
        (came.first(), came.end.verdict),
        (Some((Verdict::Failed, 1, 2)), Verdict::Failed),
        "{came:?}"
    );
    let mut failures = came.end.failures.clone();
    failures.sort_by(|a, b| a.name.cmp(&b.name));
    let told: Vec<_> = failures.iter().map(|it| (&it.name[..], it.file.as_deref(), it.line)).collect();
    assert_eq!(
        told,
        [
            ("b tests::two_is_two", Some("b/src/lib.rs"), Some(6)),
            ("b::whole two", Some("b/tests/whole.rs"), Some(2))
        ],
        "{came:?}"
    );
    assert_eq!(failures[0].message, "assertion `left == right` failed: of b\nleft: 3\nright: 2", "{came:?}");
    assert_eq!(came.end.tests.map(|tests| (tests.passed, tests.failed)), Some((2, 2)), "the rest ran, too");
    let mut junit = Junit::default();
    junit.on(&RunEvent::StageFinished { run: RunId(1), stage: StageId("test".into()), end: came.end });
    let report = junit.text();
    let case = r#"<testcase classname="test" name="b tests::two_is_two" file="b/src/lib.rs" line="6""#;
    assert!(
        report.contains(case) && report.contains("assertion `left == right` failed: of b&#10;left: 3"),
        "{report}"
    );
    // It does not compile: the compiler says where.
    project.write("b/src/lib.rs", "pub fn two() -> u32 { a::three() }\n");
    let came = project.run();
    assert_eq!(came.end.verdict, Verdict::Failed, "{came:?}");
    assert_eq!(came.end.failures[0].file.as_deref(), Some("b/src/lib.rs"), "{came:?}");
    project.write("b/src/lib.rs", &format!("{LEAF}// mended\n"));
    let came = project.run();
    assert_eq!((came.end.verdict, came.passed()), (Verdict::Passed, 4), "{came:?}");
}
