//! A project as a command needs it: its files listed, its pipeline read, and trusted before anything of it runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::project_dir;
use crate::base::error::{ErrorKind, Fault};
use crate::base::path;
use crate::base::text::{nearest, printable};
use crate::project::inputs::FILE;
use crate::project::model::{Pipeline, StageId};
use crate::project::{files, resolve};
use crate::session::{Access, Session};
use crate::sys::env;
use crate::sys::system::ReadSystem;

/// A project that was read.
pub struct Project {
    /// Its root.
    pub root: PathBuf,
    /// What it means.
    pub pipeline: Pipeline,
    /// Its files.
    pub files: BTreeSet<String>,
}

const LIMIT: u64 = 1 << 20;

/// Reads the project that a directory belongs to; the one where we are without a directory.
pub fn project(context: &Context, dir: Option<&Path>) -> Result<Project, Fault> {
    let root = project_dir::root(dir)?;
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = root.join(FILE);
    let shown = path::display(&file, &context.dirs.home);
    let bytes = context.system.read(&file, LIMIT).map_err(|error| {
        Fault::new(ErrorKind::Usage, format!("cannot read {shown}"))
            .cause(error)
            .hint("write one, or name another directory")
    })?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Fault::new(ErrorKind::Usage, format!("{shown} is no UTF-8 text")))?;
    let resolved = resolve::resolve(&text, &shown, &name)?;
    for warning in &resolved.warnings {
        context.printer.warn(&warning.to_string());
    }
    let files = files::list(&root, &resolved.pipeline.ignore);
    Ok(Project { root, pipeline: resolved.pipeline, files })
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
