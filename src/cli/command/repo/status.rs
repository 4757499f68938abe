//! `devboot repo status`.

use serde_json::json;

use super::{catalog, finder, folder};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cli::view;
use crate::repos::git::inspect;
use crate::setup::ours;
use crate::ui::{Style, table};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Names of clones; all of them without one
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Where one clone stands.
struct Row {
    name: String,
    dir: String,
    commit: Option<String>,
    branch: Option<String>,
    state: String,
    as_made: bool,
    python: Option<String>,
    tests: Option<String>,
}

/// Shows where clones stand. Exits with 2 if one is not as devboot left it.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let catalog = catalog(context)?;
    let record = context.record()?;
    let wanted = finder(context, &catalog, &record, folder(None, context)?).here(&args.names)?;
    let mut rows = Vec::new();
    for clone in &wanted.repos {
        let Some(known) = record.clones.get(&clone.dir) else { continue };
        let (as_made, state) = match ours::clone_is_ours(&context.system, &clone.spec.dest, known) {
            Ok(true) if known.commit.is_none() => (false, "was begun and not finished".to_owned()),
            Ok(true) => (true, "as cloned".to_owned()),
            Ok(false) => (false, "is gone".to_owned()),
            Err(why) => (false, why),
        };
        rows.push(Row {
            name: clone.spec.name.clone(),
            dir: clone.dir.to_string(),
            commit: inspect::head(&clone.spec.dest),
            branch: inspect::branch(&clone.spec.dest),
            state,
            as_made,
            python: record.environments.get(&clone.spec.name).map(|made| made.version.clone()),
            tests: record.tests.get(&clone.spec.name).map(|test| test.summary.clone()),
        });
    }
    let exit = if rows.iter().all(|row| row.as_made) { Exit::Done } else { Exit::Differs };
    if context.global.json {
        let clones: Vec<_> = rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name, "dir": row.dir, "commit": row.commit, "branch": row.branch, "state": row.state,
                    "as_cloned": row.as_made, "python": row.python, "tests": row.tests,
                })
            })
            .collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "clones": clones }))?;
        return Ok(exit);
    }
    if rows.is_empty() {
        context.printer.say("nothing is cloned; `devboot repo list` shows the catalog");
        return Ok(exit);
    }
    let or_dash = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), printable);
    let mut cells =
        vec![["name", "commit", "branch", "state", "python", "tests"].map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(|row| {
        let style = if row.as_made { Style::Good } else { Style::Warn };
        vec![
            printable(&row.name),
            row.commit.as_deref().and_then(|commit| commit.get(..12)).unwrap_or("-").to_owned(),
            or_dash(&row.branch),
            context.printer.paint(style, &row.state),
            or_dash(&row.python),
            or_dash(&row.tests),
        ]
    }));
    for line in table::columns(&cells) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(exit)
}
