//! `devboot repo show`.

use serde_json::json;

use super::{catalog, finder, folder};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::redact;
use crate::base::text::{printable, size};
use crate::cli::context::Context;
use crate::cli::view;
use crate::repos::git::inspect;
use crate::ui::table;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A name of the catalog or of a clone, owner/name, or a git address
    #[arg(value_name = "NAME|URL")]
    names: String,
}

/// Shows what the catalog and this home know of a repository.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let catalog = catalog(context)?;
    let record = context.record()?;
    let finder = finder(context, &catalog, &record, folder(None, context)?);
    let wanted = finder.all(std::slice::from_ref(&args.names))?;
    let Some(clone) = wanted.repos.first() else { return Ok(Exit::Failed) };
    let name = &clone.spec.name;
    let entry = catalog.repos.get(name);
    let head = inspect::head(&clone.spec.dest);
    let environment = record.environments.get(name);
    let tests = record.tests.get(name);
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "name": name,
            "url": redact::url(&clone.spec.url),
            "catalog": entry,
            "dir": clone.dir,
            "commit": head,
            "environment": environment,
            "tests": tests,
        }))?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![("name", name.clone()), ("address", redact::url(&clone.spec.url))];
    if let Some(entry) = entry {
        rows.push(("teaches", entry.teaches.clone()));
        rows.extend(entry.chapter.map(|chapter| ("chapter", chapter.to_string())));
        rows.extend(entry.branch.clone().map(|branch| ("branch", branch)));
        rows.extend(entry.commit.clone().map(|commit| ("commit", commit)));
        rows.extend(entry.license.clone().map(|license| ("licence", license)));
        rows.extend(entry.size.map(|bytes| ("size", size(bytes))));
        rows.extend(entry.python.clone().map(|python| ("made for Python", python)));
        rows.extend(entry.tests.clone().map(|tests| ("tests", tests)));
        rows.extend(entry.fails.iter().map(|fails| ("known to fail", fails.clone())));
    }
    match head {
        Some(commit) => rows.push(("clone", format!("{} at {}", clone.dir, &commit[..12]))),
        None => rows.push(("clone", format!("none; `devboot repo clone {name}` makes it in {}", clone.dir))),
    }
    rows.extend(environment.map(|made| {
        let dir = made.dir.to_string_lossy();
        ("environment", format!("Python {} in {dir}", made.version))
    }));
    rows.extend(tests.map(|test| ("last tests", test.summary.clone())));
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|(label, text)| vec![label.to_owned(), printable(&text)]).collect();
    for line in table::columns(&rows) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(Exit::Done)
}
