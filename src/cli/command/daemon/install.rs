//! `devboot daemon install`.

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::cli::view;
use crate::host::capability;
use crate::setup::service;

/// Installs the service and says who starts it.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let _lock = context.write_lock()?;
    let can = capability::probe(&context.system, &context.dirs.home);
    let wish = super::wish(context, &can)?;
    let mut record = context.record()?;
    let said = if service::is_installed(&context.system, &context.dirs, &record, &wish) {
        "installed already".to_owned()
    } else {
        service::put_in_place(&context.system, &context.dirs, &mut record, &wish)?
    };
    if context.global.json {
        let files = record.service.map(|service| service.files.into_keys().collect::<Vec<_>>());
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "starter": wish.starter.word(),
            "files": files.unwrap_or_default(),
            "said": said,
        }))?;
    } else {
        context.printer.say(&format!("the service: {said}"));
    }
    Ok(Exit::Done)
}
