//! The vault: one sealed file with the secrets that a person has given devboot.
//!
//! An x25519 identity of the vault's own seals the entries. It stands in the same file, itself sealed once: with a
//! passphrase (scrypt, about a quarter of a second), or to an age recipient of the user's. Whoever holds the opened
//! identity, as the service does, reads and writes without asking again.
//!
//! [`mod@format`] is the text of the file, [`key`] what age does for us, [`contents`] what is inside, [`unlocked`] an open
//! vault as a value, and [`mod@file`] the one on disk. What is not promised: a whole vault of last week that someone puts
//! in the place of today's opens as it did last week.

pub mod contents;
mod error;
pub mod file;
pub mod format;
pub mod key;
pub mod unlocked;

pub use contents::{Contents, Entry, NameError};
pub use error::VaultError;
pub use format::Sealed;
pub use key::{Key, Wrap, wrap_for};
pub use unlocked::{Unlocked, export};
