//! How commands speak with the service: messages, frames, handshake, and how the service is found and started.
//!
//! A frame is four bytes of length, most significant first, and so many bytes of JSON. Both ends say [`message::Hello`]
//! first. After that the client sends [`message::Request`]s, one at a time, and the service sends a
//! [`message::Response`] for each, and events between them once the client has subscribed.
//!
//! No word of a domain crosses: what a project's runs say of themselves is carried as it is.

pub mod client;
pub mod cloud;
pub mod conn;
pub mod frame;
pub mod launch;
pub mod listener;
pub mod message;
pub mod place;
