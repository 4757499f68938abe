//! Plan, apply and undo over a home directory.
//!
//! Three states meet here: the *target* (what the caller's [`Entry`] list asks for), the *actual* state (what
//! stands in the home), and the *last-written* state (what the [`Ledger`] remembers that devboot put there).
//! [`plan()`] compares them without touching anything; [`apply::apply`] carries a plan out in one journalled
//! transaction; [`undo`] and [`uninstall`] make ordinary plans that lead back.
//!
//! Nothing here knows shells, profiles or clouds.

pub mod actual;
pub mod apply;
pub mod block;
pub mod check;
pub mod entry;
pub mod journal;
pub mod ledger;
pub mod plan;
mod plan_block;
pub mod prepare;
pub mod recover;
pub mod retreat;
pub mod store;
pub mod survey;
mod torn;

pub use entry::{Content, Entry, EntryKind, Key, Position};
pub use ledger::Ledger;
pub use plan::{Plan, plan};
pub use retreat::{undo, uninstall};
pub use survey::Home;

#[cfg(test)]
mod tests;
