//! Holds a tree against the JSON Schema of the types it is read into, and reports every unknown key and wrong
//! type. What was reported is taken out of the tree, so that later checks go on with the rest.

use serde_json::Value as Schema;

use super::problem::{Problem, did_you_mean};
use super::tree::{Node, Value};

/// Reports everything in the tree that the schema does not allow.
pub fn against_schema(schema: &Schema, tree: &mut Node, problems: &mut Vec<Problem>) {
    let mut walk = Walk { root: schema, problems, path: Vec::new() };
    walk.visit(schema, tree);
}

struct Walk<'a> {
    root: &'a Schema,
    problems: &'a mut Vec<Problem>,
    path: Vec<String>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, schema: &'a Schema, node: &mut Node) {
        let schema = self.followed(schema);
        let Some(schema) = self.alternative(schema, node) else { return };
        if let Some(types) = types(schema).filter(|types| !allows(types, node)) {
            return self.wrong_type(&types, node);
        }
        if let (Value::Integer(number), Some(least)) = (&node.value, schema["minimum"].as_i64())
            && *number < least
        {
            return self.refuse(node, format!("must be at least {least}, not {number}"));
        }
        let most =
            schema["maximum"].as_i64().or((schema["format"] == "uint32").then_some(i64::from(u32::MAX)));
        if let (Value::Integer(number), Some(most)) = (&node.value, most)
            && *number > most
        {
            return self.refuse(node, format!("must be at most {most}, not {number}"));
        }
        match &mut node.value {
            Value::Table(_) => self.table(schema, node),
            Value::List(items) => {
                for item in items {
                    self.visit(&schema["items"], item);
                }
            }
            _ => {}
        }
    }

    fn table(&mut self, schema: &'a Schema, node: &mut Node) {
        let properties = schema["properties"].as_object();
        let others = schema["additionalProperties"].as_object();
        let Some(table) = node.table_mut() else { return };
        table.retain(|key, value| {
            let known = properties.and_then(|properties| properties.get(key));
            if let Some(schema) = known.or(others.and(Some(&schema["additionalProperties"]))) {
                self.path.push(key.clone());
                self.visit(schema, value);
                self.path.pop();
                return true;
            }
            let names = properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str));
            let message = format!("unknown key '{key}'{}", did_you_mean(key, names));
            self.problems.push(Problem::new(message).at(value.key_at.place()));
            false
        });
    }

    /// The one of several allowed shapes that the value has; `None` after a problem was reported.
    fn alternative(&mut self, schema: &'a Schema, node: &mut Node) -> Option<&'a Schema> {
        let Some(options) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) else {
            return self.of_words(schema, node);
        };
        let options: Vec<&Schema> = options.iter().map(|option| self.followed(option)).collect();
        let words: Vec<&str> = options.iter().filter_map(|option| option["const"].as_str()).collect();
        if !words.is_empty() {
            return self.one_of(&words, node).then_some(&Schema::Null);
        }
        let fits = |option: &&Schema| types(option).is_none_or(|types| allows(&types, node));
        let found = options.iter().copied().find(fits);
        if found.is_none() {
            let all: Vec<&str> = options.iter().filter_map(|option| types(option)).flatten().collect();
            self.wrong_type(&all, node);
        }
        match found {
            Some(option) if option.get("anyOf").or(option.get("oneOf")).is_some() => {
                self.alternative(option, node)
            }
            Some(option) => self.of_words(option, node),
            None => None,
        }
    }

    fn of_words(&mut self, schema: &'a Schema, node: &mut Node) -> Option<&'a Schema> {
        let words: Vec<&str> =
            schema["enum"].as_array().into_iter().flatten().filter_map(Schema::as_str).collect();
        (words.is_empty() || self.one_of(&words, node)).then_some(schema)
    }

    fn one_of(&mut self, words: &[&str], node: &mut Node) -> bool {
        let found = node.text().is_some_and(|text| words.contains(&text));
        if !found {
            let text = node.text().unwrap_or_default().to_owned();
            let near = did_you_mean(&text, words.iter().copied());
            self.refuse(node, format!("must be one of {}{near}", words.join(", ")));
        }
        found
    }

    fn wrong_type(&mut self, wanted: &[&str], node: &mut Node) {
        let mut names: Vec<&str> =
            wanted.iter().copied().filter(|name| *name != "null").map(in_words).collect();
        names.dedup();
        let found = match node.value {
            // Reported when it was found.
            Value::Broken => return,
            Value::Other(name) => format!("a {name}"),
            Value::Fraction(_) => "a number with a fraction".to_owned(),
            _ => in_words(type_of(node)).to_owned(),
        };
        self.refuse(node, format!("must be {}, not {found}", names.join(" or ")));
    }

    fn refuse(&mut self, node: &mut Node, what: String) {
        let name = self.path.join(".");
        self.problems.push(Problem::new(format!("'{name}' {what}")).at(node.at.place()));
        node.value = Value::Broken;
    }

    fn followed(&self, schema: &'a Schema) -> &'a Schema {
        match schema["$ref"].as_str().and_then(|text| text.strip_prefix('#')) {
            Some(pointer) => self.root.pointer(pointer).unwrap_or(schema),
            None => schema,
        }
    }
}

/// The types a schema allows; `None` when it does not say.
fn types(schema: &Schema) -> Option<Vec<&str>> {
    match &schema["type"] {
        Schema::String(name) => Some(vec![name]),
        Schema::Array(names) => Some(names.iter().filter_map(Schema::as_str).collect()),
        _ => None,
    }
}

/// Whether a value has one of the types; a whole number is a number, too.
fn allows(types: &[&str], node: &Node) -> bool {
    let found = type_of(node);
    types.contains(&found) || found == "integer" && types.contains(&"number")
}

fn type_of(node: &Node) -> &'static str {
    match node.value {
        Value::Text(_) => "string",
        Value::Integer(_) => "integer",
        Value::Fraction(_) => "number",
        Value::Boolean(_) => "boolean",
        Value::List(_) => "array",
        Value::Table(_) => "object",
        Value::Other(_) | Value::Broken => "other",
    }
}

fn in_words(name: &str) -> &'static str {
    match name {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a table",
        _ => "something else",
    }
}
