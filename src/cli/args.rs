//! The command line as clap reads it: one row a command, and the options that all of them have.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::command;
use super::fetched::Use;

/// A cloud shell becomes yours in one command.
#[derive(Parser, Debug)]
#[command(
    name = "devboot",
    version,
    about = "Makes a new cloud shell yours in one command, and never costs you your shell",
    long_about = "devboot makes a new cloud shell yours in one command: aliases and environment, vim and zsh kits, \
                  repositories with their Python environments and tests. Every write is planned, shown, atomic, \
                  and can be undone byte for byte.",
    after_help = "Examples:\n  devboot try                       look first: the same setup in a throwaway home\n  \
                  devboot setup                     set this home up\n  devboot setup --profile mlops     with another profile\n  \
                  devboot status                    what has changed since\n  devboot undo                      take the last run back\n\n\
                  Run `devboot <command> --help` for its options and examples.",
    after_long_help = super::help::exit_codes(),
    max_term_width = 100,
    disable_help_subcommand = true,
    propagate_version = true
)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// One command on its own.
#[derive(Parser)]
struct Alone<A: Args> {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    args: A,
}

impl<A: Args> Alone<A> {
    fn read(args: &[OsString], command: impl Fn(A) -> Command) -> Option<Cli> {
        let Self { global, args } = Self::try_parse_from(args).ok()?;
        Some(Cli { global, command: command(args) })
    }
}

impl Cli {
    /// The command line. What is asked for many times a day is read alone first, for clap makes ready whatever it may have to
    /// read, and for all commands that takes longer than some of them do. What is not understood there (help, mistakes) is
    /// read as a whole.
    pub fn read(args: &[OsString]) -> Result<Self, clap::Error> {
        Self::alone(args).map_or_else(|| Self::try_parse_from(args), Ok)
    }

    fn alone(args: &[OsString]) -> Option<Self> {
        // The name of the command stands where that of the program would.
        let args = args.get(1..)?;
        match args.first()?.to_str()? {
            "run" => Alone::read(args, Command::Run),
            "use" => Alone::read(args, Command::Use),
            "cloud" => Alone::read(args, Command::Cloud),
            _ => None,
        }
    }
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
pub struct Global {
    /// Act on another home directory
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub home: Option<PathBuf>,
    /// One JSON object on standard output instead of text
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Say only what went wrong
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = "Global options")]
    pub verbose: bool,
}

/// Which profiles a command is about.
#[derive(Args, Clone, Debug, Default)]
pub struct ProfileArgs {
    /// A profile: a name, a path, or a git URL; may be given several times, later ones win
    #[arg(short, long = "profile", value_name = "NAME|PATH|GIT-URL")]
    pub profiles: Vec<String>,
    /// Accept a profile from a git URL whose content has this digest
    #[arg(long, value_name = "DIGEST")]
    pub trust: Option<String>,
}

/// How conflicts are settled without asking.
#[derive(Args, Clone, Debug, Default)]
pub struct ConflictArgs {
    /// In every conflict, keep what is there
    #[arg(long, conflicts_with = "take_new")]
    pub keep_mine: bool,
    /// In every conflict and for every change of yours, take devboot's version (the old one is kept for `undo`)
    #[arg(long)]
    pub take_new: bool,
}

/// One row a command.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Set this home up: plan, show, apply, kits, repositories, Python environments, tests
    Setup(command::setup::Args),
    /// Look first: the same setup in a throwaway home, a shell in it, nothing left behind
    Try(command::try_out::Args),
    /// Show what `apply` would change, as a unified diff
    Diff(command::diff::Args),
    /// Write files, blocks and links as the profile says
    Apply(command::apply::Args),
    /// Show what has changed since devboot wrote it; exits with 2 if something has
    Status(command::status::Args),
    /// Take back one run
    Undo(command::undo::Args),
    /// Take back everything: the home is as it was before devboot
    Uninstall(command::uninstall::Args),
    /// Check host, shells and home, and say what to do
    Doctor(command::doctor::Args),
    /// Environment profiles: what a home should be
    Profile(command::profile::Args),
    /// The pipeline of a project: show it, check it
    Project(command::project::Args),
    /// Hello-world repositories: list, clone, update, test
    Repo(command::repo::Args),
    /// Run what a save affects, live; or any command on every change
    Watch(command::watch::Args),
    /// Run stages of the project you are in; what has not changed is answered from the cache
    Run(command::run::Args),
    /// Run the project's tests, or some of them: warm where the service keeps the project
    Test(command::test::Args),
    /// Say why stages ran, and whether they would run now
    Why(command::why::Args),
    /// Print what a stage wrote
    Logs(command::logs::Args),
    /// What ran, when, why, and what came of it
    History(command::history::Args),
    /// Switch this shell to another credential profile, or back
    Use(command::use_profile::Args),
    /// Credential profiles and the vault: AWS, GCP, Azure
    Cloud(command::cloud::Args),
    /// The service: one background process a home that keeps projects
    Daemon(command::daemon::Args),
    /// Show which host this is, why devboot thinks so, and what it can do
    Host(command::host::Args),
    /// Print the shell hook, for those who place it by hand
    Hook(command::hook::Args),
    /// Print completions for a shell
    Completions(command::completions::Args),
    /// Print the manual page
    Man(command::man::Args),
}

impl Command {
    /// How the command uses profiles from git addresses.
    pub fn profiles(&self) -> Use {
        match self {
            Command::Setup(args) => args.profiles(),
            Command::Apply(args) if !args.is_dry() => Use::Change,
            Command::Status(_) | Command::Doctor(_) => Use::Kept,
            _ => Use::Look,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_command_that_is_read_alone_is_what_it_is_among_all_others() {
        for line in [
            "devboot run",
            "devboot run test train --force --json -C /p",
            "devboot run --home /h -q -n",
            "devboot use dev --via value",
            "devboot use --off",
            "devboot cloud status --json",
            "devboot cloud credential-process dev",
            "devboot cloud exec dev -- env --json",
        ] {
            let alone = Cli::alone(&words(line)).map(|cli| format!("{cli:?}"));
            assert_eq!(alone, Cli::try_parse_from(words(line)).ok().map(|cli| format!("{cli:?}")), "{line}");
            assert!(alone.is_some(), "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_alone_is_answered_as_always() {
        for line in [
            "devboot",
            "devboot status",
            "devboot run --help",
            "devboot run -h",
            "devboot run --version",
            "devboot run --no-such-option",
            "devboot run -q -v",
            "devboot use dev --off",
            "devboot cloud",
            "devboot cloud no-such-command",
        ] {
            assert!(Cli::alone(&words(line)).is_none(), "{line}");
            let (ours, whole) = (Cli::read(&words(line)), Cli::try_parse_from(words(line)));
            let said = |read: Result<Cli, clap::Error>| read.map_err(|error| error.to_string()).map(|_| ());
            assert_eq!(said(ours), said(whole), "{line}");
        }
    }
}
