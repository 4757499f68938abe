//! Tests: how they are run, what a run means, and the name of what went wrong.

mod advice;
pub mod classes;
mod evidence;
pub mod failure;
#[cfg(test)]
mod failure_tests;
pub mod fallback;
pub mod lint;
pub mod network;
pub mod notices;
pub mod report;
pub mod run;
pub mod runner;
pub mod surroundings;
pub mod verdict;
