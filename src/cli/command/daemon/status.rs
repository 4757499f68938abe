//! `devboot daemon status`.

use std::time::Duration;

use serde_json::json;

use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::path::display;
use crate::base::text::{counted, printable, size};
use crate::base::time::span;
use crate::cli::command::project::say_set_aside;
use crate::cli::context::Context;
use crate::cli::view;
use crate::ipc::client::{Client, Probe, probe};
use crate::ipc::conn::our_hello;
use crate::ipc::message::{Home, Request, Response, Status};
use crate::ui::table;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot daemon status\n  devboot daemon status --json\n\n\
                        Exits with 0 if the service runs and with 1 if not. Nothing is started.")]
pub struct Args {}

/// Shows how the service is.
pub fn run(context: &Context, _: &Args) -> Result<Exit, Fault> {
    let (client, outdated) = match probe(&super::place(context))? {
        Probe::Ready(client) => (client, false),
        Probe::Outdated(client) => (client, true),
        Probe::Absent => return absent(context),
    };
    let status = asked(client)?;
    if context.global.json {
        let mut object = json!({ "schema": view::SCHEMA, "running": true, "outdated": outdated });
        if let (Some(object), Ok(serde_json::Value::Object(more))) =
            (object.as_object_mut(), serde_json::to_value(&status))
        {
            object.extend(more);
        }
        context.printer.json(&object)?;
        return Ok(Exit::Done);
    }
    show(context, &status)?;
    say_set_aside(context);
    if outdated {
        let ours = our_hello().version;
        context.printer.say(&format!("  it is of an older devboot; `devboot daemon restart` runs {ours}"));
    }
    Ok(Exit::Done)
}

fn absent(context: &Context) -> Result<Exit, Fault> {
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "running": false }))?;
    } else {
        context.printer.say("the service does not run; `devboot daemon start` starts it");
        say_set_aside(context);
    }
    Ok(Exit::Failed)
}

fn asked(mut client: Client) -> Result<Status, Fault> {
    match client.ask(Request::Status)? {
        Response::Status(status) => Ok(*status),
        _ => Err(Fault::new(ErrorKind::Failed, "the service gave another answer than its status")),
    }
}

fn show(context: &Context, status: &Status) -> Result<(), Fault> {
    let uptime = match status.uptime {
        0 => "just started".to_owned(),
        seconds => format!("up {}", span(Duration::from_secs(seconds))),
    };
    let mut first = format!("devboot {}, process {}, {uptime}", printable(&status.version), status.pid);
    if let Some(memory) = status.memory {
        first.push_str(&format!(", {} of memory", size(memory)));
    }
    context.printer.data(&format!("{first}\n"))?;
    let shown = |path: &str| display(std::path::Path::new(path), &context.dirs.home);
    let mut rows = vec![
        vec!["socket".to_owned(), shown(&status.socket)],
        vec!["log".to_owned(), shown(&status.log)],
        vec!["subscribers".to_owned(), counted(status.subscribers, "client")],
    ];
    for project in &status.projects {
        let note = project.note.as_deref().map_or_else(String::new, |note| format!(": {}", printable(note)));
        rows.push(vec![
            "project".into(),
            format!("{}  {}{note}", shown(&project.root), project.phase.word()),
        ]);
    }
    let home = status.home.as_ref();
    rows.extend(home.map_or_else(Vec::new, of_home).into_iter().map(|line| vec!["home".to_owned(), line]));
    for line in table::columns(&rows) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(())
}

/// What is to be known of the home, a line each.
fn of_home(home: &Home) -> Vec<String> {
    let list = |names: Vec<&String>| printable(&names.into_iter().cloned().collect::<Vec<_>>().join(", "));
    let mut lines: Vec<String> = home.problem.iter().map(|problem| printable(problem)).collect();
    if !home.waiting.is_empty() {
        lines.push(format!("waits for `devboot apply`: {}", list(home.waiting.iter().collect())));
    }
    if !home.drifted.is_empty() {
        lines.push(format!("not as devboot wrote it: {}", list(home.drifted.iter().collect())));
    }
    if !home.postponed.is_empty() {
        lines.push(format!("postponed: {}", list(home.postponed.keys().collect())));
    }
    let failed = |(name, why): (&String, &String)| format!("failed: {}: {}", printable(name), printable(why));
    lines.extend(home.failed.iter().map(failed));
    if lines.is_empty() {
        lines.push("as it should be; a saved profile is followed".into());
    }
    lines
}
