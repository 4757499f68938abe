//! Repositories: clones, Python environments, tests, starters.

pub mod bring_up;
pub mod catalog;
pub mod files;
pub mod git;
pub mod python;
pub mod starters;
pub mod testing;
