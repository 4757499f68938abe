//! What a `devboot.toml` means, and everything that can be wrong in one.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::model::{Action, Command, HttpCheck, Ready, Service, StageId};
use super::resolve::{Resolved, resolve};

fn good(text: &str) -> Resolved {
    resolve(text, "devboot.toml", "demo").unwrap_or_else(|error| panic!("{error}"))
}

/// The problems without the name of the file.
fn problems(text: &str) -> Vec<String> {
    let error = resolve(text, "devboot.toml", "demo").expect_err("it is understood");
    error.problems.iter().map(|problem| problem.to_string().replace("devboot.toml:", "")).collect()
}

fn ids(resolved: &Resolved) -> Vec<&str> {
    resolved.pipeline.stages.iter().map(|stage| stage.id.0.as_str()).collect()
}

const DESIGN: &str = r#"
[project]
name = "flask-ml"
cloud = "aws-dev"

[stage.lint]
run = "ruff check ."
inputs = ["**/*.py"]

[stage.test]
pytest = {}
needs = ["lint"]

[stage.train]
run = "python train.py --lr {lr} | awk '{print $1}'"
inputs = ["train.py", "data/*.csv"]
outputs = ["model-{lr}.pkl"]
metrics = ["metrics-{lr}.json"]
params = { "params.yaml" = ["train.lr"] }
matrix.lr = [0.01, 0.1]
on = "local"
cloud = true
timeout = "10m"

[stage.best]
run = ["python", "best.py", "{lr}"]
inputs = ["best.py", "metrics-*.json"]

[stage.web]
service = { run = "flask run -p 8080", ready = { port = 8080 }, grace = "1s" }

[stage.smoke]
http = { url = "http://127.0.0.1:8080/", contains = "hello", json = { "a.0" = 1 }, retry_for = "500ms" }
needs = ["web"]
"#;

#[test]
fn the_pipeline_of_the_manual() {
    let resolved = good(DESIGN);
    assert_eq!(ids(&resolved), ["lint", "test", "train@0.01", "train@0.1", "best", "web", "smoke"]);
    let pipeline = &resolved.pipeline;
    assert_eq!((pipeline.name.as_str(), pipeline.cloud.as_deref()), ("flask-ml", Some("aws-dev")));
    let stage = |id: &str| pipeline.stage(&StageId(id.into())).unwrap();
    let train = stage("train@0.01");
    assert_eq!(
        train.action,
        Action::Run(Command::Shell("python train.py --lr 0.01 | awk '{print $1}'".into()))
    );
    assert_eq!(
        (&train.outputs[..], &train.metrics[..]),
        (&["model-0.01.pkl".into()][..], &["metrics-0.01.json".into()][..])
    );
    assert_eq!(train.timeout, Some(Duration::from_secs(600)));
    assert_eq!((train.on.as_str(), train.wants_cloud, train.cache), ("local", true, true));
    assert_eq!(train.cell, BTreeMap::from([("lr".into(), "0.01".into())]));
    assert_eq!(train.params, BTreeMap::from([("params.yaml".into(), vec!["train.lr".into()])]));
    let best = stage("best");
    assert_eq!(best.needs, ["train@0.01", "train@0.1"].map(|id| StageId(id.into())), "by its inputs");
    assert_eq!(
        best.action,
        Action::Run(Command::Words(["python", "best.py", "{lr}"].map(Into::into).into()))
    );
    assert_eq!(stage("test").inputs, ["**"]);
    let Action::Service(Service { ready: Some(Ready::Port(8080)), stop_grace, ready_timeout, .. }) =
        &stage("web").action
    else {
        panic!("{:?}", stage("web").action)
    };
    assert_eq!((*stop_grace, *ready_timeout), (Duration::from_secs(1), Duration::from_secs(30)));
    let Action::Http(HttpCheck { method, status, retry_for, json, .. }) = &stage("smoke").action else {
        panic!()
    };
    assert_eq!((method.as_str(), *status, *retry_for), ("GET", 200, Duration::from_millis(500)));
    assert_eq!(json["a.0"], 1);
    assert!(!stage("smoke").cache && !stage("web").cache);
}

