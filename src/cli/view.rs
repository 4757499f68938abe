//! Values as text and as JSON.

use serde_json::{Value, json};

use crate::base::error::Fault;
use crate::base::redact;
use crate::base::text::{counted, printable, size};
use crate::home::entry::Content;
use crate::home::plan::{Cause, Conflict, Drift, DriftKind, Plan, Step};
use crate::ui::{Printer, Style, diff};

/// The version of every JSON object that devboot prints.
pub const SCHEMA: u32 = 1;

/// A value as the printer prints it, for a text that prints it later.
pub fn json_text(value: &Value) -> String {
    crate::base::text::plain_json(&format!("{value:#}"))
}

/// A failure as JSON.
pub fn error_json(fault: &Fault) -> Value {
    json!({
        "schema": SCHEMA,
        "error": {
            "exit_code": fault.kind.exit().code(),
            "message": redact::line(&fault.message),
            "causes": fault.causes,
            "hints": fault.hints,
        }
    })
}

/// What a step does, in a word.
pub fn verb(step: &Step) -> &'static str {
    match (&step.before, &step.after) {
        (Content::Absent, _) => "create",
        (_, Content::Absent) => "remove",
        _ if !step.blocks.is_empty() && step.blocks.iter().all(|block| block.after.is_none()) => {
            "take block out of"
        }
        _ if step.blocks.iter().any(|block| block.before.is_none()) => "put block into",
        _ => "change",
    }
}

/// One line for each step; devboot's own files are counted together.
pub fn steps(printer: &Printer, plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for step in plan.steps.iter().filter(|step| !step.generated) {
        let what = match step.after {
            Content::Dir => " (directory)".to_owned(),
            Content::Symlink(ref to) => format!(" -> {}", printable(to)),
            _ => String::new(),
        };
        let through = if step.at == step.path { String::new() } else { format!(" (a link to {})", step.at) };
        let verb =
            printer.paint(if step.after == Content::Absent { Style::Bad } else { Style::Good }, verb(step));
        lines.push(format!("  {verb} {}{what}{through}", printable(&step.path.to_string())));
    }
    let own = plan.steps.iter().filter(|step| step.generated).count();
    if own > 0 {
        lines.push(format!("  {} of devboot's own below ~/.config/devboot", counted(own, "file")));
    }
    lines
}

/// Why a conflict needs the user, and what can be done.
pub fn conflict(conflict: &Conflict) -> (String, String) {
    let path = printable(&conflict.key.path.to_string());
    let flags = "answer on a terminal, or run again with --take-new or --keep-mine";
    let (why, next) = match &conflict.cause {
        Cause::Edited if conflict.origin == "undo" => ("it is not as that run left it".into(), flags.into()),
        Cause::Foreign => ("it is there already and not from devboot".into(), flags.into()),
        Cause::Edited => ("you changed it and the profile changed too".into(), flags.into()),
        Cause::Removed => ("you removed it and the profile changed".into(), flags.into()),
        Cause::Obstacle(obstacle) => (obstacle.to_string(), format!("settle it by hand: ls -ld {path}")),
        Cause::Markers(why) => (why.clone(), format!("edit {path}: leave one whole block or none")),
        Cause::WouldBreak(why) => (
            format!("with devboot's lines it would have a syntax error: {why}"),
            format!("look at the end of {path}, then run again"),
        ),
        Cause::AlreadyBroken(why) => {
            (format!("it has a syntax error even now: {why}"), format!("mend {path}, then run again"))
        }
    };
    (format!("{path}: {why}"), next)
}

/// What the user changed.
pub fn drift(drift: &Drift) -> String {
    let how = match drift.how {
        DriftKind::Edited => "changed by you",
        DriftKind::Removed => "removed by you",
    };
    format!("{}: {how}", printable(&drift.key.to_string()))
}

/// The unified diff of everything a plan would change, and of what it leaves to the user.
pub fn plan_diff(plan: &Plan, colours: bool) -> String {
    let mut out = String::new();
    for step in plan.steps.iter().filter(|step| step.after != Content::Dir && step.before != Content::Dir) {
        out.push_str(&content_diff(&step.path.to_string(), &step.before, &step.after, colours));
    }
    for conflict in &plan.conflicts {
        out.push_str(&content_diff(&conflict.key.path.to_string(), &conflict.mine, &conflict.new, colours));
    }
    for drift in &plan.drifts {
        out.push_str(&content_diff(&drift.key.path.to_string(), &drift.mine, &drift.new, colours));
    }
    out
}

/// The difference between two contents.
pub fn content_diff(name: &str, old: &Content, new: &Content, colours: bool) -> String {
    let bytes = |content: &Content| match content {
        Content::File { bytes, .. } => Some(bytes.clone()),
        Content::Symlink(to) => Some(format!("link to {to}\n").into_bytes()),
        Content::Dir => Some(b"directory\n".to_vec()),
        Content::Absent => None,
    };
    let (a, b) = (bytes(old), bytes(new));
    let mut text = diff::unified(&printable(name), a.as_deref(), b.as_deref(), colours);
    if let (Content::File { mode: a, .. }, Content::File { mode: b, .. }) = (old, new)
        && a != b
    {
        text.push_str(&format!("mode of {}: {a:04o} becomes {b:04o}\n", printable(name)));
    }
    text
}

/// A plan as JSON. No content: it may hold secrets.
pub fn plan_json(plan: &Plan) -> Value {
    json!({
        "steps": plan.steps.iter().map(|step| json!({
            "path": step.path.to_string(),
            "writes": step.at.to_string(),
            "action": verb(step),
            "origin": step.origin,
            "generated": step.generated,
            "bytes": step.after.bytes().len(),
        })).collect::<Vec<_>>(),
        "conflicts": plan.conflicts.iter().map(|found| {
            let (why, next) = conflict(found);
            json!({ "path": found.key.path.to_string(), "block": found.key.block, "why": why, "next": next })
        }).collect::<Vec<_>>(),
        "drifts": plan.drifts.iter().map(|found| json!({
            "path": found.key.path.to_string(),
            "block": found.key.block,
            "how": match found.how { DriftKind::Edited => "edited", DriftKind::Removed => "removed" },
        })).collect::<Vec<_>>(),
        "kept": plan.kept.iter().map(|key| key.path.to_string()).collect::<Vec<_>>(),
        "released": plan.released.iter().map(|key| key.path.to_string()).collect::<Vec<_>>(),
        "unchanged": plan.unchanged,
    })
}

/// The growth of a plan as text: `3 changes, 12 kB`.
pub fn summary(plan: &Plan) -> String {
    format!("{}, {}", counted(plan.steps.len(), "change"), size(plan.growth()))
}
