//! vitest and jest.

use super::*;

/// A project with vitest and jest where it looks for them.
fn project(package: &str, files: &[(&str, &str)]) -> Project {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-node/node_modules");
    assert!(modules.exists(), "tests/run makes {}", modules.display());
    let project = Project::new(files);
    project.write("package.json", package);
    std::os::unix::fs::symlink(modules, project.root().join("node_modules")).unwrap();
    project
}

/// `left` imports `base`, `right` nothing; `end` is that of their names.
fn runs_by_imports(project: &Project, end: &str, right: &str) {
    let came = project.run();
    assert_eq!((came.end.verdict, came.passed(), came.note()), (Verdict::Passed, 3, ""), "{came:?}");
    let edit = |name: &str, more: &str| {
        let file = format!("src/{name}{end}");
        let text = fs::read_to_string(project.root().join(&file)).unwrap();
        project.write(&file, &format!("{text}{more}\n"));
    };
    edit("left", "// another");
    let came = project.run();
    let expected = Affected {
        verdict: Verdict::Passed,
        passed: 1,
        chosen: 1,
        rest: 2,
        of: Portion::File,
        because: vec![format!("src/left{end} changed")],
    };
    assert_eq!(came.affected, Some(expected), "{came:?}");
    assert_eq!((came.end.verdict, came.passed(), came.note()), (Verdict::Passed, 3, ""), "the rest ran, too");
    edit("base", "// another");
    let came = project.run();
    assert_eq!((came.first(), came.passed()), (Some((Verdict::Passed, 2, 1)), 3), "{came:?}");
    edit("right", "this is no script");
    let came = project.run();
    // What vite cannot read has no place in its graph.
    let first = (end == ".js").then_some((Verdict::Failed, 1, 2));
    assert_eq!((came.first(), came.end.verdict), (first, Verdict::Failed), "{came:?}");
    project.write(&format!("src/right{end}"), &format!("{right}// mended\n"));
    let came = project.run();
    assert_eq!(
        (came.first(), came.end.verdict),
        (Some((Verdict::Passed, 1, 2)), Verdict::Passed),
        "{came:?}"
    );
    project.write("setup.ts", "// who reads it?\n");
    let came = project.run();
    assert_eq!(came.note(), "everything ran: setup.ts changed, which the imports do not show", "{came:?}");
    project.remove("setup.ts");
    edit("right", "// third");
    assert_eq!(project.run().note(), "everything ran: setup.ts is gone");
    project.write("extra.ts", "// nobody\n");
    assert_eq!(project.run().note(), "everything ran: no test is known to import extra.ts");
}

#[test]
fn vitest_runs_by_its_module_graph() {
    let test = |name: &str| {
        format!(
            "import {{ expect, test }} from 'vitest'\nimport {{ {name} }} from './{name}'\ntest('{name}', () => expect({name}()).toBeGreaterThan(0))\n"
        )
    };
    let right = "export const right = () => 3\n";
    let files = [
        (".gitignore", "node_modules\n"),
        ("src/base.ts", "export const base = () => 1\n"),
        ("src/left.ts", "import { base } from './base'\nexport const left = () => base() + 1\n"),
        ("src/right.ts", right),
        ("src/base.test.ts", &test("base")),
        ("src/left.test.ts", &test("left")),
        ("src/right.test.ts", &test("right")),
    ];
    let package = r#"{"name": "p", "type": "module", "devDependencies": {"vitest": "3"}}"#;
    let project = project(package, &files);
    runs_by_imports(&project, ".ts", right);
}

#[test]
fn jest_runs_by_its_map_of_modules() {
    let test = |name: &str| {
        format!(
            "const {{ {name} }} = require('./{name}')\ntest('{name}', () => expect({name}()).toBeGreaterThan(0))\n"
        )
    };
    let right = "exports.right = () => 3\n";
    let files = [
        (".gitignore", "node_modules\ncoverage\n"),
        ("src/base.js", "exports.base = () => 1\n"),
        ("src/left.js", "const { base } = require('./base')\nexports.left = () => base() + 1\n"),
        ("src/right.js", right),
        ("src/base.test.js", &test("base")),
        ("src/left.test.js", &test("left")),
        ("src/right.test.js", &test("right")),
    ];
    let package = r#"{"name": "p", "devDependencies": {"jest": "30"}}"#;
    let project = project(package, &files);
    runs_by_imports(&project, ".js", right);
    let covered = r#"{"name": "p", "devDependencies": {"jest": "30"}, "jest": {"collectCoverage": true}}"#;
    project.write("package.json", covered);
    assert_eq!(project.run().note(), "everything ran: package.json changed, which the imports do not show");
    project.write("src/left.js", "exports.left = () => 2\n");
    assert_eq!(project.run().note(), "everything ran: jest measures the coverage of all tests together");
}

#[test]
fn what_fails_in_node_is_named_with_its_suites_where_it_failed_and_by_how_much() {
    let project = Project::new(&[
        ("package.json", r#"{"name": "p", "scripts": {"test": "node --test"}}"#),
        (
            "a.test.js",
            "const { describe, it } = require('node:test')\nconst { same } = require('./help')\n\
             describe('numbers', () => { it('are equal', () => { same(1, 2) }) })\n",
        ),
        (
            "help.js",
            "const assert = require('node:assert')\nexports.same = (a, b) =>\n  assert.strictEqual(a, b)\n",
        ),
        ("b.test.js", "require('./gone')\n"),
    ]);
    let came = project.run();
    let failures: Vec<_> = came
        .end
        .failures
        .iter()
        .map(|it| {
            let message = it.message.lines().next().unwrap_or_default();
            (it.name.rsplit('/').next().unwrap(), it.file.as_deref(), it.line, message)
        })
        .collect();
    let equal = "AssertionError: Expected values to be strictly equal: 1 !== 2";
    let gone = "Error: Cannot find module './gone'";
    assert_eq!(
        failures,
        [
            ("numbers > are equal", Some("help.js"), Some(3), equal),
            ("b.test.js", Some("b.test.js"), Some(1), gone)
        ],
        "{came:?}"
    );
}
