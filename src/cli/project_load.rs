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
use crate::project::trust::{self, Subject, Trust};
use crate::project::{files, load};
use crate::session::{Access, Session};
use crate::sys::content::{self, Look};
use crate::sys::{env, terminal};

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
    fn subject(&self) -> Subject<'_> {
        Subject { root: &self.root, text: self.text.as_deref() }
    }

    /// Makes sure that what is about to run was approved: a `devboot.toml` by its path and its content. What is
    /// inferred says no more than the tools' own names, and who types the command asks for it. `given` approves.
    pub fn trusted(&self, context: &Context, given: bool) -> Result<(), Fault> {
        if given {
            return self.approve(context);
        }
        let Some(text) = &self.text else { return Ok(()) };
        let old = match trust::state(&context.system, &context.dirs, self.subject()) {
            Trust::Trusted => return Ok(()),
            Trust::New => None,
            Trust::Changed { old } => old,
        };
        let shown = path::display(&self.root.join(crate::project::FILE), &context.dirs.home);
        if !terminal::can_ask() {
            let what = if old.is_some() { "has changed since it was trusted" } else { "is not trusted yet" };
            return Err(Fault::new(ErrorKind::Refused, format!("{shown} {what}"))
                .hint("look at it, then run again with --trust"));
        }
        context.printer.line(&trust::diff(old.as_deref(), Some(text)));
        if crate::ui::prompt::confirm(&format!("Trust {shown} and run what it says?"), "--trust")? {
            return self.approve(context);
        }
        Err(Fault::new(ErrorKind::Refused, format!("{shown} is not trusted; nothing was run")))
    }

    /// Remembers that it is trusted as it is.
    pub fn approve(&self, context: &Context) -> Result<(), Fault> {
        let failed =
            |error| Fault::new(ErrorKind::Failed, "cannot remember that the project is trusted").cause(error);
        context.prepare_state()?;
        trust::approve(&context.system, &context.dirs, self.subject()).map_err(failed)
    }

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
