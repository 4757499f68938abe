//! `devboot use`: another credential profile for this shell.

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::base::time::{Timestamp, left};
use crate::cli::context::{Context, current_dir};
use crate::cli::{cloud_link, project_dir, view};
use crate::cloud::mark::{self, Mark};
use crate::cloud::variables;
use crate::ipc::cloud::{CloudRequest, CloudResponse, Part, Switch, Use};
use crate::project::model::Origin;
use crate::project::trust::{self, Subject, Trust};
use crate::session::read;
use crate::shell::Shell;
use crate::shell::switch::{Own, Steps, switch};
use crate::sys::{clock, env, terminal};
use crate::ui::{Style, prompt};

/// The place of a name for a shell without a profile.
const NONE: &str = "-";

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot use dev               this shell uses the profile 'dev'\n  \
                  devboot use                   choose one from a list\n  devboot use -                 the one before\n  \
                  devboot use --off             as the shell was before: nothing of devboot's is left\n\n\
                  Only this shell changes. By default no secret gets into its environment: tools are pointed at the service.\n\
                  The function that `devboot setup` gives your shells carries it out.")]
pub struct Args {
    /// The profile; - is the one before
    #[arg(conflicts_with = "off")]
    name: Option<String>,
    /// Give the shell back what it had
    #[arg(long)]
    off: bool,
    /// How tools get the credentials, instead of what the profile says
    #[arg(long, value_parser = ["pointer", "endpoint", "value"])]
    via: Option<String>,
    #[arg(long, hide = true, value_parser = ["bash", "zsh", "fish"])]
    emit: Option<String>,
    #[arg(long, hide = true, default_value = "", hide_default_value = true)]
    previous: String,
    #[arg(long, hide = true, default_value = "", hide_default_value = true)]
    auto: String,
    #[arg(long, hide = true, default_value = "", hide_default_value = true)]
    before: String,
    /// The names of what the shell has kept; functions of an older devboot do not say it.
    #[arg(long, hide = true)]
    kept: Option<String>,
    #[arg(long, hide = true, default_value = "", hide_default_value = true)]
    fixed: String,
    #[arg(long, hide = true, conflicts_with_all = ["name", "off"])]
    here: bool,
}

/// Prints what the shell's function carries out.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let Some(shell) = args.emit.as_deref().and_then(Shell::from_program) else {
        return Err(Fault::new(ErrorKind::Usage, "this shell has no function to be switched with")
            .hint("devboot setup gives your shells one; open a new shell after it")
            .hint("for one command: devboot cloud exec NAME -- COMMAND"));
    };
    let active = env::var("DEVBOOT_CLOUD").unwrap_or_default();
    let own = Own { previous: None, auto: args.auto.clone(), before: args.before.clone() };
    if args.here {
        return here(context, args, shell, &active, own);
    }
    let own = Own { previous: Some(or_none(&active)), ..Own::default() };
    if args.off {
        return off(context, args, shell, &active, own);
    }
    let name = match args.name.as_deref() {
        Some("-") if args.previous == NONE => return off(context, args, shell, &active, own),
        Some("-") if args.previous.is_empty() => {
            return Err(Fault::new(ErrorKind::Usage, "this shell has used no other profile"));
        }
        Some("-") => args.previous.clone(),
        Some(name) => name.to_owned(),
        None => match picked(context)? {
            Some(name) => name,
            None => return Ok(Exit::Interrupted),
        },
    };
    let taken = taken(context, args, &name, true)?;
    emit(context, args, shell, (&name, &taken), own)?;
    report(context, &name, &taken);
    super::cloud::servers::warn(context, &name);
    Ok(Exit::Done)
}

fn or_none(active: &str) -> String {
    if active.is_empty() { NONE.to_owned() } else { active.to_owned() }
}

