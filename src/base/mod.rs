//! Shared nouns: what every other folder may speak about, and nothing that acts.
//!
//! Pure: no clock, no environment, no file system.

pub mod digest;
pub mod env_vars;
pub mod error;
pub mod exit;
pub mod names;
pub mod path;
pub mod redact;
pub mod secret;
pub mod shorthand;
pub mod text;
pub mod time;
