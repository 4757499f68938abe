//! Tests: how they are run, and what a run means.

pub mod makefile;
pub mod run;
pub mod verdict;
