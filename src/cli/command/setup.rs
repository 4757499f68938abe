//! `devboot setup`: the whole bootstrap.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;

use super::apply::settled;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::{counted, printable, size};
use crate::base::time::span;
use crate::cli::args::{ConflictArgs, ProfileArgs};
use crate::cli::context::{Context, Target};
use crate::cli::fetched::{self, Use};
use crate::cli::home_run::{self, Outcome};
use crate::cli::setup_view::{self, Finished};
use crate::cli::{help, view};
use crate::home::entry::Key;
use crate::home::plan::{Plan, Resolution};
use crate::host::{Capabilities, capability};
use crate::setup::phase::{Phase, Selection};
use crate::setup::record::Record;
use crate::setup::report::Event;
use crate::setup::run::{self, Options, Outlook, Run};
use crate::setup::space::Budget;
use crate::setup::work::{self, Wanted};
use crate::sys::system::replace;
use crate::sys::{clock, signal, terminal, tree};
use crate::ui::progress::Progress;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot setup                           show the plan, ask once, do it\n  \
                        devboot setup --yes --profile mlops\n  devboot setup --offline                 what can be done without network\n  \
                        devboot setup --only tests              run the tests again\n  devboot setup --dry-run                 show the plan",
          after_long_help = help::phases())]
pub struct Args {
    #[command(flatten)]
    profile: ProfileArgs,
    #[command(flatten)]
    conflicts: ConflictArgs,
    /// Touch no network: what needs it is postponed to the next setup
    #[arg(long)]
    offline: bool,
    /// Only these phases
    #[arg(long, value_name = "PHASE", value_delimiter = ',')]
    only: Vec<Phase>,
    /// Not these phases
    #[arg(long, value_name = "PHASE", value_delimiter = ',')]
    skip: Vec<Phase>,
    /// How many clones, builds and tests at a time; as many as there are processors, at most 4
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// The longest time, in seconds, of one step of an environment's build and of one project's tests
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// Show the plan and write nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do not ask whether to go on
    #[arg(short, long)]
    yes: bool,
    /// In a throwaway home: nothing is left to say for later
    #[arg(skip)]
    throwaway: bool,
}

impl Args {
    /// What `devboot try` runs: everything, without a question.
    pub fn for_try(profile: ProfileArgs, offline: bool, mut skip: Vec<Phase>) -> Self {
        // The service would go with the home.
        skip.push(Phase::Service);
        Self {
            profile,
            conflicts: ConflictArgs::default(),
            offline,
            only: Vec::new(),
            skip,
            jobs: None,
            timeout: 900,
            dry_run: false,
            yes: true,
            throwaway: true,
        }
    }
}

impl Args {
    /// How profiles from git addresses are used.
    pub fn profiles(&self) -> Use {
        match (self.dry_run, self.offline) {
            (false, false) => Use::Change,
            (false, true) => Use::ChangeOffline,
            (true, false) => Use::Look,
            (true, true) => Use::Kept,
        }
    }
}

/// Everything that is known before anything is changed.
struct Prepared {
    target: Target,
    can: Capabilities,
    plan: Plan,
    answers: BTreeMap<Key, Resolution>,
    wanted: Wanted,
    options: Options,
    record: Record,
    outlook: Outlook,
}

/// Sets the home up.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let prepared = prepare(context, args)?;
    for warning in &prepared.target.resolved.warnings {
        context.printer.warn(&warning.to_string());
    }
    let same_profiles = prepared.record.profiles == prepared.target.sources;
    if prepared.plan.is_empty() && prepared.outlook.todo.is_empty() && same_profiles {
        return nothing_to_do(context, &prepared);
    }
    if !context.global.json {
        show(context, &prepared);
    }
    if args.dry_run {
        if context.global.json {
            context.printer.json(&plan_json(&prepared))?;
        } else {
            context.printer.say("nothing was written");
        }
        return Ok(Exit::Done);
    }
    if !home_run::agreed(args.yes, "Go on?")? {
        context.printer.say("nothing was changed");
        return Ok(Exit::Done);
    }
    carry_out(context, prepared, args.throwaway)
}

