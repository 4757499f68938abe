//! `devboot daemon start`.

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::command::project::say_set_aside;
use crate::cli::context::Context;
use crate::cli::view;
use crate::ipc::launch;

/// Options.
#[derive(clap::Args, Debug, Default)]
#[command(after_help = "An older devboot's service is replaced; it loses no project.")]
pub struct Args {
    /// Do not wait until it is ready
    #[arg(long)]
    no_wait: bool,
}

/// Starts the service, unless it runs.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    if args.no_wait {
        context.own_home()?;
        context.prepare_state()?;
        launch::start_without_waiting(&super::place(context), &super::launch(context)?)?;
        return Ok(Exit::Done);
    }
    let client = super::ensure(context)?;
    let pid = client.service.pid;
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "running": true, "pid": pid }))?;
    } else {
        context.printer.say(&format!("the service runs (process {pid})"));
        say_set_aside(context);
    }
    Ok(Exit::Done)
}
