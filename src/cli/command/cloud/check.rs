//! `devboot cloud check`.

use super::servers;
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::cloud_link;
use crate::cli::command::use_profile::{switch_json, words};
use crate::cli::context::Context;
use crate::ipc::cloud::{CloudRequest, CloudResponse, Switch, Use};
use crate::sys::clock;
use crate::ui::Style;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot cloud check dev\n  devboot cloud check dev --json\n\n\
                  Exits with 0 when every cloud itself said who one is, with 2 when one could not be asked.")]
pub struct Args {
    /// The profile
    name: String,
}

/// Proves who a profile is. No shell changes.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let taken = proof(context, &args.name)?;
    if context.global.json {
        context.printer.json(&switch_json(&args.name, &taken))?;
    } else {
        show(context, &taken)?;
    }
    servers::warn(context, &args.name);
    Ok(exit(&taken))
}

/// Asks every cloud of a profile who one is.
pub(super) fn proof(context: &Context, name: &str) -> Result<Switch, Fault> {
    let answer = cloud_link::ask_with_codes(context, |codes| {
        CloudRequest::Use(Use { profile: name.to_owned(), codes, check: true, ..Use::default() })
    })?;
    match answer {
        CloudResponse::Switch(taken) => Ok(taken),
        _ => Err(cloud_link::unexpected()),
    }
}

/// Says who one is, a line for each cloud.
pub(super) fn show(context: &Context, taken: &Switch) -> Result<(), Fault> {
    for part in &taken.parts {
        let style = if part.verified { Style::Good } else { Style::Warn };
        let mark = if part.verified { "verified" } else { "not verified" };
        let mark = context.printer.paint_data(style, mark);
        let said = words(part, clock::now());
        // What it says after that is why.
        let said = if part.verified { said } else { said.replacen("not verified: ", "", 1) };
        context.printer.data(&format!("{mark}  {said}\n"))?;
        if let Some(caution) = &part.caution {
            context.printer.warn(&printable(caution));
        }
    }
    Ok(())
}

/// The exit code that tells whether every cloud has said who one is.
pub(super) fn exit(taken: &Switch) -> Exit {
    if taken.parts.iter().all(|part| part.verified) { Exit::Done } else { Exit::Differs }
}
