//! Google Cloud: gcloud's files, the requests that make an access token, and the forms in which Google's SDKs take one.
//!
//! [`config`] and [`credential`] read files; [`token`] makes the requests and reads the replies; [`obtain`] sends them and
//! goes the whole way to a [`TokenLease`](super::token::TokenLease). [`metadata`],
//! [`exchange_endpoint`], [`config_dir`] and [`environment`] are the ways to hand it over.

pub mod config;
pub mod config_dir;
pub mod credential;
pub mod environment;
pub mod exchange_endpoint;
pub mod metadata;
pub mod obtain;
pub mod token;
