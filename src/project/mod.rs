//! A project: its `devboot.toml` or what its files show, read into a [`model::Pipeline`].

mod action;
pub mod contents;
pub mod droppings;
mod duration;
pub mod environment;
pub mod files;
pub mod fingerprint;
pub mod gather;
mod graph;
pub mod hollow;
pub mod infer;
pub mod inputs;
pub mod links;
pub mod load;
pub mod matrix;
pub mod model;
mod names;
pub mod params;
pub mod patterns;
pub mod python;
pub mod render;
pub mod repository;
pub mod resolve;
pub mod rules;
pub mod schema;
mod stage;
mod table;
pub mod tools;
pub mod trust;

/// The name of the file that describes a pipeline.
pub const FILE: &str = "devboot.toml";

#[cfg(test)]
mod resolve_tests;
