//! `devboot profile`: list, show, make, edit and check environment profiles; trust for those from elsewhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::redact;
use crate::base::text::{counted, printable};
use crate::cli::args::ProfileArgs;
use crate::cli::context::{Context, current_dir};
use crate::cli::{fetched, view};
use crate::profile::trust::{self, Bundle, Trust};
use crate::profile::{self, Resolved, Severity};
use crate::sys::process::{self, CommandSpec};
use crate::sys::system::{ReadSystem, replace};
use crate::sys::{env, terminal, tree};
use crate::ui::{prompt, table};

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot profile list\n  devboot profile show default\n  devboot profile new mine\n  \
                        devboot profile edit mine\n  devboot profile check mine\n  \
                        devboot profile new --install-sh > install.sh    for a dotfiles repository\n  \
                        devboot profile schema > profile.schema.json     for your editor"
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// The profiles that can be named
    List,
    /// A profile with everything it builds on, for this host
    Show {
        /// Which; those of the last setup
        profiles: Vec<String>,
    },
    /// Start a profile of your own
    New {
        /// Its name
        #[arg(required_unless_present = "install_sh")]
        name: Option<String>,
        /// Print the install.sh that Codespaces, Coder and devcontainers look for in a dotfiles repository
        #[arg(long, conflicts_with = "name")]
        install_sh: bool,
    },
    /// Edit a profile of your own with $VISUAL or $EDITOR, and check it
    Edit {
        /// Its name
        name: String,
    },
    /// List every problem of a profile, with file, line and hint
    Check {
        /// Which; those of the last setup
        profiles: Vec<String>,
    },
    /// Print the JSON Schema of a profile file, for editors
    Schema,
}

/// Does what was asked for.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    match &args.verb {
        Verb::List => list(context),
        Verb::Show { profiles } => show(context, profiles),
        Verb::New { install_sh: true, .. } => {
            context.printer.data(profile::install_sh())?;
            Ok(Exit::Done)
        }
        Verb::New { name, .. } => new(context, name.as_deref().unwrap_or_default()),
        Verb::Edit { name } => edit(context, name),
        Verb::Check { profiles } => check(context, profiles),
        Verb::Schema => {
            context.printer.data(&profile::schema::json_schema())?;
            Ok(Exit::Done)
        }
    }
}

fn asked(context: &Context, profiles: &[String]) -> Result<Vec<String>, Fault> {
    context.sources(&ProfileArgs { profiles: profiles.to_vec(), trust: None })
}

fn list(context: &Context) -> Result<Exit, Fault> {
    let found = profile::list(&context.system, &context.dirs);
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "profiles": found }))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|listed| {
            let whose = if listed.file.is_some() { "yours" } else { "embedded" };
            vec![printable(&listed.name), whose.to_owned(), printable(&listed.description)]
        })
        .collect();
    for line in table::columns(&rows) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(Exit::Done)
}

fn show(context: &Context, profiles: &[String]) -> Result<Exit, Fault> {
    let facts = context.facts()?;
    let resolved = context.resolve(&asked(context, profiles)?, &facts)?;
    for warning in &resolved.warnings {
        context.printer.warn(&warning.to_string());
    }
    let value = json!({ "schema": view::SCHEMA, "host": facts.kind.name(), "profile": resolved.profile });
    if context.global.json {
        context.printer.json(&value)?;
        return Ok(Exit::Done);
    }
    context.printer.data(&crate::cli::show_profile::text(&resolved.profile, facts.kind.name()))?;
    Ok(Exit::Done)
}

fn own_file(context: &Context, name: &str) -> Result<PathBuf, Fault> {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(safe) {
        return Err(Fault::new(ErrorKind::Usage, format!("'{}' is no profile name", printable(name)))
            .hint("use letters, digits, '-', '_' and '.'"));
    }
    Ok(context.dirs.config.join("profiles").join(format!("{name}.toml")))
}

fn new(context: &Context, name: &str) -> Result<Exit, Fault> {
    let path = own_file(context, name)?;
    if context.system.meta(&path).map_err(|error| unusable(&path, &error))?.is_some() {
        return Err(Fault::new(ErrorKind::Refused, format!("{} is there already", path.display()))
            .hint(format!("devboot profile edit {name}")));
    }
    let _lock = context.write_lock()?;
    let parent = path.parent().unwrap_or(&context.dirs.config);
    tree::create(parent).map_err(|error| unusable(parent, &error))?;
    replace(&context.system, &path, profile::starter().as_bytes(), 0o644)
        .map_err(|error| unusable(&path, &error))?;
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "file": path }))?;
    } else {
        context.printer.say(&format!("wrote {}", path.display()));
        context
            .printer
            .say(&format!("next: devboot profile edit {name}, then devboot setup --profile {name}"));
    }
    Ok(Exit::Done)
}

