//! Rust: `cargo nextest` where it is installed, else `cargo test`. nextest runs no doctests, so they are a stage of their own
//! beside it, as nextest's documentation says: `cargo test --doc`, where a library has examples.

use super::{Draft, Look, running};

/// So many sources are searched for an example; where there are more, there is one.
const SOURCES: usize = 2000;

pub(super) fn find(look: &Look<'_>, draft: &mut Draft) {
    let Some(manifest) = look.text("Cargo.toml") else { return };
    if !(look.has)("cargo-nextest") {
        draft.add("cargo", "test", running("cargo test"), "`cargo test`, for Cargo.toml");
        return;
    }
    let why = "`cargo nextest run`, for Cargo.toml; cargo-nextest is installed";
    draft.add("cargo", "test", running("cargo nextest run"), why);
    // Without a package at the root, all packages are meant; with one, that one, and cargo refuses one that has no library.
    let is_package = has_table(&manifest, "package");
    let command = if is_package { "cargo test --doc" } else { "cargo test --doc --workspace" };
    if let Some(source) = example(look, &manifest, is_package) {
        let why = format!("`{command}`, for the examples in {source}, which cargo-nextest does not run");
        draft.add("cargo", "test-doc", running(command), &why);
    }
}

/// A source of a library that has an example in its documentation. A library without one has no doctests, and a stage that
/// runs no test is never green.
fn example(look: &Look<'_>, manifest: &str, is_package: bool) -> Option<String> {
    let dirs: Vec<&str> = match is_package {
        true => vec![""],
        false => look.files.iter().filter_map(|file| file.strip_suffix("Cargo.toml")).collect(),
    };
    let is_library = |dir: &&&str| {
        let own = match dir.is_empty() {
            true => Some(manifest.to_owned()),
            false => (look.read)(&format!("{dir}Cargo.toml")),
        };
        look.is_there(&format!("{dir}src/lib.rs")) || own.is_some_and(|own| has_table(&own, "lib"))
    };
    let libraries: Vec<&str> = dirs.iter().filter(is_library).copied().collect();
    let is_source = |file: &&String| {
        let is_below = |dir: &&str| file.strip_prefix(*dir).is_some_and(|rest| rest.starts_with("src/"));
        file.ends_with(".rs") && libraries.iter().any(is_below)
    };
    let sources = look.files.iter().filter(is_source);
    let has = |(place, file): &(usize, &String)| {
        *place >= SOURCES || (look.read)(file).is_some_and(|text| has_example(&text))
    };
    sources.enumerate().find(has).map(|(_, file)| file.clone())
}

/// Whether documentation in a source has a block that rustdoc takes for a test: one of Rust that is not to be ignored.
fn has_example(text: &str) -> bool {
    let mut is_open = false;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#") && line.contains("doc") && line.contains("include_str!") {
            return true;
        }
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        let Some(doc) = doc.map(str::trim_start) else {
            is_open = false;
            continue;
        };
        if let Some(info) = doc.strip_prefix("```") {
            if !is_open && is_tested(info.trim_matches('`')) {
                return true;
            }
            is_open = !is_open;
        }
    }
    false
}

/// Whether a block with these words behind its fence is a test.
fn is_tested(words: &str) -> bool {
    let is_rusts = |word: &str| {
        matches!(word, "rust" | "should_panic" | "no_run" | "compile_fail" | "test_harness")
            || word.starts_with("edition")
    };
    words.split([',', ' ']).filter(|word| !word.is_empty()).all(is_rusts)
}

/// Whether a manifest has this table, or one within it.
fn has_table(manifest: &str, name: &str) -> bool {
    manifest.lines().filter_map(|line| line.trim().strip_prefix('[')).any(|line| {
        let rest = line.trim_start().strip_prefix(name);
        rest.is_some_and(|rest| rest.trim_start().starts_with([']', '.']))
    })
}
