//! `devboot daemon uninstall`.

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::path::HomePath;
use crate::cli::context::Context;
use crate::cli::view;
use crate::ipc::launch;
use crate::setup::record::Record;
use crate::setup::service;

/// Ends the service and takes away what was installed for it. Its projects stay on its list.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let _lock = context.write_lock()?;
    let mut record = context.record()?;
    let kept = take_away(context, &mut record)?;
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "kept": kept }))?;
    } else {
        for path in &kept {
            context.printer.say(&format!("  stays: {path}: you changed it"));
        }
        context.printer.say("the service has ended and is not installed");
    }
    Ok(if kept.is_empty() { Exit::Done } else { Exit::NeedsUser })
}

/// The same as a part of a larger work; what the user has changed stays and is returned.
pub fn take_away(context: &Context, record: &mut Record) -> Result<Vec<HomePath>, Fault> {
    let starter = record.service.as_ref().map(|service| service.starter.clone()).unwrap_or_default();
    service::deactivate(record, &context.dirs);
    launch::end(&super::place(context))?;
    let kept = service::uninstall(&context.system, &context.dirs, record)?;
    service::forget(&starter);
    Ok(kept)
}
