//! What is done to the vault without the service stands in the audit log as well.

use crate::base::error::Fault;
use crate::cli::context::Context;
use crate::cloud::audit::{Record, Who, append};
use crate::cloud::desk::AUDIT;
use crate::sys::{caller, clock, process};

/// Does something and writes down who asked for it and how it ended. `kind` is what it was done to.
pub fn recorded<T>(
    context: &Context,
    event: &str,
    kind: Option<&str>,
    act: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let result = act();
    let how = result.as_ref().err().map_or_else(|| "ok".to_owned(), Fault::one_line);
    // It is who started us that is of interest.
    let own = process::id();
    let pid = caller::parent(own).unwrap_or(own);
    let record = Record {
        at: clock::now(),
        who: Who::new(Some(pid), Some(process::owner().0), caller::of(pid)),
        event: event.to_owned(),
        profile: None,
        provider: None,
        kind: kind.map(str::to_owned),
        result: how,
    };
    let written = context
        .own_home()
        .and_then(|()| context.prepare_state())
        .and_then(|()| Ok(append(&context.dirs.state.join(AUDIT), record)?));
    if let Err(fault) = written {
        context.printer.warn(&format!("this does not stand in the audit log: {}", fault.one_line()));
    }
    result
}
