//! Modules of go.

use super::*;

const BASE: &str = "package base\n\nfunc One() int { return 1 }\n";
const LEAF: &str =
    "package leaf\n\nimport \"example.com/m/base\"\n\nfunc Two() int { return base.One() + 1 }\n";

/// Three packages: the tests of `leaf`, which are a package of their own, reach `base` through it; `alone` reads a file.
fn module() -> Project {
    let files = [
        ("go.mod", "module example.com/m\n\ngo 1.19\n"),
        ("base/base.go", BASE),
        (
            "base/base_test.go",
            "package base\n\nimport \"testing\"\n\nfunc TestOne(t *testing.T) {\n\tif One() != 1 {\n\t\tt.Fatal(\"one\")\n\t}\n}\n",
        ),
        ("leaf/leaf.go", LEAF),
        (
            "leaf/leaf_test.go",
            "package leaf_test\n\nimport (\n\t\"testing\"\n\n\t\"example.com/m/leaf\"\n)\n\nfunc TestTwo(t *testing.T) {\n\tif leaf.Two() != 2 {\n\t\tt.Fatal(\"two\")\n\t}\n}\n",
        ),
        ("alone/testdata/x.txt", "x\n"),
        (
            "alone/alone_test.go",
            "package alone\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestX(t *testing.T) {\n\tif _, err := os.ReadFile(\"testdata/x.txt\"); err != nil {\n\t\tt.Fatal(err)\n\t}\n}\n",
        ),
    ];
    Project::new(&files)
}

#[test]
fn packages_run_by_what_they_and_their_tests_import() {
    let project = module();
    let came = project.run();
    assert_eq!((came.end.verdict, came.note()), (Verdict::Passed, ""), "{came:?}");
    project.write("leaf/leaf.go", &format!("{LEAF}// another\n"));
    let came = project.run();
    assert_eq!(
        (came.first(), came.end.verdict),
        (Some((Verdict::Passed, 1, 2)), Verdict::Passed),
        "{came:?}"
    );
    let affected = came.affected.unwrap();
    assert_eq!(affected.because, ["example.com/m/leaf (leaf/leaf.go changed)"]);
    assert_eq!(affected.of, Portion::Package);
    project.write("base/base.go", &format!("{BASE}// another\n"));
    let came = project.run();
    assert_eq!(came.first(), Some((Verdict::Passed, 2, 1)));
    let because = came.affected.unwrap().because;
    assert_eq!(because[1], "example.com/m/leaf -> example.com/m/base (base/base.go changed)");
    project.write("alone/testdata/x.txt", "y\n");
    assert_eq!(project.run().first(), Some((Verdict::Passed, 1, 2)));
    project.write("go.mod", "module example.com/m\n\ngo 1.18\n");
    let came = project.run();
    assert_eq!((came.affected.as_ref(), came.note()), (None, "everything ran: go.mod changed"));
    project.write("alone/alone.go", "package alone\n\nimport _ \"example.com/m/base\"\n");
    project.run();
    project.write("base/base.go", &format!("{BASE}// third\n"));
    assert_eq!(project.run().note(), "everything ran: every package depends on what changed");
}

#[test]
fn a_build_that_is_broken_is_red_and_so_is_what_is_gone() {
    let project = module();
    project.run();
    project.write("leaf/leaf.go", &LEAF.replace("One", "Three"));
    let came = project.run();
    assert_eq!(
        (came.first(), came.end.verdict),
        (Some((Verdict::Failed, 1, 2)), Verdict::Failed),
        "{came:?}"
    );
    assert_eq!(came.failed[0].file.as_deref(), Some("leaf/leaf.go"));
    project.write("leaf/leaf.go", LEAF);
    project.remove("base/base.go");
    project.remove("base/base_test.go");
    let came = project.run();
    assert_eq!((came.affected.as_ref(), came.end.verdict), (None, Verdict::Failed), "{came:?}");
    assert!(came.note().contains("belongs to no package"), "{}", came.note());
}
