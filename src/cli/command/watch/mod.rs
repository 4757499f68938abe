//! `devboot watch`: the project's pipeline on every save, or any command.

mod any;
mod keys;
mod mended;
mod project;
mod told;

use std::path::PathBuf;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::sys::{heir, keyboard};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot watch                            the project you are in: what a save affects runs\n  \
                        devboot watch ~/flask-ml\n  devboot watch -e py,toml -- make test    any command, no pipeline\n  devboot \
                        watch --restart -- python app.py\n  devboot watch --json                     one event per line"
)]
pub struct Args {
    /// The directory; where you are when not given
    dir: Option<PathBuf>,
    /// Run this command on every change instead of the project's stages
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Only files whose names end so, for a command; stages name their inputs. May be given several times
    #[arg(short, long = "exts", value_name = "EXT", value_delimiter = ',')]
    extensions: Vec<String>,
    /// Leave out what matches this pattern, as in a .gitignore; may be given several times
    #[arg(short, long, value_name = "PATTERN")]
    ignore: Vec<String>,
    /// Compare files from time to time instead of relying on events
    #[arg(long)]
    poll: bool,
    /// End the command and start it again when something changes while it runs
    #[arg(short, long, requires = "command")]
    restart: bool,
    /// Wait for one change, run, and end: with 0 if the command does, else with 1
    #[arg(long, requires = "command")]
    once: bool,
    /// Do not run before the first change
    #[arg(short, long)]
    postpone: bool,
    /// Watch in this process alone, without the service; --ignore and --poll do so, too
    #[arg(long, conflicts_with = "command")]
    no_service: bool,
    /// Trust the project's devboot.toml as it is now
    #[arg(long, conflicts_with = "command")]
    trust: bool,
    /// Ring the bell when green turns red or red turns green
    #[arg(long, conflicts_with = "command")]
    bell: bool,
    /// Say where the time of tests went
    #[arg(long, conflicts_with = "command")]
    timings: bool,
    /// Show a notification of the terminal (OSC 9 or 777) when green turns red or red turns green
    #[arg(long, conflicts_with = "command")]
    notify: bool,
}

/// Watches.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    if !args.command.is_empty()
        && let Err(error) = heir::appoint()
    {
        context.printer.warn(&format!("killed, it would leave its command: {error}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::new(ErrorKind::Failed, "cannot begin to watch").cause(error))?;
    let done = if args.command.is_empty() {
        for_a_command(args)?;
        project::watch(context, args, &runtime)
    } else {
        let done = runtime.block_on(any::watch(context, args));
        keyboard::give_back();
        heir::dismiss();
        done
    };
    // Nobody waits for a thread that reads a file of a hung disk.
    runtime.shutdown_background();
    done
}

/// What only a command has a use for is no wish to be passed over. (clap asks for no command where another option forbids one.)
fn for_a_command(args: &Args) -> Result<(), Fault> {
    if args.extensions.is_empty() && !args.restart && !args.once {
        return Ok(());
    }
    let fault =
        Fault::new(ErrorKind::Usage, "--exts, --restart and --once are for a COMMAND, and there is none");
    Err(fault
        .hint("devboot watch -e py -- make test")
        .hint("a project's stages name their own inputs in devboot.toml"))
}

fn unwatchable(root: &std::path::Path, error: &std::io::Error) -> Fault {
    let fault = Fault::new(ErrorKind::Failed, format!("cannot watch {}", root.display())).cause(error);
    match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::MFILE.raw_os_error() => {
            fault.hint("too many files are open: raise the limit (ulimit -n)")
        }
        _ => fault,
    }
}
