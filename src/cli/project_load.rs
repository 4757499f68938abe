//! A project as a command needs it: its files listed, its pipeline read, and trusted before anything of it runs.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::Path;

use super::command::daemon;
use super::context::Context;
use super::project_dir;
use crate::base::error::{ErrorKind, Fault};
use crate::base::path;
use crate::base::text::printable;
use crate::ipc::client::{Probe, probe};
use crate::ipc::message::{OfProject, Request, Response, ServiceStatus};
use crate::project::model::{Action, Stage, StageId};
use crate::project::trust::{self, Trust};
use crate::session::read::{self, Found};
use crate::session::{Access, Session, Standing};
use crate::sys::{env, terminal};

/// A project that was read.
pub struct Project(Found);

impl Deref for Project {
    type Target = Found;

    fn deref(&self) -> &Found {
        &self.0
    }
}

/// Reads the project that a directory belongs to; the one where we are without a directory.
pub fn project(context: &Context, dir: Option<&Path>) -> Result<Project, Fault> {
    let found = read::read(&context.system, &project_dir::root(dir)?, &env::vars())?;
    found.warnings.iter().for_each(|warning| context.printer.warn(warning));
    Ok(Project(found))
}

/// Reads it to be trusted, which needs nothing that runs.
pub fn to_trust(context: &Context, root: &Path) -> Result<Project, Fault> {
    let found = read::read_to_trust(&context.system, root, &env::vars())?;
    found.warnings.iter().for_each(|warning| context.printer.warn(warning));
    Ok(Project(found))
}

impl Project {
    /// Makes sure that what is about to run was approved: a `devboot.toml` by its path and its content. What is
    /// inferred says no more than the tools' own names, and who types the command asks for it. `given` approves, the
    /// flag of that name does so for who cannot be asked.
    pub fn trusted(&self, context: &Context, given: bool, flag: &str) -> Result<(), Fault> {
        if given {
            return self.approve(context);
        }
        let old = match self.trust(&context.system, &context.dirs) {
            Trust::Trusted => return Ok(()),
            Trust::New => None,
            Trust::Changed { old } => old,
        };
        let shown = path::display(&self.root.join(crate::project::FILE), &context.dirs.home);
        if !terminal::can_ask() {
            let what = if old.is_some() { "has changed since it was trusted" } else { "is not trusted yet" };
            return Err(Fault::new(ErrorKind::Refused, format!("{shown} {what}"))
                .hint(format!("look at it, then run again with {flag}")));
        }
        context.printer.line(&trust::diff(old.as_deref(), self.text.as_deref()));
        // It needs no stage to switch every shell that enters.
        let switches = match &self.pipeline.cloud {
            Some(name) => format!(", and switch shells to '{}' in its directory", printable(name)),
            None => String::new(),
        };
        if crate::ui::prompt::confirm(&format!("Trust {shown} and run what it says{switches}?"), flag)? {
            return self.approve(context);
        }
        Err(Fault::new(ErrorKind::Refused, format!("{shown} is not trusted; nothing was run")))
    }

    /// Remembers that it is trusted as it is.
    pub fn approve(&self, context: &Context) -> Result<(), Fault> {
        context.prepare_state()?;
        self.0.approve(&context.system, &context.dirs)
    }

    /// The stages that names mean: a stage, or all cells of a matrix.
    pub fn stages(&self, names: &[String]) -> Result<BTreeSet<StageId>, Fault> {
        read::named(&self.pipeline, names)
    }

    /// A session of it in our own environment. One that only says what it would do knows which services run elsewhere.
    pub fn session(self, context: &Context, access: Access) -> Result<Session, Fault> {
        let is_service = |stage: &Stage| matches!(stage.action, Action::Service(_));
        let standing = match access {
            Access::Read if self.pipeline.stages.iter().any(is_service) => standing(context, &self.root),
            _ => Vec::new(),
        };
        let (session, said) = self.0.session(&context.dirs, env::vars(), access)?;
        said.iter().for_each(|said| context.printer.warn(said));
        session.set_standing(standing);
        Ok(session)
    }
}

/// The project's services that the service runs; none where it does not keep the project.
fn standing(context: &Context, root: &Path) -> Vec<Standing> {
    let Some(root) = root.to_str() else { return Vec::new() };
    let Ok(Probe::Ready(mut client)) = probe(&daemon::place(context)) else { return Vec::new() };
    let services = match client.ask(Request::Services(OfProject { root: root.to_owned() })) {
        Ok(Response::Services(services)) => services,
        // It keeps others, or is of a version that does not tell.
        _ => return Vec::new(),
    };
    let standing = |service: ServiceStatus| {
        let start = service.start.and_then(|start| start.parse().ok());
        let fingerprint = service.fingerprint.parse().ok()?;
        Some(Standing { stage: StageId(service.stage), fingerprint, start })
    };
    services.into_iter().filter_map(standing).collect()
}
