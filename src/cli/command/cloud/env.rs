//! `devboot cloud env`: credentials as variables, for tools that can have them in no other way.

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::cloud::variables;
use crate::ipc::cloud::{CloudRequest, CloudResponse, Switch, Use};
use crate::shell::{Shell, data};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud env dev --format dotenv > .env\n  devboot cloud env dev --format github >> \"$GITHUB_ENV\"\n  \
                  devboot cloud env dev --via pointer     no secret, but pointers to the service\n\n\
                  What is printed are the credentials themselves, as of now. For a command: devboot cloud exec"
)]
pub struct Args {
    /// The profile
    name: String,
    /// As what: bash unless you say, json with --json
    #[arg(long, value_parser = ["bash", "zsh", "fish", "json", "dotenv", "github"])]
    format: Option<String>,
    /// The credentials themselves, or pointers to the service
    #[arg(long, default_value = "value", value_parser = ["value", "pointer", "endpoint"])]
    via: String,
}

/// Prints them.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let format = match (args.format.as_deref(), context.global.json) {
        (Some(format), true) if format != "json" => {
            return Err(Fault::new(ErrorKind::Usage, format!("--json and --format {format} cannot both be")));
        }
        (Some(format), _) => format,
        (None, true) => "json",
        (None, false) => "bash",
    };
    let taken = taken(context, &args.name, &args.via)?;
    let changes: Vec<(&str, Option<&str>)> = taken
        .changes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_ref().map(|value| value.expose())))
        .collect();
    let set: Vec<(String, String)> =
        changes.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned()))).collect();
    let text = match format {
        "json" => data::json(&set),
        "dotenv" => data::dotenv_exact(&set).map_err(|name| {
            let words =
                format!("the value of {name} has signs that readers of such files take for different things");
            Fault::new(ErrorKind::Refused, words)
                .hint("devboot cloud env --format json has every value as it is")
        })?,
        // Values have no control character, so a line is a line.
        "github" => set.iter().map(|(name, value)| format!("{name}={value}\n")).collect(),
        shell => {
            let unknown = || Fault::new(ErrorKind::Usage, "there is no such shell");
            let dialect = Shell::from_program(shell).ok_or_else(unknown)?.dialect();
            let line = |(name, value): &(&str, Option<&str>)| match value {
                Some(value) => dialect.set_env(name, value),
                None => dialect.unset_env(name),
            };
            changes.iter().map(|change| line(change) + "\n").collect()
        }
    };
    context.printer.data(&text)?;
    Ok(Exit::Done)
}

/// A switch, for a command or a text in the place of a shell.
pub(super) fn taken(context: &Context, name: &str, via: &str) -> Result<Switch, Fault> {
    let answer = cloud_link::ask_with_codes(context, |codes| {
        CloudRequest::Use(Use {
            profile: name.to_owned(),
            via: Some(via.to_owned()),
            codes,
            ..Use::default()
        })
    })?;
    let CloudResponse::Switch(taken) = answer else { return Err(cloud_link::unexpected()) };
    let changes: Vec<(&str, Option<&str>)> = taken
        .changes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_ref().map(|value| value.expose())))
        .collect();
    variables::check(&changes)?;
    for part in &taken.parts {
        // Nobody sees the line that a switch shows.
        let note = part.note.as_deref().filter(|note| note.starts_with("not verified: "));
        for words in [note, part.caution.as_deref()].into_iter().flatten() {
            context.printer.warn(&format!("{}: {}", part.provider, printable(words)));
        }
    }
    Ok(taken)
}
