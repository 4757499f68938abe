//! Environment profiles: what a home should be.
//!
//! A profile is read into a tree that knows its lines (`tree`), held against the schema of the types (`walk`,
//! `schema`) and the rules (`rules`), expanded (`variables`), laid over what it extends (`layers`, `merge`) and
//! typed (`resolve`, `resolved`). Profiles from elsewhere need approval first ([`trust`]).

mod address;
mod builtin;
mod layers;
mod list;
mod merge;
mod resolve;
mod resolved;
mod rules;
pub mod schema;
mod source;
pub mod trust;
mod variables;

#[cfg(test)]
mod tests;

pub use crate::document::problem::{DocumentError as ProfileError, Place, Problem, Severity};
pub use builtin::{install_sh, profile as embedded, starter};
pub use list::{Listed, list};
pub use resolve::{check, resolve};
pub use resolved::{Content, Dotfile, Kit, Profile, Provenance, Repo, Resolved, ShellPart, Tool};
pub use source::{FILE_LIMIT, PROFILE_LIMIT, Reader};
pub use variables::FACTS;
