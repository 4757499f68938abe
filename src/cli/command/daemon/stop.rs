//! `devboot daemon stop`.

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::cli::view;
use crate::ipc::client::{Probe, probe};
use crate::ipc::launch::{self, END};
use crate::ipc::message::{Request, Stop};
use crate::ipc::place::Place;

/// Ends the service and says what was done.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let ran = end(&super::place(context))?;
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "running": false, "ended": ran }))?;
    } else {
        context.printer.say(if ran { "the service has ended" } else { "the service does not run" });
    }
    Ok(Exit::Done)
}

/// Ends the service of a place, if there is one, and waits for its end; says whether there was one.
pub fn end(place: &Place) -> Result<bool, Fault> {
    match probe(place)? {
        Probe::Ready(mut client) | Probe::Outdated(mut client) => {
            client.ask(Request::Stop(Stop { replace: false }))?;
            client.wait_for_end(END)?;
            Ok(true)
        }
        Probe::Absent => Ok(launch::settle(place)?),
    }
}
