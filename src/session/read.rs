//! A project as it is read before anything of it runs: its pipeline, its files, and whether its `devboot.toml` is trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::work::{Access, Session};
use crate::base::error::{ErrorKind, Fault};
use crate::base::text::{nearest, printable};
use crate::project::files;
use crate::project::inputs::{Listing, Selector};
use crate::project::load::{Asked, LoadError, Loaded, load};
use crate::project::model::{Pipeline, StageId};
use crate::project::trust::{self, Subject, Trust};
use crate::sys::content::{self, Look};
use crate::sys::dirs::Dirs;
use crate::sys::system::{ReadSystem, WriteSystem};

/// A project that was read.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its root.
    pub root: PathBuf,
    /// What it means.
    pub pipeline: Pipeline,
    /// Its files.
    pub files: Listing,
    /// The text of its `devboot.toml`; `None` when the pipeline is inferred.
    pub text: Option<String>,
    /// What is odd in its `devboot.toml` and keeps nobody from running.
    pub warnings: Vec<String>,
}

/// The pipeline of the project at a root, as its files say it. `caller` is the environment of whoever asks: its `PATH` says
/// which programs there are.
///
/// # Errors
/// `devboot.toml` is wrong.
pub fn pipeline(
    system: &dyn ReadSystem,
    root: &Path,
    caller: &BTreeMap<String, String>,
) -> Result<Loaded, LoadError> {
    let programs = caller.get("PATH").map_or("", String::as_str);
    let has = |program: &str| {
        let dirs = [".venv/bin", "venv/bin"].map(|dir| root.join(dir)).into_iter();
        dirs.chain(programs.split(':').map(PathBuf::from))
            .any(|dir| matches!(content::look(&dir.join(program)), Ok(Look::File(stamp)) if stamp.executable))
    };
    load(&Asked { system, root, has: &has }, || files::list(root, &[], &[]))
}

/// Reads the project at a root with its files. `caller` is the environment of whoever asks: its `PATH` says which programs there are.
///
/// # Errors
/// `devboot.toml` is wrong, or there is nothing to run.
pub fn read(system: &dyn ReadSystem, root: &Path, caller: &BTreeMap<String, String>) -> Result<Found, Fault> {
    let found = read_to_trust(system, root, caller)?;
    if found.pipeline.stages.is_empty() {
        return Err(nothing_to_run(root));
    }
    Ok(found)
}

fn nothing_to_run(root: &Path) -> Fault {
    let what = format!("nothing to run in {}", printable(&root.to_string_lossy()));
    Fault::new(ErrorKind::Usage, what)
        .hint("`devboot project show` says what was looked for; a devboot.toml says what to run")
}

/// The same for whoever is about to trust it: a file that only names a credential profile runs nothing, and switches shells.
///
/// # Errors
/// `devboot.toml` is wrong, or there is nothing that could be trusted.
pub fn read_to_trust(
    system: &dyn ReadSystem,
    root: &Path,
    caller: &BTreeMap<String, String>,
) -> Result<Found, Fault> {
    let loaded = pipeline(system, root, caller)?;
    let warnings = loaded.warnings.iter().map(ToString::to_string).collect();
    let selector = Selector::new(&loaded.pipeline).map_err(|bad| Fault::new(ErrorKind::Usage, bad.0))?;
    if loaded.pipeline.stages.is_empty() && loaded.pipeline.cloud.is_none() {
        return Err(nothing_to_run(root));
    }
    let files = files::list(root, &loaded.pipeline.ignore, &selector.places());
    Ok(Found { root: root.to_owned(), pipeline: loaded.pipeline, files, text: loaded.text, warnings })
}

impl Found {
    fn subject(&self) -> Subject<'_> {
        Subject { root: &self.root, text: self.text.as_deref() }
    }

    /// Whether what it says may be run. What is inferred says no more than the tools' own names.
    pub fn trust(&self, system: &dyn ReadSystem, dirs: &Dirs) -> Trust {
        match self.text {
            None => Trust::Trusted,
            Some(_) => trust::state(system, dirs, self.subject()),
        }
    }

    /// Remembers that it is trusted as it is. The state directory exists.
    pub fn approve(&self, system: &dyn WriteSystem, dirs: &Dirs) -> Result<(), Fault> {
        trust::approve(system, dirs, self.subject()).map_err(|error| {
            Fault::new(ErrorKind::Failed, "cannot remember that the project is trusted").cause(error)
        })
    }

    /// A session of it. The sentences say what is not as it should be and keeps nobody from running.
    pub fn session(
        self,
        dirs: &Dirs,
        caller: BTreeMap<String, String>,
        access: Access,
    ) -> Result<(Session, Vec<String>), Fault> {
        Session::open(dirs, &self.root, self.pipeline, self.files, caller, access)
            .map_err(|why| Fault::new(ErrorKind::Usage, why))
    }
}

/// The stages of a pipeline that names mean: a stage, or all cells of a matrix.
///
/// # Errors
/// There is no such stage; the hint names a near one.
pub fn named(pipeline: &Pipeline, names: &[String]) -> Result<BTreeSet<StageId>, Fault> {
    let mut found = BTreeSet::new();
    for name in names {
        let ids = pipeline.stages.iter().map(|stage| &stage.id);
        let meant: Vec<&StageId> = ids.filter(|id| id.0 == *name || id.group() == name).collect();
        if meant.is_empty() {
            let known = pipeline.stages.iter().map(|stage| stage.id.0.as_str());
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
