//! Credentials for clouds: where they come from, how long they live, how a tool is handed them.
//!
//! [`profiles`] names what a shell can be switched to; [`desk`] has the leases, and the [`vault`] while it is open; a folder
//! a provider knows that cloud's files, calls and variables.

pub mod audit;
pub mod aws;
pub mod desk;
pub mod intake;
pub mod profiles;
pub mod provider;
pub mod shelf;
pub mod totp;
pub mod variables;
pub mod vault;
