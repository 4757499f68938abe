//! DVC: the stages of `dvc.yaml`, with the values of `params.yaml` and of its own `vars` filled in
//! (<https://dvc.org/doc/user-guide/project-structure/dvcyaml-files#templating>). What is not understood is said, and its
//! stage is left out with those that follow on it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{Draft, Look};
use crate::project::names;
use crate::project::params;
use crate::project::schema::{Run, Scalar, StagePart};

/// Keys of a stage that say nothing about what is run.
const SILENT: [&str; 3] = ["desc", "meta", "frozen"];

pub(super) fn find(look: &Look<'_>, draft: &mut Draft) {
    if let Some(file) = look.files.iter().find(|file| file.ends_with("/dvc.yaml")) {
        draft.tell(format!("{file} is not read: only the dvc.yaml at the root is"));
    }
    let Some(text) = look.text("dvc.yaml") else { return };
    let file = match params::yaml(&text) {
        Ok(file) => file,
        Err(why) => return draft.tell(format!("dvc.yaml is not valid: {why}")),
    };
    let values = values(look, &file);
    let stages = file["stages"].as_object().cloned().unwrap_or_default();
    let mut left_out: Vec<(&String, String)> = Vec::new();
    let mut parts: Vec<(&String, StagePart)> = Vec::new();
    for (name, body) in &stages {
        match stage(name, body, &values).and_then(|part| usable(name, part)) {
            Ok(part) => parts.push((name, part)),
            Err(why) => left_out.push((name, why)),
        }
    }
    // What nobody makes cannot be waited for: what takes it would run on what was left there.
    let mut missing: BTreeMap<String, &String> = left_out
        .iter()
        .flat_map(|(name, _)| made(&stages[*name], &values).into_iter().map(move |path| (path, *name)))
        .collect();
    while let Some(at) = parts.iter().position(|(_, part)| takes(part, &missing).is_some()) {
        let (name, part) = parts.remove(at);
        let (path, maker) = takes(&part, &missing).expect("it was found by this");
        left_out.push((name, format!("it takes {path}, which stage {maker} makes")));
        missing.extend(part.outputs.iter().chain(&part.metrics).map(|path| (path.clone(), name)));
    }
    for (name, part) in parts {
        draft.add("dvc", &own_name(name), part, &format!("stage {name} of dvc.yaml"));
    }
    for (name, why) in left_out {
        draft.tell(format!("stage {name} of dvc.yaml is left out: {why}"));
    }
}

/// The values that templates are filled from: those of `params.yaml`, and what `vars` says beside them.
fn values(look: &Look<'_>, file: &Value) -> Map<String, Value> {
    let params = look.text("params.yaml").and_then(|text| params::yaml(&text).ok());
    let mut values = Map::new();
    // `vars` may name other files; who uses their values is left out.
    let own = file["vars"].as_array().into_iter().flatten();
    for table in params.iter().chain(own).filter_map(Value::as_object) {
        merge(&mut values, table);
    }
    values
}

/// DVC takes capital letters, too.
fn own_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    name.to_ascii_lowercase().chars().map(plain).collect()
}

fn stage(name: &str, body: &Value, values: &Map<String, Value>) -> Result<StagePart, String> {
    names::stage(&own_name(name))?;
    let mut part = StagePart::default();
    let mut reader = Reader { part: StagePart::default(), axes: Vec::new(), dir: String::new(), values };
    let mut body = body;
    if let Some(items) = body.get("foreach") {
        part.matrix.insert("item".into(), reader.scalars(items, "foreach")?);
        body = body.get("do").unwrap_or(&Value::Null);
    }
    for (axis, items) in body.get("matrix").and_then(Value::as_object).into_iter().flatten() {
        names::variable(axis)?;
        part.matrix.insert(axis.clone(), reader.scalars(items, "matrix")?);
    }
    let body = body.as_object().ok_or("it is no table")?;
    if body.get("frozen") == Some(&Value::Bool(true)) {
        return Err("it is frozen".into());
    }
    reader.axes = axes(&part.matrix);
    reader.part = part;
    reader.read(body)
}

/// How DVC writes the values of a matrix, and how we do.
fn axes(matrix: &BTreeMap<String, Vec<Scalar>>) -> Vec<(String, String)> {
    let axis = |axis: &String| match axis.as_str() {
        "item" => ("item".to_owned(), "{item}".to_owned()),
        axis => (format!("item.{axis}"), format!("{{{axis}}}")),
    };
    matrix.keys().map(axis).collect()
}

