//! `devboot host`: which host this is, why devboot thinks so, and what it can do.

use serde_json::json;

use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::{printable, size};
use crate::cli::context::Context;
use crate::cli::view;
use crate::host::capability;
use crate::ui::{Style, table};

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot host\n  devboot host --json | jq .capabilities.home_free\n  \
                        DEVBOOT_HOST=aws-cloudshell devboot setup --dry-run")]
pub struct Args {}

/// Shows the host.
pub fn run(context: &Context, _: &Args) -> Result<Exit, Fault> {
    let facts = context.facts()?;
    let can = capability::probe(&context.system, &context.dirs.home);
    let rules = facts.kind.rules();
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA, "facts": facts, "rules": rules, "capabilities": can,
        }))?;
        return Ok(Exit::Done);
    }
    let mut out = format!("{} ({})\n", context.printer.paint_data(Style::Heading, rules.title), rules.name);
    if facts.overridden {
        out.push_str("  because DEVBOOT_HOST says so\n");
    }
    for evidence in &facts.evidence {
        out.push_str(&format!("  {}: {}\n", evidence.kind.name(), printable(&evidence.seen)));
    }
    if facts.evidence.is_empty() {
        out.push_str("  no sign of a cloud shell or container\n");
    }
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let none = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let mut rows = vec![
        ("home", printable(&facts.home.to_string_lossy())),
        ("free", can.home_free.map_or("not told".into(), size)),
        (
            "file system",
            if can.home_filesystem.is_empty() { "not told".into() } else { can.home_filesystem.clone() },
        ),
        ("programs in the home run", yes(can.home_executable)),
        (
            "root",
            if can.root {
                "yes".into()
            } else if can.sudo {
                "there is a sudo".into()
            } else {
                "no".into()
            },
        ),
        ("systemd user session", yes(can.systemd_user)),
        ("shells", none(&can.shells)),
        ("programs", none(&can.programs)),
        ("package managers", none(&can.package_managers)),
        ("region", facts.region.clone().map_or("not told".into(), |region| printable(&region))),
        ("lost at the end", rules.lost.to_owned()),
    ];
    if let Some(quota) = rules.home_quota {
        rows.push(("home quota", size(quota)));
    }
    if let Some(minutes) = rules.idle_minutes {
        rows.push(("ends when idle for", format!("{minutes} min")));
    }
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(name, value)| vec![format!("  {name}"), value]).collect();
    for line in table::columns(&rows) {
        out.push_str(&line);
        out.push('\n');
    }
    context.printer.data(&out)?;
    Ok(Exit::Done)
}