fn picked(context: &Context) -> Result<Option<String>, Fault> {
    let profiles = cloud_link::profiles(context)?;
    if profiles.is_empty() {
        return Err(Fault::new(ErrorKind::NeedsUser, "there are no credential profiles yet")
            .hint("devboot cloud import takes over what AWS's, Google's and Azure's tools have")
            .hint("devboot cloud add NAME makes one"));
    }
    let names: Vec<&str> = profiles.keys().map(String::as_str).collect();
    let lines: Vec<String> =
        profiles.iter().map(|(name, profile)| super::cloud::line(name, profile)).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let chosen = prompt::select("Use which profile?", &lines, "its name")?;
    Ok(chosen.map(|at| names[at].to_owned()))
}

/// A switch from the service; a guarded profile is confirmed first. `asking`: a person may be asked.
fn taken(context: &Context, args: &Args, name: &str, asking: bool) -> Result<Switch, Fault> {
    let request = |confirmed: bool| {
        cloud_link::ask_with_codes(context, |codes| {
            CloudRequest::Use(Use {
                profile: name.into(),
                via: args.via.clone(),
                confirmed,
                check: false,
                codes,
            })
        })
    };
    let answer = match request(false) {
        Err(fault) if fault.kind == ErrorKind::Refused && asking && is_guarded(context, name) => {
            if !terminal::can_ask() {
                return Err(fault);
            }
            if !prompt::confirm_danger(&question(context, name), "a terminal")? {
                return Err(Fault::new(ErrorKind::Refused, format!("'{name}' was not confirmed")));
            }
            request(true)?
        }
        other => other?,
    };
    match answer {
        CloudResponse::Switch(switch) => Ok(switch),
        _ => Err(cloud_link::unexpected()),
    }
}

/// What is confirmed is more than this shell: the service hands the credentials to whoever asks as this user.
fn question(context: &Context, name: &str) -> String {
    let open = cloud_link::profiles(context).ok().and_then(|all| all.get(name)?.open_for());
    let seconds = open.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or_default();
    let time = left(Timestamp(seconds), Timestamp(0));
    format!("'{name}' is guarded. Open it for all your processes for {time}, and use it in this shell?")
}

fn is_guarded(context: &Context, name: &str) -> bool {
    cloud_link::profiles(context)
        .is_ok_and(|all| all.get(name).is_some_and(|profile| profile.guard.is_some()))
}

fn emit(
    context: &Context,
    args: &Args,
    shell: Shell,
    (name, taken): (&str, &Switch),
    own: Own,
) -> Result<(), Fault> {
    let until = taken.until.map(|until| until.0.to_string());
    let ends = taken.until.map(local_clock);
    let mut changes: Vec<(&str, Option<&str>)> = taken
        .changes
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_ref().map(|value| value.expose())))
        .collect();
    variables::check(&changes)?;
    changes.extend([
        ("DEVBOOT_CLOUD", Some(name)),
        ("DEVBOOT_CLOUD_HERE", (own.auto == name).then_some(name)),
        ("DEVBOOT_CLOUD_GUARD", taken.guard.as_deref()),
        ("DEVBOOT_CLOUD_UNTIL", until.as_deref()),
        ("DEVBOOT_CLOUD_ENDS", ends.as_deref()),
    ]);
    let mark = mark::text(&changes);
    changes.push((mark::VARIABLE, Some(&mark)));
    let inherited = inherited(args).0;
    let touched = changes.iter().map(|(name, _)| *name).chain(inherited.iter().copied());
    changeable(args, touched)?;
    let output = context.global.json.then(|| view::json_text(&switch_json(name, taken)));
    let steps = Steps { inherited: &inherited, changes: &changes, own, output };
    context.printer.data(&switch(shell, &steps))
}

/// Whether a shell that uses a profile was not switched itself.
fn began_switched(args: &Args) -> bool {
    args.kept.as_deref() == Some("")
}

