//! Which of a project's files each stage depends on, and which stages a changed file is an input of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::links::parents;
use super::model::{Action, Pipeline, StageId};
use super::patterns::{BadPattern, Patterns, Taken};
use crate::base::names::Names;

/// The files of a project, relative to its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Those that no rule ignores.
    pub files: Arc<Names>,
    /// Those that a rule ignores, in the places that [`Selector::places`] names: data that is kept out of git is an
    /// input like any other when a stage names it.
    pub ignored: Arc<Names>,
}

impl Listing {
    /// A listing of these files.
    pub fn of(files: Names, ignored: Names) -> Self {
        Self { files: Arc::new(files), ignored: Arc::new(ignored) }
    }
}

/// The inputs of a stage, most of them as places in the listing: what a hundred thousand paths are is kept once.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    listed: Arc<Names>,
    /// Places in the listing, in their order.
    taken: Vec<Range<u32>>,
    /// The others; none of them is in the listing.
    more: Names,
}

impl Inputs {
    /// These paths.
    pub fn of(paths: Names) -> Self {
        Self { more: paths, ..Self::default() }
    }

    /// The same and these.
    #[must_use]
    pub fn and(self, paths: Vec<String>) -> Self {
        if paths.is_empty() {
            return self;
        }
        let mut new: BTreeSet<String> = paths.into_iter().collect();
        for own in self.iter() {
            new.remove(own);
        }
        Self { more: self.more.iter().map(str::to_owned).chain(new).collect(), ..self }
    }

    /// The paths in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let places = self.taken.iter().flat_map(|run| run.start as usize..run.end as usize);
        let mut listed = places.map_while(|at| self.listed.get(at)).peekable();
        let mut more = self.more.iter().peekable();
        std::iter::from_fn(move || match (listed.peek(), more.peek()) {
            (Some(one), Some(other)) if one > other => more.next(),
            (None, _) => more.next(),
            _ => listed.next(),
        })
    }
}

/// Settings that can change the outcome of every test, whatever a stage names as its inputs.
const TEST_SETTINGS: [&str; 18] = [
    "pyproject.toml",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "tox.ini",
    "setup.cfg",
    "setup.py",
    "conftest.py",
    ".coveragerc",
    ".env",
    ".python-version",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "Pipfile.lock",
    "requirements.txt",
    "requirements-dev.txt",
];

/// Whether a change of this file can change the outcome of every Python test: settings and lock files at the root, any
/// `conftest.py`, and compiled modules.
pub fn is_test_setting(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    TEST_SETTINGS.contains(&path) || name == "conftest.py" || name.ends_with(".so") || name.ends_with(".pyd")
}

/// The inputs of every stage, ready to be asked for.
#[derive(Clone, Debug)]
pub struct Selector {
    stages: Vec<Row>,
    places: HashMap<StageId, usize>,
    /// What is made, and the stage that makes it.
    made: HashMap<String, usize>,
}

#[derive(Clone, Debug)]
struct Row {
    id: StageId,
    patterns: Arc<Patterns>,
    tests: bool,
    /// Files of parameters, and whether the whole file counts.
    params: BTreeMap<String, bool>,
}

impl Selector {
    /// Makes the patterns of a pipeline ready.
    ///
    /// # Errors
    /// A pattern is none; a resolved pipeline has only good ones.
    pub fn new(pipeline: &Pipeline) -> Result<Self, BadPattern> {
        let mut ready: HashMap<&[String], Arc<Patterns>> = HashMap::new();
        let mut found = Self { stages: Vec::new(), places: HashMap::new(), made: HashMap::new() };
        for (at, stage) in pipeline.stages.iter().enumerate() {
            let patterns = match ready.get(stage.inputs.as_slice()) {
                Some(patterns) => patterns.clone(),
                None => Arc::new(Patterns::new(&stage.inputs)?),
            };
            ready.insert(&stage.inputs, patterns.clone());
            found.made.extend(stage.makes().map(|path| (path.to_owned(), at)));
            found.places.insert(stage.id.clone(), at);
            found.stages.push(Row {
                id: stage.id.clone(),
                patterns,
                tests: matches!(stage.action, Action::Pytest(_)),
                params: stage.params.iter().map(|(file, keys)| (file.clone(), keys.is_empty())).collect(),
            });
        }
        Ok(found)
    }

    /// The inputs of a stage: the files of the listing that it takes, and what it names and is not in the
    /// listing, which is for the caller to look at. Never what the stage makes itself. Files of parameters with keys are
    /// not among them.
    pub fn inputs(&self, stage: &StageId, listing: &Listing) -> Inputs {
        let Some(at) = self.places.get(stage).copied() else { return Inputs::default() };
        let row = &self.stages[at];
        let mut taken: Vec<Range<u32>> = Vec::new();
        for (place, path) in (0..).zip(listing.files.iter()) {
            if self.takes(at, path, false) {
                match taken.last_mut() {
                    Some(run) if run.end == place => run.end += 1,
                    _ => taken.push(place..place + 1),
                }
            }
        }
        taken.shrink_to_fit();
        let ignored = listing.ignored.iter().filter(|path| self.takes(at, path, true));
        let listed = |path: &str| is_listed(&listing.files, path) || is_listed(&listing.ignored, path);
        let params = row.params.iter().filter(|(_, whole)| **whole).map(|(file, _)| file.as_str());
        let named = row.patterns.literals().chain(params);
        let named = named.filter(|path| !listed(path) && self.maker(path) != Some(at));
        let more = ignored.chain(named).map(str::to_owned).collect();
        Inputs { listed: Arc::clone(&listing.files), taken, more }
    }

