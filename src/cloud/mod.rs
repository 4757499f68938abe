//! Credentials for clouds: where they come from, how long they live, how a tool is handed them.
//!
//! [`profiles`] names what a shell can be switched to; [`desk`] has the leases, and the [`vault`] while it is open; a folder
//! a provider knows that cloud's files, calls and variables. [`exchange`] is the one place that sends; [`change`] is what a
//! switch does to a shell.

pub mod address;
pub mod audit;
pub mod aws;
pub mod azure;
pub mod chain;
pub mod change;
pub mod desk;
pub mod exchange;
pub mod gcp;
pub mod head;
pub mod import;
pub mod intake;
pub mod mark;
pub mod orphans;
pub mod profiles;
pub mod provider;
pub mod shelf;
pub mod skew;
pub mod standing;
pub mod text;
pub mod token;
pub mod totp;
pub mod variables;
pub mod vault;
