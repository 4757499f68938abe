//! What a stage does, from the tree as it is written.

use std::collections::BTreeMap;
use std::time::Duration;

use super::matrix;
use super::model::{Action, Command, HttpCheck, Pytest, Ready, Service};
use super::names;
use super::stage::Reader;
use crate::document::problem::Problem;
use crate::document::tree::{Node, Value};

/// The keys of which a stage has exactly one.
const ACTIONS: [&str; 4] = ["run", "pytest", "http", "service"];
/// The keys of which a service's `ready` has exactly one.
const READY: [&str; 3] = ["http", "port", "log"];

const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(5);

/// The action of the reader's stage; after a problem something harmless of the same kind.
pub(super) fn read(reader: &mut Reader<'_, '_>) -> Action {
    let stage = reader.node;
    match one_of(reader, stage, &ACTIONS, "a stage") {
        Some(("pytest", node)) => Action::Pytest(pytest(reader, node)),
        Some(("http", node)) => Action::Http(http(reader, node)),
        Some(("service", node)) => Action::Service(service(reader, node)),
        Some((_, node)) => Action::Run(command(reader, node)),
        None => Action::Run(nothing()),
    }
}

fn nothing() -> Command {
    Command::Words(Vec::new())
}

/// The one key that is there, else a problem.
fn one_of<'a>(
    reader: &mut Reader<'_, '_>,
    table: &'a Node,
    keys: &[&'static str],
    whose: &str,
) -> Option<(&'static str, &'a Node)> {
    let found: Vec<_> = keys.iter().filter_map(|key| Some((*key, table.get(key)?))).collect();
    if let [one] = found.as_slice() {
        return Some(*one);
    }
    let (last, first) = keys.split_last()?;
    let given: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
    let has = if given.is_empty() { "none".into() } else { given.join(" and ") };
    let message = format!("{whose} has exactly one of {} and {last}; this one has {has}", first.join(", "));
    reader.problems.push(Problem::new(message).at(table.key_at.place()));
    None
}

fn command(reader: &mut Reader<'_, '_>, node: &Node) -> Command {
    match &node.value {
        Value::Text(text) => shell(reader, node, text),
        Value::List(_) => {
            let words = arguments(reader, Some(node));
            if node
                .items()
                .first()
                .is_none_or(|first| first.text().is_some_and(|text| text.trim().is_empty()))
            {
                reader.blame(node, "the command is empty");
            }
            Command::Words(words)
        }
        _ => nothing(),
    }
}

fn shell(reader: &mut Reader<'_, '_>, node: &Node, text: &str) -> Command {
    if let Err(wrong) = names::lines(text) {
        reader.blame(node, wrong);
        return nothing();
    }
    if text.lines().all(|line| line.trim().is_empty() || line.trim().starts_with('#')) {
        reader.blame(node, "the command is empty");
        return nothing();
    }
    match matrix::filled_for_shell(text, reader.cell) {
        Ok(text) => Command::Shell(text),
        Err(axis) => {
            let value = reader.cell.get(&axis).cloned().unwrap_or_default();
            let message = format!(
                "the value '{value}' cannot stand for {{{axis}}} inside quotes, as the shell reads it"
            );
            let problem = Problem::new(message).at(node.at.place());
            let hint = format!(
                "write {{{axis}}} without quotes around it (it is quoted for you), or make `run` a list"
            );
            reader.problems.push(problem.hint(hint));
            nothing()
        }
    }
}

fn arguments(reader: &mut Reader<'_, '_>, node: Option<&Node>) -> Vec<String> {
    let items = node.map_or(&[][..], Node::items);
    items.iter().filter_map(|item| reader.text(Some(item), names::lines)).collect()
}

fn pytest(reader: &mut Reader<'_, '_>, node: &Node) -> Pytest {
    let memory = match node.get("memory_mb").map(|node| &node.value) {
        Some(Value::Integer(number)) => u32::try_from(*number).ok(),
        _ => None,
    };
    let is_off = |name| matches!(node.get(name).map(|node| &node.value), Some(Value::Boolean(false)));
    Pytest {
        args: arguments(reader, node.get("args")),
        serial: is_off("parallel"),
        apart: is_off("fork"),
        memory_mb: memory,
    }
}

fn http(reader: &mut Reader<'_, '_>, node: &Node) -> HttpCheck {
    if node.get("url").is_none() && node.table().is_some() {
        reader.blame(node, "the request has no url");
    }
    let body = reader.text(node.get("body"), |_| Ok(())).unwrap_or_default();
    let method = reader.text(node.get("method"), names::method);
    let usual = if body.is_empty() { "GET" } else { "POST" };
    let status = match node.get("status").map(|node| &node.value) {
        Some(Value::Integer(status)) => u16::try_from(*status).unwrap_or(200),
        _ => 200,
    };
    HttpCheck {
        url: reader.text(node.get("url"), names::url).unwrap_or_default(),
        method: method.unwrap_or_else(|| usual.into()),
        headers: reader.table(node.get("headers"), names::header, names::one_line),
        body,
        status,
        contains: reader.text(node.get("contains"), names::lines),
        json: values(reader, node),
        retry_for: reader.span(node.get("retry_for"), Duration::ZERO).unwrap_or_default(),
        timeout: reader.span(node.get("timeout"), Duration::from_millis(1)).unwrap_or(HTTP_TIMEOUT),
    }
}

fn values(reader: &mut Reader<'_, '_>, node: &Node) -> BTreeMap<String, serde_json::Value> {
    let table = node.get("json").and_then(Node::table).into_iter().flatten();
    let value = |node: &Node| match &node.value {
        Value::Text(text) => matrix::filled(text, reader.cell).into(),
        _ => node.to_json(),
    };
    table.map(|(path, node)| (path.clone(), value(node))).collect()
}

fn service(reader: &mut Reader<'_, '_>, node: &Node) -> Service {
    let command = match node.get("run") {
        Some(run) => command(reader, run),
        None => {
            if node.table().is_some() {
                reader.blame(node, "the service has no run");
            }
            nothing()
        }
    };
    Service {
        command,
        ready: node.get("ready").and_then(|node| ready(reader, node)),
        ready_timeout: reader
            .span(node.get("ready_timeout"), Duration::from_millis(1))
            .unwrap_or(READY_TIMEOUT),
        stop_grace: reader.span(node.get("grace"), Duration::ZERO).unwrap_or(GRACE),
    }
}

fn ready(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Ready> {
    node.table()?;
    match one_of(reader, node, &READY, "'ready'")? {
        ("http", node) => Some(Ready::Http(http(reader, node))),
        ("port", Node { value: Value::Integer(port), .. }) => u16::try_from(*port).ok().map(Ready::Port),
        ("log", node) => {
            let text = reader.text(Some(node), names::one_line)?;
            if text.is_empty() {
                reader.blame(node, "the text to wait for is empty");
            }
            Some(Ready::Log(text))
        }
        _ => None,
    }
}
