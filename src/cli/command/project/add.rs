//! `devboot project add`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Keeper, change, keeper, loaded, name};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::base::text::printable;
use crate::cli::command::daemon;
use crate::cli::context::Context;
use crate::cli::{project_dir, view};
use crate::daemon::registry::Registered;
use crate::ipc::message::{AddProject, Request};
use crate::project::environment::lasting;
use crate::project::trust::{self, Subject};
use crate::sys::system::ReadSystem;
use crate::sys::{clock, env};

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot project add\n  devboot project add ~/ml\n\n\
                        The service is started if it does not run. The project's devboot.toml is trusted as it is now.\n\
                        Its stages begin with PATH, HOME, the language and the proxies of this shell, and with nothing else of it.")]
pub struct Args {
    /// The project's directory, instead of this one
    dir: Option<PathBuf>,
    /// Do not start the service: the next shell or command that needs it does
    #[arg(long)]
    no_service: bool,
}

/// Adds a project.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let real = project_dir::root(args.dir.as_deref())?;
    let shown = printable(&real.to_string_lossy());
    context
        .system
        .list(&real)
        .map_err(|error| Fault::new(ErrorKind::Failed, format!("cannot read {shown}")).cause(error))?;
    let root = name(&real)?;
    let trusted = consent(context, &real)?;
    let env = lasting(&env::vars());
    let runs = match served(context, args)? {
        Keeper::Service(mut client) => {
            client.ask(Request::AddProject(AddProject { root: root.clone(), env }))?;
            true
        }
        Keeper::Ours(seat) => {
            change(context, &seat, |registry| {
                let now = clock::now();
                let known = registry.projects.entry(root.clone());
                known.or_insert_with(|| Registered { added: now, env: env.clone() }).env = env.clone();
            })?;
            false
        }
    };
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "root": root, "running": runs }))?;
        return Ok(Exit::Done);
    }
    context.printer.say(&format!("added {}", display(&real, &context.dirs.home)));
    if trusted {
        context
            .printer
            .say("  its devboot.toml is trusted as it is now; `devboot project show` prints what it runs");
    }
    if !runs {
        context.printer.say("  the service does not run; the next shell or `devboot daemon start` starts it");
    }
    Ok(Exit::Done)
}

/// The service, which is started for the project unless it is asked for otherwise or cannot be had.
fn served(context: &Context, args: &Args) -> Result<Keeper, Fault> {
    if args.no_service {
        return keeper(context);
    }
    match daemon::ensure(context) {
        Ok(client) => Ok(Keeper::Service(client)),
        Err(fault) if fault.kind == ErrorKind::Refused => Err(fault),
        Err(fault) => {
            context.printer.warn(&format!("without the service: {}", fault.one_line()));
            keeper(context)
        }
    }
}

/// Who adds a project by hand trusts it; says whether it has a `devboot.toml`. A wrong one is refused.
fn consent(context: &Context, root: &Path) -> Result<bool, Fault> {
    let loaded = loaded(context, root)?;
    let Some(text) = &loaded.text else { return Ok(false) };
    context.own_home()?;
    context.prepare_state()?;
    trust::approve(&context.system, &context.dirs, Subject { root, text: Some(text) }).map_err(|error| {
        Fault::new(ErrorKind::Failed, "cannot remember that the project is trusted").cause(error)
    })?;
    Ok(true)
}
