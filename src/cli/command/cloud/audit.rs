//! `devboot cloud audit`.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::{counted, printable};
use crate::base::time::parse_span;
use crate::cli::command::daemon;
use crate::cli::context::Context;
use crate::cli::view;
use crate::cloud::audit::{self, Record};
use crate::cloud::desk::{AUDIT, UNVERIFIED};
use crate::ipc::client::{Probe, probe};
use crate::ipc::cloud::{CloudRequest, CloudResponse, VaultStatus};
use crate::ipc::message::{Request, Response};
use crate::sys::clock;
use crate::ui::{Style, table};

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot cloud audit --since 1d\n  devboot cloud audit --verify\n\n\
                  Each line of the log holds the digest of the line before it, so that a change or a gap shows. Who can write the file can still write it \
                  anew from some line to its end. Exits with 2 when the chain is broken, and when the service that runs had records that could not be written.")]
pub struct Args {
    /// Follow the chain and say where it breaks
    #[arg(long)]
    verify: bool,
    /// Only what is not older: 30m, 8h, 7d
    #[arg(long, value_name = "SPAN", value_parser = parse_span)]
    since: Option<Duration>,
}

/// Shows who got what, or checks that the log is whole.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let log = context.dirs.state.join(AUDIT);
    if args.verify {
        return verify(context, &log);
    }
    let from = args.since.map_or(i64::MIN, |span| clock::now().0.saturating_sub_unsigned(span.as_secs()));
    let mut records: Vec<Record> = Vec::new();
    audit::each(&log, |record| {
        if record.at.0 >= from {
            records.push(record);
        }
    })?;
    if context.global.json {
        context.printer.json(&json!({ "schema": view::SCHEMA, "records": records }))?;
        return Ok(Exit::Done);
    }
    if records.is_empty() {
        context.printer.say("nothing is in the log");
    }
    let rows: Vec<Vec<String>> = records.iter().map(|record| row(context, record)).collect();
    for line in table::columns(&rows) {
        context.printer.data(&format!("{}\n", line.trim_end()))?;
    }
    Ok(Exit::Done)
}

fn row(context: &Context, record: &Record) -> Vec<String> {
    let text = |text: &Option<String>| printable(text.as_deref().unwrap_or("-"));
    let program = record.who.exe.as_deref().and_then(|exe| exe.rsplit('/').next()).unwrap_or("-");
    let pid = record.who.pid.map_or_else(String::new, |pid| format!(" ({pid})"));
    let style = match record.result.as_str() {
        "ok" => Style::Good,
        UNVERIFIED => Style::Warn,
        _ => Style::Bad,
    };
    vec![
        record.at.to_string(),
        printable(&record.event),
        text(&record.profile),
        text(&record.provider),
        text(&record.kind),
        format!("{}{pid}", printable(program)),
        context.printer.paint_data(style, &printable(&record.result)),
    ]
}

/// How the service that runs is; `None` where none does, which has lost no record.
fn service(context: &Context) -> Option<VaultStatus> {
    let Ok(Probe::Ready(mut client)) = probe(&daemon::place(context)) else { return None };
    match client.ask(Request::Cloud(CloudRequest::Vault)) {
        Ok(Response::Cloud(CloudResponse::Vault(status))) => Some(status),
        _ => {
            context.printer.warn("the service does not say whether it had records that could not be written");
            None
        }
    }
}

fn verify(context: &Context, log: &Path) -> Result<Exit, Fault> {
    let service = service(context);
    if let Some(status) = &service {
        super::say_unrecorded(context, status);
    }
    let unrecorded = service.and_then(|status| status.unrecorded);
    let verdict = audit::check(log)?;
    if context.global.json {
        let mut found = match &verdict {
            Ok(count) => {
                json!({ "schema": view::SCHEMA, "whole": true, "records": count.records, "torn": count.torn })
            }
            Err(broken) => {
                json!({ "schema": view::SCHEMA, "whole": false, "line": broken.line, "why": broken.to_string() })
            }
        };
        found["unrecorded"] = json!(unrecorded);
        context.printer.json(&found)?;
    }
    match verdict {
        Ok(count) => {
            let torn = match count.torn {
                0 => String::new(),
                torn => format!(", {} cut off by a crash", counted(torn, "line")),
            };
            context.printer.say(&format!("the log is whole: {}{torn}", counted(count.records, "record")));
            Ok(if unrecorded.is_some() { Exit::Differs } else { Exit::Done })
        }
        Err(broken) => {
            context
                .printer
                .say(&context.printer.paint(Style::Bad, &format!("the log is broken in {broken}")));
            Ok(Exit::Differs)
        }
    }
}
