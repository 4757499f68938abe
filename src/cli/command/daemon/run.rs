//! `devboot daemon run`.

use std::time::Duration;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::daemon::serve::{Settings, serve};
use crate::ipc::launch::Outcome;
use crate::sys::detach;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  devboot daemon run --idle-exit 3600\n\nCtrl-C ends it in order: what it runs is ended first."
)]
pub struct Args {
    /// End after so many seconds without projects and clients
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle_exit: u64,
    /// Say once on standard output whether it listens, then nothing
    #[arg(long, hide = true)]
    detached: bool,
    /// The signal that ended the one before this one
    #[arg(long, hide = true)]
    after_signal: Option<i32>,
}

/// Is the service until it ends.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let served = context.own_home().and_then(|()| context.prepare_state()).and_then(|()| {
        let printer = context.printer.clone();
        let detached = args.detached;
        serve(Settings {
            place: super::place(context),
            dirs: context.dirs.clone(),
            own: super::own(context)?,
            idle_limit: Duration::from_secs(args.idle_exit),
            after_signal: args.after_signal,
            ready: Box::new(move || {
                if detached {
                    say(&Outcome::Ready);
                }
            }),
            told: Box::new(move |line| {
                if !detached {
                    printer.say(line);
                }
            }),
        })
    });
    match served {
        Err(fault) if args.detached => {
            say(&Outcome::Failed(fault.clone().into()));
            Ok(fault.kind.exit())
        }
        result => result.map(|()| Exit::Done),
    }
}

fn say(outcome: &Outcome) {
    detach::say_and_close(&serde_json::to_string(outcome).unwrap_or_default());
}
