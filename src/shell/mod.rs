//! bash, zsh and fish as text: quoting, generated files, the prompt hook, where rc files source them. Pure.
//!
//! A profile becomes a [`spec::ShellSpec`]; [`generate::generate`] turns that into the files of the config
//! directory; [`placement::placements`] says which rc files source them. Nothing here reads or writes.

pub mod alias;
pub mod bash;
pub mod data;
pub mod dialect;
pub mod fish;
pub mod generate;
pub mod names;
pub mod placement;
pub mod posix;
pub mod spec;
pub mod switch;
pub mod zsh;

pub use dialect::{Dialect, PerShell, SHELLS, Shell};
pub use generate::{Generated, generate};
pub use placement::{Placement, Position, RcFacts, placements};
pub use spec::{Alias, Function, ShellSpec, Slot, Snippet, SpecError};