/// What a switch of another shell has left here, and what of it somebody has changed since. A shell that was switched itself
/// gives back what it has kept, and a fork of it, too.
fn inherited(args: &Args) -> (Vec<&'static str>, Vec<&'static str>) {
    if !began_switched(args) {
        return (Vec::new(), Vec::new());
    }
    let mark = env::var(mark::VARIABLE).map(|text| Mark::read(&text)).unwrap_or_default();
    let (mut ours, theirs): (Vec<_>, Vec<_>) = mark
        .names()
        .filter(|name| !variables::OWN.contains(name))
        .filter(|name| env::var_os(name).is_some())
        .partition(|name| mark.holds(name, env::var(name).as_deref()));
    ours.extend(variables::OWN.into_iter().filter(|name| env::var_os(name).is_some()));
    (ours, theirs)
}

/// Refuses a switch that would get stuck half way, before anything has changed.
fn changeable<'a>(args: &'a Args, touched: impl Iterator<Item = &'a str>) -> Result<(), Fault> {
    let mut touched = touched.chain(args.kept.iter().flat_map(|kept| kept.split_whitespace()));
    match touched.find(|name| args.fixed.split_whitespace().any(|fixed| fixed == *name)) {
        Some(name) => {
            let words =
                format!("{} is read-only in this shell, and the switch would change it", printable(name));
            Err(Fault::new(ErrorKind::Refused, words)
                .hint("nothing was switched; use a shell in which it is not read-only"))
        }
        None => Ok(()),
    }
}

/// Hour and minute of a moment, on the clock of who reads it.
fn local_clock(at: Timestamp) -> String {
    at.local_minute()
}

/// Says who one is now.
fn report(context: &Context, name: &str, taken: &Switch) {
    let printer = &context.printer;
    let style = if taken.guard.is_some() { Style::Bad } else { Style::Good };
    let now = clock::now();
    for part in &taken.parts {
        printer.say(&format!("{} {}", printer.paint(style, name), words(part, now)));
        if let Some(caution) = &part.caution {
            printer.warn(&printable(caution));
        }
    }
    if let Some(until) = taken.until {
        let words = format!("until {}, {} from now", local_clock(until), left(until, now));
        printer.say(&printer.paint(Style::Faint, &words));
    }
}

/// A part in words: `AWS 123456789012 arn:…`.
pub(super) fn words(part: &Part, now: Timestamp) -> String {
    let title =
        crate::cloud::provider::Provider::of(&part.provider).map_or(part.provider.as_str(), |p| p.title());
    let mut words = vec![title.to_owned()];
    words.extend([&part.account, &part.who].into_iter().flatten().map(|text| printable(text)));
    if let Some(ends) = part.ends {
        words.push(format!("({} left)", left(ends, now)));
    }
    words.extend(part.note.iter().map(|note| printable(note)));
    words.join(" ")
}

fn off(context: &Context, args: &Args, shell: Shell, active: &str, own: Own) -> Result<Exit, Fault> {
    let none = json!({ "schema": view::SCHEMA, "profile": null });
    if active.is_empty() {
        if context.global.json {
            context.printer.json(&none)?;
        }
        context.printer.say("this shell uses no profile");
        return Ok(Exit::Done);
    }
    let (inherited, theirs) = inherited(args);
    changeable(args, inherited.iter().copied())?;
    let output = context.global.json.then(|| view::json_text(&none));
    let steps = Steps { inherited: &inherited, changes: &[], own, output };
    context.printer.data(&switch(shell, &steps))?;
    context.printer.say(&format!("'{}' is off", printable(active)));
    if began_switched(args) {
        context.printer.say(
            "this shell began with it: what it set is taken away; what was there before is known only where it was switched",
        );
        for name in theirs {
            context.printer.say(&format!("{name} was changed since, and stays as it is"));
        }
    }
    Ok(Exit::Done)
}

/// What the directory asks for.
#[derive(Debug, PartialEq, Eq)]
enum Here {
    /// Nothing changes.
    Stay,
    /// Its profile.
    Take(String),
    /// What was active before a directory asked for something.
    Return,
}

