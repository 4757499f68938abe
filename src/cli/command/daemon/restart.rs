//! `devboot daemon restart`.

use super::start;
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::ipc::launch;

/// Ends the service, if it runs, and starts it.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    launch::end_for_another(&super::place(context))?;
    start::run(context, &start::Args::default())
}
