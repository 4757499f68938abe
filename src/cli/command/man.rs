//! `devboot man`: derived from the same definitions as the parser.

use clap::CommandFactory;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::cli::args::Cli;
use crate::cli::context::Context;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot man | man -l -\n  devboot man setup | man -l -")]
pub struct Args {
    /// The page of one command
    command: Option<String>,
}

/// Prints the page.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let mut cli = Cli::command();
    cli.build();
    let page = match &args.command {
        None => cli,
        Some(name) => match cli.find_subcommand(name) {
            Some(command) => command.clone().name(format!("devboot-{name}")),
            None => return Err(Fault::new(ErrorKind::Usage, format!("there is no command '{name}'"))),
        },
    };
    let mut bytes = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut bytes)
        .map_err(|error| Fault::new(ErrorKind::Failed, "cannot make the page").cause(error))?;
    context.printer.data(&String::from_utf8_lossy(&bytes))?;
    Ok(Exit::Done)
}
