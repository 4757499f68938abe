//! `devboot cloud status`.

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::counted;
use crate::base::time::left;
use crate::cli::cloud_link;
use crate::cli::context::Context;
use crate::ipc::cloud::CloudRequest;
use crate::sys::clock;

/// Says how the vault is, and what is in it by name.
pub fn run(context: &Context) -> Result<Exit, Fault> {
    let status = cloud_link::vault(context, CloudRequest::Vault)?;
    if context.global.json {
        context.printer.json(&super::vault_json(&status))?;
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
    for name in &status.names {
        context.printer.data(&format!("  {}\n", crate::base::text::printable(name)))?;
    }
    Ok(Exit::Done)
}
