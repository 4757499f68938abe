//! Setup for people: progress while it works, the report at its end.

use super::home_run::Outcome;
use crate::base::exit::Exit;
use crate::base::text::{counted, printable, size};
use crate::host::Capabilities;
use crate::profile::Profile;
use crate::repos::git::RepoEvent;
use crate::setup::desired::Surroundings;
use crate::setup::phase::Phase;
use crate::setup::report::{Event, Item, State};
use crate::shell::{Shell, placements};
use crate::sys::process;
use crate::ui::progress::Progress;
use crate::ui::{Printer, Style, table};

/// A setup that has ended.
pub struct Finished<'a> {
    /// The home.
    pub home: &'a Outcome,
    /// Everything else.
    pub items: &'a [Item],
    /// Programs that the profile wants and that are not there: name and how to get it.
    pub missing: &'a [(String, String)],
    /// Shells whose start files are outside the home.
    pub unplaced: Vec<&'static str>,
    /// How long it took.
    pub elapsed: String,
}

/// Shows what happens.
pub fn progress(progress: &Progress, event: Event) {
    match event {
        Event::Phase(_, items) => progress.expect(items),
        Event::Clone(RepoEvent::Started { name }) => progress.working(&name, "clone"),
        Event::Clone(RepoEvent::Progress { name, received, total, bytes }) => {
            progress.advance(&name, received as u64, total as u64, &size(bytes));
        }
        Event::Clone(RepoEvent::Finished { name, .. }) | Event::Over(name) => progress.finish(&name),
        Event::Working(name, words) => progress.working(&name, &words),
    }
}

fn word(state: State) -> (Style, &'static str) {
    match state {
        State::Done => (Style::Good, "done"),
        State::Unchanged => (Style::Faint, "unchanged"),
        State::Kept => (Style::Warn, "kept"),
        State::Postponed => (Style::Warn, "postponed"),
        State::NoTestRan => (Style::Warn, "no test ran"),
        State::Unmet => (Style::Warn, "unmet"),
        State::Red => (Style::Bad, "red"),
        State::Failed => (Style::Bad, "failed"),
    }
}

/// Whether an item is something that the profile names, or is trouble.
fn counts(item: &Item) -> bool {
    item.phase != Phase::Service || !matches!(item.state, State::Done | State::Unchanged)
}

impl Finished<'_> {
    /// How many items ended so.
    fn count(&self, state: State) -> usize {
        self.items.iter().filter(|item| item.state == state && counts(item)).count()
    }

    /// Whether nobody has to look at it.
    pub fn is_clean(&self) -> bool {
        self.exit() == Exit::Done && self.count(State::Postponed) == 0
    }

    /// Conflicts need the user; then failures, then red tests.
    pub fn exit(&self) -> Exit {
        if !self.home.plan.conflicts.is_empty() {
            Exit::NeedsUser
        } else if self.count(State::Failed) > 0 {
            Exit::Failed
        } else if self.count(State::Red) + self.count(State::NoTestRan) + self.count(State::Unmet) > 0 {
            Exit::Differs
        } else {
            Exit::Done
        }
    }

    /// `5 done, 1 postponed`.
    pub fn summary(&self) -> String {
        let states = [
            State::Done,
            State::Unchanged,
            State::Kept,
            State::Postponed,
            State::NoTestRan,
            State::Unmet,
            State::Red,
            State::Failed,
        ];
        let mut parts: Vec<String> = states
            .into_iter()
            .map(|state| (self.count(state), word(state).1))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        let conflicts = self.home.plan.conflicts.len();
        if conflicts > 0 {
            parts.push(format!("{} for you", counted(conflicts, "conflict")));
        }
        if parts.is_empty() { "nothing else to do".into() } else { parts.join(", ") }
    }

    /// One line an item, its next step below it.
    pub fn lines(&self, printer: &Printer) -> Vec<String> {
        let mut lines = item_lines(self.items, printer);
        for (program, how) in self.missing {
            let label = printer.paint(Style::Warn, "missing:");
            lines.push(format!("  {label} {}; {}", printable(program), printable(how)));
        }
        for shell in &self.unplaced {
            let label = printer.paint(Style::Warn, "not set up:");
            lines.push(format!(
                "  {label} {shell}: its start files are outside the home; see devboot hook {shell}"
            ));
        }
        lines
    }
}

/// One line an item, its next step below it.
pub fn item_lines(items: &[Item], printer: &Printer) -> Vec<String> {
    let items: Vec<&Item> =
        items.iter().filter(|item| item.phase != Phase::Service || item.state != State::Unchanged).collect();
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|item| {
            let (style, word) = word(item.state);
            vec![
                format!("  {}", item.phase),
                printable(&item.name),
                printer.paint(style, word),
                printable(&item.detail),
            ]
        })
        .collect();
    let mut lines = Vec::new();
    for (item, line) in items.iter().zip(table::columns(&rows)) {
        lines.push(line);
        if let (Some(next), State::Failed | State::Red | State::Unmet | State::NoTestRan) =
            (&item.next, item.state)
        {
            lines.push(format!("    {} {}", printer.paint(Style::Hint, "next:"), printable(next)));
        }
        if let (Some(log), State::Failed) = (&item.log, item.state) {
            lines.push(format!("    log: {}", printable(&log.to_string_lossy())));
        }
    }
    lines
}

/// The programs that the profile wants and that are not there, with how to get each.
pub fn missing_programs(profile: &Profile, can: &Capabilities) -> Vec<(String, String)> {
    let missing = profile.tools.iter().filter(|(name, tool)| !tool.optional && process::find(name).is_none());
    missing
        .map(|(name, tool)| {
            let root = if can.root { "" } else { "sudo " };
            let how = can.package_managers.iter().find_map(|manager| {
                let key = if manager == "apt-get" { "apt" } else { manager };
                let package = tool.packages.get(key)?;
                Some(match key {
                    "brew" => format!("brew install {package}"),
                    "pacman" => format!("{root}pacman -S {package}"),
                    "apk" => format!("{root}apk add {package}"),
                    _ => format!("{root}{manager} install {package}"),
                })
            });
            let from_pip = || tool.packages.get("pip").map(|package| format!("pip install --user {package}"));
            let how = how.or_else(from_pip).unwrap_or_else(|| "see its own page".into());
            (name.clone(), format!("install it: {how}"))
        })
        .collect()
}

/// Shells that have no place for a block inside the home.
pub fn unplaced(around: &Surroundings) -> Vec<&'static str> {
    let nowhere = |shell: &&Shell| placements(**shell, &around.rc).is_empty();
    around.shells.iter().filter(nowhere).map(|shell| shell.name()).collect()
}

/// Three commands that come next.
pub fn next_commands(finished: &Finished<'_>) -> Vec<(String, &'static str)> {
    let mut found = vec![("exec $SHELL -l".to_owned(), "start a shell with everything in it")];
    found.push(("devboot status".into(), "what has changed since, what is postponed"));
    match &finished.home.run {
        Some(run) => found.push((format!("devboot undo {run}"), "take the changes of the home back")),
        None => found.push(("devboot uninstall".into(), "take everything back")),
    }
    found
}
