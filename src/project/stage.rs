//! One stage, or one cell of its matrix, from the tree as it is written: every text filled in and tested.

use std::collections::BTreeMap;
use std::time::Duration;

use super::action;
use super::matrix::{self, Cell};
use super::model::{Action, PLACES, Stage};
use super::names::{self, Wrong};
use super::{duration, patterns};
use crate::base::redact;
use crate::document::problem::Problem;
use crate::document::tree::{Node, Value};

/// Texts, and where each stands.
pub(super) type Placed<'a> = Vec<(String, &'a Node)>;

/// A stage, and where the parts stand that are held against other stages.
pub(super) struct Built<'a> {
    /// The stage; its needs are still empty.
    pub stage: Stage,
    /// Where its name stands.
    pub at: &'a Node,
    /// The needs as they are written.
    pub needs: Placed<'a>,
    /// The inputs and files of parameters.
    pub inputs: Placed<'a>,
    /// The outputs and metrics.
    pub makes: Placed<'a>,
}

/// Reads one table, with the values of one cell.
pub(super) struct Reader<'a, 'p> {
    /// The table of the stage.
    pub node: &'a Node,
    /// The cell.
    pub cell: &'p Cell,
    /// What was found wrong.
    pub problems: &'p mut Vec<Problem>,
}

type Test = fn(&str) -> Result<(), Wrong>;

/// The keys that a kind of stage does not take, and what to do instead.
const NOT_FOR: &[(&str, &[&str], &str)] = &[
    (
        "http",
        &["outputs", "metrics", "cwd", "env", "pass_env", "timeout", "cache", "on"],
        "a request has a `timeout` of its own in `http`, makes no files and is never answered from the cache",
    ),
    (
        "service",
        &["outputs", "metrics", "timeout", "retries", "cache", "on"],
        "a service has `ready_timeout` and `grace` in `service`; what it makes cannot be kept",
    ),
];

