//! `devboot.toml` → [`Pipeline`]: everything that is wrong is said at once, with line and hint.

use std::collections::{BTreeMap, BTreeSet};

use super::links;
use super::matrix::{self, Cell};
use super::model::{Origin, Pipeline};
use super::names;
use super::schema::{ProjectFile, Scalar, schema_value};
use super::stage::{Built, Reader};
use crate::base::error::ErrorKind;
use crate::document::problem::{DocumentError, Problem, Severity, in_order};
use crate::document::tree::{Node, Value, parse};
use crate::document::walk::against_schema;

/// No pipeline has more stages, all cells counted.
pub const MOST_STAGES: usize = 2000;

/// A file that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// What it means.
    pub pipeline: Pipeline,
    /// What it says, values of matrices as they are written.
    pub written: ProjectFile,
    /// What its author should know.
    pub warnings: Vec<Problem>,
}

/// Resolves a text. `file` is how the file is shown, `name` what the project is called when the file does not say.
///
/// # Errors
/// Every problem, in the order of the file.
pub fn resolve(text: &str, file: &str, name: &str) -> Result<Resolved, DocumentError> {
    let mut problems = Vec::new();
    let mut tree = parse(text, file, 0, &mut problems);
    against_schema(&schema_value(), &mut tree, &mut problems);
    finite(&mut tree, &mut problems);
    let pipeline = pipeline(&tree, name, &mut problems);
    let written = match serde_json::from_value::<ProjectFile>(tree.to_json()) {
        Ok(written) => as_written(written, &tree),
        Err(error) => {
            problems.push(Problem::new(format!("the file cannot be read: {error}")));
            ProjectFile::default()
        }
    };
    let problems = in_order(problems);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        return Err(DocumentError { kind: ErrorKind::Usage, problems });
    }
    Ok(Resolved { pipeline, written, warnings: problems })
}

/// Numbers that are none have no place in JSON.
fn finite(tree: &mut Node, problems: &mut Vec<Problem>) {
    tree.retain(&mut Vec::new(), &mut |_, node| {
        if let Value::Fraction(text) = &node.value
            && !text.replace('_', "").parse::<f64>().is_ok_and(f64::is_finite)
        {
            problems.push(Problem::new(format!("'{text}' is no number")).at(node.at.place()));
            node.value = Value::Broken;
        }
        true
    });
}

fn pipeline(tree: &Node, name: &str, problems: &mut Vec<Problem>) -> Pipeline {
    let part = tree.get("project");
    let mut pipeline = project(part, name, problems);
    let mut built: Vec<Built<'_>> = Vec::new();
    for (name, node) in stages(tree) {
        if let Err(wrong) = names::stage(name) {
            problems.push(Problem::new(wrong).at(node.key_at.place()));
        }
        let cells = cells(node, problems);
        if built.len() + cells.len() > MOST_STAGES {
            let message = format!("the pipeline has more than {MOST_STAGES} stages");
            problems.push(Problem::new(message).at(node.key_at.place()));
            break;
        }
        let mut ids = BTreeSet::new();
        for cell in &cells {
            let mut stage = Reader { node, cell, problems }.stage(name);
            if !ids.insert(stage.stage.id.clone()) {
                let message = format!("two cells of the matrix would be named '{}'", stage.stage.id);
                problems.push(Problem::new(message).at(node.key_at.place()));
            }
            if stage.stage.wants_cloud && part.and_then(|part| part.get("cloud")).is_none() {
                let problem =
                    Problem::new("the stage asks for credentials, and no credential profile is named");
                let place = node.get("cloud").unwrap_or(node).at.place();
                problems.push(problem.at(place).hint("name one: [project] cloud = \"NAME\""));
            }
            stage.at = node;
            built.push(stage);
        }
    }
    if built.is_empty() && problems.is_empty() {
        problems.push(Problem::new("no stage is declared").at(tree.at.place()).warning());
    }
    pipeline.stages = links::bind(built, problems);
    pipeline
}

/// The stages in the order in which they are written.
fn stages(tree: &Node) -> Vec<(&String, &Node)> {
    let table = tree.get("stage").and_then(Node::table).into_iter().flatten();
    let mut stages: Vec<_> = table.filter(|(_, node)| node.table().is_some()).collect();
    stages.sort_by_key(|(_, node)| (node.key_at.place().line, node.key_at.place().column));
    stages
}

