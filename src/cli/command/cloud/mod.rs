//! `devboot cloud`: credential profiles and the vault.

mod add;
mod audit;
mod book;
mod check;
mod console;
mod credential_process;
mod current;
mod env;
mod exec;
mod export;
mod import;
mod init;
mod list;
mod lock;
mod login;
mod passwd;
mod plain;
mod prompt;
mod recorded;
mod remove;
mod restore;
pub mod servers;
mod show;
mod status;
mod unlock;

use clap::Subcommand;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::secret::Secret;
use crate::base::text::{counted, printable};
use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::cloud::aws::config::{self, AwsConfig};
use crate::cloud::import::aws::know_sealed;
use crate::cloud::import::files::look;
use crate::cloud::profiles::{CredentialProfile, Guard};
use crate::cloud::vault::key::Unlock;
use crate::cloud::vault::{Key, Sealed, VaultError, Wrap};
use crate::host::HostKind;
use crate::ipc::cloud::{CloudRequest, Unrecorded, VaultStatus};
use crate::run::outcome;
use crate::sys::browser::Browser;
use crate::sys::env::var;
use crate::sys::process::{CommandSpec, Ending};
use crate::sys::{dirs, hardening, input, process};
use crate::ui::prompt as ask;

/// The longest secret that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// A passphrase with fewer characters is warned of.
const SHORT: usize = 8;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot cloud init                    make the vault, where secrets are sealed\n  \
                  devboot cloud add dev                 a profile; asks for its keys, or takes a profile of AWS's files\n  \
                  devboot cloud list                    which there are\n  devboot use dev                       switch this shell\n  \
                  devboot cloud exec dev -- terraform plan\n\n\
                  Long-term secrets are on disk only sealed; credentials made from them are in the service's memory alone. Nothing of this protects \
                  against the system's administrator, or a program that runs as you while the vault is open."
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make the vault
    Init(init::Args),
    /// Make a credential profile, and seal its keys
    Add(Box<add::Args>),
    /// Make profiles of what AWS's, Google's and Azure's own files and the shell have, and seal their keys
    Import(import::Args),
    /// Give back a file that import has sealed
    Restore(restore::Args),
    /// Which profiles there are
    #[command(after_help = "Examples:\n  devboot cloud list\n  devboot cloud list --json")]
    List,
    /// What one profile says
    Show(show::Args),
    /// Who this shell is now; ends with 2 when its switch is not what tools take
    #[command(after_help = "Examples:\n  devboot cloud current\n  devboot cloud current --json")]
    Current,
    /// Sign in to IAM Identity Center for a profile
    Login(login::Args),
    /// Open AWS's console as a profile
    Console(console::Args),
    /// Prove who a profile is, without switching to it
    Check(check::Args),
    /// Print a profile's credentials as variables
    Env(env::Args),
    /// Run a command with a profile's credentials
    Exec(exec::Args),
    /// Whether the vault is open, and the names of what is in it
    Status,
    /// Open the vault for a while
    Unlock(unlock::Args),
    /// Close the vault and forget every lease
    #[command(after_help = "Examples:\n  devboot cloud lock\n\nOpen it again with: devboot cloud unlock")]
    Lock,
    /// Open the vault with another passphrase from now on
    Passwd(passwd::Args),
    /// Give the vault a new key, and seal everything anew
    Rotate(passwd::RotateArgs),
    /// Write what is in the vault into a sealed file of its own
    Export(export::Args),
    /// Take in what such a file holds
    ImportSealed(export::ImportArgs),
    /// Who got which credentials, and whether the log is whole
    Audit(audit::Args),
    /// Remove a profile and what is sealed for it, or a secret that no profile names
    Remove(remove::Args),
    /// Print what shows the profile in a prompt
    Prompt(prompt::Args),
    /// Answer AWS's SDKs: what the config file of a switched shell names
    #[command(hide = true)]
    CredentialProcess(credential_process::Args),
}

/// Does what was asked for.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    match &args.verb {
        Verb::Init(args) => init::run(context, args),
        Verb::Add(args) => add::run(context, args),
        Verb::Import(args) => import::run(context, args),
        Verb::Restore(args) => restore::run(context, args),
        Verb::List => list::run(context),
        Verb::Show(args) => show::run(context, args),
        Verb::Current => current::run(context),
        Verb::Login(args) => login::run(context, args),
        Verb::Console(args) => console::run(context, args),
        Verb::Check(args) => check::run(context, args),
        Verb::Env(args) => env::run(context, args),
        Verb::Exec(args) => exec::run(context, args),
        Verb::Status => status::run(context),
        Verb::Unlock(args) => unlock::run(context, args),
        Verb::Lock => lock::run(context),
        Verb::Passwd(args) => passwd::run(context, &args.keys, passwd::Change::Passphrase),
        Verb::Rotate(args) => passwd::run(context, &args.keys, passwd::Change::Key),
        Verb::Export(args) => export::export(context, args),
        Verb::ImportSealed(args) => export::import(context, args),
        Verb::Audit(args) => audit::run(context, args),
        Verb::Remove(args) => remove::run(context, args),
        Verb::Prompt(args) => prompt::run(context, args),
        Verb::CredentialProcess(args) => credential_process::run(context, args),
    }
}

