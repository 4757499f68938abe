//! Runs: which stages run, in which order, where, and what came of them.

pub mod cache;
mod cache_size;
#[cfg(test)]
mod cache_tests;
pub mod capture;
pub mod dispatcher;
pub mod event;
pub mod feed;
#[cfg(test)]
mod fixture;
pub mod flow;
mod http;
pub mod junit;
pub mod local;
pub mod logs;
pub mod outcome;
pub mod outputs;
mod ready;
pub mod recorder;
#[cfg(test)]
mod run_tests;
pub mod schedule;
#[cfg(test)]
mod schedule_tests;
pub mod service;
#[cfg(test)]
mod service_tests;
mod speech;
pub mod standing;
pub mod unit;
