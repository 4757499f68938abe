//! One file a command: its options and what it does.

pub mod apply;
pub mod cloud;
pub mod completions;
pub mod daemon;
pub mod diff;
pub mod doctor;
pub mod history;
pub mod hook;
pub mod host;
pub mod logs;
pub mod man;
pub mod profile;
pub mod project;
pub mod repo;
pub mod run;
pub mod setup;
pub mod status;
pub mod test;
pub mod try_out;
pub mod undo;
pub mod uninstall;
pub mod use_profile;
pub mod watch;
pub mod why;
