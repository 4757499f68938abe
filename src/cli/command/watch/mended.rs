//! A project whose file cannot be used, until it can: who looks on mends it where it is edited, not here.

use std::path::Path;

use tokio::runtime::Runtime;

use super::unwatchable;
use crate::base::error::{ErrorKind, Fault};
use crate::cli::context::Context;
use crate::cli::project_dir;
use crate::cli::project_load::{self, Project};
use crate::project::FILE;
use crate::sys::{signal, terminal};
use crate::watch::edge::Edge;
use crate::watch::watcher::{Options, Watcher};

/// The project. On a terminal, a `devboot.toml` that is wrong is waited for until a save makes it right; `None` when it was
/// interrupted meanwhile. Where nobody looks on, what is wrong ends it at once.
pub(super) fn project(
    context: &Context,
    dir: Option<&Path>,
    runtime: &Runtime,
) -> Result<Option<Project>, Fault> {
    let mut watched: Option<Edge> = None;
    loop {
        let fault = match project_load::project(context, dir) {
            Err(fault) if fault.kind == ErrorKind::Usage && terminal::can_ask() => fault,
            done => return done.map(Some),
        };
        // What is wrong with the directory is not mended by a save.
        let Ok(root) = project_dir::root(dir) else { return Err(fault) };
        let Some(edge) = &mut watched else {
            let _inside = runtime.enter();
            let edge = Watcher::new(&root, Options::default()).and_then(Edge::new);
            // What was saved before it was watched is seen by looking once more.
            watched = Some(edge.map_err(|error| unwatchable(&root, &error))?);
            continue;
        };
        context.printer.error(&fault);
        context.printer.say(&format!("waiting for {FILE} to be saved; Ctrl-C ends"));
        if !runtime.block_on(saved(edge, &root))? {
            return Ok(None);
        }
    }
}

/// Waits for a change of the project's file; not so when it was interrupted.
async fn saved(edge: &mut Edge, root: &Path) -> Result<bool, Fault> {
    loop {
        tokio::select! {
            biased;
            () = signal::wait() => return Ok(false),
            set = edge.next() => {
                let set = set.map_err(|error| unwatchable(root, &error))?;
                if edge.watcher.is_gone() {
                    return Err(unwatchable(root, &std::io::ErrorKind::NotFound.into()));
                }
                if set.changes.iter().any(|change| change.path == FILE) {
                    return Ok(true);
                }
            }
        }
    }
}