#[test]
fn needs_by_group_by_cell_and_by_the_own_values() {
    let text = r#"
[stage.report]
run = "r"
needs = ["train"]
[stage.train]
run = "t"
needs = ["prepare@{set}-1"]
outputs = ["out/{set}"]
matrix.set = ["a", "b c"]
[stage.prepare]
run = "p {set} {v}"
matrix = { set = ["a", "b c"], v = [1, 0x2] }
[stage.one]
run = "o"
needs = ["train@b_c"]
"#;
    let resolved = good(text);
    let needs = |id: &str| {
        let stage = resolved.pipeline.stage(&StageId(id.into())).unwrap();
        stage.needs.iter().map(|need| need.0.clone()).collect::<Vec<_>>()
    };
    assert_eq!(needs("report"), ["train@a", "train@b_c"]);
    assert_eq!(needs("train@b_c"), ["prepare@b_c-1"]);
    assert_eq!(needs("one"), ["train@b_c"]);
    assert_eq!(ids(&resolved)[..4], ["prepare@a-1", "train@a", "prepare@a-2", "prepare@b_c-1"]);
}

#[test]
fn a_value_keeps_the_form_in_which_it_is_written() {
    let resolved = good("[stage.a]\nrun = 'x {lr}'\nmatrix.lr = [1e-3, 1.0, 1_0, true]\n");
    assert_eq!(ids(&resolved), ["a@1e-3", "a@1.0", "a@10", "a@true"]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = r#"
[project]
name = ""
ignore = ["a\u0001"]
[stage.A]
run = " # nothing "
neds = []
[stage.b]
run = "x"
pytest = {}
needs = ["c", "lnt", "b"]
inputs = ["../x", "/etc/passwd", "a["]
outputs = ["*.pkl", ".", "a/../b", "devboot.toml"]
timeout = "soon"
cloud = true
cwd = "/tmp"
[stage.c]
run = []
needs = ["b"]
[stage.lint]
http = { url = "ftp://x", method = "get", headers = { "a b" = "x" }, timeout = "0s" }
outputs = ["x"]
[stage.srv]
service = { ready = { port = 1, log = "x" } }
retries = 2
[stage.big]
run = "x"
matrix = { a = [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17], b = [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16] }
[stage.odd]
run = "x"
matrix = { a = [], b = ["x", "x", ""], "c d" = [nan] }
params = { "p.ini" = ["a"], "p.yaml" = ["a..b"] }
env = { "A B" = "x", "OK" = "a\u0000" }
pass_env = ["x y"]
"#;
    let expected = [
        "3:8: the name is empty",
        "4:11: the text has a line break or another control character",
        "5:8: 'A' cannot be the name of a stage: lower-case letters, digits, '_', '.' and '-', at most 64",
        "6:7: the command is empty",
        "7:1: unknown key 'neds' (did you mean 'needs'?)",
        "8:8: a stage has exactly one of run, pytest, http and service; this one has run and pytest",
        "11:15: no stage is named 'lnt' (did you mean 'lint'?)",
        "11:22: stages need each other: b → b",
        "12:11: '../x' leads out of the project",
        "12:19: '/etc/passwd' is not below the project: write it relative to devboot.toml",
        "12:34: 'a[' is no pattern: unclosed character class; missing ']'",
        "13:12: '*.pkl' is a pattern: an output is the name of a file or of a directory",
        "13:21: the project's root cannot be an output",
        "13:26: 'a/../b' leads out of the project",
        "13:36: 'devboot.toml' cannot be an output",
        "14:11: 'soon' is no span of time",
        "15:9: the stage asks for credentials, and no credential profile is named",
        "16:7: '/tmp' is not below the project: write it relative to devboot.toml",
        "18:7: the command is empty",
        "21:16: 'ftp://x' is no address for a request: it begins with http:// or https://",
        "21:36: 'get' is no method of a request, such as GET or POST",
        "21:55: 'a b' cannot be the name of a header field",
        "21:80: '0s' is too short",
        "22:1: a stage with 'http' takes no 'outputs'",
        "24:11: the service has no run",
        "24:13: 'ready' has exactly one of http, port and log; this one has port and log",
        "25:1: a stage with 'service' takes no 'retries'",
        "28:1: the matrix has more than 256 cells",
        "31:16: the axis 'a' has no value",
        "31:30: the value 'x' is there twice",
        "31:35: a value of a matrix is empty",
        "31:40: 'c d' cannot be a name here: letters, digits and '_'",
        "31:49: 'nan' is no number",
        "32:12: 'p.ini' is no file of parameters: it ends in .yaml, .json or .toml",
        "32:41: 'a..b' is no key of parameters, such as train.lr",
        "33:9: 'A B' cannot be a name here: letters, digits and '_'",
        "33:29: the text has a control character",
        "34:13: 'x y' cannot be a name here: letters, digits and '_'",
    ];
    let found = problems(text);
    assert_eq!(found, expected, "{found:#?}");
}

#[test]
fn circles_are_named_in_full_and_with_their_reason() {
    let text =
        "[stage.a]\nrun='x'\nneeds=['b']\n[stage.b]\nrun='x'\nneeds=['c']\n[stage.c]\nrun='x'\nneeds=['a']\n";
    assert_eq!(problems(text), ["3:8: stages need each other: a → b → c → a"]);
    let text = "[stage.a]\nrun='x'\ninputs=['d/*']\noutputs=['d/a']\n[stage.b]\nrun='x'\ninputs=['d/*']\noutputs=['d/b']\n";
    let error = resolve(text, "devboot.toml", "demo").unwrap_err();
    assert_eq!(error.problems[0].message, "stages need each other: a → b → a");
    assert!(error.problems[0].hint.as_deref().unwrap().contains("narrow the inputs"));
}

#[test]
fn every_path_has_one_maker_and_none_feeds_itself() {
    let text = r#"
[stage.a]
run = "x"
outputs = ["m.pkl", "out"]
inputs = ["out/old.csv"]
[stage.b]
run = "x"
outputs = ["./m.pkl", "out/b"]
[stage.c]
run = "x"
outputs = ["c.pkl"]
matrix.lr = [1, 2]
"#;
    let expected = [
        "5:11: 'out/old.csv' is an input of 'a', which makes 'out' itself",
        "8:12: 'a' and 'b' both make 'm.pkl'",
        "8:23: 'out/b' is inside 'out', which 'a' makes",
        "11:12: 'c@1' and 'c@2' both make 'c.pkl'",
    ];
    assert_eq!(problems(text), expected);
    good("[stage.a]\nrun='x'\noutputs=['out']\nmetrics=['out/m.json']\ninputs=['*.py']\n");
}

#[test]
fn values_of_a_matrix_are_tested_where_they_arrive() {
    let text = "[stage.a]\nrun = 'x'\noutputs = ['m/{v}']\nmatrix.v = ['a', '../../x', '*']\n";
    assert_eq!(
        problems(text),
        [
            "3:12: 'm/*' is a pattern: an output is the name of a file or of a directory",
            "3:12: 'm/../../x' leads out of the project"
        ]
    );
    let text = "[stage.a]\nrun = \"echo '{v}'\"\nmatrix.v = [\"it's\"]\n";
    assert!(problems(text)[0].contains("cannot stand for {v} inside quotes"));
    assert!(
        problems("[stage.a]\nrun = 'x'\nmatrix.v = ['a b', 'a_b']\n")[0].contains("would be named 'a@a_b'")
    );
}

#[test]
fn what_is_only_odd_is_a_warning() {
    let resolved = good("[stage.a]\nrun = 'x'\nenv.API_TOKEN = 'x'\n");
    assert!(resolved.warnings[0].message.contains("API_TOKEN looks like a secret"));
    assert_eq!(good("").warnings[0].message, "no stage is declared");
}

#[test]
fn a_pipeline_of_too_many_stages_is_refused() {
    let text: String = (0..10)
        .map(|i| format!("[stage.s{i}]\nrun='x'\nmatrix.a={:?}\n", (0..250).collect::<Vec<_>>()))
        .collect();
    assert!(problems(&text).iter().any(|problem| problem.contains("more than 2000 stages")));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[stage\\.[a-c]\\]\n|run = ['\"]?[a-z{}$'\"]*['\"]?\n|needs = \\['[a-c]'\\]\n|inputs = \\['[a-c*/{}\\[!.]*'\\]\n|outputs = \\['[a-c/.]*'\\]\n|matrix\\.[a-c] = \\[('[a-c{}]*',|1,)*\\]\n|pytest = \\{\\}\n|[ -~\n]{0,8}){0,12}") {
        if let Ok(resolved) = resolve(&text, "devboot.toml", "demo") {
            for (at, stage) in resolved.pipeline.stages.iter().enumerate() {
                let before = &resolved.pipeline.stages[..at];
                prop_assert!(stage.needs.iter().all(|need| before.iter().any(|other| other.id == *need)));
            }
        }
    }
}
