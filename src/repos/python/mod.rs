//! Python: which interpreter a repository gets, what its environment is made of, and the environment itself.

pub mod environment;
pub mod interpreter;
pub mod lock;
pub mod plan;
pub mod repair;
pub mod uv;
