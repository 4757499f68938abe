//! What keeping a project begins with: its pipeline, read and trusted, and a watcher for its files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::error::{ErrorKind, Fault};
use crate::project::FILE;
use crate::project::trust::Trust;
use crate::session::read::{Found, read};
use crate::session::{Access, Session};
use crate::sys::dirs::Dirs;
use crate::sys::real::RealSystem;
use crate::watch::edge::Edge;
use crate::watch::watcher::{Options as WatchOptions, Watcher};

/// What keeping a project begins with.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The home's directories.
    pub dirs: Dirs,
    /// The project's root: absolute, links followed.
    pub root: PathBuf,
    /// The environment that its stages begin with.
    pub env: BTreeMap<String, String>,
    /// Whether somebody looks at it, and says what to run first. Otherwise what has changed meanwhile is caught up with.
    pub attached: bool,
    /// How it is watched.
    pub options: Options,
}

/// How a project is watched.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Patterns that are left out besides, as in a `.gitignore` at the root.
    pub ignore: Vec<String>,
    /// Compare files from time to time and rely on no events.
    pub poll: bool,
}

/// The project as its files are now, when it may be run; with what is not as it should be.
pub(super) fn opened(
    begin: &Begin,
    caller: BTreeMap<String, String>,
    approve: bool,
) -> Result<(Session, Vec<String>), Fault> {
    let found = read(&RealSystem, &begin.root, &caller)?;
    if approve {
        found.approve(&RealSystem, &begin.dirs)?;
    }
    trusted(&found, begin)?;
    found.session(&begin.dirs, caller, Access::Keep)
}

fn trusted(found: &Found, begin: &Begin) -> Result<(), Fault> {
    let what = match found.trust(&RealSystem, &begin.dirs) {
        Trust::Trusted => return Ok(()),
        Trust::New => "is not trusted yet",
        Trust::Changed { .. } => "has changed since it was trusted",
    };
    Err(Fault::new(ErrorKind::Refused, format!("{FILE} {what}")).hint("look at it: devboot project trust"))
}

/// A watcher for the project, that of a project without a session for its `devboot.toml` alone.
pub(super) fn watched(begin: &Begin, session: Option<&Session>) -> Result<Edge, String> {
    let mut ignore = session.map_or_else(Vec::new, |session| session.pipeline().ignore.clone());
    ignore.extend(begin.options.ignore.iter().cloned());
    let places = session.map_or_else(Vec::new, Session::places);
    let options = WatchOptions { ignore, places, poll: begin.options.poll, ..WatchOptions::default() };
    let unwatchable = |error: std::io::Error| {
        let more = match error.raw_os_error() {
            Some(code) if code == rustix::io::Errno::MFILE.raw_os_error() => {
                "; the service has too many files open: keep fewer projects, or raise its limit (ulimit -n)"
            }
            _ => "",
        };
        format!("it cannot be watched: {error}{more}")
    };
    Watcher::new(&begin.root, options).and_then(Edge::new).map_err(unwatchable)
}
