//! `devboot project`: the pipeline of a project as it is understood, and the projects that the service keeps.

mod add;
mod check;
mod list;
mod remove;
mod show;
mod trust;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::base::text::printable;
use crate::cli::context::{Context, current_dir};
use crate::daemon::registry::{self, Registry};
use crate::ipc::client::{Client, Probe, probe};
use crate::ipc::listener::{ListenError, Seat};
use crate::project::load::{LoadError, Loaded};
use crate::project::schema;
use crate::session::read;
use crate::sys::env;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot project show                       the pipeline of the project here\n  \
                        devboot project show > devboot.toml        keep what was inferred, to change it\n  \
                        devboot project check ~/repos/demo         every problem of its devboot.toml\n  \
                        devboot project schema > project.schema.json   for your editor\n\n\
                        The project is the nearest directory upward with a devboot.toml or a .git. None of these runs\n\
                        anything of it."
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Print the pipeline as a devboot.toml, with where it was inferred from
    Show(show::Args),
    /// List every problem of a devboot.toml, with line and hint
    Check(check::Args),
    /// Print the JSON Schema of devboot.toml, for editors
    Schema,
    /// Trust a project's devboot.toml as it is now
    Trust(trust::Args),
    /// Keep a project from now on: run what a save affects
    Add(add::Args),
    /// Which projects are kept, and what they do
    List(list::Args),
    /// Keep a project no longer; its files are not touched
    Remove(remove::Args),
}

/// Does what was asked for.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    match &args.verb {
        Verb::Add(args) => add::run(context, args),
        Verb::List(args) => list::run(context, args),
        Verb::Remove(args) => remove::run(context, args),
        Verb::Trust(args) => trust::run(context, args),
        Verb::Show(args) => show::run(context, args),
        Verb::Check(args) => check::run(context, args),
        Verb::Schema => {
            context.printer.data(&schema::json_schema())?;
            Ok(Exit::Done)
        }
    }
}

/// The pipeline of the project at a root.
fn loaded(context: &Context, root: &Path) -> Result<Loaded, LoadError> {
    read::pipeline(&context.system, root, &env::vars())
}

/// A directory as it was written, absolute; `.` without one.
fn written(dir: Option<&Path>) -> Result<PathBuf, Fault> {
    let here = current_dir()?;
    let path = dir.map_or_else(|| here.clone(), |dir| here.join(dir));
    Ok(path.components().collect())
}

/// The name that the service knows a directory by.
fn name(path: &Path) -> Result<String, Fault> {
    let shown = printable(&path.to_string_lossy());
    let refused = |why: &str| Fault::new(ErrorKind::Usage, format!("{shown} cannot be a project: {why}"));
    let text = path.to_str().ok_or_else(|| refused("its path is not Unicode"))?;
    if text.contains(char::is_control) {
        return Err(refused("its path has a control character"));
    }
    Ok(text.to_owned())
}

/// Who may change the registry.
enum Keeper {
    /// The service, which runs.
    Service(Client),
    /// We, as long as we hold its seat.
    Ours(Seat),
}

fn keeper(context: &Context) -> Result<Keeper, Fault> {
    context.own_home()?;
    context.prepare_state()?;
    let place = super::daemon::place(context);
    for _ in 0..2 {
        match probe(&place)? {
            Probe::Ready(client) => return Ok(Keeper::Service(client)),
            Probe::Outdated(client) if client.is_understood() => return Ok(Keeper::Service(client)),
            Probe::Outdated(_) => return Ok(Keeper::Service(super::daemon::ensure(context)?)),
            Probe::Absent => {}
        }
        match Seat::take(&place) {
            Ok(seat) => return Ok(Keeper::Ours(seat)),
            // It has started meanwhile.
            Err(ListenError::Held(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Keeper::Service(super::daemon::ensure(context)?))
}

/// Says that a damaged list of projects was set aside, as long as it lies there.
pub fn say_set_aside(context: &Context) {
    for path in registry::set_aside(&context.system, &context.dirs.state) {
        let shown = display(&path, &context.dirs.home);
        context.printer.warn(&format!(
            "the list of projects was damaged and is {shown} now: add its projects again (`devboot project add DIR`), \
             then remove that file"
        ));
    }
}

/// Changes the registry while no service runs.
fn change(context: &Context, _seat: &Seat, act: impl FnOnce(&mut Registry)) -> Result<(), Fault> {
    let state = &context.dirs.state;
    let loaded = Registry::load(&context.system, state)?;
    if let Some(said) = &loaded.said {
        context.printer.warn(said);
    }
    let mut registry = loaded.registry;
    act(&mut registry);
    Ok(registry.save(&context.system, state)?)
}
