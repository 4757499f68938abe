//! What changes in a project, and when it is at rest.
//!
//! The kernel's events are only hints that a path may have changed ([`watcher`]); what is left out is not even watched
//! ([`crate::project::rules`]); when files are at rest is a decision of its own ([`settle`]), and what really changed is seen by looking.

mod beside;
pub mod change;
pub mod edge;
mod ground;
mod known;
mod outside;
pub mod poll;
pub mod settle;
pub mod spelling;
pub mod watcher;
mod way;

#[cfg(all(test, target_os = "linux"))]
mod tests;
