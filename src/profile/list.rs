//! The profiles that can be named.

use std::path::PathBuf;

use serde::Serialize;

use crate::sys::dirs::Dirs;
use crate::sys::system::ReadSystem;

use super::builtin;
use super::source::PROFILE_LIMIT;
use crate::document::tree::{Node, parse};

/// A profile that can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its description; empty when it has none or cannot be read.
    pub description: String,
    /// The user's own file; `None` for an embedded profile.
    pub file: Option<PathBuf>,
}

/// The user's own profiles and the embedded ones that they do not replace, by name.
pub fn list(system: &dyn ReadSystem, dirs: &Dirs) -> Vec<Listed> {
    let root = dirs.config.join("profiles");
    let mut found: Vec<Listed> = system
        .list(&root)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|file| {
            let name = file.to_str()?.strip_suffix(".toml")?.to_owned();
            super::rules::entry_name(&name).ok()?;
            let path = root.join(&file);
            let text = system.read(&path, PROFILE_LIMIT).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            Some(Listed { name, description: description(&text.unwrap_or_default()), file: Some(path) })
        })
        .collect();
    for (name, text) in builtin::PROFILES {
        if !found.iter().any(|listed| listed.name == *name) {
            found.push(Listed { name: (*name).to_owned(), description: description(text), file: None });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn description(text: &str) -> String {
    let tree = parse(text, "", 0, &mut Vec::new());
    tree.get("description").and_then(Node::text).unwrap_or_default().to_owned()
}