fn prepare(context: &Context, args: &Args) -> Result<Prepared, Fault> {
    let target = context.target(context.sources(&args.profile)?, args.profile.trust.as_deref())?;
    let can = capability::probe(&context.system, &context.dirs.home);
    let selection = Selection { only: args.only.clone(), skip: args.skip.clone() };
    let (plan, answers) = if selection.has(Phase::Home) {
        settled(context, &target, &args.conflicts, !args.yes && !args.dry_run)?
    } else {
        (Plan::default(), BTreeMap::new())
    };
    let jobs = args.jobs.map_or_else(|| target.facts.cpus.clamp(1, 4), usize::from);
    let time = Duration::from_secs(args.timeout.max(1));
    let options = Options {
        selection,
        offline: args.offline,
        jobs,
        time,
        whole: true,
        python: None,
        repair: true,
        lint: false,
        service: match target.resolved.profile.service {
            true => Some(super::daemon::wish(context, &can)?),
            false => None,
        },
        venv_link: false,
    };
    let wanted = work::wanted(&target.resolved.profile, &context.dirs, &target.around.programs);
    let record = context.record()?;
    let outlook = run::outlook(&context.dirs, &wanted, &record, &options);
    Ok(Prepared { target, can, plan, answers, wanted, options, record, outlook })
}

fn nothing_to_do(context: &Context, prepared: &Prepared) -> Result<Exit, Fault> {
    let exit = if prepared.plan.conflicts.is_empty() { Exit::Done } else { Exit::NeedsUser };
    if context.global.json {
        context.printer.json(&plan_json(prepared))?;
        return Ok(exit);
    }
    home_run::leftovers(context, &prepared.plan);
    for (name, why) in &prepared.outlook.waiting {
        context.printer.say(&format!("  waits: {}: {}", printable(name), printable(why)));
    }
    context.printer.say("nothing to do");
    Ok(exit)
}

fn plan_json(prepared: &Prepared) -> serde_json::Value {
    json!({
        "schema": view::SCHEMA,
        "host": prepared.target.facts.kind.name(),
        "profiles": prepared.target.resolved.profile.names,
        "plan": view::plan_json(&prepared.plan),
        "todo": prepared.outlook.todo.iter().map(|(phase, name)| json!({ "phase": phase, "name": name })).collect::<Vec<_>>(),
        "waiting": prepared.outlook.waiting.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect::<Vec<_>>(),
        "items": [],
    })
}

fn show(context: &Context, prepared: &Prepared) {
    let printer = &context.printer;
    let rules = prepared.target.facts.kind.rules();
    let seen = prepared.target.facts.evidence.first().map_or("no sign of a cloud shell", |e| e.seen.as_str());
    printer.say(&format!("host: {} ({})", rules.title, printable(seen)));
    let names = prepared.target.resolved.profile.names.join(", ");
    printer.say(&format!("profile: {}", printable(&names)));
    if !prepared.plan.steps.is_empty() {
        printer.say(&format!("home: {}", view::summary(&prepared.plan)));
    }
    home_run::show(context, &prepared.plan);
    for (phase, meaning) in [
        (Phase::Kits, "clone"),
        (Phase::Repos, "clone or lay out"),
        (Phase::Python, "make an environment for"),
        (Phase::Tests, "run those of"),
        (Phase::Service, "install or update the"),
    ] {
        let names: Vec<&str> = prepared
            .outlook
            .todo
            .iter()
            .filter(|(p, _)| *p == phase)
            .map(|(_, name)| name.as_str())
            .collect();
        if !names.is_empty() {
            printer.say(&format!("{phase}: {meaning} {}", printable(&names.join(", "))));
        }
    }
    if prepared.outlook.todo.iter().any(|(phase, _)| *phase == Phase::Repos) {
        printer.say("  each repository then gets its Python environment, and its tests are run");
    }
    for (name, why) in &prepared.outlook.waiting {
        printer.say(&format!("  waits: {}: {}", printable(name), printable(why)));
    }
    printer.say(&space_line(prepared));
}

fn space_line(prepared: &Prepared) -> String {
    use crate::setup::space::{CLONE, ENVIRONMENT};
    let count = |phase| prepared.outlook.todo.iter().filter(|(p, _)| *p == phase).count() as u64;
    let clones = count(Phase::Kits) + count(Phase::Repos);
    let need =
        prepared.plan.growth() + clones * CLONE + (count(Phase::Repos) + count(Phase::Python)) * ENVIRONMENT;
    match prepared.can.home_free {
        Some(free) => format!("space: at most about {}, {} free in the home", size(need), size(free)),
        None => format!("space: at most about {}", size(need)),
    }
}

