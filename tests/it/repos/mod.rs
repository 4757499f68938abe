//! Repositories against real servers on loopback: `git http-backend`, `git daemon`, local folders.

mod clone;
mod python;
mod tls;
mod world;
