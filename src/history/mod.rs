//! What happened: every run and what came of its stages, kept in one SQLite file and read back for the history, for
//! reasons ([`Store::last`]) and for what can be improved.

mod migrate;
mod query;
mod store;

#[cfg(test)]
mod tests;

pub use query::{Filter, Run, Stage, Test};
pub use store::{HistoryError, Keep, Last, Store};
