//! `devboot project remove`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Keeper, change, keeper, name, written};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cli::view;
use crate::ipc::message::{OfProject, Request};
use crate::project::load::root_of;
use crate::sys::real::real_path;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot project remove\n  devboot project remove ~/ml\n\n\
                        What runs of it is ended. A project whose directory is gone can be removed, too.")]
pub struct Args {
    /// The project's directory, instead of this one
    dir: Option<PathBuf>,
}

/// Removes a project.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let path = written(args.dir.as_deref())?;
    // A directory that is gone is known by how it was written.
    let root = name(&real_path(&path).map_or(path, |real| root_of(&context.system, &real)))?;
    match keeper(context)? {
        Keeper::Service(mut client) => {
            client.ask(Request::RemoveProject(OfProject { root: root.clone() }))?;
        }
        Keeper::Ours(seat) => {
            let mut known = false;
            change(context, &seat, |registry| known = registry.projects.remove(&root).is_some())?;
            if !known {
                let words = format!("{} is no project of the service", printable(&root));
                return Err(Fault::new(ErrorKind::Usage, words).hint("devboot project list"));
            }
        }
    }
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "removed": root }))?;
    } else {
        let shown = display(Path::new(&root), &context.dirs.home);
        context.printer.say(&format!("removed {shown}; its files are as they were"));
    }
    Ok(Exit::Done)
}
