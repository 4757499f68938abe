//! `devboot cloud prompt`: what shows the profile in a prompt.

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::context::Context;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud prompt bash >> ~/.bashrc\n  devboot cloud prompt starship >> ~/.config/starship.toml\n\n\
                  No process is started for it; a guarded profile is red."
)]
pub struct Args {
    /// For which prompt
    #[arg(value_parser = ["bash", "zsh", "fish", "starship"])]
    prompt: String,
}

const BASH: &str = "# The credential profile of devboot in the prompt; its time left, and red where it is guarded.\n\
                    PS1='${_devboot_segment-}'\"$PS1\"\n";
const ZSH: &str = "# The credential profile of devboot in the prompt; its time left, and red where it is guarded.\n\
                   setopt promptsubst\nPS1='${_devboot_segment-}'\"$PS1\"\n";
const FISH: &str = "# The credential profile of devboot in the prompt; when it ends, and red where it is guarded.\n\
                    functions -q _devboot_plain_prompt; or functions -c fish_prompt _devboot_plain_prompt\n\
                    function fish_prompt\n    functions -q _devboot_prompt; and _devboot_prompt\n    _devboot_plain_prompt\nend\n";
const STARSHIP: &str = "# The credential profile of devboot; red where it is guarded. Name ${env_var.DEVBOOT_CLOUD},\n\
                        # ${env_var.DEVBOOT_CLOUD_ENDS} and ${env_var.DEVBOOT_CLOUD_GUARD} in `format`, if you have one.\n\
                        [env_var.DEVBOOT_CLOUD]\nformat = '[$env_value]($style) '\nstyle = 'cyan'\n\n\
                        [env_var.DEVBOOT_CLOUD_GUARD]\nformat = '[$env_value]($style) '\nstyle = 'bold red'\n\n\
                        [env_var.DEVBOOT_CLOUD_ENDS]\nformat = 'until [$env_value]($style) '\nstyle = 'yellow'\n";

/// Prints it.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let text = match args.prompt.as_str() {
        "bash" => BASH,
        "zsh" => ZSH,
        "fish" => FISH,
        _ => STARSHIP,
    };
    context.printer.data(text)?;
    Ok(Exit::Done)
}
