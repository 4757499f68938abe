//! `devboot completions`: derived from the same definitions as the parser.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::args::Cli;
use crate::cli::context::Context;
use crate::shell::PerShell;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example:\n  devboot completions bash > ~/.local/share/bash-completion/completions/devboot\n\n\
                        `devboot setup` places completions by itself."
)]
pub struct Args {
    /// Which shell
    #[arg(value_parser = ["bash", "zsh", "fish"])]
    shell: String,
}

/// Prints the completions.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let shell = match args.shell.as_str() {
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        _ => Shell::Bash,
    };
    let names = crate::cli::cloud_link::profiles(context).unwrap_or_default().into_keys().collect();
    context.printer.data(&text(shell, names))?;
    Ok(Exit::Done)
}

/// The completion file of a shell; `profiles` are the names of the credential profiles.
pub fn text(shell: Shell, profiles: Vec<String>) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut with_names(Cli::command(), &profiles), "devboot", &mut bytes);
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if shell == Shell::Fish {
        // clap's writer for fish leaves the values of plain arguments out.
        text.push_str(&format!(
            "complete -c devboot -n \"__fish_devboot_using_subcommand repo; and __fish_seen_subcommand_from {}\" -f -a \"{}\"\n",
            REPO_VERBS.join(" "),
            super::repo::names().join(" ")
        ));
        if !profiles.is_empty() {
            let offer =
                |seen: &str| format!("complete -c devboot -n \"{seen}\" -f -a \"{}\"\n", profiles.join(" "));
            text.push_str(&offer("__fish_devboot_using_subcommand use"));
            let verbs = CLOUD_VERBS.join(" ");
            text.push_str(&offer(&format!(
                "__fish_devboot_using_subcommand cloud; and __fish_seen_subcommand_from {verbs}"
            )));
        }
    }
    text
}

/// The verbs of `devboot repo` that take names.
const REPO_VERBS: [&str; 6] = ["show", "clone", "status", "update", "test", "remove"];

/// The verbs of `devboot cloud` that take the name of a profile that is there.
const CLOUD_VERBS: [&str; 5] = ["show", "check", "env", "exec", "remove"];

/// Repositories are offered by the names of the catalog, though any address may be given.
fn with_names(command: clap::Command, profiles: &[String]) -> clap::Command {
    let offer = |verb: clap::Command, arg: &'static str| {
        verb.mut_arg(arg, |arg| {
            arg.value_parser(clap::builder::PossibleValuesParser::new(super::repo::names()))
        })
    };
    let command = command.mut_subcommand("use", only_shown).mut_subcommand("repo", |repo| {
        REPO_VERBS.into_iter().fold(repo, |repo, verb| repo.mut_subcommand(verb, |verb| offer(verb, "names")))
    });
    if profiles.is_empty() {
        return command;
    }
    let profile = |verb: clap::Command| {
        let names = clap::builder::PossibleValuesParser::new(profiles.to_vec());
        verb.mut_arg("name", |arg| arg.value_parser(names))
    };
    command.mut_subcommand("use", profile).mut_subcommand("cloud", |cloud| {
        CLOUD_VERBS.into_iter().fold(cloud, |cloud, verb| cloud.mut_subcommand(verb, profile))
    })
}

/// A command without what its help does not show: clap's writers would offer it.
fn only_shown(command: clap::Command) -> clap::Command {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned();
    let about = command.get_about().cloned().unwrap_or_default();
    clap::Command::new(command.get_name().to_owned()).about(about).args(shown)
}

/// What stands in the completion files: on the first TAB they ask the devboot that is there then, so that they fit
/// a newer one too.
pub fn loaders() -> PerShell<Option<String>> {
    PerShell {
        bash: Some("\\builtin eval \"$(\\command devboot completions bash 2>/dev/null)\"\n".into()),
        // The script defines `_devboot` anew, and only registers it when it is read by `eval`.
        zsh: Some(
            "#compdef devboot\n\
             \\builtin local text=\"$(\\command devboot completions zsh 2>/dev/null)\"\n\
             [[ -n \"$text\" ]] || \\builtin return 1\n\
             \\builtin eval \"$text\"\n\
             _devboot \"$@\"\n"
                .into(),
        ),
        fish: Some("command -q devboot; and command devboot completions fish | source\n".into()),
    }
}
