//! `devboot project`: the pipeline of a project, as it is understood.

mod check;
mod show;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::context::{Context, current_dir};
use crate::project::files;
use crate::project::inputs::Listing;
use crate::project::load::{Asked, LoadError, Loaded, load, root_of};
use crate::project::schema;
use crate::sys::process;
use crate::sys::real::real_path;
use crate::sys::system::{FileKind, ReadSystem};

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
}

/// Does what was asked for.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    match &args.verb {
        Verb::Show(args) => show::run(context, args),
        Verb::Check(args) => check::run(context, args),
        Verb::Schema => {
            context.printer.data(&schema::json_schema())?;
            Ok(Exit::Done)
        }
    }
}

/// The root of the project that a directory belongs to, without links in it.
fn root(context: &Context, dir: Option<&Path>) -> Result<PathBuf, Fault> {
    let dir = match dir {
        Some(dir) if dir.is_absolute() => dir.to_owned(),
        Some(dir) => current_dir()?.join(dir),
        None => current_dir()?,
    };
    let shown = printable(&dir.to_string_lossy());
    let real = real_path(&dir)
        .map_err(|error| Fault::new(ErrorKind::Usage, format!("cannot use {shown}")).cause(error))?;
    match context.system.meta(&real) {
        Ok(Some(meta)) if meta.kind == FileKind::Dir => Ok(root_of(&context.system, &real)),
        _ => Err(Fault::new(ErrorKind::Usage, format!("{shown} is not a directory"))),
    }
}

/// The pipeline of the project at a root.
fn loaded(context: &Context, root: &Path) -> Result<Loaded, LoadError> {
    let venv = |program: &str| root.join(".venv/bin").join(program);
    let has = |program: &str| {
        process::find(program).is_some() || matches!(context.system.meta(&venv(program)), Ok(Some(_)))
    };
    load(&Asked { system: &context.system, root, has: &has }, || -> Listing { files::list(root, &[], &[]) })
}
