//! AWS's part of the credentials: AWS's own published cases, and real servers and clients.

mod bad_days;
mod moto;
mod published;
