//! A project: its `devboot.toml` or what its files show, read into a [`model::Pipeline`].

pub mod contents;
pub mod fingerprint;
pub mod inputs;
pub mod model;
