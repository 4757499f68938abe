//! `devboot daemon`: the service.

mod install;
mod keep;
mod restart;
mod run;
mod start;
mod status;
mod stop;
pub mod uninstall;

use std::path::PathBuf;

use clap::Subcommand;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::daemon::home::Own;
use crate::host::Capabilities;
use crate::ipc::client::{Client, Probe, probe};
use crate::ipc::launch::{self, Launch};
use crate::ipc::message::Request;
use crate::ipc::place::Place;
use crate::setup::service::{Starter, Wish};
use crate::sys::env;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot daemon status          does it run, and what does it keep\n  \
                  devboot daemon start           start it, unless it runs\n  devboot daemon restart         after trouble\n  \
                  devboot daemon run             in the foreground, with its log on the screen\n\n\
                  There is one service a home. It starts by itself when it is needed, and ends when it has nothing to do.")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Run it in the foreground
    Run(run::Args),
    /// Run it, and again when it is killed: what commands and shells start
    #[command(hide = true)]
    Keep,
    /// Start it, unless it runs
    Start(start::Args),
    /// End it
    Stop,
    /// End it and start it again
    Restart,
    /// Does it run, and what does it keep; exits with 0 if it runs, with 1 if not
    Status(status::Args),
    /// Have the system start it: systemd or launchd where there is a user session, else every shell that starts
    Install,
    /// End it and take away what was installed
    Uninstall,
}

/// Does what was asked for.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    match &args.verb {
        Verb::Run(args) => run::run(context, args),
        Verb::Keep => keep::run(context),
        Verb::Start(args) => start::run(context, args),
        Verb::Stop => stop::run(context),
        Verb::Restart => restart::run(context),
        Verb::Status(args) => status::run(context, args),
        Verb::Install => install::run(context),
        Verb::Uninstall => uninstall::run(context),
    }
}

/// Where this home's service is found.
pub fn place(context: &Context) -> Place {
    Place::of(&context.dirs)
}

/// How this home's service is started.
pub fn launch(context: &Context) -> Result<Launch, Fault> {
    Ok(Launch::ours(context.global.home.as_ref().map(|_| context.dirs.home.clone()))?)
}

/// How the service runs devboot's own commands.
pub fn own(context: &Context) -> Result<Own, Fault> {
    let home = context.global.home.as_ref().map(|_| context.dirs.home.clone().into_os_string());
    let arguments = home.map_or_else(Vec::new, |home| vec!["--home".into(), home]);
    Ok(Own { program: program()?, home: context.dirs.home.clone(), arguments })
}

fn program() -> Result<PathBuf, Fault> {
    env::current_exe().map_err(|error| {
        Fault::new(ErrorKind::Failed, "cannot find the program that is running").cause(error)
    })
}

/// How this home's service would be installed.
pub fn wish(context: &Context, can: &Capabilities) -> Result<Wish, Fault> {
    Ok(Wish { starter: Starter::of(can, context.global.home.is_some()), program: program()? })
}

/// A service that runs looks at the home again; one that does not run, or is of an older devboot, need not know.
pub fn home_changed(context: &Context) {
    if let Ok(Probe::Ready(mut client)) = probe(&place(context)) {
        let _ = client.ask(Request::LookAtHome);
    }
}

/// A connection to this home's service, which is started if it does not run.
pub fn ensure(context: &Context) -> Result<Client, Fault> {
    context.own_home()?;
    context.prepare_state()?;
    Ok(launch::ensure(&place(context), &launch(context)?)?)
}
