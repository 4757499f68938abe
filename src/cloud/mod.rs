//! Credentials for clouds: where they come from, how long they live, how a tool is handed them.

pub mod audit;
pub mod aws;
pub mod totp;
pub mod vault;
