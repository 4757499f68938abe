//! `devboot project trust`.

use std::path::PathBuf;

use serde_json::json;

use super::name;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::cli::context::Context;
use crate::cli::{project_dir, project_load, view};
use crate::ipc::client::{Probe, probe};
use crate::ipc::message::{OfProject, Request};
use crate::project::FILE;
use crate::project::trust;
use crate::sys::system::ReadSystem;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot project trust             shows what has changed, and asks\n  \
                        devboot project trust --yes ~/ml\n  devboot project trust --revoke\n\n\
                        Nothing of a devboot.toml runs before it was trusted as it is: by its path and its content.")]
pub struct Args {
    /// A directory of the project; the current one
    dir: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long, conflicts_with = "revoke")]
    yes: bool,
    /// Trust it no longer
    #[arg(long)]
    revoke: bool,
}

/// Trusts a project's file as it is, or no longer.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let root = project_dir::root(args.dir.as_deref())?;
    let file = root.join(FILE);
    let shown = display(&file, &context.dirs.home);
    if args.revoke {
        trust::revoke(&context.system, &context.dirs, &root).map_err(|error| {
            Fault::new(ErrorKind::Failed, format!("cannot forget that {shown} is trusted")).cause(error)
        })?;
    } else {
        if !matches!(context.system.meta(&file), Ok(Some(_))) {
            let why = format!("there is no {shown}: what is inferred needs no trust");
            return Err(Fault::new(ErrorKind::Usage, why));
        }
        let project = project_load::to_trust(context, &root)?;
        project.trusted(context, args.yes, "--yes")?;
    }
    // A service that waits for it goes on; one that is not there, or does not keep the project, need not know.
    if let (Ok(Probe::Ready(mut client)), Ok(root)) =
        (probe(&super::super::daemon::place(context)), name(&root))
    {
        let _ = client.ask(Request::Reload(OfProject { root }));
    }
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "file": file, "trusted": !args.revoke }))?;
    } else if args.revoke {
        context.printer.say(&format!("{shown} is not trusted any more"));
    } else {
        context.printer.say(&format!("{shown} is trusted as it is now"));
    }
    Ok(Exit::Done)
}