/// A profile in a line: its name, its clouds, whether it is guarded.
pub(super) fn line(name: &str, profile: &CredentialProfile) -> String {
    let clouds: Vec<&str> = profile.providers().into_iter().map(|provider| provider.title()).collect();
    let guard = profile.guard.map_or("", |Guard::Prod| "  guarded");
    format!("{name}  {}{guard}", clouds.join(" "))
}

/// How a vault is opened without a terminal.
#[derive(clap::Args, Debug)]
struct KeyArgs {
    /// Read the passphrase from standard input
    #[arg(long)]
    passphrase_stdin: bool,
    /// Take the passphrase from what a command of the shell prints, such as 'pass show devboot'
    #[arg(long, value_name = "COMMAND", conflicts_with = "passphrase_stdin")]
    passphrase_command: Option<String>,
    /// An age identity file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["passphrase_stdin", "passphrase_command"])]
    identity: Option<std::path::PathBuf>,
}

impl KeyArgs {
    /// What opens this: from standard input, a file or a person. `what` is what it is, for the question.
    fn key(&self, context: &Context, sealed: &Sealed, what: &str) -> Result<Key, Fault> {
        // Nobody is asked for what cannot open it.
        match (sealed.unlock_with(), &self.identity) {
            (Unlock::Recipient(_), Some(path)) => return Ok(Key::Identities(identities(context, path)?)),
            (Unlock::Recipient(recipient), None) => {
                return Err(VaultError::WantsIdentity(recipient.clone()).into());
            }
            (Unlock::Passphrase, Some(_)) => return Err(VaultError::WantsPassphrase.into()),
            (Unlock::Passphrase, None) => {}
        }
        if let Some(passphrase) = self.given()? {
            return Ok(Key::Passphrase(passphrase));
        }
        let flag = "--passphrase-stdin, or --passphrase-command COMMAND";
        Ok(Key::Passphrase(ask::secret(&format!("Passphrase of the {what}"), flag)?))
    }

    /// The passphrase, where it does not have to be asked for.
    fn given(&self) -> Result<Option<Secret<String>>, Fault> {
        match &self.passphrase_command {
            Some(command) => passphrase_of_command(command).map(Some),
            None if self.passphrase_stdin => passphrase_of_input().map(Some),
            None => Ok(None),
        }
    }
}

/// What something is sealed with from now on, without a terminal.
#[derive(clap::Args, Debug)]
struct NewKeyArgs {
    /// Read the new passphrase from standard input
    #[arg(long, conflicts_with = "passphrase_stdin")]
    new_passphrase_stdin: bool,
    /// Take the new passphrase from what a command of the shell prints
    #[arg(long, value_name = "COMMAND", conflicts_with = "new_passphrase_stdin")]
    new_passphrase_command: Option<String>,
    /// Seal it for this age recipient
    #[arg(long, value_name = "AGE1…", conflicts_with_all = ["new_passphrase_stdin", "new_passphrase_command"])]
    recipient: Option<String>,
}

impl NewKeyArgs {
    /// What the command line says, where it says something.
    fn given(&self) -> Result<Option<Wrap>, Fault> {
        if let Some(recipient) = &self.recipient {
            return Ok(Some(Wrap::Recipient(recipient.clone())));
        }
        let passphrase = match &self.new_passphrase_command {
            Some(command) => Some(passphrase_of_command(command)?),
            None if self.new_passphrase_stdin => Some(passphrase_of_input()?),
            None => None,
        };
        Ok(passphrase.map(Wrap::Passphrase))
    }
}

/// Says that a passphrase is too short to keep anyone out who has the file. It is whose vault it is who decides.
fn warn_short(context: &Context, wrap: &Wrap) {
    if let Wrap::Passphrase(passphrase) = wrap
        && passphrase.expose().chars().count() < SHORT
    {
        context.printer.warn(&format!(
            "the passphrase is shorter than {SHORT} characters: who has the file can guess it; better several words"
        ));
    }
}

/// Asks for what something is sealed with from now on.
fn new_passphrase(what: &str) -> Result<Wrap, Fault> {
    let flag = "--new-passphrase-stdin, --new-passphrase-command COMMAND, or --recipient AGE1…";
    Ok(Wrap::Passphrase(ask::new_secret(&format!("New passphrase of the {what}"), flag)?))
}

/// The first two lines of standard input.
fn two_lines() -> Result<(Secret<String>, Option<Secret<String>>), Fault> {
    let text = Secret::new(stdin()?);
    let mut lines = text.expose().lines();
    let first = Secret::new(lines.next().unwrap_or_default().to_owned());
    Ok((first, lines.next().map(|line| Secret::new(line.to_owned()))))
}

