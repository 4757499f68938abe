//! The tests of a Python project: which of them a change affects, and a process that is warm when they are to run.
//!
//! `python/` has the other side, as text that is given to the project's own interpreter: `reporter.py` tells what happens in a run of
//! pytest and is the same whether the run is warm or cold, `server.py` forks it from a process that has imported what is not
//! the project's, `imports.py` reads what a file imports. `graph` and `select` are pure.

mod batch;
mod cold;
mod course;
pub mod elsewhere;
pub mod event;
pub mod executor;
pub mod explain;
pub mod graph;
pub mod job;
pub mod memory;
mod outcome;
mod red;
mod remember;
pub mod select;
pub mod server;
mod slot;
mod warmth;
