//! Clones: addresses, the way to a server, what may be written, what is there already.

mod along;
pub mod batch;
mod checkout;
pub mod clone;
pub mod config;
mod conversation;
pub mod credential;
pub mod failure;
pub mod fetch;
pub mod history;
pub mod inspect;
pub mod link;
pub mod memory;
pub mod nested;
mod pack;
mod receive;
pub mod reference;
pub mod submodule;
pub mod tree_check;
pub mod update;
pub mod url;
mod weigh;
pub mod wire;

pub use batch::{BatchOptions, CloneOutcome, RepoEvent, clone_all};
pub use clone::{CloneLimits, CloneSpec};
pub use fetch::History;
