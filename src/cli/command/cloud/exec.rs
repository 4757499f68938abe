//! `devboot cloud exec`: one command with a profile's credentials.

use std::ffi::OsString;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cloud::mark;
use crate::sys::process::{self, CommandSpec};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud exec dev -- aws s3 ls\n  devboot cloud exec dev --via value -- docker run -e AWS_ACCESS_KEY_ID …\n\n\
                  The command takes devboot's place: its exit code is the one that you see."
)]
pub struct Args {
    /// The profile
    name: String,
    /// How the command gets the credentials
    #[arg(long, default_value = "pointer", value_parser = ["pointer", "endpoint", "value"])]
    via: String,
    /// The command
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Becomes the command.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let taken = super::env::taken(context, &args.name, &args.via)?;
    let mark = {
        let changes =
            taken.changes.iter().map(|(name, value)| (name.as_str(), value.as_ref().map(|v| v.expose())));
        mark::text(&changes.chain([("DEVBOOT_CLOUD", Some(args.name.as_str()))]).collect::<Vec<_>>())
    };
    let mut spec = CommandSpec::new(&args.command[0]).args(&args.command[1..]);
    spec = spec.env("DEVBOOT_CLOUD", &args.name).env(mark::VARIABLE, &mark);
    for (name, value) in &taken.changes {
        spec = match value {
            Some(value) => spec.env(name, value.expose()),
            None => spec.without(name),
        };
    }
    let error = process::replace_us(&spec);
    let program = printable(&args.command[0].to_string_lossy());
    Err(Fault::new(ErrorKind::Usage, format!("cannot start {program}")).cause(error))
}
