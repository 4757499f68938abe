//! A project as a command needs it: its files listed, its pipeline read, and trusted before anything of it runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::project_dir;
use crate::base::error::{ErrorKind, Fault};
use crate::base::path;
use crate::base::text::{nearest, printable};
use crate::project::inputs::{Listing, Selector};
use crate::project::load::Asked;
use crate::project::model::{Pipeline, StageId};
use crate::project::{files, load};
use crate::session::{Access, Session};
use crate::sys::content::{self, Look};
use crate::sys::env;

/// A project that was read.
pub struct Project {
    /// Its root.
    pub root: PathBuf,
    /// What it means.
    pub pipeline: Pipeline,
    /// Its files.
    pub files: Listing,
    /// The text of its `devboot.toml`; `None` when the pipeline is inferred.
    pub text: Option<String>,
}

/// Reads the project that a directory belongs to; the one where we are without a directory.
pub fn project(context: &Context, dir: Option<&Path>) -> Result<Project, Fault> {
    let root = project_dir::root(dir)?;
    let programs = env::var("PATH").unwrap_or_default();
    let has = |program: &str| {
        let dirs = [".venv/bin", "venv/bin"].map(|dir| root.join(dir)).into_iter();
        dirs.chain(programs.split(':').map(PathBuf::from))
            .any(|dir| matches!(content::look(&dir.join(program)), Ok(Look::File(stamp)) if stamp.executable))
    };
    let loaded = load::load(&Asked { system: &context.system, root: &root, has: &has }, || {
        files::list(&root, &[], &[])
    })?;
    for warning in &loaded.warnings {
        context.printer.warn(&warning.to_string());
    }
    let selector = Selector::new(&loaded.pipeline).map_err(|bad| Fault::new(ErrorKind::Usage, bad.0))?;
    let files = files::list(&root, &loaded.pipeline.ignore, &selector.places());
    if loaded.pipeline.stages.is_empty() {
        let what = format!("nothing to run in {}", path::display(&root, &context.dirs.home));
        return Err(Fault::new(ErrorKind::Usage, what)
            .hint("`devboot project show` says what was looked for; a devboot.toml says what to run"));
    }
    Ok(Project { root, pipeline: loaded.pipeline, files, text: loaded.text })
}

impl Project {
    /// The stages that names mean: a stage, or all cells of a matrix.
    pub fn stages(&self, names: &[String]) -> Result<BTreeSet<StageId>, Fault> {
        let mut found = BTreeSet::new();
        for name in names {
            let meant: Vec<&StageId> = self
                .pipeline
                .stages
                .iter()
                .map(|stage| &stage.id)
                .filter(|id| id.0 == *name || id.group() == name)
                .collect();
            if meant.is_empty() {
                let known = self.pipeline.stages.iter().map(|stage| stage.id.0.as_str());
                let all: Vec<&str> = known.clone().collect();
                let fault = Fault::new(ErrorKind::Usage, format!("there is no stage '{}'", printable(name)));
                return Err(match nearest(name, known) {
                    Some(near) => fault.hint(format!("did you mean '{near}'?")),
                    None => fault.hint(format!("the stages are {}", printable(&all.join(", ")))),
                });
            }
            found.extend(meant.into_iter().cloned());
        }
        Ok(found)
    }

    /// A session of it in our own environment.
    pub fn session(self, context: &Context, access: Access) -> Result<Session, Fault> {
        let (session, said) =
            Session::open(&context.dirs, &self.root, self.pipeline, self.files, env::vars(), access)
                .map_err(|why| Fault::new(ErrorKind::Usage, why))?;
        said.iter().for_each(|said| context.printer.warn(said));
        Ok(session)
    }
}
