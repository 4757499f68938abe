//! The pipeline of a project without a `devboot.toml`, from what its other files show. One file a kind of project, one
//! row in `KINDS`. What is found is written down as a `devboot.toml` would be, and read like one.

mod cargo;
mod dvc;
mod go;
mod make;
mod npm;
mod pytest;
mod tox;

use std::collections::BTreeMap;

pub use self::make::FILES as MAKEFILES;
use super::model::{Origin, Pipeline};
use super::render::render;
use super::resolve::{Resolved, resolve};
use super::schema::{ProjectFile, Run, StagePart};

/// What is asked about a project and its machine.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The project's files that are not ignored, sorted.
    pub files: &'a [String],
    /// The text of a file, when it is there, not too large and text.
    pub read: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a program is in the project's environment or on `PATH`.
    pub has: &'a dyn Fn(&str) -> bool,
}

/// One kind of project: what it is called, and what its files show.
struct Kind {
    name: &'static str,
    find: fn(&Look<'_>, &mut Draft),
}

/// The kinds, in the order in which they are asked; the first that has a `test` gives it its name.
const KINDS: [Kind; 7] = [
    Kind { name: "dvc.yaml", find: dvc::find },
    Kind { name: "pytest", find: pytest::find },
    Kind { name: "tox and nox", find: tox::find },
    Kind { name: "cargo", find: cargo::find },
    Kind { name: "npm", find: npm::find },
    Kind { name: "go", find: go::find },
    Kind { name: "make", find: make::find },
];

/// What was found so far.
#[derive(Clone, Debug, Default)]
struct Draft {
    /// The stages in their order.
    stages: Vec<(String, StagePart)>,
    /// What each was inferred from, and what was passed over and why.
    told: Vec<String>,
}

impl Draft {
    /// Adds a stage under its plain name, or under `KIND-NAME` when that is taken, and says why it is there.
    fn add(&mut self, kind: &str, name: &str, part: StagePart, why: &str) {
        let free = |name: &str| !self.stages.iter().any(|(other, _)| other == name);
        let name = if free(name) { name.to_owned() } else { format!("{kind}-{name}") };
        self.told.push(format!("{name}: {why}"));
        self.stages.push((name, part));
    }

    fn tell(&mut self, remark: impl Into<String>) {
        self.told.push(remark.into());
    }

    fn has_pytest(&self) -> bool {
        self.stages.iter().any(|(_, part)| part.pytest.is_some())
    }

    fn file(&self) -> (ProjectFile, Vec<String>) {
        let file = ProjectFile { stage: self.stages.iter().cloned().collect(), ..ProjectFile::default() };
        (file, self.stages.iter().map(|(name, _)| name.clone()).collect())
    }

    fn resolved(&self, name: &str) -> Result<Resolved, String> {
        let (file, order) = self.file();
        let text = render(&file, &order, &[], &BTreeMap::new());
        resolve(&text, "what was inferred", name).map_err(|error| {
            error.problems.first().map_or_else(String::new, |problem| problem.message.clone())
        })
    }
}

impl Look<'_> {
    fn is_there(&self, path: &str) -> bool {
        let path = path.strip_prefix("./").unwrap_or(path).trim_end_matches('/');
        let inside = format!("{path}/");
        let at = self.files.partition_point(|file| file.as_str() < path);
        let below = self.files.partition_point(|file| *file < inside);
        self.files.get(at).is_some_and(|file| file == path)
            || self.files.get(below).is_some_and(|file| file.starts_with(&inside))
            || (self.read)(path).is_some()
    }

    /// The text of a file at the root that is among the project's files.
    fn text(&self, path: &str) -> Option<String> {
        self.files.iter().any(|file| file == path).then(|| (self.read)(path))?
    }
}

/// A stage that runs this command.
fn running(command: &str) -> StagePart {
    StagePart { run: Some(Run::Shell(command.to_owned())), ..StagePart::default() }
}

/// Infers a pipeline. `name` is what the project is called. What a kind has found and cannot be used is taken back, and
/// said.
pub fn infer(name: &str, look: &Look<'_>) -> (Pipeline, ProjectFile) {
    let mut draft = Draft::default();
    for kind in KINDS {
        let mut next = draft.clone();
        (kind.find)(look, &mut next);
        match next.resolved(name) {
            Ok(_) => draft = next,
            Err(why) => draft.tell(format!("{}: what it says makes no pipeline: {why}", kind.name)),
        }
    }
    if draft.stages.is_empty() {
        draft.tell(
            "nothing was recognised: no tests of Python, Rust, JavaScript or Go, no Makefile, no dvc.yaml",
        );
    }
    let empty = |_| Resolved {
        pipeline: Pipeline {
            name: name.to_owned(),
            ignore: Vec::new(),
            slots: None,
            cloud: None,
            stages: Vec::new(),
            origin: Origin::File,
        },
        written: ProjectFile::default(),
        warnings: Vec::new(),
    };
    let resolved = draft.resolved(name).unwrap_or_else(empty);
    (Pipeline { origin: Origin::Inferred(draft.told), ..resolved.pipeline }, resolved.written)
}

#[cfg(test)]
mod tests;
