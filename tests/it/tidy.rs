//! The house keeps its order: the ladder, the names, the list of environment variables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root().join("src")).unwrap().to_owned(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join("src"), &mut found);
    found.sort();
    assert!(found.len() > 20, "the walk found too little to judge");
    found
}

/// folder → (rung, folders it may use), read from the table in `src/lib.rs`.
fn ladder() -> BTreeMap<String, (u32, BTreeSet<String>)> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let table = text.split("//! ```text").nth(1).unwrap().split("//! ```").next().unwrap();
    table
        .lines()
        .filter_map(|line| {
            let mut words = line.trim_start_matches("//!").split_whitespace();
            let rung = words.next()?.parse().unwrap();
            let folder = words.next().unwrap().to_owned();
            Some((folder, (rung, words.filter(|word| *word != "-").map(str::to_owned).collect())))
        })
        .collect()
}

/// Every folder that a source text names by a `crate::` path, groups like `crate::{a, b::c}` included.
fn uses(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let mut depth = 0;
                let mut start = true;
                for (i, c) in group.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && depth == 0 && (c.is_alphabetic() || c == '_') => {
                            found.insert(identifier(&group[i..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
            None => {
                found.insert(identifier(rest));
            }
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn the_reader_of_uses_sees_every_form() {
    let found =
        uses("use crate::base::x; use crate::{sys::{a, b}, ui}; fn f() { crate::home::g() } mycrate::no::x");
    assert_eq!(found, ["base", "home", "sys", "ui"].map(str::to_owned).into());
}

#[test]
fn the_ladder_holds() {
    let ladder = ladder();
    let mut wrong = Vec::new();
    for (folder, (rung, allowed)) in &ladder {
        for lower in allowed {
            let Some((other, _)) = ladder.get(lower) else {
                wrong.push(format!("src/lib.rs: {folder} uses {lower}, which has no line"));
                continue;
            };
            // `ui` asks `sys` about the terminal: the one sideways use, on the same rung.
            if other >= rung && !(folder == "ui" && lower == "sys") {
                wrong.push(format!("src/lib.rs: {folder} (rung {rung}) names {lower} (rung {other})"));
            }
        }
    }
    for (path, text) in sources() {
        let Some(folder) = path.iter().next().map(|part| part.to_string_lossy().into_owned()) else {
            continue;
        };
        if folder == "lib.rs" || folder == "main.rs" {
            continue;
        }
        let Some((_, allowed)) = ladder.get(&folder) else {
            wrong.push(format!("src/{}: the folder is not on the ladder", path.display()));
            continue;
        };
        for used in uses(&text) {
            if used != folder && !allowed.contains(&used) {
                wrong.push(format!("src/{}: {folder} may not use {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_say_what_is_inside() {
    const BANNED: [&str; 7] = ["manager", "helper", "helpers", "util", "utils", "common", "misc"];
    for (path, text) in sources() {
        let stem = path.file_stem().unwrap().to_string_lossy();
        assert!(!BANNED.contains(&stem.as_ref()), "src/{}: a name that says nothing", path.display());
        assert!(!text.contains("use crate::*"), "src/{}: glob import of the crate", path.display());
        assert!(text.starts_with("//!"), "src/{}: starts without saying what it is for", path.display());
    }
}

#[test]
fn every_environment_variable_is_listed() {
    let known: BTreeSet<&str> = devboot::base::env_vars::ALL.iter().map(|var| var.name).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        // What a test gives its own child is not the program's.
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in ["env::var(\"", "env::var_os(\"", ".env(\"", ".without(\""] {
            for (at, _) in text.match_indices(call) {
                let name = text[at + call.len()..].split('"').next().unwrap();
                if !known.contains(name) {
                    wrong.push(format!("src/{}: {name} is not in base/env_vars.rs", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
