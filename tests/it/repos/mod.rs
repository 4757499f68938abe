//! Repositories against real servers on loopback: `git http-backend`, `git daemon`, local folders.

mod apart;
mod clone;
mod config;
mod python;
mod tls;
mod world;