impl<'a> Reader<'a, '_> {
    /// The stage of a name.
    pub fn stage(mut self, name: &str) -> Built<'a> {
        let action = action::read(&mut self);
        self.misplaced();
        let needs = self.texts("needs");
        let needs = needs.into_iter().map(|(_, node)| (self.need(node), node)).collect();
        let inputs = self.inputs();
        let outputs = self.paths("outputs");
        let metrics = self.paths("metrics");
        let (params, files) = self.params();
        let lasting = matches!(action, Action::Http(_) | Action::Service(_));
        let only_names = |list: &[(String, &Node)]| list.iter().map(|(text, _)| text.clone()).collect();
        let stage = Stage {
            id: matrix::id(name, self.cell),
            action,
            needs: Vec::new(),
            inputs: match self.node.get("inputs") {
                None => vec!["**".into()],
                Some(_) => only_names(&inputs),
            },
            outputs: only_names(&outputs),
            metrics: only_names(&metrics),
            params,
            env: self.env(),
            pass_env: self.pass_env(),
            cwd: self.cwd(),
            timeout: self.timeout(),
            retries: self.whole("retries").and_then(|retries| u32::try_from(retries).ok()).unwrap_or(0),
            cache: self.truth("cache").unwrap_or(!lasting),
            wants_cloud: self.truth("cloud").unwrap_or(false),
            on: self.text(self.node.get("on"), names::place).unwrap_or_else(|| PLACES[0].into()),
            cell: self.cell.clone(),
        };
        let inputs = inputs.into_iter().chain(files).collect();
        let makes = outputs.into_iter().chain(metrics).collect();
        Built { stage, at: self.node, needs, inputs, makes }
    }

    /// Blames a value.
    pub fn blame(&mut self, node: &Node, wrong: impl Into<String>) {
        self.problems.push(Problem::new(wrong).at(node.at.place()));
    }

    /// A text with the cell's values in it; `None` when there is none or it was blamed.
    pub fn text(&mut self, node: Option<&Node>, test: Test) -> Option<String> {
        let node = node?;
        let text = matrix::filled(node.text()?, self.cell);
        match test(&text) {
            Ok(()) => Some(text),
            Err(wrong) => {
                self.blame(node, wrong);
                None
            }
        }
    }

    /// A span of time.
    pub fn span(&mut self, node: Option<&Node>, least: Duration) -> Option<Duration> {
        let node = node?;
        let text = matrix::filled(node.text()?, self.cell);
        match duration::parse(&text) {
            Some(span) if span >= least => Some(span),
            found => {
                let wrong = if found.is_some() { "is too short" } else { "is no span of time" };
                let problem = Problem::new(format!("'{text}' {wrong}")).at(node.at.place());
                self.problems
                    .push(problem.hint("write a span such as \"500ms\", \"90s\", \"10m\" or \"1h30m\""));
                None
            }
        }
    }

    /// A table of texts.
    pub fn table(&mut self, node: Option<&Node>, key: Test, value: Test) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for (name, node) in node.and_then(Node::table).into_iter().flatten() {
            if let Err(wrong) = key(name) {
                self.problems.push(Problem::new(wrong).at(node.key_at.place()));
            } else if let Some(text) = self.text(Some(node), value) {
                found.insert(name.clone(), text);
            }
        }
        found
    }

    /// The texts of a list, each with its place.
    pub fn texts(&mut self, key: &str) -> Placed<'a> {
        let items = self.node.get(key).map_or(&[][..], Node::items);
        items.iter().filter_map(|node| Some((matrix::filled(node.text()?, self.cell), node))).collect()
    }

    fn whole(&self, key: &str) -> Option<i64> {
        match self.node.get(key)?.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    fn truth(&self, key: &str) -> Option<bool> {
        match self.node.get(key)?.value {
            Value::Boolean(truth) => Some(truth),
            _ => None,
        }
    }

    fn misplaced(&mut self) {
        for (kind, keys, hint) in NOT_FOR.iter().filter(|(kind, ..)| self.node.get(kind).is_some()) {
            for (key, node) in keys.iter().filter_map(|key| Some((key, self.node.get(key)?))) {
                let problem = Problem::new(format!("a stage with '{kind}' takes no '{key}'"));
                self.problems.push(problem.at(node.key_at.place()).hint(*hint));
            }
        }
    }

    /// A need may name one cell, whose name holds its values in another form than they are written in.
    fn need(&self, node: &Node) -> String {
        let cell = self.cell.iter().map(|(axis, value)| (axis.clone(), matrix::in_a_name(value))).collect();
        matrix::filled(node.text().unwrap_or_default(), &cell)
    }

    fn inputs(&mut self) -> Placed<'a> {
        let mut found = Vec::new();
        for (text, node) in self.texts("inputs") {
            match patterns::normal(&text) {
                Ok(text) => found.push((text, node)),
                Err(wrong) => self.blame(node, wrong.0),
            }
        }
        found
    }

    fn paths(&mut self, key: &str) -> Placed<'a> {
        let mut found: Vec<(String, &Node)> = Vec::new();
        for (text, node) in self.texts(key) {
            match made(&text) {
                Ok(path) if found.iter().any(|(other, _)| *other == path) => {}
                Ok(path) => found.push((path, node)),
                Err(wrong) => self.blame(node, wrong),
            }
        }
        found
    }

    fn params(&mut self) -> (BTreeMap<String, Vec<String>>, Placed<'a>) {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut files = Vec::new();
        for (file, node) in self.node.get("params").and_then(Node::table).into_iter().flatten() {
            let path = names::path(&matrix::filled(file, self.cell));
            let path = match path {
                Ok(path) if [".yaml", ".yml", ".json", ".toml"].iter().any(|end| path.ends_with(end)) => path,
                Ok(path) => {
                    let wrong =
                        format!("'{path}' is no file of parameters: it ends in .yaml, .json or .toml");
                    self.problems.push(Problem::new(wrong).at(node.key_at.place()));
                    continue;
                }
                Err(wrong) => {
                    self.problems.push(Problem::new(wrong).at(node.key_at.place()));
                    continue;
                }
            };
            let keys: Vec<String> =
                node.items().iter().filter_map(|key| self.text(Some(key), parameter)).collect();
            files.push((path.clone(), node));
            found.entry(path).or_default().extend(keys);
        }
        (found, files)
    }

    fn env(&mut self) -> BTreeMap<String, String> {
        let table = self.node.get("env");
        for (name, node) in table.and_then(Node::table).into_iter().flatten() {
            if redact::is_secret_name(name) && node.text().is_some_and(|text| !text.is_empty()) {
                let problem = Problem::new(format!("the variable {name} looks like a secret")).warning();
                let hint = format!("leave its value in your environment and write pass_env = [\"{name}\"]");
                self.problems.push(problem.at(node.at.place()).hint(hint));
            }
        }
        self.table(table, names::variable, names::lines)
    }

    fn pass_env(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        for (_, node) in self.texts("pass_env") {
            found.extend(self.text(Some(node), names::variable));
        }
        found
    }

    fn cwd(&mut self) -> String {
        let node = self.node.get("cwd");
        let text = self.text(node, |text| names::path(text).map(drop));
        text.and_then(|text| names::path(&text).ok()).unwrap_or_default()
    }

    fn timeout(&mut self) -> Option<Duration> {
        self.span(self.node.get("timeout"), Duration::from_millis(1))
    }
}

fn parameter(text: &str) -> Result<(), Wrong> {
    names::one_line(text)?;
    match text.split('.').any(str::is_empty) {
        true => Err(format!("'{text}' is no key of parameters, such as train.lr")),
        false => Ok(()),
    }
}

/// The path of something that a stage makes.
fn made(text: &str) -> Result<String, Wrong> {
    let path = names::path(text)?;
    if path.contains(['*', '?', '[', ']']) {
        return Err(format!("'{text}' is a pattern: an output is the name of a file or of a directory"));
    }
    match path.split('/').next().unwrap_or_default() {
        "" => Err("the project's root cannot be an output".into()),
        ".git" | "devboot.toml" => Err(format!("'{text}' cannot be an output")),
        _ => Ok(path),
    }
}
