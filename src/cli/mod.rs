//! The command line: one file per command.

use crate::base::exit::Exit;

/// Parses the arguments, runs the command and says how it ended.
pub fn main() -> Exit {
    Exit::Done
}
