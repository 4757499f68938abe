//! `devboot cloud status`.

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::{counted, printable};
use crate::base::time::left;
use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::cloud::orphans::orphans;
use crate::ipc::cloud::{CloudRequest, VaultStatus};
use crate::sys::clock;

/// Says how the vault is, and what is in it by name.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    let unused = unused(context, &status);
    if context.global.json {
        let mut told = super::vault_json(&status);
        told["unused"] = serde_json::json!(unused);
        context.printer.json(&told)?;
        return Ok(Exit::Done);
    }
    let words = match (status.exists, status.until) {
        (false, _) => "there is no vault yet: devboot cloud init".to_owned(),
        (true, None) => "the vault is locked: devboot cloud unlock".to_owned(),
        (true, Some(until)) => {
            let left = left(until, clock::now());
            format!("the vault is open for {left}; {} sealed", counted(status.names.len(), "secret"))
        }
    };
    context.printer.data(&format!("{words}\n"))?;
    super::say_unrecorded(context, &status);
    for name in &status.names {
        let name = printable(name);
        let advice = match unused.contains(&name.as_str()) {
            true => format!("  (no profile names it: devboot cloud remove {name})"),
            false => String::new(),
        };
        context.printer.data(&format!("  {name}{advice}\n"))?;
    }
    Ok(Exit::Done)
}

/// What is sealed and used by no profile. Where it cannot be told, nothing is.
fn unused<'a>(context: &Context, status: &'a VaultStatus) -> Vec<&'a str> {
    let (Ok(profiles), Ok(files)) = (cloud_link::profiles(context), super::aws_files(context)) else {
        return Vec::new();
    };
    let is_source = |name: &str| {
        files.profiles.values().any(|section| section.get("source_profile").is_some_and(|one| one == name))
    };
    orphans(&status.names, &profiles, &is_source)
}
