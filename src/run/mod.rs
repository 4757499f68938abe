//! Runs: which stages run, in which order, where, and what came of them.

pub mod event;