fn decide(wanted: Option<&str>, active: &str, auto: &str) -> Here {
    let by_directory = !auto.is_empty() && auto == active;
    match wanted {
        Some(wanted) if wanted == active => Here::Stay,
        // Who has chosen one by hand keeps it.
        Some(_) if !active.is_empty() && !by_directory => Here::Stay,
        Some(wanted) => Here::Take(wanted.to_owned()),
        None if by_directory => Here::Return,
        None => Here::Stay,
    }
}

fn here(context: &Context, args: &Args, shell: Shell, active: &str, own: Own) -> Result<Exit, Fault> {
    let wanted = wanted_here(context)?;
    match decide(wanted.as_deref(), active, &args.auto) {
        Here::Stay => Ok(Exit::Done),
        Here::Take(name) => {
            let taken = taken(context, args, &name, false)?;
            // From one project straight into another: what was before the first still is what was before.
            let before = if args.auto.is_empty() { or_none(active) } else { own.before };
            let own = Own { previous: None, auto: name.clone(), before };
            emit(context, args, shell, (&name, &taken), own)?;
            report(context, &name, &taken);
            Ok(Exit::Done)
        }
        Here::Return => match args.before.as_str() {
            "" | NONE => off(context, args, shell, active, Own::default()),
            name => {
                let taken = taken(context, args, name, false)?;
                emit(context, args, shell, (name, &taken), Own::default())?;
                report(context, name, &taken);
                Ok(Exit::Done)
            }
        },
    }
}

/// The profile that the project asks for, which counts only when its file is trusted as it is.
fn wanted_here(context: &Context) -> Result<Option<String>, Fault> {
    let root = project_dir::root(Some(&current_dir()?))?;
    // What is wrong with the file is said by who runs it.
    let Ok(loaded) = read::pipeline(&context.system, &root, &env::vars()) else { return Ok(None) };
    let Some(name) = loaded.pipeline.cloud.clone().filter(|_| loaded.pipeline.origin == Origin::File) else {
        return Ok(None);
    };
    let subject = Subject { root: &root, text: loaded.text.as_deref() };
    if trust::state(&context.system, &context.dirs, subject) == Trust::Trusted {
        return Ok(Some(name));
    }
    context.printer.warn(&format!(
        "devboot.toml asks for the credential profile '{}' and is not trusted as it is: devboot project trust",
        printable(&name)
    ));
    Ok(None)
}

/// A profile's state as JSON.
pub(super) fn part_json(part: &Part) -> serde_json::Value {
    json!({
        "provider": part.provider, "account": part.account, "who": part.who, "verified": part.verified,
        "note": part.note, "caution": part.caution, "ends": part.ends.map(|ends| ends.to_string()),
    })
}

/// A switch as JSON: who one is, and the names of the variables; no values.
pub(super) fn switch_json(name: &str, taken: &Switch) -> serde_json::Value {
    json!({
        "schema": view::SCHEMA, "profile": name, "guard": taken.guard,
        "until": taken.until.map(|until| until.to_string()),
        "parts": taken.parts.iter().map(part_json).collect::<Vec<_>>(),
        "sets": taken.changes.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_asks_and_a_person_decides() {
        let take = |name: &str| Here::Take(name.into());
        assert_eq!(decide(Some("dev"), "", ""), take("dev"));
        assert_eq!(decide(Some("dev"), "dev", "dev"), Here::Stay);
        assert_eq!(decide(Some("dev"), "prod", ""), Here::Stay, "chosen by hand");
        assert_eq!(decide(Some("b"), "a", "a"), take("b"), "from project to project");
        assert_eq!(decide(None, "a", "a"), Here::Return);
        assert_eq!(decide(None, "prod", "a"), Here::Stay, "chosen by hand meanwhile");
        assert_eq!(decide(None, "", ""), Here::Stay);
    }
}
