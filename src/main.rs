//! Parse, run, and turn the result into an exit code: the only exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(devboot::cli::main().code())
}
