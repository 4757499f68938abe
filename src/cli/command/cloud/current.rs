//! `devboot cloud current`.

use serde_json::{Value, json};

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::command::doctor::cloud::chains;
use crate::cli::command::use_profile::{switch_json, words};
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::chain::switched::{Between, Switched};
use crate::ipc::cloud::{CloudRequest, CloudResponse, Use};
use crate::sys::{clock, env};

/// Says which profile this shell uses, and who that is; that it does not use it is a difference.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let json = context.global.json;
    let (Some(name), (_, Some(switched))) = (env::var("DEVBOOT_CLOUD"), chains(context)) else {
        if json {
            context.printer.json(&json!({ "schema": view::SCHEMA, "profile": null }))?;
        } else {
            context.printer.say("this shell uses no credential profile of devboot");
        }
        return Ok(Exit::Done);
    };
    let Switched::To(between) = switched else {
        if json {
            context.printer.json(&json!({ "schema": view::SCHEMA, "profile": name, "in_use": false }))?;
        } else {
            let name = printable(&name);
            context.printer.warn(&format!(
                "DEVBOOT_CLOUD names '{name}', and this shell was not switched to it: devboot use {name}"
            ));
        }
        return Ok(Exit::Differs);
    };
    let request = CloudRequest::Use(Use { profile: name.clone(), check: true, ..Use::default() });
    let answer = cloud_link::ask(context, request)?;
    if json {
        context.printer.json(&as_json(&name, &answer, &between))?;
    } else {
        tell(context, &name, &answer, &between)?;
    }
    Ok(if between.is_empty() { Exit::Done } else { Exit::Differs })
}

fn tell(context: &Context, name: &str, answer: &CloudResponse, between: &[Between]) -> Result<(), Fault> {
    let shown = printable(name);
    match answer {
        CloudResponse::Switch(taken) => {
            let is_ours = |provider: &str| between.iter().all(|one| one.provider.word() != provider);
            for part in taken.parts.iter().filter(|part| is_ours(&part.provider)) {
                context.printer.data(&format!("{shown} {}\n", words(part, clock::now())))?;
            }
        }
        _ => {
            let text = format!("{shown} (needs the code of an MFA device again: devboot use {shown})\n");
            context.printer.data(&text)?;
        }
    }
    for one in between {
        let title = one.provider.title();
        context.printer.warn(&format!(
            "{title}'s tools need not be '{shown}' here: {}; devboot use {shown} makes it right again, devboot doctor says who they are",
            one.words()
        ));
    }
    Ok(())
}

fn as_json(name: &str, answer: &CloudResponse, between: &[Between]) -> Value {
    let mut value = match answer {
        CloudResponse::Switch(taken) => switch_json(name, taken),
        CloudResponse::Code(device) => json!({ "schema": view::SCHEMA, "profile": name, "code": device }),
        _ => json!({ "schema": view::SCHEMA, "profile": name }),
    };
    value["in_use"] = json!(between.is_empty());
    let between =
        between.iter().map(|one| json!({ "provider": one.provider.word(), "variables": one.names }));
    value["between"] = between.collect();
    value
}
