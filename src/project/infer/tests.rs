//! What is recognised, in small projects of every kind.

use proptest::prelude::*;

use super::*;
use crate::project::model::{Action, Command, Stage};
use crate::project::render::explained;

fn inferred(files: &[(&str, &str)], programs: &[&str]) -> (Pipeline, ProjectFile) {
    let mut names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    names.sort();
    let read = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
    let look = Look { files: &names, read: &read, has: &|program| programs.contains(&program) };
    infer("demo", &look)
}

fn in_short(stage: &Stage) -> String {
    let does = match &stage.action {
        Action::Run(Command::Shell(text)) => text.clone(),
        Action::Pytest(_) => "pytest".into(),
        other => format!("{other:?}"),
    };
    format!("{} = {does}", stage.id)
}

fn told(pipeline: &Pipeline) -> String {
    match &pipeline.origin {
        Origin::Inferred(told) => told.join("\n"),
        Origin::File => panic!("it is inferred"),
    }
}

#[test]
fn one_project_of_each_kind() {
    let nothing = "test:\n\t#python -m pytest\n";
    let npm_first = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
    for (files, programs, stages, remark) in [
        (
            &[("tests/test_a.py", "")][..],
            &[][..],
            &["test = pytest"][..],
            "test: pytest, for tests/test_a.py",
        ),
        (
            &[("a_test.py", ""), ("test_b.py", ""), ("pyproject.toml", "[tool.pytest.ini_options]")],
            &[],
            &["test = pytest"],
            "for a_test.py and 1 more test file, with the settings in pyproject.toml",
        ),
        (
            &[("pytest.ini", "[pytest]"), ("app.py", "")],
            &[],
            &[],
            "pytest is configured in pytest.ini, and no file",
        ),
        (
            &[("test_a.py", ""), ("Makefile", nothing)],
            &["make"],
            &["test = pytest"],
            "`make test` does nothing",
        ),
        (&[("Makefile", nothing)], &["make"], &[], "`make test` does nothing"),
        (
            &[("Makefile", "test:\n\tpython -m pytest test_gone.py\n"), ("app.py", "")],
            &["make"],
            &[],
            "which cannot work: python -m pytest test_gone.py: test_gone.py is not in the repository",
        ),
        (
            &[
                ("test_a.py", ""),
                ("Makefile", "test:\n\tpython -m pytest -vv\nlint:\n\tpylint app.py\n"),
                ("app.py", ""),
            ],
            &["make"],
            &["test = pytest", "lint = make lint"],
            "`make test` runs pytest",
        ),
        (
            &[("test_a.py", ""), ("Makefile", "test:\n\t./check.sh\n\tpytest\n"), ("check.sh", "")],
            &["make"],
            &["test = pytest", "make-test = make test"],
            "make-test: `make test`, a target of Makefile",
        ),
        (&[("Makefile", "test:\n\tpytest\n")], &[], &[], "make is not installed"),
        (&[("tox.ini", "[testenv]\n")], &["tox"], &["test = tox"], "which tox.ini declares"),
        (&[("tox.ini", "[testenv]\n")], &[], &[], "tox is not installed"),
        (&[("noxfile.py", "import nox")], &["nox"], &["test = nox --non-interactive"], "noxfile.py"),
        (
            &[("tox.ini", "[tox]"), ("test_a.py", "")],
            &["tox"],
            &["test = pytest"],
            "tox.ini declares tox, too",
        ),
        (
            &[("Cargo.toml", "")],
            &["cargo-nextest"],
            &["test = cargo nextest run"],
            "cargo-nextest is installed",
        ),
        (
            &[
                ("Cargo.toml", "[package]\nname = 'a'"),
                ("src/lib.rs", "mod b;"),
                ("src/b.rs", "/// ```\n/// x()\n/// ```\npub fn x() {}"),
            ],
            &["cargo-nextest"],
            &["test = cargo nextest run", "test-doc = cargo test --doc"],
            "test-doc: `cargo test --doc`, for the examples in src/b.rs, which cargo-nextest does not run",
        ),
        (
            // Blocks of other languages are no tests; the end of one is not the beginning of the next.
            &[
                ("Cargo.toml", "[package]\nname = 'a'"),
                ("src/lib.rs", "//! ```text\n//! x\n//! ```\n//! ```ignore\n//! ```\n// ```\n"),
            ],
            &["cargo-nextest"],
            &["test = cargo nextest run"],
            "cargo-nextest is installed",
        ),
        (
            // A program has no doctests.
            &[("Cargo.toml", "[package]\nname = 'a'"), ("src/main.rs", "//! ```\n//! x()\n//! ```\n")],
            &["cargo-nextest"],
            &["test = cargo nextest run"],
            "cargo-nextest is installed",
        ),
        (
            &[
                ("Cargo.toml", "[workspace]\nmembers = ['a', 'b']"),
                ("a/Cargo.toml", "[package]\nname = 'a'"),
                ("a/src/main.rs", ""),
                ("b/Cargo.toml", "[package]\nname = 'b'"),
                ("b/src/lib.rs", "//! ```rust,no_run\n//! x()\n//! ```\n"),
            ],
            &["cargo-nextest"],
            &["test = cargo nextest run", "test-doc = cargo test --doc --workspace"],
            "for the examples in b/src/lib.rs",
        ),
        (
            &[("Cargo.toml", "[package]"), ("src/lib.rs", "/// ```\n/// x()\n/// ```\n")],
            &[],
            &["test = cargo test"],
            "Cargo.toml",
        ),
        (
            &[("Cargo.toml", ""), ("test_a.py", "")],
            &[],
            &["test = pytest", "cargo-test = cargo test"],
            "Cargo.toml",
        ),
        (&[("go.mod", ""), ("a_test.go", "")], &[], &["test = go test ./..."], "a_test.go"),
        (&[("go.mod", "")], &[], &[], "no file holds tests (*_test.go)"),
        (
            &[("package.json", r#"{"devDependencies": {"vitest": "1"}, "scripts": {"test": "vitest"}}"#)],
            &[],
            &["test = npx vitest run"],
            "depends on",
        ),
        (
            &[("package.json", r#"{"devDependencies": {"jest": "1"}}"#), ("pnpm-lock.yaml", "")],
            &[],
            &["test = pnpm exec jest"],
            "depends on",
        ),
        (
            &[(
                "package.json",
                r#"{"dependencies": {"jest": "1"}, "scripts": {"test": "react-scripts test", "lint": "eslint ."}}"#,
            )],
            &[],
            &["test = npm test", "lint = npm run lint"],
            "a script of package.json",
        ),
        (
            &[("package.json", r#"{"scripts": {"test": "node --test src"}}"#)],
            &[],
            &["test = node --test src"],
            "script",
        ),
        (&[("package.json", npm_first), ("a.test.js", "")], &[], &["test = node --test"], "for a.test.js"),
        (&[("package.json", npm_first)], &[], &[], "it tests nothing"),
        (&[("package.json", "{")], &[], &[], "not valid JSON"),
        (&[("README.md", "")], &[], &[], "nothing was recognised"),
    ] {
        let (pipeline, _) = inferred(files, programs);
        let found: Vec<String> = pipeline.stages.iter().map(in_short).collect();
        assert_eq!(found, stages, "{files:?}");
        assert!(told(&pipeline).contains(remark), "{files:?}: {}", told(&pipeline));
    }
}

const DVC: &str = r"
vars: [{x: 1}]
stages:
  Prepare:
    cmd: python prepare.py data/raw
    deps: [data/raw, prepare.py]
    params: [seed, {conf/p.yaml: [a.b]}, {whole.json: }]
    outs:
    - data/prepared:
        cache: false
  train:
    wdir: sub
    cmd: [python ../train.py, 'echo \${HOME}']
    deps: [../data/prepared, ../train.py]
    outs: [m.pkl]
    metrics: [m.json, m.yaml: {cache: false}]
    always_changed: true
  sweep:
    foreach: [a, b c]
    do:
      cmd: python x.py ${item}
      outs: ['out/${item}']
  grid:
    matrix: {lr: [0.1, 1], o: [adam]}
    cmd: python x.py ${item.lr} ${item.o}
    deps: [m/*.txt]
  old:
    frozen: true
    cmd: x
  templated:
    cmd: python x.py ${train.lr}
    outs: [big.pkl]
  after:
    cmd: python y.py
    deps: [big.pkl]
    outs: [small.pkl]
  later:
    cmd: python z.py
    deps: [small.pkl, y.py]
  remote:
    cmd: x
    deps: ['s3://b/x']
  up:
    cmd: x
    deps: ['../x']
  params:
    cmd: x
    params: [{p.py: [a]}]
  odd:
    cmd: x
    foo: 1
  mapped:
    foreach: {a: {b: 1}}
    do: {cmd: x}
";

#[test]
fn the_stages_of_dvc() {
    let (pipeline, file) = inferred(&[("dvc.yaml", DVC), ("sub/dvc.yaml", "")], &[]);
    let found: Vec<String> = pipeline.stages.iter().map(in_short).collect();
    let expected = [
        "grid@0.1-adam = python x.py 0.1 adam",
        "grid@1-adam = python x.py 1 adam",
        "prepare = python prepare.py data/raw",
        "sweep@a = python x.py a",
        "sweep@b_c = python x.py 'b c'",
        "train = set -e\npython ../train.py\necho ${HOME}",
    ];
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(sorted, expected, "{}", told(&pipeline));
    let stage = |name: &str| pipeline.stages.iter().find(|stage| stage.id.0 == name).unwrap();
    let prepare = stage("prepare");
    assert_eq!(
        (&prepare.inputs[..], &prepare.outputs[..]),
        (&["data/raw".into(), "prepare.py".into()][..], &["data/prepared".into()][..])
    );
    assert_eq!(
        prepare.params,
        BTreeMap::from([
            ("params.yaml".into(), vec!["seed".into()]),
            ("conf/p.yaml".into(), vec!["a.b".into()]),
            ("whole.json".into(), vec![])
        ])
    );
    let train = stage("train");
    assert_eq!(train.needs, std::slice::from_ref(&prepare.id));
    assert_eq!((train.cwd.as_str(), train.cache), ("sub", false));
    assert_eq!(
        (&train.outputs[..], &train.metrics[..]),
        (&["sub/m.yaml".into(), "sub/m.pkl".into()][..], &["sub/m.json".into()][..])
    );
    assert_eq!(stage("grid@1-adam").inputs, ["m/[*].txt"], "a path of DVC is no pattern");
    for remark in [
        "stage old of dvc.yaml is left out: it is frozen",
        "stage templated of dvc.yaml is left out: it uses ${train.lr}, which only DVC fills in",
        "stage after of dvc.yaml is left out: it takes big.pkl, which stage templated makes",
        "stage later of dvc.yaml is left out: it takes small.pkl, which stage after makes",
        "stage remote of dvc.yaml is left out: s3://b/x is not a file of the project",
        "stage up of dvc.yaml is left out: '../x' leads out of the project",
        "stage params of dvc.yaml is left out: 'p.py' is no file of parameters",
        "stage odd of dvc.yaml is left out: its 'foo' is not understood",
        "stage mapped of dvc.yaml is left out: its 'foreach' is more than lists of plain values",
        "sub/dvc.yaml is not read",
    ] {
        assert!(told(&pipeline).contains(remark), "{remark}: {}", told(&pipeline));
    }
    let text = explained(&file, &pipeline);
    let again = resolve(&text, "devboot.toml", "demo").unwrap();
    assert_eq!(Pipeline { origin: pipeline.origin.clone(), ..again.pipeline }, pipeline, "{text}");
}

const TEMPLATES: &str = r"
vars: [{model: m.pkl, train: {tries: 3}}, other.yaml]
stages:
  train:
    cmd: python train.py --lr ${train.lr} --eps ${train.eps} --big ${train.big} --tries ${train.tries} --dry ${dry} ${layers[1]} $HOME \${HOME} '${name}'
    deps: [train.py]
    outs: ['models/${model}']
  each:
    foreach: ${kinds}
    do:
      cmd: python x.py ${item} ${train.lr}
      deps: ['models/${model}']
  whole:
    cmd: x ${train}
  elsewhere:
    cmd: x ${of.other}
  open:
    cmd: x ${train
  braces:
    matrix: {a: [1]}
    cmd: x ${item.a} ${brace}
";
const PARAMS: &str = "train: {lr: 0.10, eps: 1e-7, big: 1e16, tries: 9}\ndry: true\nlayers: [4, 2]\nkinds: [a, b]\nname: n x\nbrace: '{a}'\n";

#[test]
fn templates_of_dvc_are_filled_from_its_parameters_as_dvc_does() {
    let (pipeline, _) = inferred(&[("dvc.yaml", TEMPLATES), ("params.yaml", PARAMS)], &[]);
    let mut found: Vec<String> = pipeline.stages.iter().map(in_short).collect();
    found.sort();
    let expected = [
        "each@a = python x.py a 0.1",
        "each@b = python x.py b 0.1",
        "open = x ${train",
        "train = python train.py --lr 0.1 --eps 1e-07 --big 1e+16 --tries 9 --dry true 2 $HOME ${HOME} 'n x'",
    ];
    assert_eq!(found, expected, "{}", told(&pipeline));
    let each = pipeline.stages.iter().find(|stage| stage.id.0 == "each@a").unwrap();
    assert_eq!(each.needs.iter().map(|need| need.0.as_str()).collect::<Vec<_>>(), ["train"]);
    for remark in [
        "stage whole of dvc.yaml is left out: it uses ${train}, which is no single value",
        "stage elsewhere of dvc.yaml is left out: it uses ${of.other}, which only DVC fills in",
        "stage braces of dvc.yaml is left out: it uses ${brace} beside a matrix, and it has braces",
    ] {
        assert!(told(&pipeline).contains(remark), "{remark}: {}", told(&pipeline));
    }
}

#[test]
fn a_dvc_yaml_that_makes_no_pipeline_is_said_and_the_rest_stays() {
    let circle = "stages:\n  a: {cmd: x, deps: [b], outs: [a]}\n  b: {cmd: x, deps: [a], outs: [b]}\n";
    let (pipeline, _) = inferred(&[("dvc.yaml", circle), ("test_a.py", "")], &[]);
    assert_eq!(pipeline.stages.iter().map(in_short).collect::<Vec<_>>(), ["test = pytest"]);
    assert!(told(&pipeline).contains("stages need each other: a → b → a"), "{}", told(&pipeline));
    let (pipeline, _) = inferred(&[("dvc.yaml", "stages: [")], &[]);
    assert!(told(&pipeline).contains("dvc.yaml is not valid: "));
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(
        file in "dvc.yaml|package.json|Makefile|pyproject.toml",
        text in "(stages:\n|  [a-zA-Z$@]{1,3}:\n|    (cmd|deps|outs|wdir|params|matrix|foreach|do): ?[\\[{]?[-a-z$ {}./,*'\"]*[\\]}]?\n|[ -~\n\t]{0,10}){0,10}",
    ) {
        inferred(&[(&file, &text)], &["make"]);
    }
}
