//! What devboot costs a shell at its start, measured.

use std::time::Duration;

use serde::Serialize;

use crate::sys::process::{self, CommandSpec, Finished};

/// The median start of one shell, with and without devboot.
#[derive(Clone, Debug, Serialize)]
pub struct Startup {
    /// Which shell.
    pub shell: String,
    /// As it is, in milliseconds.
    pub with_ms: f64,
    /// With `DEVBOOT_DISABLE=1`, in milliseconds.
    pub without_ms: f64,
}

/// A shell that takes longer than this to start is not measured again and again.
const LIMIT: Duration = Duration::from_secs(10);

/// Starts the shell interactively once each way to warm up, then `runs` times each way, in turns that swap who goes
/// first so that both see the same machine. `None` when it does not start.
pub fn measure(shell: &str, home: &std::path::Path, runs: usize) -> Option<Startup> {
    let start = |disabled: &str| -> Option<Finished> {
        let spec = CommandSpec::new(shell).args(["-i", "-c", "exit"]).env("HOME", home).timeout(LIMIT);
        let spec = spec.new_session().env("DEVBOOT_DISABLE", disabled);
        process::run(&spec).ok().filter(Finished::ok)
    };
    start("0")?;
    start("1")?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for run in 0..runs.max(1) {
        if run % 2 == 0 {
            with.push(start("0")?.elapsed);
            without.push(start("1")?.elapsed);
        } else {
            without.push(start("1")?.elapsed);
            with.push(start("0")?.elapsed);
        }
    }
    Some(Startup { shell: shell.to_owned(), with_ms: median(with), without_ms: median(without) })
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}
