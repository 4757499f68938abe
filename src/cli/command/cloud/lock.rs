//! `devboot cloud lock`.

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::command::daemon;
use crate::cli::context::Context;
use crate::ipc::client::{Probe, probe};
use crate::ipc::cloud::{CloudRequest, VaultStatus};
use crate::ipc::message::Request;

/// Closes the vault. A service that does not run holds nothing.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    if let Probe::Ready(mut client) | Probe::Outdated(mut client) = probe(&daemon::place(context))?
        && client.is_understood()
    {
        client.ask(Request::Cloud(CloudRequest::Lock))?;
    }
    if context.global.json {
        context.printer.json(&super::vault_json(&VaultStatus::default()))?;
    } else {
        context.printer.say("the vault is closed, and every lease is forgotten");
    }
    Ok(Exit::Done)
}
