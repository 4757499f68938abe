//! Where are we: evidence leads to a host kind, and what a host can do is probed, never inferred from its name.

pub mod capability;
pub mod checks;
pub mod detect;
pub mod kind;
pub mod startup;

pub use capability::Capabilities;
pub use detect::{Facts, detect, variables};
pub use kind::{Evidence, HostKind};
