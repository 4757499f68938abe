//! `devboot project list`.

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cli::view;
use crate::daemon::registry::{Registry, set_aside};
use crate::ipc::client::{Probe, probe};
use crate::ipc::message::{ProjectPhase, ProjectStatus, Request, Response};
use crate::ui::table;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {}

/// Lists the projects.
pub fn run(context: &Context, _: &Args) -> Result<Exit, Fault> {
    let (projects, running) = match probe(&super::super::daemon::place(context))? {
        Probe::Ready(mut client) | Probe::Outdated(mut client) => match client.ask(Request::ListProjects)? {
            Response::Projects(projects) => (projects, true),
            _ => {
                return Err(Fault::new(
                    ErrorKind::Failed,
                    "the service gave another answer than its projects",
                ));
            }
        },
        Probe::Absent => (unwatched(context)?, false),
    };
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "running": running,
            "projects": projects,
            "set_aside": set_aside(&context.system, &context.dirs.state),
        }))?;
        return Ok(Exit::Done);
    }
    super::say_set_aside(context);
    if projects.is_empty() {
        context.printer.say("there are no projects; `devboot project add` adds this directory");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = projects
        .iter()
        .map(|project| {
            let root = display(std::path::Path::new(&project.root), &context.dirs.home);
            let note = project.note.as_deref().map_or_else(String::new, printable);
            vec![root, project.phase.word().to_owned(), note]
        })
        .collect();
    for line in table::columns(&rows) {
        context.printer.data(&format!("{line}\n"))?;
    }
    if !running {
        context.printer.say("the service does not run; `devboot daemon start` starts it");
    }
    Ok(Exit::Done)
}

/// The projects as they are on disk.
fn unwatched(context: &Context) -> Result<Vec<ProjectStatus>, Fault> {
    let registry = Registry::read(&context.system, &context.dirs.state)?.map_err(|why| {
        Fault::new(ErrorKind::Failed, "the list of projects is damaged")
            .cause(why)
            .hint("`devboot daemon start` sets it aside; add the projects again then")
    })?;
    let of = |(root, registered): (String, crate::daemon::registry::Registered)| ProjectStatus {
        root,
        added: registered.added,
        phase: ProjectPhase::Unwatched,
        note: None,
        guest: false,
    };
    Ok(registry.projects.into_iter().map(of).collect())
}
