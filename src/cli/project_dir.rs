//! Which project a command is about.

use std::path::{Path, PathBuf};

use crate::base::error::{ErrorKind, Fault};
use crate::sys::env;
use crate::sys::real::{RealSystem, real_path};
use crate::sys::system::ReadSystem;

/// The root of the project that a directory belongs to: the nearest directory upward with a `devboot.toml`, else with
/// a `.git`, else the directory itself. Without a directory, the one where we are.
pub fn root(dir: Option<&Path>) -> Result<PathBuf, Fault> {
    let failed = |path: &Path, error: std::io::Error| {
        Fault::new(ErrorKind::Usage, format!("cannot use the directory {}", path.display())).cause(error)
    };
    let dir = match dir {
        Some(dir) => real_path(dir).map_err(|error| failed(dir, error))?,
        None => env::current_dir().map_err(|error| failed(Path::new("."), error))?,
    };
    let with = |name: &str| {
        dir.ancestors()
            .find(|above| matches!(RealSystem.meta(&above.join(name)), Ok(Some(_))))
            .map(Path::to_owned)
    };
    Ok(with("devboot.toml").or_else(|| with(".git")).unwrap_or(dir))
}
