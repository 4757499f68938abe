//! `devboot cloud list`.

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cli::{cloud_link, view};
use crate::cloud::profiles::{CredentialProfile, Guard};
use crate::sys::env;
use crate::ui::{Style, table};

/// Lists the profiles; the one that this shell uses is marked.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let profiles = cloud_link::profiles(context)?;
    let active = env::var("DEVBOOT_CLOUD");
    if context.global.json {
        let all = profiles.iter().map(|(name, profile)| {
            json!({ "name": name, "active": active.as_deref() == Some(name), "profile": profile })
        });
        context.printer.json(&json!({ "schema": view::SCHEMA, "profiles": all.collect::<Vec<_>>() }))?;
        return Ok(Exit::Done);
    }
    if profiles.is_empty() {
        context.printer.say("no credential profiles yet: devboot cloud import, or devboot cloud add NAME");
    }
    let rows: Vec<Vec<String>> = profiles
        .iter()
        .map(|(name, profile)| {
            let mark = if active.as_deref() == Some(name) { "*" } else { " " };
            let guard = profile
                .guard
                .map_or(String::new(), |Guard::Prod| context.printer.paint_data(Style::Bad, "guarded"));
            vec![format!("{mark} {name}"), sources(profile), guard]
        })
        .collect();
    for line in table::columns(&rows) {
        context.printer.data(&format!("{}\n", line.trim_end()))?;
    }
    Ok(Exit::Done)
}

/// Where each part comes from, in words.
pub(super) fn sources(profile: &CredentialProfile) -> String {
    let aws = profile.aws.as_ref().map(|part| match &part.profile {
        Some(name) => format!("AWS ({})", printable(name)),
        None => "AWS (the host's)".to_owned(),
    });
    let gcp = profile.gcp.as_ref().map(|part| {
        let source = part.configuration.as_ref().or(part.file.as_ref()).or(part.sealed.as_ref());
        format!("GCP ({})", source.map_or_else(|| "the host's".to_owned(), |name| printable(name)))
    });
    let azure = profile
        .azure
        .as_ref()
        .map(|part| format!("Azure ({})", printable(part.client.as_deref().unwrap_or("the host's"))));
    [aws, gcp, azure].into_iter().flatten().collect::<Vec<_>>().join("  ")
}