fn unusable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::new(ErrorKind::Failed, format!("cannot use {}", path.display())).cause(error)
}

fn edit(context: &Context, name: &str) -> Result<Exit, Fault> {
    let path = own_file(context, name)?;
    if context.system.meta(&path).map_err(|error| unusable(&path, &error))?.is_none() {
        let hint = if profile::embedded(name).is_some() {
            format!(
                "'{name}' is embedded: make your own with `devboot profile new NAME` and let it extend {name}"
            )
        } else {
            format!("devboot profile new {name}")
        };
        return Err(Fault::new(ErrorKind::Usage, format!("you have no profile '{name}'")).hint(hint));
    }
    if !terminal::can_ask() {
        return Err(Fault::new(ErrorKind::NeedsUser, "there is no terminal for an editor")
            .hint(format!("edit {} by hand", path.display())));
    }
    let editor = env::var("VISUAL").or_else(|| env::var("EDITOR")).unwrap_or_else(|| "vi".into());
    // The variable holds shell words, as git and crontab read it.
    let spec = CommandSpec::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&path);
    let code = process::interactive(&spec)
        .map_err(|error| Fault::new(ErrorKind::Failed, format!("cannot start {editor}")).cause(error))?;
    if code != 0 {
        return Err(Fault::new(ErrorKind::Failed, format!("{editor} ended with {code}")));
    }
    check(context, &[name.to_owned()])
}

fn check(context: &Context, profiles: &[String]) -> Result<Exit, Fault> {
    let facts = context.facts()?;
    let here = current_dir()?;
    let fetch = |url: &str| fetched::fetch(context, url);
    let sources = asked(context, profiles)?;
    let problems = profile::check(&sources, &context.reader(&facts, &here, &fetch));
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    if context.global.json {
        let list: Vec<_> = problems
            .iter()
            .map(|problem| {
                json!({ "severity": match problem.severity { Severity::Error => "error", _ => "warning" },
                                   "text": problem.to_string(), "hint": problem.hint })
            })
            .collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "problems": list, "errors": errors }))?;
    } else {
        for problem in &problems {
            context.printer.line(&printable(&problem.to_string()));
            if let Some(hint) = &problem.hint {
                context.printer.line(&format!("  next: {}", printable(hint)));
            }
        }
        let names = sources.iter().map(|source| redact::url(source)).collect::<Vec<_>>().join(", ");
        context.printer.say(&format!("{names}: {}", counted(problems.len(), "problem")));
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Usage })
}

/// Has every fetched profile approved: by an earlier approval of the same bytes, by `--trust DIGEST`, or by the
/// person who reads it now.
pub fn approve(context: &Context, resolved: &Resolved, trusted: Option<&str>) -> Result<(), Fault> {
    for bundle in &resolved.bundles {
        let (old, new) = match trust::state(&context.system, &context.dirs, bundle) {
            Trust::Trusted => continue,
            Trust::New { files } => (BTreeMap::new(), files),
            Trust::Changed { old, new } => (old, new),
        };
        let digest = bundle.digest();
        let shown = redact::url(&bundle.url);
        if trusted == Some(digest.to_string().as_str()) {
            remember(context, bundle)?;
            continue;
        }
        let changed = if old.is_empty() { "is new" } else { "has changed since you approved it" };
        context.printer.line(&format!("the profile {shown} {changed}; it will run code in your shells:"));
        context.printer.line(&trust::diff(&old, &new));
        if !terminal::can_ask() {
            return Err(Fault::new(
                ErrorKind::NeedsUser,
                format!("the profile {shown} {changed} and needs your approval"),
            )
            .hint(format!("read it, then run again with --trust {digest}")));
        }
        if !prompt::confirm(&format!("Trust exactly this content of {shown}?"), "--trust")? {
            return Err(Fault::new(ErrorKind::Refused, format!("the profile {shown} was not approved"))
                .hint("nothing was changed"));
        }
        remember(context, bundle)?;
    }
    Ok(())
}

fn remember(context: &Context, bundle: &Bundle) -> Result<(), Fault> {
    if !context.profiles.changes() {
        return Ok(());
    }
    context.prepare_state()?;
    trust::approve(&context.system, &context.dirs, bundle).map_err(|e| unusable(&context.dirs.state, &e))
}
