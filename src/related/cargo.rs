//! Rust: the packages of a workspace, as `cargo metadata` says them. `cargo test` is given packages, `cargo nextest` a filter, with
//! which it builds all of them as ever.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::packages::Packages;
use super::{Asked, Build, Parts, Tool, name_of};
use crate::base::text::printable;
use crate::run::event::Portion;

/// Options that leave alone which tests run.
const HARMLESS: [&str; 12] = [
    "--all",
    "--all-features",
    "--frozen",
    "--locked",
    "--no-fail-fast",
    "--offline",
    "--quiet",
    "--release",
    "--verbose",
    "--workspace",
    "-q",
    "-v",
];

/// Options that take the whole workspace.
const WORKSPACE: [&str; 2] = ["--all", "--workspace"];

/// Places in a package of which cargo itself takes files; of a package at the root all else may belong to anyone.
const OWN: [&str; 5] = ["src/", "tests/", "benches/", "examples/", "build.rs"];

/// `cargo test`.
pub(super) struct Cargo;

/// `cargo nextest run`.
pub(super) struct Nextest;

impl Tool for Cargo {
    fn name(&self) -> &'static str {
        "cargo"
    }

    fn portion(&self) -> Portion {
        Portion::Package
    }

    fn is_plain(&self, words: &[&str]) -> bool {
        matches!(words, ["cargo", "test", options @ ..] if are_harmless(options))
    }

    fn has_choice(&self, files: &mut dyn Iterator<Item = &str>) -> bool {
        has_packages(files)
    }

    fn questions(&self, asked: &Asked<'_>) -> Result<Vec<Vec<String>>, String> {
        questions(asked)
    }

    fn answer(&self, asked: &Asked<'_>, answers: &[Vec<u8>]) -> Result<Parts, String> {
        answer(asked, answers)
    }

    fn command(&self, words: &[&str], part: &[String]) -> Vec<String> {
        let mut command = without_workspace(words);
        command.extend(part.iter().flat_map(|name| ["-p".to_owned(), name.clone()]));
        command
    }

    /// Packages that are built together share the features that each of them asks for.
    fn build(&self) -> Build {
        Build::Apart
    }
}

impl Tool for Nextest {
    fn name(&self) -> &'static str {
        "cargo"
    }

    fn portion(&self) -> Portion {
        Portion::Package
    }

    fn is_plain(&self, words: &[&str]) -> bool {
        matches!(words, ["cargo", "nextest", "run", options @ ..] if are_harmless(options))
    }

    fn has_choice(&self, files: &mut dyn Iterator<Item = &str>) -> bool {
        has_packages(files)
    }

    fn questions(&self, asked: &Asked<'_>) -> Result<Vec<Vec<String>>, String> {
        questions(asked)
    }

    fn answer(&self, asked: &Asked<'_>, answers: &[Vec<u8>]) -> Result<Parts, String> {
        answer(asked, answers)
    }

    fn command(&self, words: &[&str], part: &[String]) -> Vec<String> {
        let mut command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let filter = part.iter().map(|name| format!("package(={name})")).collect::<Vec<_>>().join(" + ");
        // A package without tests is no mistake as long as others have some.
        command.extend(["--no-tests=pass".to_owned(), "-E".to_owned(), filter]);
        command
    }

    fn build(&self) -> Build {
        Build::Together
    }
}

fn are_harmless(options: &[&str]) -> bool {
    options.iter().all(|option| HARMLESS.contains(option))
}

fn is_whole(words: &[&str]) -> bool {
    words.iter().any(|word| WORKSPACE.contains(word))
}

fn without_workspace(words: &[&str]) -> Vec<String> {
    words.iter().filter(|word| !WORKSPACE.contains(word)).map(|word| (*word).to_owned()).collect()
}

fn has_packages(files: &mut dyn Iterator<Item = &str>) -> bool {
    files.filter(|file| name_of(file) == "Cargo.toml").take(2).count() > 1
}

/// Whether a file can change every package.
fn is_everywhere(path: &str) -> bool {
    let is_config = path.starts_with(".cargo/") || path.contains("/.cargo/");
    is_config
        || ["Cargo.toml", "Cargo.lock", "rust-toolchain", "rust-toolchain.toml"].contains(&name_of(path))
}

fn questions(asked: &Asked<'_>) -> Result<Vec<Vec<String>>, String> {
    if let Some(changed) = asked.changed.iter().find(|changed| is_everywhere(&changed.path)) {
        return Err(format!("{} changed", printable(&changed.path)));
    }
    Ok(vec![["cargo", "metadata", "--no-deps", "--format-version=1"].map(str::to_owned).into()])
}

/// What `cargo metadata` says, as far as it is of use.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    /// Since cargo 1.71.
    workspace_default_members: Option<Vec<String>>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

