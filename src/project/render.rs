//! A pipeline as a `devboot.toml` to keep: what was inferred, or what a file says in its plainest form.

use std::collections::BTreeMap;

use toml::Value;

use super::model::{Origin, Pipeline, StageId};
use super::schema::{ProjectFile, StagePart};
use crate::base::text::printable;

/// The keys of a stage in the order in which they are written; a test holds it against the schema.
const KEYS: [&str; 18] = [
    "run", "pytest", "http", "service", "needs", "inputs", "outputs", "metrics", "params", "env", "pass_env",
    "cwd", "timeout", "retries", "cache", "cloud", "on", "matrix",
];

/// Writes what is declared. `order` names stages; those that it does not name come last. `remarks` stand above all,
/// `notes` above their stage, as comments.
pub fn render(
    file: &ProjectFile,
    order: &[String],
    remarks: &[String],
    notes: &BTreeMap<String, Vec<String>>,
) -> String {
    let mut out = String::new();
    remarks.iter().for_each(|remark| comment(&mut out, remark));
    if let Ok(Value::Table(table)) = Value::try_from(&file.project)
        && !table.is_empty()
    {
        section(&mut out, "project");
        table.iter().for_each(|(key, value)| pair(&mut out, key, value));
    }
    let named = order.iter().filter_map(|name| file.stage.get_key_value(name));
    let rest = file.stage.iter().filter(|(name, _)| !order.contains(name));
    for (name, part) in named.chain(rest) {
        if !out.is_empty() {
            out.push('\n');
        }
        notes.get(name).into_iter().flatten().for_each(|note| comment(&mut out, note));
        stage(&mut out, name, part);
    }
    out
}

/// What a pipeline is, with what was understood beyond the text as comments: where it was inferred from, needs that
/// follow from files, and the cells of matrices.
pub fn explained(file: &ProjectFile, pipeline: &Pipeline) -> String {
    let mut order: Vec<String> = Vec::new();
    for stage in &pipeline.stages {
        if !order.iter().any(|name| name == stage.id.group()) {
            order.push(stage.id.group().to_owned());
        }
    }
    let notes = order.iter().map(|name| (name.clone(), notes(file, pipeline, name))).collect();
    let mut remarks = Vec::new();
    if let Origin::Inferred(told) = &pipeline.origin {
        remarks.push("Inferred from the project's files; keep it as devboot.toml to change it.".to_owned());
        remarks.extend(told.iter().cloned());
    }
    render(file, &order, &remarks, &notes)
}

fn notes(file: &ProjectFile, pipeline: &Pipeline, name: &str) -> Vec<String> {
    let cells: Vec<_> = pipeline.stages.iter().filter(|stage| stage.id.group() == name).collect();
    let mut notes = Vec::new();
    if cells.len() > 1 {
        notes.push(format!("{} cells: {}", cells.len(), some(cells.iter().map(|cell| &cell.id))));
    }
    let written = file.stage.get(name).map_or(&[][..], |part| &part.needs);
    let said = |need: &StageId| {
        written.iter().any(|text| *text == need.0 || text == need.group() || text.contains('{'))
    };
    let mut needs: Vec<&StageId> =
        cells.iter().flat_map(|cell| &cell.needs).filter(|need| !said(need)).collect();
    needs.sort();
    needs.dedup();
    if !needs.is_empty() {
        notes.push(format!("needs, by what they make: {}", some(needs.into_iter())));
    }
    notes
}

fn some<'a>(ids: impl ExactSizeIterator<Item = &'a StageId>) -> String {
    const MOST: usize = 8;
    let more = ids.len().saturating_sub(MOST);
    let mut text = ids.take(MOST).map(|id| id.0.as_str()).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn comment(out: &mut String, text: &str) {
    out.push_str(&format!("# {}\n", printable(text).replace('\t', " ")));
}

fn section(out: &mut String, name: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&format!("[{name}]\n"));
}

fn stage(out: &mut String, name: &str, part: &StagePart) {
    out.push_str(&format!("[stage.{}]\n", key(name)));
    let Ok(Value::Table(table)) = Value::try_from(part) else { return };
    for (key, value) in KEYS.iter().filter_map(|key| Some((key, table.get(*key)?))) {
        pair(out, key, value);
    }
}

fn pair(out: &mut String, name: &str, value: &Value) {
    out.push_str(&format!("{} = {}\n", key(name), inline(value)));
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { quoted(name) }
}

