//! A TOML file as a tree in which every value knows where it stands, so that whatever is found wrong later
//! can name the line.

use std::collections::BTreeMap;
use std::rc::Rc;

use toml::de::{DeTable, DeValue};

use super::problem::{Place, Problem};

/// Where a value comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The index of the file among several that are merged, in their order.
    pub layer: usize,
    file: Rc<str>,
    line: usize,
    column: usize,
}

impl Origin {
    /// The place as problems show it.
    pub fn place(&self) -> Place {
        Place { file: self.file.to_string(), line: self.line, column: self.column }
    }

    /// The start of a file.
    pub fn start(layer: usize, file: &str) -> Self {
        Self { layer, file: Rc::from(file), line: 1, column: 1 }
    }
}

/// A value, where it stands, and where its key stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it begins.
    pub at: Origin,
    /// Where its key begins; for an item of a list, where it begins itself.
    pub key_at: Origin,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, as it is written.
    Fraction(String),
    /// True or false.
    Boolean(bool),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(BTreeMap<String, Node>),
    /// A kind of value that no document takes: its name.
    Other(&'static str),
    /// A value that was reported already: present, but nobody asks what it is.
    Broken,
}

impl Node {
    /// The table, when it is one.
    pub fn table(&self) -> Option<&BTreeMap<String, Node>> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The table to change, when it is one.
    pub fn table_mut(&mut self) -> Option<&mut BTreeMap<String, Node>> {
        match &mut self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The items of a list; none when it is not one.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The text, when it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value below a key of a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.table()?.get(key)
    }

    /// The tree without its places; broken values are left out.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Fraction(text) => {
                text.replace('_', "").parse::<f64>().map_or(serde_json::Value::Null, Into::into)
            }
            Value::Boolean(truth) => (*truth).into(),
            Value::List(items) => items.iter().filter(|item| item.is_whole()).map(Node::to_json).collect(),
            Value::Table(table) => table
                .iter()
                .filter(|(_, node)| node.is_whole())
                .map(|(key, node)| (key.clone(), node.to_json()))
                .collect(),
            Value::Other(_) | Value::Broken => serde_json::Value::Null,
        }
    }

    fn is_whole(&self) -> bool {
        !matches!(self.value, Value::Broken | Value::Other(_))
    }

    /// Visits every value with the path of keys to it (list items have their index), parents first.
    pub fn each<'a>(&'a self, path: &mut Vec<String>, visit: &mut impl FnMut(&[String], &'a Node)) {
        visit(path, self);
        match &self.value {
            Value::Table(table) => {
                for (key, node) in table {
                    path.push(key.clone());
                    node.each(path, visit);
                    path.pop();
                }
            }
            Value::List(items) => {
                for (i, node) in items.iter().enumerate() {
                    path.push(i.to_string());
                    node.each(path, visit);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// Keeps, changes or (on `false`) removes every value below this one, parents first.
    pub fn retain(&mut self, path: &mut Vec<String>, keep: &mut impl FnMut(&[String], &mut Node) -> bool) {
        match &mut self.value {
            Value::Table(table) => table.retain(|key, node| {
                path.push(key.clone());
                let kept = keep(path, node);
                if kept {
                    node.retain(path, keep);
                }
                path.pop();
                kept
            }),
            Value::List(items) => {
                let mut i = 0;
                items.retain_mut(|node| {
                    path.push(i.to_string());
                    i += 1;
                    let kept = keep(path, node);
                    if kept {
                        node.retain(path, keep);
                    }
                    path.pop();
                    kept
                });
            }
            _ => {}
        }
    }
}

/// Whether a path matches a pattern such as `shell.*.early`, in which `*` stands for any one part.
pub fn matches(pattern: &str, path: &[String]) -> bool {
    let mut parts = path.iter();
    pattern.split('.').all(|wanted| parts.next().is_some_and(|part| wanted == "*" || wanted == part))
        && parts.next().is_none()
}

/// Parses a TOML text; every syntax error is a problem, and what could be read in spite of them is kept.
pub fn parse(text: &str, file: &str, layer: usize, problems: &mut Vec<Problem>) -> Node {
    let lines = text.match_indices('\n').map(|(end, _)| end + 1).collect();
    let reader = Reader { text, lines, file: Rc::from(file), layer };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = reader.origin(error.span().map_or(0, |span| span.start)).place();
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        problems.push(Problem::new(format!("not valid TOML: {message}")).at(place));
    }
    let start = reader.origin(0);
    Node { value: reader.table(table.get_ref()), at: start.clone(), key_at: start }
}

struct Reader<'a> {
    text: &'a str,
    /// Where each line after the first begins.
    lines: Vec<usize>,
    file: Rc<str>,
    layer: usize,
}

impl Reader<'_> {
    fn origin(&self, offset: usize) -> Origin {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = self.lines.partition_point(|start| *start <= offset);
        let start = before.checked_sub(1).map_or(0, |last| self.lines[last]);
        Origin {
            layer: self.layer,
            file: self.file.clone(),
            line: before + 1,
            column: self.text[start..offset].chars().count() + 1,
        }
    }

    fn table(&self, table: &DeTable<'_>) -> Value {
        let node = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
            let key_at = self.origin(key.span().start);
            let at = self.origin(value.span().start);
            (key.get_ref().to_string(), Node { value: self.value(value.get_ref()), at, key_at })
        };
        Value::Table(table.iter().map(node).collect())
    }

    fn value(&self, value: &DeValue<'_>) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("integer that is too large"), Value::Integer),
            DeValue::Boolean(truth) => Value::Boolean(*truth),
            DeValue::Float(number) => Value::Fraction(number.as_str().to_owned()),
            DeValue::Datetime(_) => Value::Other("date"),
            DeValue::Array(items) => Value::List(
                items
                    .iter()
                    .map(|item| {
                        let at = self.origin(item.span().start);
                        Node { value: self.value(item.get_ref()), at: at.clone(), key_at: at }
                    })
                    .collect(),
            ),
            DeValue::Table(table) => self.table(table),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_place_and_syntax_errors_are_all_reported() {
        let mut problems = Vec::new();
        let tree = parse("# ü\n[aliases]\nll = 'ls'\n", "x.toml", 0, &mut problems);
        let ll = tree.get("aliases").unwrap().get("ll").unwrap();
        assert_eq!((ll.key_at.place().line, ll.at.place().column), (3, 6));
        assert!(problems.is_empty());

        parse("a = \n[b\nc = 1 2\n", "x.toml", 0, &mut problems);
        assert!(problems.len() > 1, "{problems:?}");
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.iter().any(|line| line.starts_with("x.toml:2:3: not valid TOML: ")), "{lines:?}");
    }

    #[test]
    fn a_deeply_nested_file_is_an_error_and_not_a_crash() {
        let mut problems = Vec::new();
        parse(&format!("a = {}", "[".repeat(100_000)), "x.toml", 0, &mut problems);
        assert!(!problems.is_empty());
    }

    #[test]
    fn patterns_match_whole_paths() {
        let path = ["shell", "zsh", "early"].map(str::to_owned);
        assert!(matches("shell.*.early", &path));
        assert!(!matches("shell.*", &path) && !matches("shell.*.early.*", &path));
    }
}
