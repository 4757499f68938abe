//! `devboot repo`: hello-world repositories, one by one: the catalog, clones, updates, tests.

mod clone;
mod list;
mod remove;
mod show;
mod status;
mod test;
mod update;

use std::sync::OnceLock;

use clap::Subcommand;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::HomePath;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cli::setup_view;
use crate::repos::catalog::{self, Catalog};
use crate::setup::named::{FOLDER, Finder};
use crate::setup::phase::Phase;
use crate::setup::record::Record;
use crate::setup::report::{Event, Item, ProjectReport};
use crate::setup::run::{Options, Run};
use crate::setup::space::Budget;
use crate::setup::work::{Wanted, WantedClone};
use crate::sys::system::ReadSystem;
use crate::sys::{clock, disk, signal};
use crate::ui::progress::Progress;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot repo list                          the catalog, and what is cloned\n  \
                        devboot repo clone github-actions-demo     clone one into ~/repos\n  \
                        devboot repo clone owner/name --full       any other, with its whole history\n  \
                        devboot repo test github-actions-demo      its Python environment, then its tests\n  \
                        devboot repo test --all                    those of every clone\n\n\
                        A name is one of the catalog or of a clone; owner/name means GitHub; any git address works.\n\
                        Nothing of a repository runs before `repo test` or a profile names it."
)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// The catalog, and what of it is cloned
    List(list::Args),
    /// What is known of one repository
    Show(show::Args),
    /// Clone repositories
    Clone(clone::Args),
    /// Where the clones stand, and how their tests ended
    Status(status::Args),
    /// Bring clones up to date that you did not change
    Update(update::Args),
    /// Make Python environments and run tests
    Test(test::Args),
    /// Remove clones that you did not change, with their Python environments
    Remove(remove::Args),
}

/// Does what was asked for.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    match &args.verb {
        Verb::List(args) => list::run(context, args),
        Verb::Show(args) => show::run(context, args),
        Verb::Clone(args) => clone::run(context, args),
        Verb::Status(args) => status::run(context, args),
        Verb::Update(args) => update::run(context, args),
        Verb::Test(args) => test::run(context, args),
        Verb::Remove(args) => remove::run(context, args),
    }
}

/// The names that completions offer.
pub fn names() -> Vec<String> {
    Catalog::embedded().map(|catalog| catalog.repos.into_keys().collect()).unwrap_or_default()
}

/// The embedded catalog with the user's own entries, `catalog.toml` in the configuration directory.
fn catalog(context: &Context) -> Result<Catalog, Fault> {
    let path = context.dirs.config.join("catalog.toml");
    let embedded = Catalog::embedded()?;
    if matches!(context.system.meta(&path), Ok(None)) {
        return Ok(embedded);
    }
    let unreadable = |why: String| {
        Fault::new(ErrorKind::Failed, format!("cannot read {}: {why}", printable(&path.to_string_lossy())))
    };
    let bytes =
        context.system.read(&path, catalog::LARGEST).map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".into()))?;
    Ok(embedded.with(Catalog::parse(&text, &path.to_string_lossy())?))
}

fn folder(into: Option<&str>, context: &Context) -> Result<HomePath, Fault> {
    let Some(text) = into else { return parsed(FOLDER) };
    let home = context.dirs.home.to_string_lossy().into_owned();
    let inside = text.strip_prefix(&home).and_then(|rest| rest.strip_prefix('/'));
    parsed(inside.unwrap_or(text))
}

fn parsed(text: &str) -> Result<HomePath, Fault> {
    HomePath::parse(text).map_err(|_| {
        Fault::new(ErrorKind::Usage, format!("'{}' is no directory below the home", printable(text)))
            .hint("clones live in the home, so that uninstall finds them: --into ~/work")
    })
}

fn finder<'a>(context: &'a Context, catalog: &'a Catalog, record: &'a Record, into: HomePath) -> Finder<'a> {
    Finder { catalog, record, dirs: &context.dirs, into }
}

/// What a run did: items, and a report for each project.
type Carried = (Vec<Item>, Vec<ProjectReport>);

/// Runs the phases of `options` over what was named, under the home's lock; what is learnt is remembered.
fn carry_out(context: &Context, wanted: &Wanted, options: &Options) -> Result<Carried, Fault> {
    let _lock =
        if is_settled(wanted, &context.record()?, options) { None } else { Some(context.write_lock()?) };
    let record = context.record()?;
    let before = record.clone();
    let progress = Progress::new(!context.global.quiet && !context.global.json);
    let events = |event: Event| setup_view::progress(&progress, event);
    let budget = Budget::new(disk::disk(&context.dirs.home).ok().map(|disk| disk.free));
    let mut run = Run {
        dirs: &context.dirs,
        wanted,
        options,
        record,
        budget,
        reports: Vec::new(),
        inventory: OnceLock::new(),
        events: &events,
    };
    let items = run.go()?;
    let reports = run.reports;
    let mut record = run.record;
    if record != before {
        record.finished = record.finished.map(|_| clock::now());
        record.save(&context.system, &context.dirs.state, &before)?;
    }
    if signal::interrupted() {
        return Err(Fault::new(ErrorKind::Interrupted, "interrupted")
            .hint("the same command goes on where it stopped"));
    }
    Ok((items, reports))
}

/// Whether everything is there and on record, so that nothing will be written.
fn is_settled(wanted: &Wanted, record: &Record, options: &Options) -> bool {
    let known =
        |clone: &WantedClone| record.clones.get(&clone.dir).is_none_or(|known| known.commit.is_some());
    let open = |clone: &WantedClone| {
        let name = &clone.spec.name;
        record.postponed.contains_key(name) || record.failed.contains_key(name)
    };
    options.selection.only == [Phase::Repos]
        && wanted.repos.iter().all(|clone| clone.is_there() && known(clone) && !open(clone))
}
