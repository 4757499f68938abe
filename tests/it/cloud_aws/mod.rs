//! AWS's part of the credentials: AWS's own published cases, and real servers and clients.

pub mod bad_days;
mod clients;
pub mod moto;
mod obtain;
mod published;
pub mod sso;
