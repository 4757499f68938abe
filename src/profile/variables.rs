//! `{name}` in the texts of a profile.
//!
//! The rule: a name is a lower-case letter followed by lower-case letters, digits and `_`. `{name}` of a declared
//! variable or a host fact is replaced by its value; `{{name}}` becomes `{name}`; `${name}` and every other brace
//! stays as it is (`awk '{print $1}'`, `{{.Names}}`, `x{1,2}`). An unknown `{name}` is an error in data. In code it
//! stays as it is, because awk, jq and git use such braces too: with an error when it is a slip away from a known
//! name, with a warning otherwise.

use std::collections::{BTreeMap, BTreeSet};

use crate::document::problem::{Problem, did_you_mean};
use crate::document::tree::Node;

/// The host facts a profile may name. A fact that a host does not know is absent there.
pub const FACTS: [&str; 12] = [
    "home",
    "user",
    "host",
    "region",
    "os",
    "arch",
    "cpus",
    "config_dir",
    "data_dir",
    "cache_dir",
    "state_dir",
    "shell",
];

/// What a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// A value that will be quoted before a shell or program sees it.
    Data,
    /// Text that a shell or vim runs as it is.
    Code,
}

/// The result of expanding one text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Expanded {
    /// The text.
    Text(String),
    /// It needs this fact, which this host does not know.
    Absent(String),
}

#[derive(Clone, Debug)]
struct Known {
    text: String,
    /// A fact inside it that must not be put into code as it is.
    unsafe_fact: Option<String>,
    absent: Option<String>,
}

/// Names and their values.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    known: BTreeMap<String, Known>,
}

impl Scope {
    /// Facts, and over them the variables, which may name facts and each other.
    pub fn new(
        facts: &BTreeMap<String, String>,
        variables: &BTreeMap<String, Node>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut known = BTreeMap::new();
        for name in FACTS {
            let text = facts.get(name).cloned();
            let unsafe_fact = text.as_deref().filter(|text| !is_safe_in_code(text)).map(|_| name.to_owned());
            let absent = text.is_none().then(|| name.to_owned());
            known.insert(name.to_owned(), Known { text: text.unwrap_or_default(), unsafe_fact, absent });
        }
        let mut scope = Self { known };
        let mut left: BTreeMap<&str, &Node> = variables
            .iter()
            .filter(|(_, node)| node.text().is_some())
            .map(|(name, node)| (name.as_str(), node))
            .collect();
        // Each pass settles the variables that no longer wait for another one.
        while !left.is_empty() {
            let waiting: BTreeSet<&str> = left.keys().copied().collect();
            let is_ready = |name: &str, node: &Node| {
                let used = names_in(node.text().unwrap_or_default());
                used.iter().all(|used| !waiting.contains(used.as_str()) || is_fact_behind(name, used))
            };
            let ready: Vec<&str> =
                left.iter().filter(|(name, node)| is_ready(name, node)).map(|(name, _)| *name).collect();
            if ready.is_empty() {
                for (name, node) in &left {
                    let message = format!("the variable '{name}' is defined by way of itself");
                    problems.push(Problem::new(message).at(node.at.place()));
                }
                break;
            }
            let settled: Vec<(String, Known)> =
                ready.iter().map(|name| (name.to_string(), scope.settle(left[name], problems))).collect();
            scope.known.extend(settled);
            left.retain(|name, _| !ready.contains(name));
        }
        scope
    }

    fn settle(&self, node: &Node, problems: &mut Vec<Problem>) -> Known {
        let text = node.text().unwrap_or_default();
        let inside: Vec<&Known> = names_in(text).iter().filter_map(|name| self.known.get(name)).collect();
        let unsafe_fact = inside.iter().find_map(|known| known.unsafe_fact.clone());
        let absent = inside.iter().find_map(|known| known.absent.clone());
        let mut found = Vec::new();
        let text = match self.expand(text, Context::Data, &mut found) {
            Expanded::Text(text) => text,
            Expanded::Absent(_) => String::new(),
        };
        problems.extend(found.into_iter().map(|problem| problem.at(node.at.place())));
        Known { text, unsafe_fact, absent }
    }

    /// The same scope with names that stand for themselves in one text: name and value.
    pub fn with(&self, locals: &[(&str, &str)]) -> Self {
        let mut scope = self.clone();
        for (name, text) in locals {
            let known = Known { text: (*text).to_owned(), unsafe_fact: None, absent: None };
            scope.known.insert((*name).to_owned(), known);
        }
        scope
    }

    /// The text with every known name replaced. Problems come without a place.
    pub fn expand(&self, text: &str, context: Context, problems: &mut Vec<Problem>) -> Expanded {
        let mut out = String::with_capacity(text.len());
        let mut absent = None;
        for piece in pieces(text) {
            match piece {
                Piece::Plain(plain) => out.push_str(plain),
                Piece::Escaped(name) => {
                    out.push('{');
                    out.push_str(name);
                    out.push('}');
                }
                Piece::Name(name) => match self.known.get(name) {
                    Some(Known { absent: Some(fact), .. }) => absent = Some(fact.clone()),
                    Some(Known { unsafe_fact: Some(fact), .. }) if context == Context::Code => {
                        let message = format!(
                            "the {fact} of this host has a character that is not safe in code: '{{{name}}}'"
                        );
                        problems
                            .push(Problem::new(message).hint("use the shell's own variable here, quoted"));
                    }
                    Some(known) => out.push_str(&known.text),
                    None => {
                        problems.push(self.unknown(name, context));
                        out.push('{');
                        out.push_str(name);
                        out.push('}');
                    }
                },
            }
        }
        absent.map_or(Expanded::Text(out), Expanded::Absent)
    }

