//! `devboot cloud current`.

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::command::use_profile::{switch_json, words};
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::ipc::cloud::{CloudRequest, CloudResponse, Use};
use crate::sys::{clock, env};

/// Says which profile this shell uses, and who that is.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let Some(name) = env::var("DEVBOOT_CLOUD") else {
        if context.global.json {
            context.printer.json(&json!({ "schema": view::SCHEMA, "profile": null }))?;
        } else {
            context.printer.say("this shell uses no credential profile of devboot");
        }
        return Ok(Exit::Done);
    };
    let request = CloudRequest::Use(Use { profile: name.clone(), check: true, ..Use::default() });
    match cloud_link::ask(context, request)? {
        CloudResponse::Switch(taken) if context.global.json => {
            context.printer.json(&switch_json(&name, &taken))?;
        }
        CloudResponse::Switch(taken) => {
            for part in &taken.parts {
                context.printer.data(&format!("{} {}\n", printable(&name), words(part, clock::now())))?;
            }
        }
        _ => {
            context.printer.data(&format!(
                "{} (needs the code of an MFA device again: devboot use {0})\n",
                printable(&name)
            ))?;
        }
    }
    Ok(Exit::Done)
}
