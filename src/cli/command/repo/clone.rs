//! `devboot repo clone`.

use std::time::Duration;

use serde_json::json;

use super::{carry_out, catalog, finder, folder};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::cli::context::Context;
use crate::cli::{setup_view, view};
use crate::repos::git::fetch::History;
use crate::setup::phase::{Phase, Selection};
use crate::setup::report::{Item, State};
use crate::setup::run::Options;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot repo clone github-actions-demo or\n  devboot repo clone --all\n  \
                        devboot repo clone owner/name --full\n  devboot repo clone https://example.org/x.git --into ~/work\n\n\
                        Catalog entries are cloned at the commit that the catalog names. What is there already is left \
                        as it is."
)]
pub struct Args {
    /// Names of the catalog, owner/name, or git addresses
    #[arg(required_unless_present = "all", value_name = "NAME|URL")]
    names: Vec<String>,
    /// Everything in the catalog
    #[arg(long)]
    all: bool,
    /// The whole history
    #[arg(long, conflicts_with_all = ["depth", "since"])]
    full: bool,
    /// The history from this day on: 2024-01-31
    #[arg(long, value_name = "DATE", conflicts_with = "depth", value_parser = Timestamp::parse)]
    since: Option<Timestamp>,
    /// How many commits of history
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    depth: u32,
    /// The directory for new clones, below the home [default: ~/repos]
    #[arg(long, value_name = "DIR")]
    into: Option<String>,
    /// How many at a time
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// The longest time for one clone, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    timeout: u64,
    /// The most that one clone may receive or write, in megabytes
    #[arg(long, value_name = "MB", default_value_t = 1000)]
    max_size: u64,
    /// Clone what needs no network, postpone the rest
    #[arg(long)]
    offline: bool,
    /// Show what would be cloned
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl Args {
    fn history(&self) -> History {
        match (self.full, self.since) {
            (true, _) => History::Full,
            (_, Some(date)) => History::Since(date),
            _ => History::Depth(self.depth),
        }
    }
}

/// Clones what is not there yet.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let catalog = catalog(context)?;
    let record = context.record()?;
    let mut names = args.names.clone();
    if args.all {
        names.extend(catalog.repos.keys().cloned());
    }
    let into = folder(args.into.as_deref(), context)?;
    let mut wanted = finder(context, &catalog, &record, into).all(&names)?;
    wanted.projects.clear();
    let time = Duration::from_secs(args.timeout.max(1));
    for clone in &mut wanted.repos {
        clone.spec.history = args.history();
        clone.spec.limits.time = time;
        clone.spec.limits.bytes = args.max_size.saturating_mul(1_000_000);
    }
    if args.dry_run {
        return dry(context, &wanted.repos);
    }
    let selection = Selection { only: vec![Phase::Repos], skip: Vec::new() };
    let jobs = usize::from(args.jobs);
    let options = Options {
        selection,
        offline: args.offline,
        jobs,
        time,
        whole: false,
        python: None,
        repair: false,
        lint: false,
        service: None,
        venv_link: false,
    };
    let (items, _) = carry_out(context, &wanted, &options)?;
    report(context, &items, Some("devboot repo test"))
}

fn dry(context: &Context, clones: &[crate::setup::work::WantedClone]) -> Result<Exit, Fault> {
    let rows = clones.iter().map(|clone| (clone, clone.is_there()));
    if context.global.json {
        let clones: Vec<_> = rows
            .map(|(clone, there)| json!({ "name": clone.spec.name, "dir": clone.dir, "there": there }))
            .collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "clones": clones }))?;
        return Ok(Exit::Done);
    }
    for (clone, there) in rows {
        let what = if there { "is there" } else { "would be cloned" };
        context.printer.data(&format!("{} {what}: {}\n", printable(&clone.spec.name), clone.dir))?;
    }
    Ok(Exit::Done)
}

/// How clones or updates ended, line by line, and what may come next.
pub(super) fn report(context: &Context, items: &[Item], next: Option<&str>) -> Result<Exit, Fault> {
    let one = |state| items.iter().any(|item| item.state == state);
    let exit = if one(State::Failed) {
        Exit::Failed
    } else if one(State::Kept) {
        Exit::NeedsUser
    } else if one(State::Postponed) {
        Exit::Differs
    } else {
        Exit::Done
    };
    if context.global.json {
        let object = json!({ "schema": view::SCHEMA, "items": items, "exit_code": exit.code() });
        context.printer.json(&object)?;
        return Ok(exit);
    }
    for line in setup_view::item_lines(items, &context.printer) {
        context.printer.say(&line);
    }
    if items.is_empty() {
        context.printer.say("nothing is cloned; `devboot repo list` shows the catalog");
    }
    if let (Some(next), Exit::Done, true) = (next, exit, one(State::Done)) {
        let names: Vec<String> = items.iter().map(|item| printable(&item.name)).collect();
        context.printer.say(&format!("next: {next} {}", names.join(" ")));
    }
    Ok(exit)
}
