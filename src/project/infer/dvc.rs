//! DVC: the stages of `dvc.yaml`. What is not understood is said, and its stage is left out.

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
    for (name, body) in file["stages"].as_object().into_iter().flatten() {
        match stage(name, body).and_then(|part| usable(name, part)) {
            Ok(part) => draft.add("dvc", &own_name(name), part, &format!("stage {name} of dvc.yaml")),
            Err(why) => draft.tell(format!("stage {name} of dvc.yaml is left out: {why}")),
        }
    }
}

/// DVC takes capital letters, too.
fn own_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    name.to_ascii_lowercase().chars().map(plain).collect()
}

fn stage(name: &str, body: &Value) -> Result<StagePart, String> {
    names::stage(&own_name(name))?;
    let mut part = StagePart::default();
    let mut body = body;
    let mut axes = Vec::new();
    if let Some(items) = body.get("foreach") {
        part.matrix.insert("item".into(), scalars(items, "foreach")?);
        axes.push(("${item}".to_owned(), "{item}".to_owned()));
        body = body.get("do").unwrap_or(&Value::Null);
    }
    for (axis, items) in body.get("matrix").and_then(Value::as_object).into_iter().flatten() {
        names::variable(axis)?;
        part.matrix.insert(axis.clone(), scalars(items, "matrix")?);
        axes.push((format!("${{item.{axis}}}"), format!("{{{axis}}}")));
    }
    let body = body.as_object().ok_or("it is no table")?;
    if body.get("frozen") == Some(&Value::Bool(true)) {
        return Err("it is frozen".into());
    }
    Reader { part, axes, dir: String::new() }.read(body)
}

/// A stage that would spoil the pipeline is left out alone.
fn usable(name: &str, part: StagePart) -> Result<StagePart, String> {
    let alone = Draft { stages: vec![(own_name(name), part.clone())], told: Vec::new() };
    alone.resolved(name).map(|_| part)
}

fn scalars(items: &Value, key: &str) -> Result<Vec<Scalar>, String> {
    let scalar = |item: &Value| match item {
        Value::Bool(truth) => Some(Scalar::Boolean(*truth)),
        Value::Number(number) => number.as_i64().map(Scalar::Integer).or(number.as_f64().map(Scalar::Number)),
        Value::String(text) if !text.contains("${") => Some(Scalar::Text(text.clone())),
        _ => None,
    };
    let items = items.as_array().and_then(|items| items.iter().map(scalar).collect::<Option<Vec<_>>>());
    items.ok_or_else(|| format!("its '{key}' is more than lists of plain values"))
}

struct Reader {
    part: StagePart,
    /// How DVC writes the values of a matrix, and how we do.
    axes: Vec<(String, String)>,
    /// Where paths begin.
    dir: String,
}

impl Reader {
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

    /// A text with the values of the matrix in our form. Values of files are filled in by DVC alone.
    fn text(&self, text: &str) -> Result<String, String> {
        let text = self.axes.iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours));
        let mut rest = text.as_str();
        while let Some(at) = rest.find("${") {
            if !rest[..at].ends_with('\\') {
                let end = rest[at..].find('}').map_or(rest.len(), |end| at + end + 1);
                return Err(format!("it uses {}, which only DVC fills in", &rest[at..end]));
            }
            rest = &rest[at + 2..];
        }
        Ok(text.replace("\\${", "${"))
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
