//! Which of a project's files a stage depends on, and which stages a file matters to. Patterns are those of a
//! `.gitignore` at the root (gitignore(5)): `*.py` at any depth, `data/*.csv` below the root, `data/` with all that is in
//! it; a later `!pattern` takes away. Pure: the files are given.

use std::collections::BTreeSet;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::model::{Action, Pipeline, Stage, StageId};

/// Patterns, ready to be asked: each with whether it takes away, in their order.
#[derive(Clone, Debug)]
pub struct Patterns(Vec<(bool, Gitignore)>);

impl Patterns {
    /// Reads patterns; the error is a sentence with the first that is none.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, String> {
        let one = |pattern: &str| {
            let (takes_away, plain) =
                pattern.strip_prefix('!').map_or((false, pattern), |plain| (true, plain));
            // Every line of a `.gitignore` could be one; here a blank or a comment would silently match nothing.
            if plain.trim().is_empty() || plain.starts_with(['#', '!']) {
                return Err(format!("'{pattern}' is no pattern"));
            }
            let mut builder = GitignoreBuilder::new("");
            builder.add_line(None, plain).map_err(|error| format!("'{pattern}' is no pattern: {error}"))?;
            Ok((takes_away, builder.build().map_err(|error| error.to_string())?))
        };
        Ok(Self(patterns.iter().map(|pattern| one(pattern.as_ref())).collect::<Result<_, _>>()?))
    }

    /// Whether a file, relative to the root, matches: itself or a directory that it is in. The last pattern that fits
    /// decides, so that `!dir/` takes away all that is in it, which it does not in a `.gitignore` below `**`.
    pub fn matches(&self, file: &str) -> bool {
        let fits = |(_, pattern): &&(bool, Gitignore)| {
            pattern.matched_path_or_any_parents(Path::new(file), false).is_ignore()
        };
        self.0.iter().rev().find(fits).is_some_and(|(takes_away, _)| !takes_away)
    }
}

/// The file that says what the stages are: a change of it is seen in the stages themselves.
pub const FILE: &str = "devboot.toml";

/// The inputs of every stage of a pipeline.
#[derive(Clone, Debug)]
pub struct Inputs {
    stages: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    stage: StageId,
    /// `None` for a stage that reads no file.
    patterns: Option<Patterns>,
    /// Paths that are never its inputs: what it, or with the patterns left out any stage, makes.
    never: Vec<String>,
    params: Vec<String>,
}

impl Inputs {
    /// Those that the stages name; a stage that names none depends on every file that no stage makes.
    ///
    /// # Errors
    /// A pattern that is none, as a sentence.
    pub fn of(pipeline: &Pipeline) -> Result<Self, String> {
        let made = |stage: &Stage| stage.outputs.iter().chain(&stage.metrics).cloned().collect::<Vec<_>>();
        let mut all: Vec<String> = pipeline.stages.iter().flat_map(made).collect();
        all.push(FILE.to_owned());
        let rule = |stage: &Stage| {
            let patterns = match (&stage.action, stage.inputs.is_empty()) {
                (Action::Http(_), true) => None,
                (_, true) => Some(Patterns::new(&["**"])?),
                (_, false) => Some(Patterns::new(&stage.inputs)?),
            };
            Ok(Rule {
                stage: stage.id.clone(),
                patterns,
                never: if stage.inputs.is_empty() { all.clone() } else { made(stage) },
                params: stage.params.keys().cloned().collect(),
            })
        };
        Ok(Self { stages: pipeline.stages.iter().map(rule).collect::<Result<_, String>>()? })
    }

    /// The inputs of a stage among the project's files, in their order.
    pub fn of_stage<'f>(&self, stage: &StageId, files: impl IntoIterator<Item = &'f str>) -> Vec<&'f str> {
        let Some(rule) = self.stages.iter().find(|rule| rule.stage == *stage) else { return Vec::new() };
        files.into_iter().filter(|file| rule.reads(file)).collect()
    }

    /// The stages that depend on any of these files, those that need such a stage not counted.
    pub fn affected<'f>(&self, files: impl IntoIterator<Item = &'f str>) -> BTreeSet<StageId> {
        let files: Vec<&str> = files.into_iter().collect();
        let reads = |rule: &&Rule| {
            files.iter().any(|file| rule.reads(file) || rule.params.iter().any(|param| param == file))
        };
        self.stages.iter().filter(reads).map(|rule| rule.stage.clone()).collect()
    }
}

impl Rule {
    fn reads(&self, file: &str) -> bool {
        self.patterns.as_ref().is_some_and(|patterns| patterns.matches(file))
            && !self.never.iter().any(|path| is_in(file, path))
    }
}

/// Whether a file is this path or below it.
pub fn is_in(file: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::super::model::fixture;
    use super::*;

    fn matching(patterns: &[&str], files: &[&str]) -> Vec<String> {
        let patterns = Patterns::new(patterns).unwrap();
        files.iter().filter(|file| patterns.matches(file)).map(|file| (*file).to_owned()).collect()
    }

    #[test]
    fn patterns_are_those_of_gitignore() {
        let files = ["a.py", "src/b.py", "data/x.csv", "data/raw/y.csv", "sub/data/z.csv", "README.md"];
        assert_eq!(matching(&["*.py"], &files), ["a.py", "src/b.py"]);
        assert_eq!(matching(&["data/*.csv"], &files), ["data/x.csv"]);
        assert_eq!(matching(&["data/**/*.csv"], &files), ["data/x.csv", "data/raw/y.csv"]);
        assert_eq!(matching(&["/data"], &files), ["data/x.csv", "data/raw/y.csv"]);
        assert_eq!(
            matching(&["**", "!*.md", "!src/"], &files),
            ["a.py", "data/x.csv", "data/raw/y.csv", "sub/data/z.csv"]
        );
        for wrong in ["", "  ", "# all", "!", "!!a"] {
            assert!(Patterns::new(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_stages_make_is_not_what_they_read() {
        let mut test = fixture::stage("test");
        test.outputs = vec!["report.xml".into()];
        let mut train = fixture::stage("train");
        (train.inputs, train.outputs) = (vec!["train.py".into(), "data/".into()], vec!["models".into()]);
        train.params = [("params.yaml".to_owned(), Vec::new())].into();
        let mut smoke = fixture::stage("smoke");
        smoke.action = fixture::http();
        let pipeline = fixture::pipeline(vec![test, train, smoke]);
        let inputs = Inputs::of(&pipeline).unwrap();
        let files =
            ["a.py", "data/x.csv", "devboot.toml", "models/m.pkl", "modelsx", "report.xml", "train.py"];
        let of = |name: &str| inputs.of_stage(&StageId(name.into()), files);
        assert_eq!(of("test"), ["a.py", "data/x.csv", "modelsx", "train.py"]);
        assert_eq!(of("train"), ["data/x.csv", "train.py"]);
        assert_eq!(of("smoke"), [""; 0]);
        let affected = |file| inputs.affected([file]).into_iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(affected("data/x.csv"), ["test", "train"]);
        assert_eq!(affected("params.yaml"), ["test", "train"]);
        assert_eq!(affected("models/m.pkl"), [""; 0]);
    }
}
