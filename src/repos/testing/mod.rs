//! Tests: how they are run, and what a run means.

pub mod failure;
pub mod makefile;
pub mod notices;
pub mod run;
pub mod runner;
pub mod smoke;
pub mod verdict;
