//! `devboot repo test`: Python environments and tests of repositories, and one table of how they ended.

use std::time::Duration;

use serde_json::json;

use super::{carry_out, catalog, finder, folder};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::base::time::span;
use crate::cli::context::Context;
use crate::cli::view;
use crate::setup::phase::{Phase, Selection};
use crate::setup::report::{Item, ProjectReport, State};
use crate::setup::run::Options;
use crate::setup::told::some_of;
use crate::ui::{Printer, Style, table};

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot repo test github-actions-demo\n  devboot repo test --all\n  \
                        devboot repo test owner/name --python 3.8\n  devboot repo test or --lint --json\n\n\
                        What is not cloned yet is cloned. Naming a repository is consent to run its code: its build, \
                        its tests. Exit code 2: something is not green.")]
pub struct Args {
    /// Names of the catalog or of clones, owner/name, or git addresses
    #[arg(required_unless_present = "all", value_name = "NAME|URL")]
    names: Vec<String>,
    /// Every clone that devboot made in this home; with none, everything in the catalog
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// The Python to take instead of the one that the files ask for
    #[arg(long, value_name = "VERSION")]
    python: Option<String>,
    /// Do not resolve again as of an earlier day when what was installed does not work
    #[arg(long)]
    no_repair: bool,
    /// Run `make lint` too
    #[arg(long)]
    lint: bool,
    /// Place a link .venv to its environment in each repository, for editors
    #[arg(long)]
    venv_link: bool,
    /// How many at a time; as many as there are processors, at most 4
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// The longest time, in seconds, of one step of an environment's build, and of one repository's tests
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// Touch no network
    #[arg(long)]
    offline: bool,
}

/// Makes the environments, runs the tests, and says how they ended.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let catalog = catalog(context)?;
    let record = context.record()?;
    let finder = finder(context, &catalog, &record, folder(None, context)?);
    let mut wanted = if args.all { finder.cloned() } else { finder.all(&args.names)? };
    if args.all && wanted.repos.is_empty() {
        wanted = finder.all(&catalog.repos.keys().cloned().collect::<Vec<_>>())?;
    }
    let only = vec![Phase::Repos, Phase::Python, Phase::Tests];
    let cpus = context.facts()?.cpus.clamp(1, 4);
    let options = Options {
        selection: Selection { only, skip: Vec::new() },
        offline: args.offline,
        jobs: args.jobs.map_or(cpus, usize::from),
        time: Duration::from_secs(args.timeout.max(1)),
        whole: false,
        python: args.python.clone(),
        repair: !args.no_repair,
        lint: args.lint,
        service: None,
        venv_link: args.venv_link,
    };
    let started = std::time::Instant::now();
    let (items, reports) = carry_out(context, &wanted, &options)?;
    let exit = exit(&items);
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "repositories": reports,
            "items": items,
            "exit_code": exit.code(),
        }))?;
        return Ok(exit);
    }
    show(&context.printer, &items, &reports)?;
    context.printer.say(&format!("{}: {}", span(started.elapsed()), tally(&reports, &items)));
    Ok(exit)
}

fn exit(items: &[Item]) -> Exit {
    let one = |wanted: State| items.iter().any(|item| item.state == wanted);
    if one(State::Failed) {
        Exit::Failed
    } else if [State::Red, State::NoTestRan, State::Unmet, State::Postponed].into_iter().any(one) {
        Exit::Differs
    } else if one(State::Kept) {
        Exit::NeedsUser
    } else {
        Exit::Done
    }
}

fn show(printer: &Printer, items: &[Item], reports: &[ProjectReport]) -> Result<(), Fault> {
    let troubles = items.iter().filter(|item| {
        item.phase == Phase::Repos && matches!(item.state, State::Failed | State::Postponed | State::Kept)
    });
    for item in troubles {
        printer.say(&format!("  {}: {}", printable(&item.name), printable(&item.detail)));
    }
    if reports.is_empty() {
        return Ok(());
    }
    let head = ["repository", "commit", "python", "install", "versions", "tests", "time"]
        .map(str::to_owned)
        .to_vec();
    let rows: Vec<Vec<String>> =
        std::iter::once(head).chain(reports.iter().map(|report| row(printer, report))).collect();
    let mut lines = table::columns(&rows).into_iter();
    if let Some(line) = lines.next() {
        printer.data(&format!("{}\n", printer.paint(Style::Heading, &line)))?;
    }
    for (report, line) in reports.iter().zip(lines) {
        printer.data(&format!("{line}\n"))?;
        for line in notes(printer, report) {
            printer.data(&format!("    {line}\n"))?;
        }
    }
    Ok(())
}