/// A stage that would spoil the pipeline is left out alone.
fn usable(name: &str, part: StagePart) -> Result<StagePart, String> {
    let alone = Draft { stages: vec![(own_name(name), part.clone())], told: Vec::new() };
    alone.resolved(name).map(|_| part)
}

/// What a stage makes that is left out, as far as it can be told.
fn made(body: &Value, values: &Map<String, Value>) -> Vec<String> {
    let body = body.get("do").unwrap_or(body);
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut reader = Reader { part: StagePart::default(), axes: Vec::new(), dir: String::new(), values };
    let Ok(dir) = reader.text(text("wdir")) else { return Vec::new() };
    reader.dir = dir;
    let lists = ["outs", "metrics", "plots"].iter().filter_map(|key| body.get(*key));
    lists.flat_map(|list| reader.paths(list).unwrap_or_default()).collect()
}

/// The first path of these that a stage takes, and who would have made it.
fn takes<'a>(part: &StagePart, made: &BTreeMap<String, &'a String>) -> Option<(String, &'a String)> {
    let below = |one: &str, other: &str| {
        one.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let inputs = part.inputs.as_deref().unwrap_or_default();
    let is_taken = |made: &str| {
        let made = globset::escape(made);
        inputs.iter().any(|input| below(input, &made) || below(&made, input))
    };
    made.iter().find(|(path, _)| is_taken(path)).map(|(path, maker)| (path.clone(), *maker))
}

/// Adds the values of another table, those of tables in it one by one; what is there already stays.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => merge(into, from),
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A value as Python writes it, for that is what DVC puts into its commands.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("None".into()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if number.is_f64() => number.as_f64().map(float),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number as Python's `repr` has it: the shortest that is the same, with an exponent from 1e16 up and below 1e-4.
fn float(number: f64) -> String {
    let digits = format!("{number:e}");
    let (mantissa, exponent) = digits.split_once('e').unwrap_or((&digits, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    match exponent {
        -4..16 => format!("{number:?}"),
        16.. => format!("{mantissa}e+{exponent:02}"),
        _ => format!("{mantissa}e-{:02}", -exponent),
    }
}

struct Reader<'a> {
    part: StagePart,
    /// How DVC writes the values of a matrix, and how we do.
    axes: Vec<(String, String)>,
    /// Where paths begin.
    dir: String,
    /// What templates are filled from.
    values: &'a Map<String, Value>,
}

impl Reader<'_> {
    fn read(mut self, body: &Map<String, Value>) -> Result<StagePart, String> {
        if let Some(dir) = body.get("wdir").and_then(Value::as_str) {
            self.dir = self.text(dir)?;
            let dir = self.path(".")?;
            self.part.cwd = (!dir.is_empty()).then_some(dir);
        }
        self.part.inputs = Some(Vec::new());
        for (key, value) in body {
            match key.as_str() {
                "cmd" => self.part.run = Some(Run::Shell(self.command(value)?)),
                "deps" => {
                    let deps = self.paths(value)?;
                    self.part.inputs = Some(deps.iter().map(|dep| globset::escape(dep)).collect());
                }
                "outs" | "plots" => {
                    let made = self.paths(value)?;
                    self.part.outputs.extend(made);
                }
                "metrics" => {
                    let (json, other): (Vec<String>, Vec<String>) =
                        self.paths(value)?.into_iter().partition(|path| path.ends_with(".json"));
                    self.part.metrics.extend(json);
                    self.part.outputs.extend(other);
                }
                "params" => self.part.params = self.params(value)?,
                "always_changed" => self.part.cache = (value == &Value::Bool(true)).then_some(false),
                "wdir" | "matrix" => {}
                key if SILENT.contains(&key) => {}
                key => return Err(format!("its '{key}' is not understood")),
            }
        }
        if self.part.run.is_none() {
            return Err("it has no cmd".into());
        }
        // DVC always runs what depends on nothing.
        if self.part.params.is_empty() && self.part.inputs.as_ref().is_some_and(Vec::is_empty) {
            self.part.cache = Some(false);
        }
        Ok(self.part)
    }

    /// A text with the values of the matrix in our form, and those of files filled in.
    fn text(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, template) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('\\') {
                filled.push_str(before);
                filled.push_str("${");
                rest = &template[2..];
                continue;
            }
            filled.push_str(before);
            let Some(end) = template.find('}') else {
                filled.push_str(template);
                return Ok(filled);
            };
            let (key, whole) = (&template[2..end], &template[..=end]);
            match self.axes.iter().find(|(theirs, _)| theirs == key) {
                Some((_, ours)) => filled.push_str(ours),
                None => filled.push_str(&self.filled(key, whole)?),
            }
            rest = &template[end + 1..];
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn filled(&self, key: &str, whole: &str) -> Result<String, String> {
        let value = self.value(key).ok_or_else(|| format!("it uses {whole}, which only DVC fills in"))?;
        let text = shown(value).ok_or_else(|| format!("it uses {whole}, which is no single value"))?;
        match self.axes.is_empty() || !text.contains('{') {
            true => Ok(text),
            false => Err(format!("it uses {whole} beside a matrix, and it has braces")),
        }
    }

    /// The value of a dotted key; a number in it is an index of a list.
    fn value(&self, key: &str) -> Option<&Value> {
        let key = key.replace('[', ".").replace(']', "");
        let mut parts = key.split('.');
        let first = self.values.get(parts.next()?)?;
        parts.try_fold(first, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            value => value.get(part),
        })
    }

    fn scalars(&self, items: &Value, key: &str) -> Result<Vec<Scalar>, String> {
        let template = |text: &str| {
            let key = text.strip_prefix("${")?.strip_suffix('}')?;
            self.value(key).cloned()
        };
        let items = items.as_str().and_then(template).unwrap_or_else(|| items.clone());
        let scalar = |item: &Value| match item {
            Value::Bool(truth) => Some(Scalar::Boolean(*truth)),
            Value::Number(number) => {
                number.as_i64().map(Scalar::Integer).or(number.as_f64().map(Scalar::Number))
            }
            Value::String(text) => self.text(text).ok().map(Scalar::Text),
            _ => None,
        };
        let items = items.as_array().and_then(|items| items.iter().map(scalar).collect::<Option<Vec<_>>>());
        items.ok_or_else(|| format!("its '{key}' is more than lists of plain values"))
    }

    fn command(&self, value: &Value) -> Result<String, String> {
        match value {
            Value::String(text) => self.text(text.trim_end()),
            Value::Array(items) => {
                let lines = items.iter().map(|item| self.text(item.as_str().unwrap_or_default().trim_end()));
                Ok(format!("set -e\n{}", lines.collect::<Result<Vec<_>, _>>()?.join("\n")))
            }
            _ => Err("its cmd is no text".into()),
        }
    }

    fn path(&self, text: &str) -> Result<String, String> {
        let text = self.text(text)?;
        if text.contains("://") {
            return Err(format!("{text} is not a file of the project"));
        }
        match self.dir.is_empty() {
            true => names::path(&text),
            false => {
                // A path may go up from the stage's directory and stay in the project.
                let mut parts: Vec<&str> = Vec::new();
                for part in
                    self.dir.split('/').chain(text.split('/')).filter(|part| !matches!(*part, "" | "."))
                {
                    match part {
                        ".." => {
                            parts.pop().map(drop).ok_or_else(|| format!("{text} leads out of the project"))?
                        }
                        part => parts.push(part),
                    }
                }
                Ok(parts.join("/"))
            }
        }
    }

    /// A list of paths; those with settings are tables of one key.
    fn paths(&self, value: &Value) -> Result<Vec<String>, String> {
        let name = |item: &Value| match item {
            Value::String(text) => Some(text.clone()),
            Value::Object(table) if table.len() == 1 => table.keys().next().cloned(),
            _ => None,
        };
        let items = match value {
            Value::Array(items) => items.iter().map(name).collect(),
            Value::Object(table) => Some(table.keys().cloned().collect::<Vec<_>>()),
            _ => None,
        };
        let items = items.ok_or("one of its lists of files is not understood")?;
        items.iter().map(|item| self.path(item)).collect()
    }

    fn params(&self, value: &Value) -> Result<BTreeMap<String, Vec<String>>, String> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let items = value.as_array().ok_or("its params are no list")?;
        for item in items {
            match item {
                Value::String(key) => {
                    found.entry(self.path("params.yaml")?).or_default().push(self.text(key)?)
                }
                Value::Object(files) => {
                    for (file, keys) in files {
                        let keys = keys.as_array().into_iter().flatten().filter_map(Value::as_str);
                        let keys = keys.map(|key| self.text(key)).collect::<Result<Vec<_>, _>>()?;
                        found.entry(self.path(file)?).or_default().extend(keys);
                    }
                }
                _ => return Err("its params are not understood".into()),
            }
        }
        Ok(found)
    }
}
