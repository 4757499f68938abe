//! Repositories: clone, Python environment, tests, starters.

pub mod batch;
pub mod clone;
pub mod inspect;
pub mod interpreter;
pub mod link;
pub mod links;
pub mod makefile;
pub mod python_env;
pub mod python_plan;
pub mod reference;
pub mod starters;
pub mod testing;
pub mod tree_check;
pub mod url;
pub mod verdict;
pub mod wire;

pub use batch::{BatchOptions, CloneOutcome, RepoEvent, clone_all};
pub use clone::{CloneLimits, CloneSpec};
