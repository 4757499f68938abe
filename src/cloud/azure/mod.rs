//! Azure: the CLI's list of subscriptions, the requests that make an access token, and the forms in which Azure's SDKs
//! take one.
//!
//! [`profile_file`] reads a file, [`cli_dir`] makes one of it for a profile; [`token`] makes the requests and reads the replies; [`obtain`] sends them and goes the
//! whole way to a [`TokenLease`](super::token::TokenLease), one for each resource. [`identity_endpoint`] and [`environment`]
//! are the ways to hand it over.

pub mod cli_dir;
pub mod environment;
pub mod identity_endpoint;
pub mod obtain;
pub mod profile_file;
pub mod token;
