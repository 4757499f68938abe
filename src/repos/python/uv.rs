//! uv: taken from `PATH`, or fetched into the cache when only it can do what is needed, which is installing as of a
//! date for every Python.

use std::path::{Path, PathBuf};

use super::interpreter::Interpreter;
use super::version::Minor;
use crate::sys::process::{self, CommandSpec};
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;

/// The oldest Python that uv's own package installs under; the Pythons that it installs for may be older.
const OLDEST: Minor = Minor(3, 8);

/// The folder of the fetched one.
pub fn folder(cache: &Path) -> PathBuf {
    cache.join("tools/uv")
}

/// uv on `PATH`, or the one that was fetched.
pub fn find(cache: &Path) -> Option<PathBuf> {
    process::find("uv").or_else(|| {
        let fetched = folder(cache).join("bin/uv");
        matches!(RealSystem.meta(&fetched), Ok(Some(_))).then_some(fetched)
    })
}

/// The commands that fetch uv from the package index into the cache. `python` is used if it is new enough, else
/// the machine's own.
pub fn fetching(cache: &Path, python: &Interpreter) -> [CommandSpec; 2] {
    let folder = folder(cache);
    let program = match python.minor() {
        Some(version) if version >= OLDEST => python.program.clone(),
        _ => PathBuf::from("python3"),
    };
    let pip = folder.join("bin/python");
    [
        CommandSpec::new(program).args(["-I", "-m", "venv", "--clear"]).arg(&folder),
        CommandSpec::new(pip).args(["-m", "pip", "install", "--quiet", "--retries", "2", "uv"]),
    ]
}