    fn unknown(&self, name: &str, context: Context) -> Problem {
        let near = did_you_mean(name, self.known.keys().map(String::as_str));
        if context == Context::Data || !near.is_empty() {
            return Problem::new(format!("unknown variable '{{{name}}}'{near}")).hint(format!(
                "declare it under [variables], or write {{{{{name}}}}} for the text {{{name}}}"
            ));
        }
        Problem::new(format!("'{{{name}}}' is no variable and stays as it is"))
            .hint(format!("write {{{{{name}}}}} to say that this is meant"))
            .warning()
    }
}

/// A variable may be given in terms of the fact it replaces: `region = "{region}-a"` is a loop only for variables.
fn is_fact_behind(name: &str, used: &str) -> bool {
    name == used && FACTS.contains(&used)
}

/// Whether a text means nothing but itself to a shell or to vim.
pub(super) fn is_safe_in_code(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '+' | '@' | ':' | ','))
}

enum Piece<'a> {
    Plain(&'a str),
    Name(&'a str),
    Escaped(&'a str),
}

/// Whether a text is a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn names_in(text: &str) -> Vec<String> {
    let name = |piece| match piece {
        Piece::Name(name) => Some(name.to_owned()),
        _ => None,
    };
    pieces(text).into_iter().filter_map(name).collect()
}

/// Whether a text has a `{name}` in it.
pub(super) fn has_names(text: &str) -> bool {
    !names_in(text).is_empty()
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut before = None;
    while let Some(open) = rest.find('{') {
        let (plain, tail) = rest.split_at(open);
        before = plain.chars().next_back().or(before);
        let found = match tail.strip_prefix("{{") {
            Some(inner) => inner.split_once("}}").map(|(name, after)| (Piece::Escaped(name), name, after)),
            None => tail[1..].split_once('}').map(|(name, after)| (Piece::Name(name), name, after)),
        };
        pieces.push(Piece::Plain(plain));
        match found {
            Some((piece, name, after)) if is_name(name) && before != Some('$') => {
                pieces.push(piece);
                before = Some('}');
                rest = after;
            }
            _ => {
                let braces = tail.len() - tail.trim_start_matches('{').len();
                pieces.push(Piece::Plain(&tail[..braces]));
                before = Some('{');
                rest = &tail[braces..];
            }
        }
    }
    pieces.push(Piece::Plain(rest));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::tree::parse;

    fn scope(variables: &str) -> (Scope, Vec<Problem>) {
        let mut problems = Vec::new();
        let tree = parse(variables, "x.toml", 0, &mut problems);
        let facts = [("home", "/home/me"), ("user", "a b")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let scope = Scope::new(&facts, tree.table().unwrap(), &mut problems);
        (scope, problems)
    }

    fn expand(text: &str, context: Context) -> (Expanded, Vec<String>) {
        let (scope, mut problems) = scope("work = '{home}/work'\ndeep = '{work}/{user}'");
        let expanded = scope.expand(text, context, &mut problems);
        (expanded, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_declared_names_are_replaced() {
        for (text, expected) in [
            ("{work}/x", "/home/me/work/x"),
            ("{{home}} ${home} ${{home}}", "{home} ${home} ${{home}}"),
            ("awk '{print $1}' {} {1,2} {HOME} { home }", "awk '{print $1}' {} {1,2} {HOME} { home }"),
            ("docker ps --format '{{.Names}}' {{ x }}", "docker ps --format '{{.Names}}' {{ x }}"),
            ("${${x}} {", "${${x}} {"),
        ] {
            assert_eq!(expand(text, Context::Data), (Expanded::Text(expected.into()), vec![]), "{text}");
        }
    }

    #[test]
    fn unknown_names_are_errors_in_data_and_slips_are_errors_everywhere() {
        let slip = vec!["unknown variable '{hom}' (did you mean 'home'?)".to_owned()];
        assert_eq!(expand("{hom}", Context::Data).1, slip);
        assert_eq!(expand("{hom}", Context::Code).1, slip);
        assert_eq!(expand("{print}", Context::Data).1, ["unknown variable '{print}'"]);
        let (text, problems) = expand("awk '{print}'", Context::Code);
        assert_eq!(text, Expanded::Text("awk '{print}'".into()));
        assert_eq!(problems, ["warning: '{print}' is no variable and stays as it is"]);
    }

    #[test]
    fn a_fact_with_shell_characters_never_gets_into_code() {
        assert!(expand("{deep}", Context::Data).1.is_empty());
        assert_eq!(expand("cd {deep}", Context::Code).1.len(), 1);
        assert_eq!(expand("{region}", Context::Data).0, Expanded::Absent("region".into()));
    }

    #[test]
    fn variables_in_a_ring_are_reported() {
        let (_, problems) = scope("a = '{b}'\nb = '{a}'\nc = 'x'");
        assert_eq!(problems.len(), 2);
    }
}
