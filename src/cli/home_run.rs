//! From a plan to a changed home, with the questions in between: what `apply`, `setup`, `undo` and `uninstall` share.

use std::collections::{BTreeMap, BTreeSet};

use super::args::ConflictArgs;
use super::context::Context;
use super::view;
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::counted;
use crate::home::apply::{RunHeader, apply};
use crate::home::entry::{Content, Entry, Key};
use crate::home::journal::RunId;
use crate::home::plan::{Cause, Conflict, Plan, Resolution};
use crate::sys::{clock, terminal};
use crate::ui::{Style, prompt};

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The run, when something was changed.
    pub run: Option<RunId>,
    /// The plan that was carried out.
    pub plan: Plan,
}

impl Outcome {
    /// Needs the user when a conflict is left, else done.
    pub fn exit(&self) -> Exit {
        if self.plan.conflicts.is_empty() { Exit::Done } else { Exit::NeedsUser }
    }
}

/// The plan for `entries`, judged by the shells. What is unsafe, or wrong in the profile itself, is an error here,
/// before anything is written.
pub fn planned(
    context: &Context,
    entries: &[Entry],
    answers: &BTreeMap<Key, Resolution>,
) -> Result<Plan, Fault> {
    let mut plan = context.home.plan(&context.system, entries, answers)?;
    context.judge.verify(&mut plan);
    refuse(&plan, entries)?;
    Ok(plan)
}

fn refuse(plan: &Plan, entries: &[Entry]) -> Result<(), Fault> {
    let generated =
        |conflict: &Conflict| entries.iter().any(|entry| entry.generated && entry.path == conflict.key.path);
    for conflict in &plan.conflicts {
        let (what, next) = view::conflict(conflict);
        match &conflict.cause {
            Cause::Obstacle(obstacle) if obstacle.is_unsafe() => {
                return Err(Fault::new(ErrorKind::Refused, what).hint("nothing was changed").hint(next));
            }
            Cause::WouldBreak(why) if generated(conflict) => {
                let path = &conflict.key.path;
                return Err(Fault::new(
                    ErrorKind::Usage,
                    format!("the shell code of the profile has a syntax error: {why}"),
                )
                .cause(format!("it would stand in {path}"))
                .hint("mend the function or snippet in the profile; nothing was changed"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Answers for conflicts and drifts: from the options, else from the person, else none.
pub fn answers(
    context: &Context,
    plan: &Plan,
    args: &ConflictArgs,
    ask: bool,
) -> Result<BTreeMap<Key, Resolution>, Fault> {
    let mut found = BTreeMap::new();
    let open: Vec<&Conflict> =
        plan.conflicts.iter().filter(|conflict| conflict.cause.can_be_answered()).collect();
    if args.take_new {
        found.extend(open.iter().map(|conflict| (conflict.key.clone(), Resolution::TakeNew)));
        found.extend(plan.drifts.iter().map(|drift| (drift.key.clone(), Resolution::TakeNew)));
        found.extend(plan.kept.iter().map(|key| (key.clone(), Resolution::TakeNew)));
    } else if args.keep_mine {
        found.extend(open.iter().map(|conflict| (conflict.key.clone(), Resolution::KeepMine)));
    } else if ask && terminal::can_ask() {
        for conflict in open {
            if let Some(answer) = question(context, conflict)? {
                found.insert(conflict.key.clone(), answer);
            }
        }
    }
    Ok(found)
}

fn question(context: &Context, conflict: &Conflict) -> Result<Option<Resolution>, Fault> {
    let (what, _) = view::conflict(conflict);
    let merged = merge(context, conflict);
    loop {
        let mut choices = vec!["keep mine", "take devboot's", "show the difference", "leave it for now"];
        if merged.is_some() {
            choices.insert(2, "merge both");
        }
        let choice =
            prompt::select(&what, &choices, "--keep-mine or --take-new")?.map(|index| choices[index]);
        return Ok(match (choice, &merged) {
            (Some("keep mine"), _) => Some(Resolution::KeepMine),
            (Some("take devboot's"), _) => Some(Resolution::TakeNew),
            (Some("merge both"), Some(bytes)) => Some(Resolution::Merged(bytes.clone())),
            (Some("show the difference"), _) => {
                let name = conflict.key.path.to_string();
                context.printer.line(&view::content_diff(&name, &conflict.mine, &conflict.new, false));
                continue;
            }
            _ => None,
        });
    }
}

/// Both changes in one text, when there is a common base and they do not touch the same lines.
fn merge(context: &Context, conflict: &Conflict) -> Option<Vec<u8>> {
    let base = context.home.store.base(&context.system, conflict.base?)?;
    let (Content::File { bytes: mine, .. }, Content::File { bytes: new, .. }) =
        (&conflict.mine, &conflict.new)
    else {
        return None;
    };
    diffy::merge_bytes(&base, mine, new).ok()
}

/// Shows what a plan changes and leaves.
pub fn show(context: &Context, plan: &Plan) {
    let printer = &context.printer;
    for line in view::steps(printer, plan) {
        printer.say(&line);
    }
    leftovers(context, plan);
}

/// Shows what needs the user, and what stays as the user made it.
pub fn leftovers(context: &Context, plan: &Plan) {
    let printer = &context.printer;
    // Two blocks of one file have one reason.
    let mut said = BTreeSet::new();
    for (what, next) in plan.conflicts.iter().map(view::conflict) {
        if !said.insert(what.clone()) {
            continue;
        }
        printer.line(&format!("  {} {what}", printer.paint(Style::Warn, "needs you:")));
        printer.line(&format!("    {} {next}", printer.paint(Style::Hint, "next:")));
    }
    for drift in &plan.drifts {
        printer.say(&format!("  {} {}", printer.paint(Style::Faint, "left as it is:"), view::drift(drift)));
    }
    for key in plan.kept.iter().chain(&plan.released) {
        printer.say(&format!("  {} {key}: yours", printer.paint(Style::Faint, "left as it is:")));
    }
}

/// Carries a plan out under the lock that the caller holds.
pub fn carry_out(
    context: &Context,
    plan: Plan,
    command: &str,
    undoes: Option<RunId>,
) -> Result<Outcome, Fault> {
    let header = RunHeader { command: command.to_owned(), now: clock::now(), undoes };
    let run = apply(&context.system, &context.home, &plan, &header)?;
    Ok(Outcome { run, plan })
}

/// Asks whether to go on, unless `yes`.
pub fn agreed(yes: bool, question: &str) -> Result<bool, Fault> {
    Ok(yes || prompt::confirm(question, "--yes")?)
}

/// `3 changes made`, and how to take them back.
pub fn report(context: &Context, outcome: &Outcome) {
    if let Some(run) = &outcome.run {
        context.printer.say(&format!(
            "{} made; take them back with {}",
            counted(outcome.plan.steps.len(), "change"),
            context.printer.paint(Style::Hint, &format!("devboot undo {run}"))
        ));
    }
}
