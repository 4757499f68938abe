//! The end-to-end tests: one binary, a sealed home for each test, and the real programs.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod shells;
mod repos;
mod tidy;
