//! `devboot daemon stop`.

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::cli::view;
use crate::ipc::launch;

/// Ends the service and says what was done.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let ran = launch::end(&super::place(context))?;
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "running": false, "ended": ran }))?;
    } else {
        context.printer.say(if ran { "the service has ended" } else { "the service does not run" });
    }
    Ok(Exit::Done)
}
