//! Python: which interpreter a repository gets, what its environment is made of, and the environment itself.

mod build;
pub mod choice;
pub mod environment;
pub mod evidence;
pub mod index;
pub mod interpreter;
mod keyed;
pub mod lock;
mod marker;
pub mod plan;
pub mod repair;
mod turn;
pub mod uv;
pub mod venv_link;
pub mod version;
mod written;
