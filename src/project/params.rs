//! Selected values of parameter files (YAML, JSON, TOML): a stage that depends on `train.lr` does not run again because
//! `serve.port` was changed.

use std::path::Path;

use serde_json::Value;

use crate::base::text::printable;
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;

const LIMIT: u64 = 1 << 20;

/// The values of dotted keys in a file, each as JSON text; without keys the whole file under an empty key. A number in a
/// key is an index of a list.
///
/// # Errors
/// A sentence: the file cannot be read or is no such file, a key is not in it.
pub fn read(root: &Path, file: &str, keys: &[String]) -> Result<Vec<(String, String)>, String> {
    let shown = printable(file);
    let bytes = RealSystem
        .read(&root.join(file), LIMIT)
        .map_err(|error| format!("its parameters {shown} cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("its parameters {shown} are no UTF-8 text"))?;
    let value =
        parse(file, &text).map_err(|error| format!("its parameters {shown} cannot be read: {error}"))?;
    if keys.is_empty() {
        return Ok(vec![(String::new(), value.to_string())]);
    }
    let get = |key: &String| {
        let found = key.split('.').try_fold(&value, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            value => value.get(part),
        });
        let found =
            found.ok_or_else(|| format!("there is no '{}' in its parameters {shown}", printable(key)))?;
        Ok((key.clone(), found.to_string()))
    };
    keys.iter().map(get).collect()
}

/// YAML as a value; an empty text is null. Aliases that would make it too large are an error.
///
/// # Errors
/// What is wrong with it, on one line.
pub fn yaml(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(text)
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

fn parse(file: &str, text: &str) -> Result<Value, String> {
    let first_line = |error: String| error.lines().next().unwrap_or_default().to_owned();
    match Path::new(file).extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(text).map_err(|error| error.to_string()),
        Some("toml") => toml::from_str(text).map_err(|error| first_line(error.to_string())),
        Some("yaml" | "yml") => yaml(text),
        _ => Err("its name ends with none of .yaml, .yml, .json and .toml".into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;

    use super::*;

    fn of(file: &str, text: &str, key: &str) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(file), text).unwrap();
        let keys = if key.is_empty() { Vec::new() } else { vec![key.to_owned()] };
        read(dir.path(), file, &keys).map(|mut found| found.remove(0).1)
    }

    #[test]
    fn values_are_found_by_dotted_keys_in_every_format() {
        let yaml = "train:\n  lr: 0.1\n  layers: [4, 2]\n";
        assert_eq!(of("p.yaml", yaml, "train.lr"), Ok("0.1".into()));
        assert_eq!(of("p.yml", yaml, "train.layers.1"), Ok("2".into()));
        assert_eq!(of("p.json", "{\"a\":{\"b\":\"c\"}}", "a.b"), Ok("\"c\"".into()));
        assert_eq!(of("p.toml", "[a]\nb = 1\n", "a"), Ok("{\"b\":1}".into()));
        assert_eq!(of("p.json", "[1, 2]", ""), Ok("[1,2]".into()));
        assert_eq!(of("p.yaml", "# one\na: 1\n", ""), of("p.yaml", "a:   1 # two\n", ""));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (file, text, key) in [
            ("p.yaml", "a: [", "a"),
            ("p.json", "{", "a"),
            ("p.toml", "a", "a"),
            ("p.txt", "a", "a"),
            ("p.yaml", "a: 1", "b"),
            ("p.yaml", "a: 1", "a.b"),
        ] {
            assert!(of(file, text, key).unwrap_err().contains(file), "{file} {text}");
        }
        let bomb: String = (0..30)
            .map(|i| {
                format!(
                    "a{}: &a{} [{}]\n",
                    i,
                    i,
                    if i == 0 { "x".into() } else { format!("*a{0},*a{0},*a{0},*a{0}", i - 1) }
                )
            })
            .collect();
        assert!(of("p.yaml", &bomb, "a0").is_err(), "a bomb of aliases is refused");
    }
}