/// The text of an identity file. As with the vault itself, one that others could have read or written is refused.
fn identities(context: &Context, path: &std::path::Path) -> Result<Secret<String>, Fault> {
    let shown = printable(&path.to_string_lossy());
    let failed = || Fault::new(ErrorKind::Usage, format!("cannot read the identity file {shown}"));
    hardening::close();
    let seen = look(&context.system, path).map_err(|error| failed().cause(error))?;
    let seen = seen.ok_or_else(|| failed().cause("it is not there"))?;
    let refused = |why: String, hint: String| {
        Err(Fault::new(ErrorKind::Refused, format!("the identity file {shown} {why}")).hint(hint))
    };
    if ![process::owner().0, 0].contains(&seen.meta.uid) {
        return refused("belongs to another user".into(), "make one of your own with age-keygen".into());
    }
    if seen.meta.mode & 0o077 != 0 {
        let why = format!("is open to others: its mode is {:o}", seen.meta.mode);
        return refused(why, format!("who can read it can open the vault; run: chmod 600 {shown}"));
    }
    let text =
        std::str::from_utf8(seen.bytes.expose()).map_err(|_| failed().cause("it is not UTF-8 text"))?;
    Ok(Secret::new(text.to_owned()))
}

/// The passphrase on standard input, without the end of its line.
fn passphrase_of_input() -> Result<Secret<String>, Fault> {
    let text = Secret::new(stdin()?);
    let line = text.expose().strip_suffix('\n').unwrap_or(text.expose());
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

/// The first line that a command prints. It may ask the person at its own window or terminal.
fn passphrase_of_command(command: &str) -> Result<Secret<String>, Fault> {
    let failed = |cause: String| {
        Fault::new(ErrorKind::Failed, "the command for the passphrase gave none")
            .cause(cause)
            .hint("run it by hand: it must print the passphrase and end with 0")
    };
    hardening::close();
    let (ending, out) = process::asked(&CommandSpec::new("/bin/sh").args(["-c", command]))
        .map_err(|error| failed(error.to_string()))?;
    let text = Secret::new(out);
    if ending != Ending::Exited(0) {
        return Err(failed(outcome::ending(ending)));
    }
    let text = std::str::from_utf8(text.expose()).map_err(|_| failed("it is not UTF-8 text".into()))?;
    // As `pass` has it: what stands below the first line is for people.
    let line = Secret::new(text.lines().next().unwrap_or_default().to_owned());
    if line.expose().is_empty() { Err(failed("it printed nothing".into())) } else { Ok(line) }
}

fn stdin() -> Result<String, Fault> {
    input::secret(LONGEST)
        .map_err(|error| Fault::new(ErrorKind::Usage, "standard input cannot be used").cause(error))
}

/// The browser of the person in front of this machine; none in a cloud shell, in a container or over ssh.
fn browser(context: &Context) -> Result<Option<Browser>, Fault> {
    let host = context.facts()?;
    Ok(Browser::of(var, process::find, host.os).filter(|_| host.kind == HostKind::Vm))
}

/// AWS's files of this home, whatever a switched shell was pointed at.
fn aws_files(context: &Context) -> Result<AwsConfig, Fault> {
    let home = context.dirs.home.to_string_lossy().into_owned();
    let locations = config::locations(|name| (name == "HOME").then(|| home.clone()), false);
    Ok(config::read(&context.system, &locations)?)
}

/// AWS's own files, with the profiles that have keys in the vault, and how the vault is. Which they are is enough to follow a
/// chain; the keys themselves stay where they are.
fn sealed_aws_files(context: &Context) -> Result<(AwsConfig, VaultStatus), Fault> {
    let mut files = aws_files(context)?;
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    know_sealed(&mut files, &status.names);
    Ok((files, status))
}

/// Makes a directory of devboot's own.
fn make(path: &std::path::Path) -> Result<(), Fault> {
    dirs::make(path).map_err(|error| {
        Fault::new(ErrorKind::Failed, format!("cannot make {}", path.display())).cause(error)
    })
}

/// Says what the service could not write down.
fn say_unrecorded(context: &Context, status: &VaultStatus) {
    if let Some(Unrecorded { count, why }) = &status.unrecorded {
        let records = counted(usize::try_from(*count).unwrap_or(usize::MAX), "record");
        context.printer.warn(&format!("the audit log lacks {records}: {why}"));
    }
}

/// How the vault is, as JSON.
fn vault_json(status: &VaultStatus) -> serde_json::Value {
    serde_json::json!({
        "schema": crate::cli::view::SCHEMA, "exists": status.exists, "open": status.open,
        "until": status.until.map(|until| until.to_string()), "names": status.names,
        "unrecorded": status.unrecorded,
    })
}
