//! Go: the packages of a module, as `go list` says them, with what their tests import.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Deserialize;

use super::packages::Packages;
use super::{Asked, Changed, Parts, Tool, name_of};
use crate::base::text::printable;
use crate::run::event::Portion;

/// Options that leave alone which tests run and which files are built.
const HARMLESS: [&str; 4] = ["-v", "-short", "-count=1", "-race"];

/// Ends of the names of files that are built as part of the package in whose directory they are.
const SOURCES: [&str; 11] = [".go", ".c", ".cc", ".cpp", ".cxx", ".m", ".h", ".hh", ".hpp", ".s", ".S"];

/// `go test ./...`.
pub(super) struct Go;

/// What `go list` says of a package, as far as it is of use.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Package {
    import_path: String,
    #[serde(default)]
    dir: PathBuf,
    /// Everything that it imports, at any depth.
    #[serde(default)]
    deps: Vec<String>,
    #[serde(default)]
    standard: bool,
    #[serde(default)]
    dep_only: bool,
    #[serde(default)]
    embed_files: Vec<String>,
    #[serde(default)]
    test_embed_files: Vec<String>,
    #[serde(default, rename = "XTestEmbedFiles")]
    x_test_embed_files: Vec<String>,
}

const FIELDS: &str = "-json=ImportPath,Dir,Deps,Standard,DepOnly,EmbedFiles,TestEmbedFiles,XTestEmbedFiles";

impl Tool for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn portion(&self) -> Portion {
        Portion::Package
    }

    fn is_plain(&self, words: &[&str]) -> bool {
        matches!(words, ["go", "test", options @ .., "./..."] if options.iter().all(|option| HARMLESS.contains(option)))
    }

    fn has_choice(&self, files: &mut dyn Iterator<Item = &str>) -> bool {
        let dirs =
            files.filter(|file| file.ends_with(".go")).map(|file| &file[..file.len() - name_of(file).len()]);
        dirs.collect::<BTreeSet<_>>().len() > 1
    }

    fn questions(&self, asked: &Asked<'_>) -> Result<Vec<Vec<String>>, String> {
        let is_everywhere = |changed: &&Changed| {
            ["go.mod", "go.sum", "go.work", "go.work.sum"].contains(&name_of(&changed.path))
                || changed.path.split('/').any(|part| part == "vendor")
        };
        if let Some(changed) = asked.changed.iter().find(is_everywhere) {
            return Err(format!("{} changed", printable(&changed.path)));
        }
        // Files that are only built with -race count when the tests are.
        let race = asked.words.contains(&"-race").then_some("-race");
        let words = ["go", "list", "-e", "-deps", "-test", FIELDS].into_iter().chain(race).chain(["./..."]);
        Ok(vec![words.map(str::to_owned).collect()])
    }

    fn answer(&self, asked: &Asked<'_>, answers: &[Vec<u8>]) -> Result<Parts, String> {
        let answer = answers.first().map_or(&[][..], Vec::as_slice);
        let listed: Vec<Package> = serde_json::Deserializer::from_slice(answer)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(|_| "go list said nothing that can be read")?;
        let mut homes = Homes::default();
        let mut packages = Packages::default();
        for package in listed.iter().filter(|package| !package.standard) {
            let (path, variant) = split(&package.import_path);
            let Ok(dir) = package.dir.strip_prefix(asked.root) else { continue };
            let Some(dir) = dir.to_str() else { continue };
            // The binary of its tests depends on what they import; the variant is the package once more.
            let owner = path.strip_suffix(".test").filter(|_| !variant).unwrap_or(path);
            let used = package.deps.iter().map(|used| split(used).0.to_owned());
            packages.depends.entry(owner.to_owned()).or_default().extend(used);
            let is_package = !variant && owner == path;
            if is_package {
                homes.add(dir, package);
                if !package.dep_only {
                    packages.tested.insert(owner.to_owned());
                }
            }
        }
        let mut changed = BTreeMap::new();
        for file in asked.changed {
            let Some(package) = homes.of(&file.path) else {
                return Err(format!("{} changed, which belongs to no package", printable(&file.path)));
            };
            changed.entry(package.to_owned()).or_insert_with(|| printable(&file.path));
        }
        Ok(packages.parts(&changed))
    }

    fn command(&self, words: &[&str], part: &[String]) -> Vec<String> {
        let words = words.iter().filter(|word| **word != "./...").map(|word| (*word).to_owned());
        words.chain(part.iter().cloned()).collect()
    }
}

/// `path [path.test]` → the path, and whether it is a package as its tests see it.
fn split(import_path: &str) -> (&str, bool) {
    match import_path.split_once(" [") {
        Some((path, _)) => (path, true),
        None => (import_path, false),
    }
}

/// Which package a file belongs to.
#[derive(Default)]
struct Homes {
    dirs: BTreeMap<String, String>,
    embedded: BTreeMap<String, String>,
}

impl Homes {
    fn add(&mut self, dir: &str, package: &Package) {
        let dir = if dir.is_empty() { String::new() } else { format!("{dir}/") };
        let lists = [&package.embed_files, &package.test_embed_files, &package.x_test_embed_files];
        for file in lists.into_iter().flatten() {
            self.embedded.insert(format!("{dir}{file}"), package.import_path.clone());
        }
        self.dirs.insert(dir, package.import_path.clone());
    }

    /// What is embedded, what is built, and what is in a `testdata` directory: all else can be read by any test.
    fn of(&self, path: &str) -> Option<&str> {
        let dir = match path.split_once("testdata/") {
            Some((dir, _)) if dir.is_empty() || dir.ends_with('/') => dir,
            _ if SOURCES.iter().any(|end| path.ends_with(end)) => &path[..path.len() - name_of(path).len()],
            _ => return self.embedded.get(path).map(String::as_str),
        };
        self.dirs.get(dir).map(String::as_str)
    }
}
