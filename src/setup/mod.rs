//! The phases of `devboot setup`: from a profile and a host to a home, kits, repositories, environments, tests.

mod clones;
pub mod desired;
pub mod named;
pub mod ours;
mod outside;
pub mod phase;
mod projects;
pub mod record;
pub mod report;
pub mod run;
pub mod service;
pub mod space;
pub mod surroundings;
pub mod told;
pub mod updates;
pub mod work;
