//! AWS: its configuration files, the calls that turn one credential into another, and the forms in which its SDKs
//! take credentials.
//!
//! [`config`] reads the files and [`profile`] says where a profile's credentials come from. [`sts`] and [`sso`] make
//! the requests and read the replies, without a network; [`call`] says what an answer is. [`obtain`] goes the whole way to a [`lease`];
//! [`container`], [`credential_process`], [`environment`] and [`console`] are the ways to hand it over.

pub mod call;
pub mod config;
pub mod console;
pub mod container;
pub mod credential_process;
pub mod endpoint;
pub mod environment;
pub mod lease;
pub mod obtain;
pub mod profile;
pub mod sigv4;
pub mod sso;
pub mod sts;
