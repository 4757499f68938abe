//! Documents that people write: TOML as a tree that knows its lines ([`tree`]), held against the JSON Schema of the
//! types it is meant for ([`walk`]), with everything that is wrong said at once ([`problem`]); and what a Makefile's
//! targets do ([`makefile`], [`recipe`]). Knows no document of devboot's own.

pub mod makefile;
pub mod problem;
pub mod recipe;
pub mod tree;
pub mod walk;
