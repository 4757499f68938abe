//! One project at work: its files watched or listed, its pipeline loaded, its stages run when they have to be, and what
//! came of them written down. The service holds one session for each project; `devboot run` makes one for itself.

pub mod decide;
mod desk;
pub mod places;
pub mod read;
#[cfg(test)]
mod tests;
pub mod turn;
mod work;

pub use decide::{Asked, Decision};
pub use desk::RUN;
pub use work::{Access, Reason, Session, Standing, waits};