fn answer(asked: &Asked<'_>, answers: &[Vec<u8>]) -> Result<Parts, String> {
    let metadata: Metadata = answers
        .first()
        .and_then(|answer| serde_json::from_slice(answer).ok())
        .ok_or("cargo metadata said nothing that can be read")?;
    if metadata.workspace_root != asked.cwd {
        return Err("it runs in a part of its workspace".into());
    }
    let members = match &metadata.workspace_default_members {
        Some(members) if !is_whole(asked.words) => members,
        None if !is_whole(asked.words) => {
            return Err("this cargo does not say what it tests at the root".into());
        }
        _ => &metadata.workspace_members,
    };
    // By its place relative to the project's root.
    let mut places: BTreeMap<String, &Package> = BTreeMap::new();
    for package in &metadata.packages {
        let place = package.manifest_path.parent().and_then(|dir| dir.strip_prefix(asked.root).ok());
        let Some(place) = place.and_then(Path::to_str) else { continue };
        places.insert(if place.is_empty() { String::new() } else { format!("{place}/") }, package);
    }
    // By name alone: a package of the registry may be replaced by one that is here.
    let depends = metadata.packages.iter().map(|package| {
        let used = package.dependencies.iter().map(|dependency| dependency.name.clone()).collect();
        (package.name.clone(), used)
    });
    let packages = Packages {
        depends: depends.collect::<BTreeMap<String, BTreeSet<String>>>(),
        tested: metadata
            .packages
            .iter()
            .filter(|package| members.contains(&package.id))
            .map(|package| package.name.clone())
            .collect(),
    };
    let mut changed = BTreeMap::new();
    for file in asked.changed {
        let home = places.iter().filter(|(place, _)| file.path.starts_with(place.as_str()));
        // The innermost; of a package at the root only what cargo takes.
        let home = home
            .max_by_key(|(place, _)| place.len())
            .filter(|(place, _)| !place.is_empty() || OWN.iter().any(|own| file.path.starts_with(own)));
        let Some((_, package)) = home else {
            return Err(format!("{} changed, which belongs to no package", printable(&file.path)));
        };
        changed.entry(package.name.clone()).or_insert_with(|| printable(&file.path));
    }
    Ok(packages.parts(&changed))
}

#[cfg(test)]
mod tests {
    use super::super::Changed;
    use super::*;

    /// A package at the root, `lib` of which it makes use, and `tool`, which is not tested without being asked.
    const METADATA: &str = r#"{
        "packages": [
            {"id": "r", "name": "root", "manifest_path": "/p/Cargo.toml", "dependencies": [{"name": "lib"}, {"name": "serde"}]},
            {"id": "l", "name": "lib", "manifest_path": "/p/lib/Cargo.toml", "dependencies": []},
            {"id": "t", "name": "tool", "manifest_path": "/p/lib/tool/Cargo.toml", "dependencies": [{"name": "root"}]}
        ],
        "workspace_members": ["r", "l", "t"],
        "workspace_default_members": ["r", "l"],
        "workspace_root": "/p"
    }"#;

    fn parts(words: &[&str], changed: &str, cwd: &str) -> Result<Parts, String> {
        let changed = [Changed { path: changed.into(), is_there: true }];
        let (root, cwd) = (Path::new("/p"), Path::new(cwd));
        let asked = Asked { root, cwd, words, changed: &changed, files: &[], read: &|_| None };
        questions(&asked)?;
        answer(&asked, &[METADATA.into()])
    }

    #[test]
    fn files_belong_to_the_innermost_package_and_loose_ones_to_none() {
        let affected =
            |changed| parts(&["cargo", "test"], changed, "/p").map(|parts| (parts.affected, parts.rest));
        let is = |first: &[&str], rest: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            Ok((owned(first), owned(rest)))
        };
        assert_eq!(affected("src/main.rs"), is(&["root"], &["lib"]));
        assert_eq!(affected("lib/data/x"), is(&["lib", "root"], &[]));
        assert_eq!(affected("lib/tool/src/main.rs"), is(&[], &["lib", "root"]), "it is not tested here");
        assert_eq!(affected("notes.md"), Err("notes.md changed, which belongs to no package".into()));
        for everywhere in ["Cargo.lock", "lib/Cargo.toml", ".cargo/config.toml", "rust-toolchain"] {
            assert_eq!(affected(everywhere), Err(format!("{everywhere} changed")));
        }
        let whole = parts(&["cargo", "test", "--workspace"], "src/main.rs", "/p").unwrap();
        assert_eq!(whole.affected, ["root", "tool"]);
        assert!(parts(&["cargo", "test"], "src/main.rs", "/p/lib").is_err());
    }

    #[test]
    fn a_part_is_named_as_the_command_wants_it() {
        let part = ["a".to_owned(), "b-c".to_owned()];
        let command = Cargo.command(&["cargo", "test", "--workspace", "--locked"], &part);
        assert_eq!(command.join(" "), "cargo test --locked -p a -p b-c");
        let command = Nextest.command(&["cargo", "nextest", "run", "--workspace"], &part);
        let expected = "cargo nextest run --workspace --no-tests=pass -E package(=a) + package(=b-c)";
        assert_eq!(command.join(" "), expected);
    }
}
