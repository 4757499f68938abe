//! The only door to the world: file system, processes, clock, locks, directories, network.
//!
//! `clippy.toml` refuses `std::fs`, `std::process` and `std::env` everywhere else.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod append;
pub mod blob;
pub mod browser;
pub mod caller;
pub mod capped_log;
pub mod child;
pub mod clock;
pub mod content;
pub mod detach;
pub mod dirs;
pub mod disk;
pub mod elsewhere;
pub mod env;
pub mod events;
pub mod forked;
pub mod fresh_tree;
mod guard;
pub mod hardening;
pub mod heap;
pub mod heir;
pub mod http;
#[cfg(target_os = "linux")]
pub mod inotify;
pub mod input;
pub mod keyboard;
pub mod lock;
pub mod log;
pub mod loopback;
#[cfg(test)]
pub mod memory;
pub mod network;
pub mod offspring;
pub mod pressure;
pub mod process;
#[cfg(target_os = "linux")]
mod program;
pub mod proxy;
pub mod real;
pub mod route;
pub mod signal;
pub mod socket;
pub mod spool;
pub mod stream;
pub mod system;
pub mod terminal;
#[cfg(target_os = "linux")]
pub mod timer;
pub mod tree;
pub mod walk;
pub mod web;
pub mod workers;
