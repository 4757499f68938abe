//! Texts of `--help` that are derived from tables.

use std::fmt::Write;

use crate::base::exit::Exit;
use crate::setup::phase::Phase;

/// The exit codes, for `devboot --help` and the manual page.
pub fn exit_codes() -> String {
    let mut text = String::from("Exit codes:\n");
    for (exit, meaning) in Exit::TABLE {
        let _ = writeln!(text, "  {:<4} {meaning}", exit.code());
    }
    text.push_str("\nEnvironment:\n");
    for var in crate::base::env_vars::ALL.iter().filter(|var| !var.set) {
        let _ = writeln!(text, "  {:<22} {}", var.name, var.meaning);
    }
    text
}

/// The phases of setup.
pub fn phases() -> String {
    let mut text = String::from("Phases:\n");
    for (_, name, meaning) in Phase::ALL {
        let _ = writeln!(text, "  {name:<8} {meaning}");
    }
    text
}
