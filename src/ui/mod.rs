//! What a person sees. Data goes to standard output, everything else to standard error. Used by `cli` alone.

pub mod diff;
pub mod footer;
pub mod printer;
pub mod progress;
pub mod prompt;
pub mod style;
pub mod table;

pub use printer::Printer;
pub use style::Style;
