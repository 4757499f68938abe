//! The service: one process a home that keeps projects and tells subscribers what happens.
//!
//! Everything that can happen to it is an [`event::Event`]; [`update::update`] decides, purely, what follows, as a list
//! of [`effect::Effect`]s; `perform` carries them out. One loop ([`serve`]) does one after the other. It wakes up for
//! events alone: without any it does nothing.

pub mod begin;
mod cloud;
pub mod effect;
pub mod event;
mod files;
pub mod handler;
pub mod home;
pub mod keep;
pub mod keeper;
mod outbox;
mod perform;
pub mod project;
pub mod registry;
pub mod serve;
pub mod state;
mod talk;
pub mod update;

#[cfg(test)]
mod update_tests;
