//! `devboot cloud credential-process`: what AWS's SDKs run.
//! <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sourcing-external.html>

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::ipc::cloud::{CloudRequest, CloudResponse, OfLease};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The profile
    name: String,
}

/// Prints credentials for an SDK. No person is asked: many of these run at once, without a terminal.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let of = OfLease { profile: args.name.clone(), provider: "aws".into(), ..OfLease::default() };
    match cloud_link::ask(context, CloudRequest::Lease(of))? {
        CloudResponse::Lease(lease) => context.printer.data(lease.text.expose())?,
        CloudResponse::Code(device) => {
            return Err(crate::cloud::desk::code_needed(&device, &args.name));
        }
        _ => return Err(cloud_link::unexpected()),
    }
    Ok(Exit::Done)
}
