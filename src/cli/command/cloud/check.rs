//! `devboot cloud check`.

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::cloud_link;
use crate::cli::command::use_profile::{switch_json, words};
use crate::cli::context::Context;
use crate::ipc::cloud::{CloudRequest, CloudResponse, Use};
use crate::sys::clock;
use crate::ui::Style;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Exits with 0 when every cloud itself said who one is, with 2 when one could not be asked."
)]
pub struct Args {
    /// The profile
    name: String,
}

/// Proves who a profile is. No shell changes.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let answer = cloud_link::ask_with_codes(context, |codes| {
        CloudRequest::Use(Use { profile: args.name.clone(), codes, check: true, ..Use::default() })
    })?;
    let CloudResponse::Switch(taken) = answer else { return Err(cloud_link::unexpected()) };
    let proved = taken.parts.iter().all(|part| part.verified);
    if context.global.json {
        context.printer.json(&switch_json(&args.name, &taken))?;
    } else {
        for part in &taken.parts {
            let style = if part.verified { Style::Good } else { Style::Warn };
            let mark = if part.verified { "verified" } else { "not verified" };
            let mark = context.printer.paint_data(style, mark);
            context.printer.data(&format!("{mark}  {}\n", words(part, clock::now())))?;
        }
    }
    Ok(if proved { Exit::Done } else { Exit::Differs })
}
