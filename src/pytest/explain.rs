//! Why a test file would run now, or that it would not.

use super::batch::{is_selectable, plan};
use super::executor::Pytest;
use super::memory::Memory;
use super::select::Chosen;
use crate::project::model::Action;
use crate::run::unit::Unit;
use crate::sys::real::RealSystem;

/// What is known of a test file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The file, relative to the root.
    pub file: String,
    /// Whether the stage has such a file.
    pub is_there: bool,
    /// Whether it would run.
    pub runs: bool,
    /// Why, or why not: a sentence, with the way from the file to what changed.
    pub why: String,
}

impl Pytest {
    /// What is known of these test files, or of those that the node ids are in. Nothing runs and nothing is written.
    pub async fn explain(&self, unit: &Unit, wanted: &[String]) -> Vec<Explained> {
        let mut memory = Memory::load(&RealSystem, &self.file(unit));
        let files = self.files(unit);
        let now = self.digests(&files);
        self.read_imports(unit, &files, &now, &mut memory).await;
        let args = match &unit.stage.action {
            Action::Pytest(pytest) => &pytest.args[..],
            _ => &[],
        };
        let plan =
            if is_selectable(args, unit) { plan(unit, self.ground(), &files, &now, &memory) } else { None };
        let explained = |name: &String| {
            let file = name.split("::").next().unwrap_or(name).trim_start_matches("./").to_owned();
            let chosen = |list: &[Chosen]| {
                list.iter().find(|chosen| chosen.file == file).map(|one| one.why.sentence(&file))
            };
            let (runs, why) = match &plan {
                _ if !now.contains_key(&file) => {
                    (false, format!("there is no {file} among the stage's files"))
                }
                None => (true, whole(&memory, args, unit).to_owned()),
                Some(plan) => match (chosen(&plan.affected), chosen(&plan.rest)) {
                    (Some(why), _) => (true, why),
                    (None, Some(why)) => (true, format!("{why}: it follows those that are affected")),
                    (None, None) if memory.files.contains_key(&file) => {
                        (false, "it passed, and nothing of the stage has changed since".into())
                    }
                    (None, None) => (false, "pytest finds no tests in it".into()),
                },
            };
            Explained { is_there: now.contains_key(&file), file, runs, why }
        };
        wanted.iter().map(explained).collect()
    }
}

/// Why everything runs, and nothing is chosen.
fn whole(memory: &Memory, args: &[String], unit: &Unit) -> &'static str {
    if memory.files.is_empty() {
        "the tests have not run yet: all run"
    } else if memory.coverage {
        "coverage is measured, which needs all tests: all run"
    } else if memory.blind {
        "not all that the tests read could be seen: all run"
    } else if memory.together {
        "some tests fail without those that run before them: all run"
    } else if memory.crowded {
        "some tests failed with the others and passed without them: all run until they pass"
    } else if !is_selectable(args, unit) {
        "pytest is given arguments that choose tests: all that they choose run"
    } else {
        "settings or a conftest changed, a test file is new where none was before, or pytest finds its tests in another way: all run"
    }
}