    /// The stages that a changed file is an input of, in their order. `ignored`: a rule ignores the file.
    pub fn affected(&self, path: &str, ignored: bool) -> Vec<&StageId> {
        let is = |at: &usize| self.takes(*at, path, ignored) || self.stages[*at].params.contains_key(path);
        (0..self.stages.len()).filter(is).map(|at| &self.stages[at].id).collect()
    }

    /// The stage that makes a path, or a directory that it is in.
    pub fn maker_of(&self, path: &str) -> Option<&StageId> {
        self.maker(path).map(|at| &self.stages[at].id)
    }

    /// The paths, sorted, that stages name by a whole first part: files and directories that must be looked at even
    /// where a rule ignores them. What is named whole counts in full only if the rule is about the path itself; below a
    /// pattern's place every file counts that the pattern takes. `true` marks the whole ones.
    pub fn places(&self) -> Vec<(&str, bool)> {
        let mut found: Vec<(&str, bool)> = self.stages.iter().flat_map(|row| row.patterns.places()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn takes(&self, at: usize, path: &str, ignored: bool) -> bool {
        let row = &self.stages[at];
        let maker = || self.maker(path);
        if row.tests && !ignored && is_test_setting(path) && maker().is_none()
            || row.params.get(path) == Some(&true)
        {
            return true;
        }
        match row.patterns.take(path) {
            Taken::No => false,
            Taken::Widely => !ignored && path != super::FILE && maker().is_none(),
            Taken::ByName => maker() != Some(at),
        }
    }

    fn maker(&self, path: &str) -> Option<usize> {
        if self.made.is_empty() {
            return None;
        }
        std::iter::once(path).chain(parents(path)).find_map(|path| self.made.get(path).copied())
    }
}

/// Whether a path, or something in it, is in a list.
fn is_listed(files: &Names, path: &str) -> bool {
    let inside = format!("{path}/");
    let below = files.find(&inside).unwrap_or_else(|place| place);
    files.contains(path) || files.get(below).is_some_and(|file| file.starts_with(&inside))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::resolve::resolve;

    fn selector(text: &str) -> Selector {
        Selector::new(&resolve(text, "devboot.toml", "demo").unwrap().pipeline).unwrap()
    }

    fn listing(files: &[&str], ignored: &[&str]) -> Listing {
        let names = |files: &[&str]| files.iter().map(|file| (*file).to_owned()).collect();
        Listing::of(names(files), names(ignored))
    }

    const TEXT: &str = r#"
[stage.lint]
run = "ruff check ."
inputs = ["**/*.py"]
[stage.prepare]
run = "p"
inputs = ["raw/*.csv", "missing.txt", "prepare.py"]
outputs = ["data"]
[stage.train]
run = "t"
inputs = ["train.py", "data"]
outputs = ["model.pkl"]
metrics = ["m.json"]
params = { "params.yaml" = ["lr"], "whole.json" = [] }
[stage.all]
run = "a"
[stage.test]
pytest = {}
inputs = ["src", "tests"]
"#;

    #[test]
    fn each_stage_has_its_inputs() {
        let selector = selector(TEXT);
        let listing = listing(
            &[
                "devboot.toml",
                "train.py",
                "prepare.py",
                "data/a.csv",
                "data/x.py",
                "model.pkl",
                "m.json",
                "params.yaml",
                "whole.json",
                "README.md",
                "src/a.py",
                "conftest.py",
                "pyproject.toml",
            ],
            &["raw/a.csv", "raw/b.txt", "src/a.so"],
        );
        let of = |id: &str| {
            let inputs = selector.inputs(&StageId(id.into()), &listing);
            inputs.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            of("lint"),
            ["conftest.py", "prepare.py", "src/a.py", "train.py"],
            "made files are left out"
        );
        assert_eq!(of("prepare"), ["missing.txt", "prepare.py", "raw/a.csv"]);
        assert_eq!(of("train"), ["data/a.csv", "data/x.py", "train.py", "whole.json"]);
        let all = [
            "README.md",
            "conftest.py",
            "params.yaml",
            "prepare.py",
            "pyproject.toml",
            "src/a.py",
            "train.py",
            "whole.json",
        ];
        assert_eq!(of("all"), all, "neither what stages make nor devboot.toml nor what is ignored");
        assert_eq!(of("test"), ["conftest.py", "pyproject.toml", "src/a.py", "src/a.so", "tests"]);
        assert_eq!(of("none"), [""; 0]);
    }

    #[test]
    fn a_path_affects_the_stages_that_it_is_an_input_of() {
        let selector = selector(TEXT);
        let affected = |path: &str, ignored| {
            selector.affected(path, ignored).iter().map(|id| id.0.clone()).collect::<Vec<_>>()
        };
        assert_eq!(affected("train.py", false), ["lint", "train", "all"]);
        assert_eq!(affected("raw/a.csv", true), ["prepare"]);
        assert_eq!(affected("raw/a.csv", false), ["prepare", "all"]);
        assert_eq!(affected("data/a.csv", false), ["train"]);
        assert_eq!(affected("model.pkl", false), [""; 0], "what a stage makes triggers nothing by itself");
        assert_eq!(affected("params.yaml", false), ["train", "all"]);
        assert_eq!(affected("sub/conftest.py", false), ["lint", "all", "test"]);
        assert_eq!(affected("devboot.toml", false), [""; 0]);
        assert_eq!(selector.maker_of("data/deep/x").map(|id| id.0.as_str()), Some("prepare"));
    }

    #[test]
    fn places_are_what_is_named() {
        let selector = selector(TEXT);
        let expected = [
            ("data", true),
            ("missing.txt", true),
            ("prepare.py", true),
            ("raw", false),
            ("src", true),
            ("tests", true),
            ("train.py", true),
        ];
        assert_eq!(selector.places(), expected);
    }
}
