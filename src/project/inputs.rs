//! Which of a project's files a stage depends on, and which stages a file matters to. Pure: the files are given.

use std::collections::BTreeSet;

use super::model::{Action, Pipeline, Stage, StageId};
use super::patterns::{BadPattern, Patterns, Taken};

/// The file that says what the stages are: a change of it is seen in the stages themselves.
pub const FILE: &str = "devboot.toml";

/// The inputs of every stage of a pipeline.
#[derive(Clone, Debug)]
pub struct Inputs {
    stages: Vec<Rule>,
    /// What any stage makes, and the file that says so: no wide pattern takes it.
    made: Vec<String>,
}

#[derive(Clone, Debug)]
struct Rule {
    stage: StageId,
    /// `None` for a stage that reads no file.
    patterns: Option<Patterns>,
    /// What it makes itself, which is never its input.
    own: Vec<String>,
    params: Vec<String>,
}

impl Inputs {
    /// Those that the stages name; a stage that names none depends on every file that no stage makes.
    ///
    /// # Errors
    /// A pattern that is none, as a sentence.
    pub fn of(pipeline: &Pipeline) -> Result<Self, String> {
        let own = |stage: &Stage| stage.outputs.iter().chain(&stage.metrics).cloned().collect::<Vec<_>>();
        let mut made: Vec<String> = pipeline.stages.iter().flat_map(own).collect();
        made.push(FILE.to_owned());
        let rule = |stage: &Stage| {
            let patterns = match (&stage.action, stage.inputs.is_empty()) {
                (Action::Http(_), true) => None,
                (_, true) => Some(Patterns::new(&["**".to_owned()])?),
                (_, false) => Some(Patterns::new(&stage.inputs)?),
            };
            let params = stage.params.keys().cloned().collect();
            Ok(Rule { stage: stage.id.clone(), patterns, own: own(stage), params })
        };
        let stages: Result<_, BadPattern> = pipeline.stages.iter().map(rule).collect();
        Ok(Self { stages: stages.map_err(|bad| bad.0)?, made })
    }

    /// The inputs of a stage among the project's files, in their order.
    pub fn of_stage<'f>(&self, stage: &StageId, files: impl IntoIterator<Item = &'f str>) -> Vec<&'f str> {
        let Some(rule) = self.stages.iter().find(|rule| rule.stage == *stage) else { return Vec::new() };
        files.into_iter().filter(|file| rule.reads(file, &self.made)).collect()
    }

    /// The stages that depend on any of these files, those that need such a stage not counted.
    pub fn affected<'f>(&self, files: impl IntoIterator<Item = &'f str>) -> BTreeSet<StageId> {
        let files: Vec<&str> = files.into_iter().collect();
        let reads = |rule: &&Rule| {
            files
                .iter()
                .any(|file| rule.reads(file, &self.made) || rule.params.iter().any(|param| param == file))
        };
        self.stages.iter().filter(reads).map(|rule| rule.stage.clone()).collect()
    }
}

impl Rule {
    fn reads(&self, file: &str, made: &[String]) -> bool {
        let among = |paths: &[String]| paths.iter().any(|path| is_in(file, path));
        match self.patterns.as_ref().map_or(Taken::No, |patterns| patterns.take(file)) {
            Taken::No => false,
            Taken::Widely => !among(made),
            Taken::ByName => !among(&self.own),
        }
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