fn project(part: Option<&Node>, name: &str, problems: &mut Vec<Problem>) -> Pipeline {
    let get = |key: &str| part.and_then(|part| part.get(key));
    let mut tested = |key: &str, test: fn(&str) -> Result<(), String>| {
        let node = get(key)?;
        let text = node.text()?;
        if let Err(wrong) = test(text) {
            problems.push(Problem::new(wrong).at(node.at.place()));
        }
        Some(text.to_owned())
    };
    let name = tested("name", title).unwrap_or_else(|| name.to_owned());
    let cloud = tested("cloud", names::plain);
    let mut ignore = Vec::new();
    for node in get("ignore").map_or(&[][..], Node::items) {
        let Some(text) = node.text() else { continue };
        let line = ignore::gitignore::GitignoreBuilder::new("").add_line(None, text).err();
        match names::one_line(text).err().or(line.map(|error| error.to_string())) {
            Some(wrong) => problems.push(Problem::new(wrong).at(node.at.place())),
            None => ignore.push(text.to_owned()),
        }
    }
    let slots = match get("slots").map(|node| &node.value) {
        Some(Value::Integer(slots)) => usize::try_from(*slots).ok(),
        _ => None,
    };
    Pipeline { name, ignore, slots, cloud, stages: Vec::new(), origin: Origin::File }
}

fn title(text: &str) -> Result<(), String> {
    names::one_line(text)?;
    if text.trim().is_empty() { Err("the name is empty".into()) } else { Ok(()) }
}

/// The cells of a stage's matrix; one without values when it has none, or when what it has is wrong.
fn cells(stage: &Node, problems: &mut Vec<Problem>) -> Vec<Cell> {
    let mut axes = BTreeMap::new();
    let before = problems.len();
    for (axis, node) in stage.get("matrix").and_then(Node::table).into_iter().flatten() {
        if let Err(wrong) = names::variable(axis) {
            problems.push(Problem::new(wrong).at(node.key_at.place()));
        }
        let mut values: Vec<String> = Vec::new();
        for item in node.items() {
            let Some(value) = value_as_written(item) else { continue };
            match value_is_usable(&value, &values) {
                Ok(()) => values.push(value),
                Err(wrong) => problems.push(Problem::new(wrong).at(item.at.place())),
            }
        }
        if node.items().is_empty() && matches!(node.value, Value::List(_)) {
            problems.push(Problem::new(format!("the axis '{axis}' has no value")).at(node.at.place()));
        }
        axes.insert(axis.clone(), values);
    }
    let found = matrix::cells(&axes);
    if found.is_none() {
        let place = stage.get("matrix").map_or_else(|| stage.at.place(), |matrix| matrix.key_at.place());
        let message = format!("the matrix has more than {} cells", matrix::MOST);
        problems.push(Problem::new(message).at(place));
    }
    match found {
        Some(cells) if problems.len() == before && !cells.is_empty() => cells,
        _ => vec![Cell::new()],
    }
}

fn value_is_usable(value: &str, others: &[String]) -> Result<(), String> {
    names::one_line(value)?;
    match value {
        "" => Err("a value of a matrix is empty".into()),
        _ if value.len() > 100 => Err("a value of a matrix is longer than 100 bytes".into()),
        _ if others.iter().any(|other| other == value) => Err(format!("the value '{value}' is there twice")),
        _ => Ok(()),
    }
}

fn value_as_written(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) | Value::Fraction(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The values of matrices as they are written: `1e-3` stays what it is, for it is part of names.
fn as_written(mut file: ProjectFile, tree: &Node) -> ProjectFile {
    for (name, stage) in &mut file.stage {
        for (axis, values) in &mut stage.matrix {
            let path = ["stage", name, "matrix", axis];
            let node = path.iter().try_fold(tree, |node, key| node.get(key));
            for (value, node) in values.iter_mut().zip(node.map_or(&[][..], Node::items)) {
                if let (Scalar::Number(number), Value::Fraction(text)) = (&value, &node.value)
                    && toml::Value::from(*number).to_string() != *text
                {
                    *value = Scalar::Text(text.clone());
                }
            }
        }
    }
    file
}