/// A value on one line, in which nothing is hidden from who reads it.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Table(table) if table.is_empty() => "{}".into(),
        Value::Table(table) => {
            let pairs = table.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A text in quotes; what would not be seen as it is stands there as an escape.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::project::resolve::resolve;
    use crate::project::schema::{HttpPart, PytestPart, ReadyPart, Run, Scalar, ServicePart, schema_value};

    #[test]
    fn every_key_of_the_schema_is_written() {
        let schema = schema_value();
        let mut known: Vec<&str> = schema["$defs"]["StagePart"]["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let mut written = KEYS.to_vec();
        known.sort_unstable();
        written.sort_unstable();
        assert_eq!(written, known);
    }

    #[test]
    fn a_pipeline_reads_like_one_written_by_hand() {
        let text = r#"[stage.web]
service = { run = "flask run", ready = { port = 80 } }
[stage."a.b"]
run = ["x", "y z"]
inputs = ["d/*"]
matrix.lr = [1e-3, 2]
[stage.make]
outputs = ["d/x"]
run = "make {d}"
[stage.test]
pytest = {}
needs = ["make"]
"#;
        let resolved = resolve(text, "devboot.toml", "demo").unwrap();
        let expected = r#"[stage.web]
service = { ready = { port = 80 }, run = "flask run" }

[stage.make]
run = "make {d}"
outputs = ["d/x"]

# 2 cells: a.b@1e-3, a.b@2
# needs, by what they make: make
[stage."a.b"]
run = ["x", "y z"]
inputs = ["d/*"]
matrix = { lr = ["1e-3", 2] }

[stage.test]
pytest = {}
needs = ["make"]
"#;
        let shown = explained(&resolved.written, &resolved.pipeline);
        assert_eq!(shown, expected);
        let again = resolve(&shown, "devboot.toml", "demo").unwrap();
        assert_eq!(again.written, resolved.written);
    }

    fn text() -> impl Strategy<Value = String> + Clone {
        "[ -~äß€😀\u{202e}\u{9b}\u{1b}\r\n\t]{0,20}"
    }

    fn http() -> impl Strategy<Value = HttpPart> {
        (text(), prop::option::of(text()), prop::collection::btree_map(text(), scalar(), 0..3)).prop_map(
            |(url, body, json)| HttpPart { url, body, json, status: Some(404), ..HttpPart::default() },
        )
    }

    fn scalar() -> impl Strategy<Value = Scalar> + Clone {
        prop_oneof![
            any::<bool>().prop_map(Scalar::Boolean),
            any::<i64>().prop_map(Scalar::Integer),
            (-1000_i32..1000).prop_map(|n| Scalar::Number(f64::from(n) / 8.0)),
            text().prop_map(Scalar::Text),
        ]
    }

    fn part() -> impl Strategy<Value = StagePart> {
        let lists = prop::collection::vec(text(), 0..3);
        let run = prop_oneof![text().prop_map(Run::Shell), lists.clone().prop_map(Run::Words)];
        let maps = prop::collection::btree_map(text(), text(), 0..3);
        let ready = (http(), text()).prop_map(|(http, log)| ReadyPart {
            http: Some(http),
            port: Some(1),
            log: Some(log),
        });
        let service = (run.clone(), ready).prop_map(|(run, ready)| ServicePart {
            run: Some(run),
            ready: Some(ready),
            ..ServicePart::default()
        });
        let matrix = prop::collection::btree_map(text(), prop::collection::vec(scalar(), 0..3), 0..2);
        let actions = (prop::option::of(run), prop::option::of(service), prop::option::of(http()));
        (actions, lists, maps, matrix, any::<bool>()).prop_map(
            |((run, service, http), list, env, matrix, on)| StagePart {
                run,
                service,
                http,
                pytest: on.then(|| PytestPart {
                    args: list.clone(),
                    parallel: (!env.is_empty()).then_some(false),
                    fork: (!env.is_empty()).then_some(false),
                    memory_mb: (!list.is_empty()).then_some(2048),
                }),
                needs: list.clone(),
                inputs: on.then(|| list.clone()),
                outputs: list,
                env,
                matrix,
                cache: Some(on),
                retries: on.then_some(3),
                ..StagePart::default()
            },
        )
    }

    #[test]
    fn nothing_is_hidden_from_who_reads_a_pipeline() {
        let shown = quoted("a\u{202e}b\u{9b}2J\u{1b}\"\\\n");
        assert_eq!(shown, r#""a\u202eb\u009b2J\u001b\"\\\n""#);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(
            stages in prop::collection::btree_map("[a-z0-9_][a-z0-9_.-]{0,6}", part(), 0..3),
            remark in text(),
        ) {
            let file = ProjectFile { stage: stages, ..ProjectFile::default() };
            let text = render(&file, &[], &[remark], &BTreeMap::new());
            let back: ProjectFile = toml::from_str(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            prop_assert_eq!(back, file);
        }
    }
}
