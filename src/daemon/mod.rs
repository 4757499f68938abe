//! The service.

pub mod keeper;
