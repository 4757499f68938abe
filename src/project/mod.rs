//! A project: its `devboot.toml` or what its files show, read into a [`model::Pipeline`].

pub mod contents;
pub mod environment;
pub mod fingerprint;
pub mod gather;
pub mod inputs;
pub mod model;
pub mod params;
pub mod python;
