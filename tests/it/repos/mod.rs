//! Repositories against real servers on loopback: `git http-backend`, `git daemon`, local folders.

mod apart;
mod bad_day;
mod clone;
mod config;
mod credential;
mod history;
mod python;
mod receive;
mod runners;
mod shapes;
mod ssh;
mod submodule;
mod tls;
mod update;
mod world;
