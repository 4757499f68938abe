//! Runs: which stages run, in which order, where, and what came of them.

mod capture;
pub mod event;
pub mod feed;
#[cfg(test)]
mod fixture;
pub mod logs;
pub mod outcome;
pub mod schedule;
#[cfg(test)]
mod schedule_tests;
mod speech;
