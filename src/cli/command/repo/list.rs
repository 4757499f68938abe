//! `devboot repo list`.

use std::collections::BTreeMap;

use serde_json::json;

use super::{catalog, folder};
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::path::HomePath;
use crate::base::text::{printable, size};
use crate::cli::context::Context;
use crate::cli::view;
use crate::repos::catalog::Catalog;
use crate::setup::record::Record;
use crate::sys::system::ReadSystem;
use crate::ui::table;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Only what is cloned
    #[arg(long)]
    cloned: bool,
}

/// Lists the catalog and what is cloned besides.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let catalog = catalog(context)?;
    let record = context.record()?;
    let places = places(context, &catalog, &record)?;
    let is_shown = |name: &String| !args.cloned || places.contains_key(name);
    if context.global.json {
        let entries: Vec<_> = catalog
            .repos
            .iter()
            .filter(|(name, _)| is_shown(name))
            .map(|(name, entry)| json!({ "name": name, "catalog": entry, "clone": places.get(name) }))
            .collect();
        let others: Vec<_> = record
            .clones
            .iter()
            .filter(|(_, clone)| !clone.kit && !catalog.repos.contains_key(&clone.name))
            .map(|(dir, clone)| json!({ "name": clone.name, "url": clone.url, "clone": dir }))
            .collect();
        context.printer.json(&json!({ "schema": view::SCHEMA, "catalog": entries, "others": others }))?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for (name, entry) in catalog.repos.iter().filter(|(name, _)| is_shown(name)) {
        rows.push(vec![
            printable(name),
            places.get(name).map_or_else(|| "-".to_owned(), ToString::to_string),
            entry.size.map_or_else(String::new, size),
            entry.python.clone().unwrap_or_else(|| "-".into()),
            printable(&entry.teaches),
        ]);
    }
    for (dir, clone) in record.clones.iter().filter(|(_, clone)| !clone.kit) {
        if !catalog.repos.contains_key(&clone.name) {
            let name = printable(&clone.name);
            rows.push(vec![name, dir.to_string(), String::new(), String::new(), printable(&clone.url)]);
        }
    }
    if rows.is_empty() {
        context.printer.say("nothing is cloned; `devboot repo list` shows the catalog");
        return Ok(Exit::Done);
    }
    rows.insert(0, ["name", "cloned in", "size", "python", "what it teaches"].map(str::to_owned).into());
    for line in table::columns(&rows) {
        context.printer.data(&format!("{line}\n"))?;
    }
    Ok(Exit::Done)
}

/// Where the catalog's repositories are cloned.
fn places(
    context: &Context,
    catalog: &Catalog,
    record: &Record,
) -> Result<BTreeMap<String, HomePath>, Fault> {
    let mut found = BTreeMap::new();
    let into = folder(None, context)?;
    for name in catalog.repos.keys() {
        let known = record.clones.iter().find(|(_, clone)| clone.name == *name && !clone.kit);
        let usual = HomePath::parse(&format!("{into}/{name}").replace("~/", "")).ok();
        let dir = known.map(|(dir, _)| dir.clone()).or(usual);
        if let Some(dir) =
            dir.filter(|dir| matches!(context.system.meta(&dir.under(&context.dirs.home)), Ok(Some(_))))
        {
            found.insert(name.clone(), dir);
        }
    }
    Ok(found)
}
