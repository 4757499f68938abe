//! The shape of `devboot.toml`. These types are the only place where a key is declared: the JSON Schema, the check of
//! unknown keys and wrong types, what inference writes and what `project show` prints all follow from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A project's pipeline for devboot.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct ProjectFile {
    /// What concerns the project as a whole.
    pub project: ProjectPart,
    /// The stages by name: lower-case letters, digits, `_`, `.` and `-`.
    pub stage: BTreeMap<String, StagePart>,
}

/// What concerns the project as a whole.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct ProjectPart {
    /// What the project is called; the name of its directory when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The credential profile of the project: a shell that enters its directory switches to it once the file is trusted, and back
    /// on leaving; stages that ask for it with `cloud = true` have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// Paths that are neither watched nor ever an input, as lines of a `.gitignore` beside this file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// How many stages may run at once; as many as the machine has cores when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub slots: Option<u32>,
}

/// One stage: exactly one of `run`, `pytest`, `http` and `service`, and what it depends on and makes. In its texts
/// `{axis}` stands for the value of its matrix; every other brace stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct StagePart {
    /// A command: a text for `sh -c`, or a list of words that no shell reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// The project's tests with pytest, those first that a change affects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pytest: Option<PytestPart>,
    /// A web request and what is expected of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpPart>,
    /// A command that goes on until it is stopped, such as a web server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServicePart>,
    /// Stages that must have succeeded before; the name of a stage with a matrix means all its cells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// The files it depends on: paths and patterns from the project's root (`*`, `?`, `[a-z]`, `{a,b}`, and `**` for
    /// any directories); a directory means all that is in it, a later `!pattern` takes away. Every file that is not
    /// ignored when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<String>>,
    /// The files and directories that it makes: names below the project's root, not patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// JSON files it makes with numbers to compare between runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
    /// Keys of YAML, JSON or TOML files that it depends on: file to dotted keys; an empty list means the whole file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Vec<String>>,
    /// Variables that it is given.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Names of variables of your environment that it is given and depends on. A stage with a cache sees no others
    /// but a short list such as PATH, HOME and LANG.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pass_env: Vec<String>,
    /// The directory that it runs in, below the project's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// How long one attempt may take, such as "500ms", "90s", "10m" or "1h30m".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How often a failed attempt is repeated; success after a repeat counts as flaky.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub retries: Option<u32>,
    /// Whether the result of an earlier run is taken while nothing it depends on has changed: true for `run` and
    /// `pytest` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
    /// Whether it is given credentials of the project's credential profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<bool>,
    /// Where it runs: "local", and no other place is known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<String>,
    /// Axes and their values; the stage is run once for each combination, as `NAME@VALUE-VALUE` in the order of the
    /// axes' names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub matrix: BTreeMap<String, Vec<Scalar>>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Run {
    /// A text for `sh -c`.
    Shell(String),
    /// A program with its arguments.
    Words(Vec<String>),
}

/// A single value.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Number(f64),
    /// A text.
    Text(String),
}

/// How pytest is started.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct PytestPart {
    /// More arguments for pytest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Whether test files may run side by side; `true` when left out. Failures beside others are tried again alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<bool>,
    /// Whether runs may be forked from a process that has imported what they need; `true` when left out. Where it is `false`, and on
    /// systems other than Linux, each run has a process of its own that is made beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork: Option<bool>,
    /// The most memory that one process of tests may ask for, in MiB; no bound when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 64, max = 4_194_304))]
    pub memory_mb: Option<u32>,
}

/// A web request and what is expected of the answer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct HttpPart {
    /// The address, beginning with `http://` or `https://`.
    pub url: String,
    /// The method: GET when left out, POST with a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Header fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The status code that is expected; 200 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// A text that must be in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Values that must be in a JSON answer, by dotted path such as "items.0.name".
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, Scalar>,
    /// For how long an answer that is not as expected is asked for again, such as "10s"; not at all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_for: Option<String>,
    /// How long one request may take; "10s" when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// A command that goes on until it is stopped.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct ServicePart {
    /// The command: a text for `sh -c`, or a list of words that no shell reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// What shows that stages which need it may begin; as soon as it is started when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<ReadyPart>,
    /// How long it may take to be ready; "30s" when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_timeout: Option<String>,
    /// How long it may take to stop before it is killed; "5s" when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<String>,
}

/// What shows that a service is ready: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct ReadyPart {
    /// This request is answered as expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpPart>,
    /// Something listens on this port of the loopback interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// This text stands in a line of its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// The JSON Schema of `devboot.toml`, for editors.
pub fn json_schema() -> String {
    let value = schema_value();
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_else(|_| value.to_string());
    text.push('\n');
    text
}

/// The same schema as a value, for the check that walks along it.
pub(super) fn schema_value() -> serde_json::Value {
    schemars::schema_for!(ProjectFile).to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Schema;

    use super::schema_value;
    use crate::document::tree::parse;
    use crate::document::walk::against_schema;

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut tree = parse(text, "devboot.toml", 0, &mut problems);
        against_schema(&schema_value(), &mut tree, &mut problems);
        problems.iter().map(|problem| problem.to_string().replace("devboot.toml:", "")).collect()
    }

    #[test]
    fn unknown_keys_and_wrong_types_are_reported() {
        let text = r#"
[projekt]
[project]
slots = 0
[stage.a]
rum = "x"
needs = "b"
retries = 101
[stage.b]
run = ["a", 1]
service = { ready = { port = 70000 } }
http = { json = { a = [] }, status = 99 }
[stage.c]
run = 1
matrix.lr = [0.1, 1, "a", true, {}]
service = { ready = { port = 0 } }
"#;
        let mut found = problems(text);
        found.sort();
        let expected = [
            "10:13: 'stage.b.run' must be a text, not a whole number",
            "11:30: 'stage.b.service.ready.port' must be at most 65535, not 70000",
            "12:23: 'stage.b.http.json.a' must be true or false or a whole number or a number or a text, not a list",
            "12:38: 'stage.b.http.status' must be at least 100, not 99",
            "14:7: 'stage.c.run' must be a text or a list, not a whole number",
            "15:33: 'stage.c.matrix.lr' must be true or false or a whole number or a number or a text, not a table",
            "16:30: 'stage.c.service.ready.port' must be at least 1, not 0",
            "2:2: unknown key 'projekt' (did you mean 'project'?)",
            "4:9: 'project.slots' must be at least 1, not 0",
            "6:1: unknown key 'rum' (did you mean 'run'?)",
            "7:9: 'stage.a.needs' must be a list, not a text",
            "8:11: 'stage.a.retries' must be at most 100, not 101",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn every_key_has_a_description() {
        fn missing(schema: &Schema, at: &str, found: &mut Vec<String>) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                if property["description"].as_str().is_none_or(str::is_empty) {
                    found.push(format!("{at}.{key}"));
                }
            }
        }
        let schema = schema_value();
        let mut found = Vec::new();
        missing(&schema, "", &mut found);
        for (name, part) in schema["$defs"].as_object().unwrap() {
            missing(part, name, &mut found);
        }
        assert_eq!(found, [""; 0]);
    }
}
