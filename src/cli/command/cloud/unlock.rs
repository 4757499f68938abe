//! `devboot cloud unlock`.

use std::time::Duration;

use super::KeyArgs;
use super::recorded::recorded;
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::time::{left, parse_span};
use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::cloud::desk::VAULT;
use crate::cloud::vault::{self, Key};
use crate::ipc::cloud::{CloudRequest, Hidden, Unlock};
use crate::sys::clock;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot cloud unlock\n  devboot cloud unlock --for 8h --idle 30m\n  \
                  devboot cloud unlock --passphrase-command 'pass show devboot'")]
pub struct Args {
    #[command(flatten)]
    key: KeyArgs,
    /// For how long it stays open at most: 12h unless you say
    #[arg(long = "for", value_name = "SPAN", value_parser = parse_span)]
    longest: Option<Duration>,
    /// After how long without use it is closed: 4h unless you say
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    idle: Option<Duration>,
}

/// Opens the vault in the service.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    // A vault that cannot be used is said before a person types.
    let sealed = vault::file::read(&context.system, &context.dirs.data.join(VAULT))?;
    let key = args.key.key(context, &sealed, "vault")?;
    let status = unlock(context, &sealed, &key, args.longest, args.idle)?;
    if context.global.json {
        context.printer.json(&super::vault_json(&status))?;
    } else {
        let now = clock::now();
        let left = left(status.until.unwrap_or(now), now);
        context.printer.say(&format!("the vault is open for {left}; close it with: devboot cloud lock"));
    }
    Ok(Exit::Done)
}

/// Opens a sealed vault here, and hands its key to the service.
pub(super) fn unlock(
    context: &Context,
    sealed: &vault::Sealed,
    key: &Key,
    longest: Option<Duration>,
    idle: Option<Duration>,
) -> Result<crate::ipc::cloud::VaultStatus, Fault> {
    let open = match sealed.clone().unlock(key) {
        Ok(open) => open,
        // The service writes down those that it hears of.
        Err(error) => return recorded(context, "unlock", None, || Err(error.into())),
    };
    let identity = Hidden::new(open.identity().expose().as_str());
    let seconds = |span: Option<Duration>| span.map(|span| span.as_secs());
    let unlock = Unlock { identity, seconds: seconds(longest), idle: seconds(idle) };
    cloud_link::vault(context, CloudRequest::Unlock(unlock))
}
