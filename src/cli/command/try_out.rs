//! `devboot try`: the same setup in a throwaway home, a shell in it, nothing left behind.

use std::path::{Path, PathBuf};

use super::setup;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::cli::args::{Global, ProfileArgs};
use crate::cli::context::Context;
use crate::cli::fetched::Use;
use crate::ipc::launch;
use crate::ipc::place::Place;
use crate::setup::phase::Phase;
use crate::sys::dirs::Dirs;
use crate::sys::process::{self, CommandSpec};
use crate::sys::{env, signal, terminal, tree};
use crate::ui::Style;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot try\n  devboot try --profile vim\n  devboot try --offline -- bash -ic 'alias'"
)]
pub struct Args {
    #[command(flatten)]
    profile: ProfileArgs,
    /// Touch no network
    #[arg(long)]
    offline: bool,
    /// Not these phases
    #[arg(long, value_name = "PHASE", value_delimiter = ',')]
    skip: Vec<Phase>,
    /// Which shell to start; yours
    #[arg(long, value_parser = ["bash", "zsh", "fish"])]
    shell: Option<String>,
    /// A command to run in the throwaway home, instead of a shell
    #[arg(last = true)]
    command: Vec<String>,
}

/// A home that is gone when dropped, whatever happens.
struct Throwaway(PathBuf);

impl Drop for Throwaway {
    fn drop(&mut self) {
        // A shell in it, or a command, may have started its service.
        let _ = launch::end(&Place::of(&Dirs::of_home(&self.0)));
        // Nothing is left to be told about it; the directory is below the system's temporary one.
        let _ = tree::remove(&self.0);
    }
}

/// Sets up a throwaway home and starts a shell in it.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    if args.command.is_empty() && !terminal::can_ask() {
        return Err(Fault::new(ErrorKind::NeedsUser, "there is no terminal for a shell")
            .hint("name a command: devboot try -- bash -ic 'alias'"));
    }
    let sources = if args.profile.profiles.is_empty() {
        vec!["default".to_owned()]
    } else {
        context.sources(&args.profile)?
    };
    let failed =
        |error: std::io::Error| Fault::new(ErrorKind::Failed, "cannot make a throwaway home").cause(error);
    let home = Throwaway(tree::private(&env::temp_dir(), "devboot-try-").map_err(failed)?);
    copy_own_profiles(context, &home.0)?;
    let global = Global { home: Some(home.0.clone()), json: false, ..context.global.clone() };
    let profiles = if args.offline { Use::ChangeOffline } else { Use::Change };
    let inside = Context::new(global, context.printer.clone())?.using(profiles);
    let profile = ProfileArgs { profiles: sources, trust: args.profile.trust.clone() };
    let exit = setup::run(&inside, &setup::Args::for_try(profile, args.offline, args.skip.clone()))?;
    if signal::interrupted() {
        return Ok(Exit::Interrupted);
    }
    if exit != Exit::Done {
        context.printer.say("not everything went well; the shell starts all the same");
    }
    let code = shell(context, args, &home.0)?;
    drop(home);
    if signal::interrupted() {
        return Ok(Exit::Interrupted);
    }
    context.printer.say("the throwaway home is gone; `devboot setup` does the same to yours");
    Ok(if code == 0 || args.command.is_empty() { Exit::Done } else { Exit::Failed })
}

/// Profiles of the user's own can be named in the throwaway home too.
fn copy_own_profiles(context: &Context, home: &Path) -> Result<(), Fault> {
    use crate::sys::system::{ReadSystem, replace};
    let from = context.dirs.config.join("profiles");
    let to = home.join(".config/devboot/profiles");
    let failed =
        |error: std::io::Error| Fault::new(ErrorKind::Failed, "cannot copy your profiles").cause(error);
    for name in context.system.list(&from).unwrap_or_default() {
        if let Ok(bytes) = context.system.read(&from.join(&name), crate::profile::PROFILE_LIMIT) {
            tree::create(&to).map_err(failed)?;
            replace(&context.system, &to.join(&name), &bytes, 0o600).map_err(failed)?;
        }
    }
    Ok(())
}

fn shell(context: &Context, args: &Args, home: &Path) -> Result<i32, Fault> {
    let yours = env::var("SHELL").and_then(|path| path.rsplit('/').next().map(str::to_owned));
    let known =
        |name: &String| ["bash", "zsh", "fish"].contains(&name.as_str()) && process::find(name).is_some();
    let name = args.shell.clone().or_else(|| yours.filter(known)).unwrap_or_else(|| "bash".into());
    let mut words = args.command.iter();
    let spec = match words.next() {
        Some(program) => CommandSpec::new(program).args(words),
        None => {
            context.printer.say(&context.printer.paint(
                Style::Heading,
                &format!("a {name} in a throwaway home; `exit` ends it and removes everything"),
            ));
            CommandSpec::new(&name).args(["-l", "-i"])
        }
    };
    let mut spec = spec.env("HOME", home).cwd(home);
    for name in
        ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "ZDOTDIR", "HISTFILE"]
    {
        spec = spec.without(name);
    }
    process::interactive(&spec)
        .map_err(|error| Fault::new(ErrorKind::Failed, format!("cannot start {name}")).cause(error))
}
