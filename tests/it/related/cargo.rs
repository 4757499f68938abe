//! Workspaces of cargo.

use super::*;

/// Three packages: `b` depends on `a`, `c` on nobody. What their tests look for beside them is ignored by git, so that no stage
/// depends on it.
fn workspace() -> Project {
    let files = [
        (".gitignore", "target\n/red\n/wait\n"),
        ("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\", \"c\"]\n"),
        ("a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("a/src/lib.rs", "pub fn one() -> u32 { 1 }\n#[test]\nfn one_is_one() { assert_eq!(one(), 1); }\n"),
        (
            "b/Cargo.toml",
            "[package]\nname = \"b\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\na = { path = \"../a\" }\n",
        ),
        ("b/src/lib.rs", LEAF),
        ("c/Cargo.toml", "[package]\nname = \"c\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        (
            "c/src/lib.rs",
            "#[test]\nfn alone() {\n    let begun = std::time::Instant::now();\n    while std::path::Path::new(\"../wait\").exists() && begun.elapsed().as_secs() < 100 {}\n    \
             assert!(!std::path::Path::new(\"../red\").exists(), \"it is red\");\n}\n",
        ),
    ];
    locked(Project::new(&files))
}

/// With the lock file that cargo would write in the first run.
fn locked(project: Project) -> Project {
    let mut cargo = std::process::Command::new("cargo");
    cargo.args(["generate-lockfile", "--offline", "--quiet"]).current_dir(project.root());
    assert!(cargo.status().unwrap().success());
    project
}

const LEAF: &str =
    "pub fn two() -> u32 { a::one() + 1 }\n#[test]\nfn two_is_two() { assert_eq!(two(), 2); }\n";

#[test]
fn a_leaf_runs_first_and_a_base_with_all_that_depend_on_it() {
    let project = workspace();
    let came = project.run();
    assert_eq!((came.end.verdict, came.passed(), came.note()), (Verdict::Passed, 3, ""), "{came:?}");
    assert_eq!(came.affected, None, "nothing is known yet");
    project.write("b/src/lib.rs", &format!("{LEAF}// another\n"));
    let came = project.run();
    let expected = Affected {
        verdict: Verdict::Passed,
        passed: 1,
        chosen: 1,
        rest: 2,
        of: Portion::Package,
        because: vec!["b (b/src/lib.rs changed)".into()],
    };
    assert_eq!(came.affected, Some(expected));
    assert_eq!((came.end.verdict, came.passed(), came.note()), (Verdict::Passed, 3, ""), "the rest ran, too");
    project.write("a/notes.txt", "read by whom?\n");
    let came = project.run();
    assert_eq!(came.first(), Some((Verdict::Passed, 2, 1)));
    assert_eq!(came.affected.unwrap().because, ["a (a/notes.txt changed)", "b -> a (a/notes.txt changed)"]);
    project.write("README.md", "whose?\n");
    let came = project.run();
    assert_eq!((came.affected.as_ref(), came.passed()), (None, 3));
    assert_eq!(came.note(), "everything ran: README.md changed, which belongs to no package");
    project.write("c/Cargo.toml", "[package]\nname = \"c\"\nversion = \"0.2.0\"\nedition = \"2021\"\n");
    // cargo writes the new version into its lock file, which is an input as well.
    let note = project.run().end.note.unwrap();
    assert!(note.starts_with("everything ran: c/Cargo.toml changed; its inputs changed"), "{note}");
}

#[test]
fn a_broken_build_is_red_and_its_end_is_green() {
    let project = workspace();
    project.run();
    project.write("b/src/lib.rs", "pub fn two() -> u32 { a::three() }\n");
    let came = project.run();
    assert_eq!(came.end.verdict, Verdict::Failed, "{came:?}");
    assert_eq!(came.end.failures[0].file.as_deref(), Some("b/src/lib.rs"));
    project.write("b/src/lib.rs", &LEAF.replace("two(), 2", "two(), 3"));
    let came = project.run();
    assert_eq!(came.first(), Some((Verdict::Failed, 1, 2)), "{came:?}");
    assert_eq!((came.failed[0].name.as_str(), came.end.verdict), ("two_is_two", Verdict::Failed));
    assert_eq!(came.end.tests.map(|tests| (tests.passed, tests.failed)), Some((2, 1)), "the rest ran, too");
    // It was built alone once: that it is not now is the fault of the change.
    project.write("b/src/lib.rs", "pub fn two() -> u32 { a::three() }\n");
    assert_eq!(project.run().first(), Some((Verdict::Failed, 1, 2)));
    project.write("b/src/lib.rs", &format!("{LEAF}// mended\n"));
    let came = project.run();
    assert_eq!((came.first(), came.end.verdict), (Some((Verdict::Passed, 1, 2)), Verdict::Passed));
}

#[test]
fn what_was_cancelled_is_caught_up_with_and_what_failed_unforeseen_makes_all_run() {
    let project = workspace();
    project.run();
    project.write("wait", "");
    project.write("b/src/lib.rs", &format!("{LEAF}// one\n"));
    let came = project.run_until(|event| matches!(event, RunEvent::Affected { .. }));
    assert_eq!((came.first(), came.end.verdict), (Some((Verdict::Passed, 1, 2)), Verdict::Cancelled));
    assert_eq!(came.note(), "the rest of the tests was left; 1 passed and 0 failed");
    project.remove("wait");
    // `b` has changed since all were green, too.
    project.write("red", "");
    project.write("a/src/lib.rs", "pub fn one() -> u32 { 1 }\n");
    let came = project.run();
    assert_eq!((came.first(), came.end.verdict), (Some((Verdict::Passed, 2, 1)), Verdict::Failed));
    assert_eq!(came.end.failures[0].name, "alone");
    project.remove("red");
    project.write("b/src/lib.rs", &format!("{LEAF}// two\n"));
    let came = project.run();
    assert_eq!(came.note(), "everything ran: a test failed that nothing was known to affect");
    assert_eq!(came.end.verdict, Verdict::Passed);
    project.write("b/src/lib.rs", &format!("{LEAF}// three\n"));
    assert_eq!(project.run().first(), Some((Verdict::Passed, 1, 2)));
}

#[test]
fn a_package_that_is_built_only_with_others_is_no_failure() {
    let project = workspace();
    project.write("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\", \"c\", \"d\"]\n");
    let gated = "pub fn one() -> u32 { 1 }\n#[cfg(feature = \"more\")]\npub fn more() -> u32 { 5 }\n";
    project.write("a/src/lib.rs", gated);
    let package =
        |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n");
    project.write("a/Cargo.toml", &format!("{}[features]\nmore = []\n", package("a")));
    let dependency = "[dependencies]\na = { path = \"../a\"";
    project.write("b/Cargo.toml", &format!("{}{dependency}, features = [\"more\"] }}\n", package("b")));
    // It forgets to ask for what it needs; `b` does.
    project.write("d/Cargo.toml", &format!("{}{dependency} }}\n", package("d")));
    let lib = "#[test]\nfn five() { assert_eq!(a::more(), 5); }\n";
    project.write("d/src/lib.rs", lib);
    let project = locked(project);
    let came = project.run();
    assert_eq!(came.end.verdict, Verdict::Passed, "{came:?}");
    project.write("d/src/lib.rs", &format!("{lib}// another\n"));
    let came = project.run();
    assert_eq!((came.end.verdict, came.affected.as_ref()), (Verdict::Passed, None), "{came:?}");
    assert!(came.note().starts_with("everything ran: cargo alone did not do"), "{}", came.note());
}

#[test]
fn a_single_package_and_a_command_of_its_own_run_as_they_are() {
    let single = [
        (".gitignore", "target\n"),
        ("Cargo.toml", "[package]\nname = \"one\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
        ("src/lib.rs", "#[test]\nfn it() {}\n"),
    ];
    let filtered = workspace().with("[stage.test]\nrun = \"cargo test -p a -p b\"\n");
    for (project, file) in [(Project::new(&single), "src/lib.rs"), (filtered, "b/src/lib.rs")] {
        project.run();
        let text = fs::read_to_string(project.root().join(file)).unwrap();
        project.write(file, &format!("{text}// another\n"));
        let came = project.run();
        assert_eq!((came.end.verdict, came.affected, came.end.note), (Verdict::Passed, None, None));
        assert!(!project.is_remembered());
    }
}
