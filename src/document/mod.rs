//! Documents that people write: TOML as a tree that knows its lines ([`tree`]), held against the JSON Schema of the
//! types it is meant for ([`walk`]), with everything that is wrong said at once ([`problem`]). Knows no document.

pub mod problem;
pub mod tree;
pub mod walk;
