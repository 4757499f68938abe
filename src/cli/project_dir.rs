//! Which project a command is about.

use std::path::{Path, PathBuf};

use crate::base::error::{ErrorKind, Fault};
use crate::base::text::printable;
use crate::project::load::root_of;
use crate::sys::env;
use crate::sys::real::{RealSystem, real_path};
use crate::sys::system::{FileKind, ReadSystem};

/// The root of the project that a directory belongs to, without links in it: the nearest directory upward with a
/// `devboot.toml` or a `.git`, else the directory itself. Without a directory, the one where we are.
pub fn root(dir: Option<&Path>) -> Result<PathBuf, Fault> {
    let shown = |dir: &Path| printable(&dir.to_string_lossy());
    let failed = |dir: &Path, error: std::io::Error| {
        Fault::new(ErrorKind::Usage, format!("cannot use the directory {}", shown(dir))).cause(error)
    };
    let real = match dir {
        Some(dir) => real_path(dir).map_err(|error| failed(dir, error))?,
        None => env::current_dir().map_err(|error| failed(Path::new("."), error))?,
    };
    match RealSystem.meta(&real) {
        Ok(Some(meta)) if meta.kind == FileKind::Dir => Ok(root_of(&RealSystem, &real)),
        _ => Err(Fault::new(ErrorKind::Usage, format!("{} is not a directory", shown(&real)))),
    }
}
