//! The end-to-end tests: one binary, a sealed home for each test, and the real programs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::print_stdout)]

mod cli;
mod clones;
mod cloud_aws;
mod cloud_tokens;
mod cloud_use;
mod commands;
mod completion;
mod daemon;
mod doctor;
mod dry_run;
mod full_disk;
mod homes;
mod install_sh;
mod kill;
mod pipeline;
mod project;
mod pytest_warm;
mod rc_files;
mod related;
mod repair;
mod repo_bad_days;
mod repo_command;
mod repos;
mod shells;
mod tidy;
mod try_out;
mod world;