fn carry_out(context: &Context, prepared: Prepared, throwaway: bool) -> Result<Exit, Fault> {
    let started = std::time::Instant::now();
    let _lock = context.write_lock()?;
    let home = if prepared.options.selection.has(Phase::Home) {
        // Another devboot may have been at work while we asked.
        let plan = home_run::planned(context, &prepared.target.entries, &prepared.answers)?;
        home_run::carry_out(context, plan, "setup", None)?
    } else {
        Outcome::default()
    };
    fetched::keep(context, &prepared.target.resolved.bundles)?;
    let before = context.record()?;
    let mut record = Record { profiles: prepared.target.sources.clone(), ..before.clone() };
    // Remembered at once, so that a setup that is cut short goes on with the same profiles.
    record.save(&context.system, &context.dirs.state, &before)?;
    let saved = record.clone();
    let items;
    {
        let progress = Progress::new(!context.global.quiet && !context.global.json);
        let events = |event: Event| setup_view::progress(&progress, event);
        let mut run = Run {
            dirs: &context.dirs,
            wanted: &prepared.wanted,
            options: &prepared.options,
            record,
            budget: Budget::new(prepared.can.home_free),
            reports: Vec::new(),
            inventory: OnceLock::new(),
            events: &events,
        };
        items = run.go()?;
        record = run.record;
    }
    record.finished = Some(clock::now());
    record.save(&context.system, &context.dirs.state, &saved)?;
    super::daemon::home_changed(context);
    if signal::interrupted() {
        return Err(Fault::new(ErrorKind::Interrupted, "setup was interrupted")
            .hint("run devboot setup again: it goes on where it stopped"));
    }
    let missing = setup_view::missing_programs(&prepared.target.resolved.profile, &prepared.can);
    let finished = Finished {
        home: &home,
        items: &items,
        missing: &missing,
        unplaced: setup_view::unplaced(&prepared.target.around),
        elapsed: span(started.elapsed()),
    };
    if !throwaway {
        leave_traces(context, &finished)?;
    }
    report(context, &prepared, &finished, throwaway)
}

/// One durable log; and without a terminal, a line for the next login.
fn leave_traces(context: &Context, finished: &Finished<'_>) -> Result<(), Fault> {
    let logs = context.dirs.state.join("logs");
    let failed = |error: std::io::Error| Fault::new(ErrorKind::Failed, "cannot write the log").cause(error);
    tree::create(&logs).map_err(failed)?;
    let text = format!("{}\n{}\n", clock::now(), finished.lines(&crate::ui::Printer::plain()).join("\n"));
    replace(&context.system, &logs.join("setup.log"), text.as_bytes(), 0o600).map_err(failed)?;
    if !terminal::can_ask() && !finished.is_clean() {
        let line = format!("setup: {}; see devboot status\n", finished.summary());
        replace(
            &context.system,
            &context.dirs.config.join(crate::setup::desired::NOTICE),
            line.as_bytes(),
            0o600,
        )
        .map_err(failed)?;
    }
    Ok(())
}

fn report(
    context: &Context,
    prepared: &Prepared,
    finished: &Finished<'_>,
    throwaway: bool,
) -> Result<Exit, Fault> {
    let exit = finished.exit();
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "host": prepared.target.facts.kind.name(),
            "profiles": prepared.target.resolved.profile.names,
            "run": finished.home.run.as_ref().map(ToString::to_string),
            "plan": view::plan_json(&finished.home.plan),
            "items": finished.items,
            "missing": finished.missing,
            "exit_code": exit.code(),
        }))?;
        return Ok(exit);
    }
    for line in finished.lines(&context.printer) {
        context.printer.say(&line);
    }
    home_run::leftovers(context, &finished.home.plan);
    let steps = counted(finished.home.plan.steps.len(), "change");
    context.printer.say(&format!("{}: {} in the home, {}", finished.elapsed, steps, finished.summary()));
    if throwaway {
        return Ok(exit);
    }
    context.printer.say("next:");
    let rows: Vec<Vec<String>> = setup_view::next_commands(finished)
        .into_iter()
        .map(|(command, why)| {
            vec![format!("  {}", context.printer.paint(crate::ui::Style::Hint, &command)), why.to_owned()]
        })
        .collect();
    for line in crate::ui::table::columns(&rows) {
        context.printer.say(&line);
    }
    Ok(exit)
}
