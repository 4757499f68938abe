//! `devboot hook`: the shell hook on standard output.

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::shell::{Shell, placement};
use crate::sys::system::ReadSystem;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot hook bash >> ~/.bashrc\n  devboot hook fish >> ~/.config/fish/config.fish\n\n\
                        `devboot setup` places it by itself. The lines start no process: they read a generated file."
)]
pub struct Args {
    /// Which shell
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

/// Prints the lines for a rc file.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let unknown = || Fault::new(ErrorKind::Usage, format!("there is no shell '{}'", args.shell));
    let shell = Shell::from_program(&args.shell).ok_or_else(unknown)?;
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let generated = format!("shell.{}", shell.name());
    if context.system.meta(&context.dirs.config.join(&generated)).ok().flatten().is_none() {
        context.printer.warn("the generated files are not there yet; `devboot apply` makes them");
    }
    let (home, config) = (text(&context.dirs.home), text(&context.dirs.config));
    context.printer.data(&placement::body(shell.dialect(), &home, &config, &generated))?;
    Ok(Exit::Done)
}
