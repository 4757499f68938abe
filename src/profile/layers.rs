//! From profile files to one tree: the layers in order, their texts expanded, their rules checked, laid over
//! each other.

use crate::base::text::printable;

use super::merge::{lay, target_of};
use super::rules::{self, Stage};
use super::source::{Loaded, Reader, Sources};
use super::variables::{Context, Expanded, Scope};
use crate::document::problem::Problem;
use crate::document::tree::{Node, Origin, Value, matches};

/// Stands for `{dir}` and `{venv}` until the directory is known; no text from outside has control characters.
pub(super) const DIR: &str = "\u{0}dir\u{0}";
pub(super) const VENV: &str = "\u{0}venv\u{0}";

/// The texts in which `{name}` is expanded, and what they are.
const EXPANDED: &[(&str, Context)] = &[
    ("environment.*", Context::Data),
    ("shell.*.environment.*", Context::Data),
    ("path.*.*", Context::Data),
    ("aliases.*", Context::Code),
    ("shell.*.aliases.*", Context::Code),
    ("functions.*", Context::Code),
    ("shell.*.functions.*", Context::Code),
    ("shell.*.early", Context::Code),
    ("shell.*.late", Context::Code),
    ("dotfile.*.target", Context::Data),
    ("dotfile.*.link", Context::Data),
    ("kit.*.url", Context::Data),
    ("kit.*.dir", Context::Data),
    ("kit.*.source.*", Context::Code),
    ("repo.*.url", Context::Data),
    ("repo.*.dir", Context::Data),
    ("repo.*.alias", Context::Code),
    ("repo.*.test", Context::Code),
];

/// Entries that are left out on a host that does not know a fact they need. Elsewhere that is an error.
const LEFT_OUT: &[&str] = &["environment.*", "shell.*.environment.*", "path.*.*"];

/// What the layers become.
pub(super) struct Merged {
    pub tree: Node,
    pub scope: Scope,
}

/// Lays everything that was read over each other, for one host.
pub(super) fn merged(sources: &Sources<'_>, reader: &Reader<'_>, problems: &mut Vec<Problem>) -> Merged {
    let mut layers = Vec::new();
    for loaded in &sources.loaded {
        rules::check(&loaded.tree, Stage::Written, problems);
        layers.extend(parts(&loaded.tree, &reader.host));
    }
    let start = layers.first().map_or_else(|| Origin::start(0, ""), |layer| layer.at.clone());
    let mut tree = Node { value: Value::Table(Default::default()), at: start.clone(), key_at: start };
    let mut variables = tree.clone();
    for layer in &layers {
        if let Some(found) = layer.get("variables") {
            lay(&mut variables, found.clone(), &mut |_, _| {});
        }
    }
    let empty = Default::default();
    let scope = Scope::new(&reader.facts, variables.table().unwrap_or(&empty), problems);
    for mut layer in layers {
        expand(&mut layer, &scope, problems);
        rules::check(&layer, Stage::Expanded, problems);
        two_entries_for_one_target(&mut layer, problems);
        lay(&mut tree, layer, &mut |old, new| clash(sources, old, new, problems));
    }
    Merged { tree, scope }
}

/// What a file says for every host, then what it says for this one.
fn parts(tree: &Node, host: &str) -> Vec<Node> {
    let mut base = tree.clone();
    let overlay = tree.get("host").and_then(|hosts| hosts.get(host)).cloned();
    if let Some(table) = base.table_mut() {
        table.remove("host");
        table.remove("extends");
    }
    std::iter::once(base).chain(overlay.filter(|overlay| overlay.table().is_some())).collect()
}

fn expand(layer: &mut Node, scope: &Scope, problems: &mut Vec<Problem>) {
    let with_dirs = scope.with(&[("dir", DIR), ("venv", VENV)]);
    let with_dir = scope.with(&[("dir", DIR)]);
    layer.retain(&mut Vec::new(), &mut |path, node| {
        let Value::Text(text) = &node.value else { return true };
        let Some((_, context)) = EXPANDED.iter().find(|(pattern, _)| matches(pattern, path)) else {
            return true;
        };
        // It would be taken for the sign that stands for a directory.
        if text.contains('\0') {
            problems.push(Problem::new("the text has a control character").at(node.at.place()));
            node.value = Value::Broken;
            return true;
        }
        let scope = match path {
            [kit, _, source, _] if kit == "kit" && source == "source" => &with_dir,
            [repo, _, alias] if repo == "repo" && alias == "alias" => &with_dirs,
            _ => scope,
        };
        let mut found = Vec::new();
        let expanded = scope.expand(text, *context, &mut found);
        problems.extend(found.into_iter().map(|problem| problem.at(node.at.place())));
        match expanded {
            Expanded::Text(text) => node.value = Value::Text(text),
            Expanded::Absent(_) if LEFT_OUT.iter().any(|pattern| matches(pattern, path)) => return false,
            Expanded::Absent(fact) => {
                let message = format!("this host does not know its '{fact}'");
                let hint = format!("give {fact} a value under [variables], or use it in a [host.*] part");
                problems.push(Problem::new(message).hint(hint).at(node.at.place()));
                node.value = Value::Broken;
            }
        }
        true
    });
}

fn two_entries_for_one_target(layer: &mut Node, problems: &mut Vec<Problem>) {
    let Some(Value::List(entries)) =
        layer.table_mut().and_then(|table| table.get_mut("dotfile")).map(|node| &mut node.value)
    else {
        return;
    };
    let mut seen: Vec<(String, Origin)> = Vec::new();
    entries.retain(|entry| {
        let Some(target) = target_of(entry) else { return true };
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == target) {
            let message = format!("two entries claim {target}; the other is at {}", first.place());
            problems.push(Problem::new(message).at(entry.at.place()));
            return false;
        }
        seen.push((target, entry.at.clone()));
        true
    });
}

/// Two profiles that were given together, neither built on the other, may not claim one file differently.
fn clash(sources: &Sources<'_>, old: &Node, new: &Node, problems: &mut Vec<Problem>) {
    let [under, over] = [old, new].map(|node| &sources.loaded[node.at.layer]);
    let related = over.ancestors.contains(&old.at.layer) || new.at.layer == old.at.layer;
    if related || under.root == over.root || same_content(sources, old, new) {
        return;
    }
    let target = target_of(new).unwrap_or_default();
    let [under, over] = [under, over].map(|loaded: &Loaded| printable(&loaded.name));
    let message = format!(
        "the profiles '{under}' and '{over}' both claim {target}; the other is at {}",
        old.at.place()
    );
    let hint = format!("give one of them, or let '{over}' extend '{under}' to say which wins");
    problems.push(Problem::new(message).hint(hint).at(new.at.place()));
}

fn same_content(sources: &Sources<'_>, old: &Node, new: &Node) -> bool {
    let source = |node: &Node| {
        let name = node.get("source")?.text()?;
        sources.file(node.at.layer, name).ok()
    };
    old.to_json() == new.to_json() && source(old) == source(new)
}
