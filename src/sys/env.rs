//! The environment and the arguments of this process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The value of a variable; unset, empty and non-Unicode are `None`.
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The value of a variable as the system has it; unset and empty are `None`.
pub fn var_os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// All variables whose name and value are Unicode.
pub fn vars() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The folders of a variable such as `PATH`.
pub fn split_paths(value: &OsString) -> impl Iterator<Item = PathBuf> + '_ {
    std::env::split_paths(value)
}

/// The arguments, the program's own name first.
pub fn args() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// The directory this process stands in.
pub fn current_dir() -> std::io::Result<PathBuf> {
    std::env::current_dir()
}

/// The path of the running program.
pub fn current_exe() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

/// When the running program was built or installed, in nanoseconds since 1970, as its file says; 0 where that is not
/// known. Of two programs of one version it tells which is newer.
pub fn build() -> i64 {
    use std::os::unix::fs::MetadataExt;
    let program = current_exe().and_then(std::fs::metadata);
    program.map_or(0, |meta| meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()))
}

/// Where temporary files belong.
pub fn temp_dir() -> PathBuf {
    std::env::temp_dir()
}

/// The processor's family as Rust and most tools call it, such as `x86_64`.
pub const ARCH: &str = std::env::consts::ARCH;
