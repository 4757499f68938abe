//! The command line: one file per command in `command/`, what they share beside it.

pub mod args;
mod cloud_link;
pub mod command;
pub mod context;
pub mod fetched;
pub mod help;
pub mod home_run;
pub mod link;
pub mod live;
pub mod project_dir;
pub mod project_load;
pub mod run_view;
pub mod setup_view;
pub mod show_profile;
pub mod view;

use clap::error::ErrorKind as ClapKind;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::sys::{env, signal};
use crate::ui::Printer;
use crate::ui::printer::Level;
use args::{Cli, Command};
use context::Context;

/// Parses the arguments, runs the command and says how it ended.
pub fn main() -> Exit {
    let cli = match Cli::read(&env::args()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let level = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => Level::Quiet,
        (_, true) => Level::Verbose,
        _ => Level::Normal,
    };
    let printer = Printer::new(level);
    let json = cli.global.json;
    signal::watch();
    let started = Context::new(cli.global, printer.clone());
    match started.and_then(|context| run(&context.using(cli.command.profiles()), &cli.command)) {
        Ok(exit) => exit,
        Err(fault) => {
            let fault =
                if signal::interrupted() { Fault { kind: ErrorKind::Interrupted, ..fault } } else { fault };
            if json {
                // A reader of JSON gets the failure in the same place as the answer.
                let _ = printer.json(&view::error_json(&fault));
            }
            printer.error(&fault);
            fault.kind.exit()
        }
    }
}

fn usage(error: &clap::Error) -> Exit {
    // Help and version are data, asked for; everything else goes to standard error.
    let _ = error.print();
    match error.kind() {
        ClapKind::DisplayHelp | ClapKind::DisplayVersion => Exit::Done,
        _ => Exit::Usage,
    }
}

fn run(context: &Context, command: &Command) -> Result<Exit, Fault> {
    match command {
        Command::Setup(args) => command::setup::run(context, args),
        Command::Try(args) => command::try_out::run(context, args),
        Command::Diff(args) => command::diff::run(context, args),
        Command::Apply(args) => command::apply::run(context, args),
        Command::Status(args) => command::status::run(context, args),
        Command::Undo(args) => command::undo::run(context, args),
        Command::Uninstall(args) => command::uninstall::run(context, args),
        Command::Doctor(args) => command::doctor::run(context, args),
        Command::Profile(args) => command::profile::run(context, args),
        Command::Project(args) => command::project::run(context, args),
        Command::Repo(args) => command::repo::run(context, args),
        Command::History(args) => command::history::run(context, args),
        Command::Run(args) => command::run::run(context, args),
        Command::Test(args) => command::test::run(context, args),
        Command::Watch(args) => command::watch::run(context, args),
        Command::Why(args) => command::why::run(context, args),
        Command::Logs(args) => command::logs::run(context, args),
        Command::Use(args) => command::use_profile::run(context, args),
        Command::Cloud(args) => command::cloud::run(context, args),
        Command::Daemon(args) => command::daemon::run(context, args),
        Command::Host(args) => command::host::run(context, args),
        Command::Hook(args) => command::hook::run(context, args),
        Command::Completions(args) => command::completions::run(context, args),
        Command::Man(args) => command::man::run(context, args),
    }
}