fn row(printer: &Printer, report: &ProjectReport) -> Vec<String> {
    let installed: f64 = report.attempts.iter().map(|tried| tried.seconds).sum();
    let seconds = |seconds: f64| span(Duration::from_secs_f64(seconds.max(0.0)));
    let tool = report.tool.as_deref().unwrap_or_default();
    let install = match (&report.environment, report.reused) {
        (Some(_), true) => "there".to_owned(),
        (Some(_), false) => format!("{} ({tool})", seconds(installed)),
        (None, _) if report.waits => printer.paint(Style::Warn, "waits"),
        (None, _) if report.trouble.is_some() => printer.paint(Style::Bad, "failed"),
        (None, _) => "-".to_owned(),
    };
    let versions = report.as_of.map_or_else(|| "today's".to_owned(), |date| format!("of {}", date.day()));
    let (style, tests) = match &report.tests {
        Some(tests) => (style(tests.verdict), tests.summary.clone()),
        None if report.waits => (Style::Warn, "postponed".to_owned()),
        None if report.trouble.is_some() => (Style::Bad, "could not be installed".to_owned()),
        None => (Style::Faint, "-".to_owned()),
    };
    vec![
        printable(&report.name),
        report.commit.as_deref().and_then(|commit| commit.get(..7)).unwrap_or("-").to_owned(),
        report.python.clone().unwrap_or_else(|| "-".into()),
        install,
        if report.environment.is_some() { versions } else { "-".into() },
        printer.paint(style, &printable(&tests)),
        report.tests.as_ref().map_or_else(|| "-".into(), |tests| seconds(tests.seconds)),
    ]
}

fn style(verdict: &str) -> Style {
    match verdict {
        "passed" => Style::Good,
        "no-test-ran" | "no-test-target" | "smoke" | "needs-network" | "needs-docker" | "postponed" => {
            Style::Warn
        }
        _ => Style::Bad,
    }
}

/// What there is to say below a row: why this Python, what was tried, why it is not green, what to do.
fn notes(printer: &Printer, report: &ProjectReport) -> Vec<String> {
    let label = |style, text: &str| printer.paint(style, text);
    let mut lines = Vec::new();
    if !report.python_why.is_empty() {
        let version = report.python.as_deref().unwrap_or_default();
        lines.push(format!("Python {version}: {}", printable(&report.python_why)));
    }
    if report.attempts.len() > 1 {
        for tried in &report.attempts {
            let ended = tried.failure.as_ref().map_or("works", |failure| failure.title);
            lines.push(format!("tried: versions {}: {ended}", printable(&tried.versions)));
        }
    }
    lines.extend(report.left_out.iter().map(|what| format!("left out: {}", printable(what))));
    if let Some(tests) = &report.tests {
        lines.extend(tests.besides.as_ref().map(|besides| format!("besides: {}", printable(besides))));
        lines.extend(tests.lint.as_ref().map(|lint| format!("make lint: {}", printable(lint))));
        lines.extend(tests.notes.iter().map(|note| printable(note)));
        lines.extend(tests.notices.iter().map(|notice| format!("{}: {}", notice.file, notice.text)));
    }
    if let [first, more @ ..] = report.left_behind.as_slice() {
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        lines.push(format!(
            "{} {}{more}",
            label(Style::Warn, "changed by its build or tests:"),
            printable(first)
        ));
    }
    let outside = some_of(&report.outside).into_iter();
    lines.extend(outside.map(|changed| {
        format!("{} {changed}", label(Style::Warn, "changed outside of its folder meanwhile:"))
    }));
    let green = report.tests.as_ref().is_some_and(|tests| tests.verdict == "passed");
    if let Some(failure) = report.failure.as_ref().filter(|_| !green) {
        lines.push(format!("{} {}: {}", label(Style::Bad, "why:"), failure.title, failure.evidence));
        lines.push(format!("{} {}", label(Style::Hint, "next:"), failure.advice));
    } else if let Some(trouble) = &report.trouble {
        lines.push(format!("{} {}", label(Style::Bad, "why:"), printable(trouble)));
    }
    if let Some(log) = report.log.as_ref().filter(|_| !green) {
        lines.push(format!("log: {}", printable(&log.to_string_lossy())));
    }
    lines
}

/// `6 green, 2 without tests, 1 red`.
fn tally(reports: &[ProjectReport], items: &[Item]) -> String {
    let count = |states: &[State]| {
        items.iter().filter(|item| item.phase == Phase::Tests && states.contains(&item.state)).count()
    };
    let parts = [
        (count(&[State::Done, State::Unchanged]), "green"),
        (count(&[State::NoTestRan]), "without a test that ran"),
        (count(&[State::Unmet]), "for want of something"),
        (count(&[State::Red]), "red"),
        (reports.iter().filter(|report| report.tests.is_none()).count(), "not tested"),
    ];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if parts.is_empty() { "nothing to test".into() } else { parts.join(", ") }
}
